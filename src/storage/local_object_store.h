#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "storage/object_store.h"

namespace lakehouse::storage {

/// A folder of this machine as a bucket: an object is the file of the same name.
///
/// A write goes to a hidden folder first, is made durable and then renamed into place, so a reader
/// sees an object whole or not at all, whatever crashes. Symbolic links below the root are not
/// followed: what is behind one does not exist here. Beyond ObjectStore's contract: no segment of
/// a key is longer than 255 bytes or the first one ".lakehouse" (InvalidArgument), and a key cannot
/// be an object and a folder at once (FailedPrecondition).
///
/// Thread-safe; several processes may share the folder.
class LocalObjectStore final : public ObjectStore {
 public:
  /// Makes the folder if it is missing, and sweeps what crashed writers left in it.
  static Result<std::unique_ptr<LocalObjectStore>> open(const std::string& root);
  ~LocalObjectStore() override;
  LocalObjectStore(const LocalObjectStore&) = delete;
  LocalObjectStore& operator=(const LocalObjectStore&) = delete;

  Result<Bytes> get_object(const RequestContext& context, std::string_view key,
                           std::optional<ByteRange> range) override;
  Result<std::unique_ptr<ObjectReader>> open_object(const RequestContext& context,
                                                    std::string_view key,
                                                    std::optional<ByteRange> range) override;
  Result<ObjectInfo> head_object(const RequestContext& context, std::string_view key) override;
  Result<ETag> put_object(const RequestContext& context, std::string_view key,
                          std::span<const std::byte> bytes, const PutCondition& condition) override;
  Result<std::unique_ptr<ObjectWriter>> create_object(const RequestContext& context,
                                                      std::string_view key) override;
  Status delete_object(const RequestContext& context, std::string_view key) override;
  Result<ObjectList> list_objects(const RequestContext& context, std::string_view prefix,
                                  std::string_view delimiter, std::string_view start_after,
                                  std::size_t limit) override;
  Status adopt_file(const RequestContext& context, const std::string& path,
                    std::string_view key) override;
  Status make_folder(const RequestContext& context, std::string_view prefix) override;
  Status remove_empty_folders(const RequestContext& context, std::string_view prefix) override;
  [[nodiscard]] std::optional<std::string> local_path(std::string_view key) const override;

 private:
  class Writer;
  class Reader;

  explicit LocalObjectStore(std::string root) : root_path_(std::move(root)) {}

  Status make_scratch();
  void sweep_scratch();
  Result<UniqueFd> open_to_read(std::string_view key) const;
  /// The folder `path`, made with its parents where missing, and durable with all of them.
  Result<UniqueFd> durable_folder(std::string_view path);
  Status place(const RequestContext& context, const std::string& scratch_name, std::string_view key,
               const PutCondition& condition);
  Result<UniqueFd> lock_key(const RequestContext& context, std::string_view key,
                            bool exclusive) const;
  Status set_version_time(int fd);

  std::string root_path_;
  UniqueFd root_;
  UniqueFd locks_;
  UniqueFd scratch_;  // This process's own folder for unfinished writes; locked while it lives.
  std::string scratch_name_;
  std::atomic<std::int64_t> last_version_ns_ = 0;

  std::mutex folders_mutex_;  // Guards durable_folders_.
  std::set<std::string, std::less<>>
      durable_folders_;  // Known to survive a crash, from the root on.
};

}  // namespace lakehouse::storage
