#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "metastore/detail/connection.h"
#include "metastore/detail/write_queue.h"
#include "metastore/metastore.h"

namespace lakehouse::metastore::detail {

/// A metastore over connections of one kind: one that writes, by way of a WriteQueue, and beside it
/// a bounded number of those that read.
class PooledMetastore : public Metastore {
 public:
  explicit PooledMetastore(Opener open) : writes_(open), open_(std::move(open)) {}

  Status write(const RequestContext& context,
               const std::function<Status(Transaction&)>& work) override {
    return writes_.write(context, work);
  }
  Status read(const RequestContext& context,
              const std::function<Status(Transaction&)>& work) override;

 private:
  class Reader;

  /// An idle one, or a new one; waits while there are as many as may be.
  Result<std::unique_ptr<Connection>> take(const RequestContext& context);
  void give(std::unique_ptr<Connection> reader);

  WriteQueue writes_;
  const Opener open_;

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::size_t readers_ = 0;
};

}  // namespace lakehouse::metastore::detail
