#include "query/plan_cache.h"

#include <iterator>
#include <span>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/hash.h"

namespace lakehouse::query {
namespace {

/// Of names, snapshots and the parsed statement that a plan shares.
constexpr std::size_t kOverheadBytes = 4096;

}  // namespace

std::optional<StatementPlan> KeptPlan::for_run() const {
  StatementPlan out = plan;
  for (const std::weak_ptr<const void>& one : held) {
    std::shared_ptr<const void> alive = one.lock();
    if (alive == nullptr) {
      return std::nullopt;
    }
    out.held.push_back(std::move(alive));
  }
  return out;
}

std::shared_ptr<const KeptPlan> make_kept_plan(StatementPlan plan, PlanBasis basis,
                                               std::uint64_t hot_epoch) {
  auto kept = std::make_shared<KeptPlan>();
  kept->held.assign(plan.held.begin(), plan.held.end());
  kept->plan = std::move(plan);
  kept->plan.held.clear();
  if (basis.is_whole) {
    kept->plan.statement.parameters = nullptr;  // Each request brings its own.
  }
  kept->plan.statement.monitor.reset();
  kept->basis = std::move(basis);
  kept->hot_epoch = hot_epoch;
  Sha256 sum;
  const auto add = [&](std::string_view text) {
    sum.update(std::as_bytes(std::span(text)));
    sum.update(std::as_bytes(std::span("\0", 1)));  // No two texts run into each other.
    kept->size_bytes += text.size();
  };
  add(kept->plan.statement.text);
  for (const engine::Variable& variable : kept->plan.statement.variables) {
    add(variable.name);
    add(boost::json::serialize(variable.value));
  }
  for (const auto& [dataset, snapshot] : kept->plan.snapshot_ids) {
    add(fmt::format("{}@{}", dataset, snapshot));
  }
  for (const auto& [dataset, version] : kept->plan.policy_versions) {
    add(fmt::format("{}#{}", dataset, version));
  }
  kept->digest = to_hex(sum.finish());
  // As JSON values the variables take about three times what their text does.
  kept->size_bytes = kOverheadBytes + 3 * kept->size_bytes;
  return kept;
}

std::shared_ptr<const KeptPlan> PlanCache::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    return nullptr;
  }
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->second;
}

void PlanCache::put(std::string key, std::shared_ptr<const KeptPlan> plan) {
  std::list<Entry> dropped;  // Freed outside of the lock.
  const std::lock_guard lock(mutex_);
  if (plan->size_bytes > bytes_max_ / 4) {
    return;
  }
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    bytes_ -= found->second->second->size_bytes;
    dropped.splice(dropped.begin(), recent_, found->second);
    by_key_.erase(found);
  }
  bytes_ += plan->size_bytes;
  recent_.emplace_front(std::move(key), std::move(plan));
  by_key_.emplace(recent_.front().first, recent_.begin());
  while (bytes_ > bytes_max_) {
    const auto last = std::prev(recent_.end());
    bytes_ -= last->second->size_bytes;
    by_key_.erase(last->first);
    dropped.splice(dropped.begin(), recent_, last);
  }
}

}  // namespace lakehouse::query
