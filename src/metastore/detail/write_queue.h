#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "metastore/detail/connection.h"

namespace lakehouse::metastore::detail {

/// Group commit. Writers queue up; the first one runs its own work and that of those behind it in
/// one transaction, each in a savepoint of its own, and one COMMIT makes all of it durable. While
/// it waits for the disk, the next group gathers. So there is one writer at a time, each sees what
/// the ones before it have done, and nobody is answered before that is on disk.
///
/// Thread-safe.
class WriteQueue {
 public:
  using Work = std::function<Status(Transaction&)>;

  /// `open` is asked for a connection when there is none, or none of use any more.
  explicit WriteQueue(Opener open) : open_(std::move(open)) {}

  /// As Metastore::write. The work runs on this thread or on another writer's, which both wait.
  Status write(const RequestContext& context, const Work& work);

 private:
  struct Request;
  using Batch = std::vector<Request*>;

  void run(Batch batch);
  bool attempt(Batch* batch, Error* problem);
  Status begin(const RequestContext& context);
  TransactionState run_one(Request& request, bool in_savepoint);
  static bool give_up_late_ones(Batch* batch);

  const Opener open_;

  std::mutex mutex_;  // Guards the queue and whether somebody leads.
  std::deque<Request*> queue_;
  bool has_leader_ = false;

  std::unique_ptr<Connection> connection_;  // The leader's.
};

}  // namespace lakehouse::metastore::detail
