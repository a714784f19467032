#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "storage/object_store.h"

namespace lakehouse::storage::testing {

/// What a FaultyObjectStore does to its operations; shared with the test that steers it.
struct FaultPlan {
  /// Whether a failing operation fails before it is done, or is done and its answer lost.
  enum class Kind : std::uint8_t { NotDone, AnswerLost };

  std::atomic<int> operations = 0;  ///< How many there were since `fail_at` was set.
  std::atomic<int> fail_at = 0;     ///< The operation that fails, counted from 1; 0: none.
  std::atomic<Kind> kind = Kind::NotDone;

  void arm(int n, Kind how) {
    operations = 0;
    kind = how;
    fail_at = n;
  }
  void disarm() { fail_at = 0; }
  /// True once the operation that was to fail has come.
  [[nodiscard]] bool fired() const { return fail_at > 0 && operations >= fail_at; }
};

/// An ObjectStore that passes everything on to another, and fails where its plan says. What it
/// fails with is Unavailable, as a store that is down.
class FaultyObjectStore final : public ObjectStore {
 public:
  FaultyObjectStore(std::unique_ptr<ObjectStore> store, std::shared_ptr<FaultPlan> plan)
      : store_(std::move(store)), plan_(std::move(plan)) {}

  Result<Bytes> get_object(const RequestContext& context, std::string_view key,
                           std::optional<ByteRange> range) override {
    return run([&] { return store_->get_object(context, key, range); });
  }
  Result<std::unique_ptr<ObjectReader>> open_object(const RequestContext& context,
                                                    std::string_view key,
                                                    std::optional<ByteRange> range) override {
    return run([&] { return store_->open_object(context, key, range); });
  }
  Result<ObjectInfo> head_object(const RequestContext& context, std::string_view key) override {
    return run([&] { return store_->head_object(context, key); });
  }
  Result<ETag> put_object(const RequestContext& context, std::string_view key,
                          std::span<const std::byte> bytes,
                          const PutCondition& condition) override {
    return run([&] { return store_->put_object(context, key, bytes, condition); });
  }
  Result<std::unique_ptr<ObjectWriter>> create_object(const RequestContext& context,
                                                      std::string_view key) override {
    return run([&] { return store_->create_object(context, key); });
  }
  Status delete_object(const RequestContext& context, std::string_view key) override {
    return run([&] { return store_->delete_object(context, key); });
  }
  Result<ObjectList> list_objects(const RequestContext& context, std::string_view prefix,
                                  std::string_view delimiter, std::string_view start_after,
                                  std::size_t limit) override {
    return run(
        [&] { return store_->list_objects(context, prefix, delimiter, start_after, limit); });
  }
  Status adopt_file(const RequestContext& context, const std::string& path,
                    std::string_view key) override {
    return run([&] { return store_->adopt_file(context, path, key); });
  }
  Status make_folder(const RequestContext& context, std::string_view prefix) override {
    return run([&] { return store_->make_folder(context, prefix); });
  }
  Status remove_empty_folders(const RequestContext& context, std::string_view prefix) override {
    return run([&] { return store_->remove_empty_folders(context, prefix); });
  }
  [[nodiscard]] std::optional<std::string> local_path(std::string_view key) const override {
    return store_->local_path(key);
  }

 private:
  template <class Operation>
  auto run(const Operation& operation) -> decltype(operation()) {
    const int n = ++plan_->operations;
    const bool fails = n == plan_->fail_at;
    if (fails && plan_->kind == FaultPlan::Kind::NotDone) {
      return fail(ErrorCode::Unavailable, "the store is down (a test's fault)");
    }
    auto answer = operation();
    if (fails) {
      return fail(ErrorCode::Unavailable, "the store's answer was lost (a test's fault)");
    }
    return answer;
  }

  std::unique_ptr<ObjectStore> store_;
  std::shared_ptr<FaultPlan> plan_;
};

}  // namespace lakehouse::storage::testing
