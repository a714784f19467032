#include "query/dataset_profile.h"

#include <optional>
#include <string>

#include <gmock/gmock.h>

#include "base/json.h"
#include "base/testing/matchers.h"
#include "query/testing/fixed_policies.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class DatasetProfileTest : public ::testing::Test {
 protected:
  DatasetProfileTest() {
    EXPECT_EQ(lake_.text("CREATE TABLE staff AS SELECT i AS id, 'team' || i % 3 AS team, "
                         "i * 1000 AS level, 'word' || i AS badge, {'a': i, 'b': 'inner' || i} AS "
                         "nested FROM range(30) r(i)"),
              "[[30]]");
  }
  static QueryService::Options options(testing::FixedPolicies& policies) {
    QueryService::Options out;
    out.planner.policies = &policies;
    return out;
  }
  static RequestContext as(const std::string& principal) {
    RequestContext context = engine::testing::patient_context();
    context.principal = principal;
    return context;
  }
  Result<boost::json::object> profile(const std::string& principal) {
    return profiler_.profile(as(principal), "staff", std::nullopt);
  }
  std::string text(const std::string& principal) {
    const auto found = profile(principal);
    return found ? to_json(*found) : std::string(to_string(found.error().code));
  }
  /// How many profiles are kept.
  std::size_t kept() {
    std::size_t rows = 0;
    EXPECT_THAT(lake_.metastore().read(as("test"),
                                       [&](metastore::Transaction& transaction) -> Status {
                                         LH_ASSIGN_OR_RETURN(
                                             const auto found,
                                             transaction.query("SELECT 1 FROM dataset_profiles"));
                                         rows = found.size();
                                         return {};
                                       }),
                IsOk());
    return rows;
  }

  testing::FixedPolicies policies_;
  testing::TestLake lake_{options(policies_)};
  catalog::Registry registry_{lake_.catalog(), lake_.metastore()};
  PiiScanner pii_{lake_.catalog(), registry_, lake_.metastore(), lake_.engine(), lake_.service()};
  DatasetProfiler profiler_{lake_.catalog(), lake_.metastore(), pii_, lake_.service()};
};

TEST_F(DatasetProfileTest, EverybodyGetsTheProfileOfWhatTheySee) {
  governance::TablePolicy policy = testing::rows_where("id < 10");
  policy.masks.push_back({.column = "level", .kind = governance::ColumnMask::Kind::Hash});
  policy.masks.push_back({.column = "nested", .kind = governance::ColumnMask::Kind::Null});
  policy.hidden_columns = {"badge"};
  policies_.set("alice", "main.staff", policy);
  const auto all = profile("root");
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(all->at("rows"), 30);
  EXPECT_THAT(to_json(*all), AllOf(HasSubstr("word9"), HasSubstr("29000"), HasSubstr("inner9")));
  // What is kept for others is not shown, whoever asked first.
  for (int i = 0; i < 2; ++i) {
    const auto part = profile("alice");
    ASSERT_THAT(part, IsOk());
    EXPECT_EQ(part->at("rows"), 10);
    // A hash may hold any digits.
    EXPECT_THAT(to_json(*part),
                AllOf(Not(HasSubstr("badge")), Not(HasSubstr("word")),
                      Not(ContainsRegex("[^0-9a-f]9000[^0-9a-f]")), Not(HasSubstr("inner"))));
    EXPECT_EQ(text("root"), to_json(*all));
  }
  EXPECT_EQ(kept(), 2U);
  // Another policy, another profile.
  policies_.set("alice", "main.staff", testing::rows_where("id < 5"));
  EXPECT_EQ(profile("alice")->at("rows"), 5);
  policies_.deny("main.staff");
  EXPECT_EQ(text("alice"), "PERMISSION_DENIED");
  policies_.clear();
  EXPECT_EQ(text("alice"), to_json(*all));
}

TEST_F(DatasetProfileTest, APolicyThatReadsTellsWhoeverItIsAbout) {
  ASSERT_EQ(lake_.text("CREATE TABLE members AS SELECT * FROM (VALUES ('ann', 'team0'), "
                       "('bob', 'team1')) m(who, team)"),
            "[[2]]");
  policies_.set("*", "main.staff",
                testing::rows_where("team IN (SELECT m.team FROM main.members m WHERE m.who = "
                                    "current_user)"));
  const auto sees = [this](const std::string& principal, const std::string& team) {
    const auto found = profile(principal);
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(found->at("rows"), 10) << principal;
    EXPECT_THAT(to_json(*found), HasSubstr("\"" + team + "\"")) << principal;
  };
  sees("ann", "team0");
  sees("bob", "team1");
  sees("ann", "team0");
  // The dataset's snapshot is the same: what the policy reads is another.
  ASSERT_EQ(lake_.text("UPDATE members SET team = 'team2' WHERE who = 'ann'"), "[[1]]");
  sees("ann", "team2");
}

TEST_F(DatasetProfileTest, WhoSeesAPartSaysNothingAboutTheWhole) {
  policies_.set("alice", "main.staff", testing::rows_where("id < 10"));
  EXPECT_THAT(pii_.scan(as("alice"), "staff", std::nullopt),
              FailsWith(ErrorCode::PermissionDenied));
  // Nobody has looked for personal data yet, and she may not: nothing is kept.
  EXPECT_EQ(profile("alice")->at("rows"), 10);
  EXPECT_EQ(kept(), 0U);
  EXPECT_FALSE(pii_.show(as("root"), "staff")->scan.has_value());
  ASSERT_THAT(pii_.scan(as("root"), "staff", std::nullopt), IsOk());
  EXPECT_EQ(profile("alice")->at("rows"), 10);
  EXPECT_EQ(kept(), 1U);
}

}  // namespace
}  // namespace lakehouse::query
