#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "governance/table_policy.h"

namespace lakehouse::query::testing {

/// A policy that is a row filter.
inline governance::TablePolicy rows_where(std::string filter) {
  governance::TablePolicy policy;
  policy.row_filter = std::move(filter);
  return policy;
}

/// Policies as a test sets them: by principal and table.
class FixedPolicies final : public governance::TablePolicies {
 public:
  /// From now on, for `principal` ("*" for everybody without one of their own) and "ns.table".
  void set(const std::string& principal, const std::string& table, governance::TablePolicy policy) {
    const std::lock_guard lock(mutex_);
    policy.version = std::to_string(++versions_);
    policies_[{principal, table}] = std::move(policy);
  }
  /// Nobody sees anything of it.
  void deny(const std::string& table) {
    const std::lock_guard lock(mutex_);
    denied_.insert(table);
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    policies_.clear();
    denied_.clear();
  }

  Result<governance::TablePolicy> policy_for(const RequestContext& context,
                                             const governance::PolicyTable& table) override {
    const std::lock_guard lock(mutex_);
    if (denied_.contains(table.name)) {
      return fail(ErrorCode::PermissionDenied, "you may not read " + table.name);
    }
    for (const std::string& principal : {context.principal, std::string("*")}) {
      const auto found = policies_.find({principal, table.name});
      if (found != policies_.end()) {
        return found->second;
      }
    }
    return governance::TablePolicy{};
  }

 private:
  std::mutex mutex_;
  int versions_ = 0;
  std::map<std::pair<std::string, std::string>, governance::TablePolicy> policies_;
  std::set<std::string> denied_;
};

}  // namespace lakehouse::query::testing
