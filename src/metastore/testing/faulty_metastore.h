#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "metastore/metastore.h"

namespace lakehouse::metastore::testing {

/// What a FaultyMetastore does to a write.
enum class WriteFault : std::uint8_t {
  None,
  NotBegun,    ///< Unavailable, and the work was not even called.
  RolledBack,  ///< Unavailable, after the work was done and undone.
  UnknownOld,  ///< CommitStateUnknown, and it did not land.
  UnknownNew,  ///< CommitStateUnknown, and it did.
};

/// A Metastore that passes everything on to another, and fails one write as it is told to: as
/// connections and disks fail around a COMMIT. Thread-safe.
class FaultyMetastore final : public Metastore {
 public:
  explicit FaultyMetastore(Metastore& metastore) : metastore_(metastore) {}

  /// The `nth` write from now on, counted from 1, fails so.
  void arm(WriteFault fault, int nth = 1) {
    fault_ = fault;
    left_ = nth;
  }
  /// True if it has failed.
  [[nodiscard]] bool fired() const { return left_ <= 0; }

  Status write(const RequestContext& context,
               const std::function<Status(Transaction&)>& work) override {
    const WriteFault fault = --left_ == 0 ? fault_.load() : WriteFault::None;
    switch (fault) {
      case WriteFault::None: return metastore_.write(context, work);
      case WriteFault::NotBegun: return fail(ErrorCode::Unavailable, "a test's fault: not begun");
      case WriteFault::RolledBack: return undone(context, work, ErrorCode::Unavailable);
      case WriteFault::UnknownOld: return undone(context, work, ErrorCode::CommitStateUnknown);
      case WriteFault::UnknownNew: {
        const Status done = metastore_.write(context, work);
        return done ? fail(ErrorCode::CommitStateUnknown, "a test's fault: the answer was lost")
                    : done;
      }
    }
    std::unreachable();
  }

  Status read(const RequestContext& context,
              const std::function<Status(Transaction&)>& work) override {
    return metastore_.read(context, work);
  }

 private:
  Status undone(const RequestContext& context, const std::function<Status(Transaction&)>& work,
                ErrorCode code) {
    return metastore_.write(context, [&](Transaction& transaction) -> Status {
      LH_RETURN_IF_ERROR(work(transaction));
      return fail(code, "a test's fault: rolled back");
    });
  }

  Metastore& metastore_;
  std::atomic<WriteFault> fault_ = WriteFault::None;
  std::atomic<int> left_ = 0;
};

}  // namespace lakehouse::metastore::testing
