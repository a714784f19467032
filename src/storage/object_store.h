#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/request_context.h"
#include "storage/object.h"

namespace lakehouse::storage {

/// An object that is being written in pieces. Nobody sees it before `commit`, and nobody ever does
/// if the writer is destroyed first. Not thread-safe.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Status write(std::span<const std::byte> bytes) = 0;
  /// Makes the object durable and visible, whole. As `put_object` fails, so does this.
  virtual Result<ETag> commit(const RequestContext& context, const PutCondition& condition) = 0;
};

/// An object that is being read in pieces, as it was when it was opened. Not thread-safe.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  [[nodiscard]] virtual const ObjectInfo& info() const = 0;
  /// Fills at most `buffer`; 0 at the end.
  virtual Result<std::size_t> read(std::span<std::byte> buffer) = 0;
};

/// One bucket, or one folder that plays a bucket: immutable byte strings under flat keys.
/// The operations carry S3's names. How the backends differ: storage/README.md.
///
/// Keys are UTF-8, 1 to 1024 bytes, relative, without empty, "." or ".." segments and without
/// control characters: anything else is InvalidArgument. A write is durable and visible to every
/// reader when its call returns, and whole or not at all. Any operation may also fail with
/// Unavailable, PermissionDenied, Cancelled or DeadlineExceeded.
///
/// Thread-safe. Calls block, and may come from any thread except an event loop's.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// The object's bytes, or those in `range`. A range is cut at the object's end; one that starts
  /// past the end is OutOfRange. NotFound if there is no such object.
  virtual Result<Bytes> get_object(const RequestContext& context, std::string_view key,
                                   std::optional<ByteRange> range) = 0;
  /// The same in pieces.
  virtual Result<std::unique_ptr<ObjectReader>> open_object(const RequestContext& context,
                                                            std::string_view key,
                                                            std::optional<ByteRange> range) = 0;

  /// Size and version without the bytes. NotFound if there is no such object.
  virtual Result<ObjectInfo> head_object(const RequestContext& context, std::string_view key) = 0;

  /// Stores `bytes` and returns their version. AlreadyExists or Aborted if `condition` is
  /// IfAbsent or IfMatch and does not hold; the stored object is then untouched.
  virtual Result<ETag> put_object(const RequestContext& context, std::string_view key,
                                  std::span<const std::byte> bytes,
                                  const PutCondition& condition) = 0;
  /// The same in pieces.
  virtual Result<std::unique_ptr<ObjectWriter>> create_object(const RequestContext& context,
                                                              std::string_view key) = 0;

  /// Removes the object. Success, too, if there is none: a delete can be repeated.
  virtual Status delete_object(const RequestContext& context, std::string_view key) = 0;

  /// At most `limit` keys and common prefixes that start with `prefix` and sort after
  /// `start_after`. With a delimiter, keys that hold it after the prefix are rolled up.
  virtual Result<ObjectList> list_objects(const RequestContext& context, std::string_view prefix,
                                          std::string_view delimiter, std::string_view start_after,
                                          std::size_t limit) = 0;

  /// Moves a file of this machine, made durable first, to `key`: what an engine wrote becomes an
  /// object without a copy where it can. The source is gone afterwards.
  virtual Status adopt_file(const RequestContext& context, const std::string& path,
                            std::string_view key) = 0;

  /// Makes what programs need that write below `prefix` by themselves: its folders, in a store that
  /// has folders; nothing elsewhere.
  virtual Status make_folder(const RequestContext& context, std::string_view prefix) = 0;
  /// Removes the empty folders below `prefix`, and it too if it is empty then. Objects stay.
  virtual Status remove_empty_folders(const RequestContext& context, std::string_view prefix) = 0;

  /// The path of the object as a file of this machine, for a store that is one; else nothing.
  [[nodiscard]] virtual std::optional<std::string> local_path(std::string_view key) const = 0;
};

/// InvalidArgument unless `key` may name an object: what every store asks first.
Status check_key(std::string_view key);

}  // namespace lakehouse::storage
