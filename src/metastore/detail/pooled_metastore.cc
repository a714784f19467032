#include "metastore/detail/pooled_metastore.h"

#include <chrono>
#include <utility>

namespace lakehouse::metastore::detail {
namespace {

constexpr std::size_t kReadersMax = 8;
constexpr std::chrono::milliseconds kWaitStep{20};  // How soon a waiter notices that it is stopped.

}  // namespace

/// A connection while somebody reads: goes back to the pool without a transaction, however the
/// reading ends.
class PooledMetastore::Reader {
 public:
  Reader(PooledMetastore& pool, std::unique_ptr<Connection> connection,
         const RequestContext& context)
      : pool_(pool), connection_(std::move(connection)) {
    connection_->obey(context);
  }
  ~Reader() {
    connection_->release();
    if (begun_) {
      connection_->rollback();
    }
    pool_.give(std::move(connection_));
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Status begin() {
    Status begun = connection_->begin(Mode::Read);
    begun_ = begun.has_value();
    return begun;
  }
  [[nodiscard]] Connection& connection() const { return *connection_; }

 private:
  PooledMetastore& pool_;
  std::unique_ptr<Connection> connection_;
  bool begun_ = false;
};

Status PooledMetastore::read(const RequestContext& context,
                             const std::function<Status(Transaction&)>& work) {
  // Idle connections may have died since they were last used: as many as there can be.
  for (std::size_t tries = 0;; ++tries) {
    LH_ASSIGN_OR_RETURN(auto taken, take(context));
    Reader reader(*this, std::move(taken), context);
    if (Status begun = reader.begin(); !begun) {
      if (reader.connection().usable() || tries >= kReadersMax) {
        return begun;
      }
      continue;
    }
    WorkTransaction transaction(reader.connection());
    return work(transaction);
  }
}

Result<std::unique_ptr<Connection>> PooledMetastore::take(const RequestContext& context) {
  {
    std::unique_lock lock(mutex_);
    while (idle_.empty() && readers_ >= kReadersMax) {
      LH_RETURN_IF_ERROR(context.check());
      returned_.wait_for(lock, kWaitStep);
    }
    LH_RETURN_IF_ERROR(context.check());
    if (!idle_.empty()) {
      auto reader = std::move(idle_.back());
      idle_.pop_back();
      return reader;
    }
    ++readers_;
  }
  auto opened = open_(Mode::Read);
  if (!opened) {
    give(nullptr);
  }
  return opened;
}

void PooledMetastore::give(std::unique_ptr<Connection> reader) {
  {
    const std::scoped_lock lock(mutex_);
    if (reader != nullptr && reader->usable()) {
      idle_.push_back(std::move(reader));
    } else {
      --readers_;
    }
  }
  returned_.notify_one();
}

}  // namespace lakehouse::metastore::detail
