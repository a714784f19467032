#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "dice.h"
#include "governance/table_policy.h"

namespace lakehouse::query::fuzz {

/// What one principal may see, by the tables' names; those not named here in full.
using PolicySet = std::map<std::string, governance::TablePolicy>;

/// Random ones. `number` makes the principal's name, "p<number>", and the versions.
PolicySet random_policies(Dice& dice, std::size_t number);

/// Plain SQL that reads what the policy leaves of a table: from `full`, the name of the whole one.
std::string masked_select(const std::string& table, const std::string& full,
                          const governance::TablePolicy& policy);

/// For error reports.
std::string to_text(const PolicySet& policies);

/// By principal. Thread-safe. One `with_a_hole` forgets a part of each policy: a fuzzer that does
/// not find that finds nothing.
class FuzzPolicies final : public governance::TablePolicies {
 public:
  explicit FuzzPolicies(bool with_a_hole = false) : with_a_hole_(with_a_hole) {}

  void set(const std::string& principal, PolicySet policies);
  Result<governance::TablePolicy> policy_for(const RequestContext& context,
                                             const governance::PolicyTable& table) override;

 private:
  bool with_a_hole_;
  std::mutex mutex_;
  std::map<std::string, PolicySet> by_principal_;
};

}  // namespace lakehouse::query::fuzz
