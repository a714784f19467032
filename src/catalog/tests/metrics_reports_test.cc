#include "catalog/tests/catalog_fixture.h"

namespace lakehouse::catalog {
namespace {

using ::testing::ElementsAre;

class MetricsReportsTest : public CatalogFixture {
 protected:
  Status report(const TableIdentifier& table, std::int64_t snapshot,
                const std::string& kind = "scan-report") {
    return catalog_->report_metrics(context_, table,
                                    {.id = {},
                                     .kind = kind,
                                     .snapshot_id = snapshot,
                                     .principal = {},
                                     .received_at_ms = 0,
                                     .body = R"({"a":1})"});
  }
  std::vector<std::int64_t> snapshots(const TableIdentifier& table, const std::string& kind = {},
                                      const PageRequest& page = {}) {
    std::vector<std::int64_t> found;
    const auto listed = catalog_->list_metrics(context_, table, kind, page);
    EXPECT_THAT(listed, IsOk());
    for (const MetricsReport& each : listed.value().items) {
      found.push_back(each.snapshot_id.value_or(-1));
    }
    return found;
  }
};

TEST_F(MetricsReportsTest, TheNewestComeFirstByPages) {
  make(id("t"));
  make(id("other"));
  context_.principal = "alice";
  for (std::int64_t n = 1; n <= 5; ++n) {
    ASSERT_THAT(report(id("t"), n, n % 2 == 0 ? "commit-report" : "scan-report"), IsOk());
  }
  ASSERT_THAT(report(id("other"), 9), IsOk());
  EXPECT_THAT(snapshots(id("t")), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(snapshots(id("t"), "commit-report"), ElementsAre(4, 2));
  const auto first = catalog_->list_metrics(context_, id("t"), "", {.page_token = {}, .limit = 3});
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->items.front().principal, "alice");
  EXPECT_EQ(first->items.front().body, R"({"a":1})");
  EXPECT_THAT(snapshots(id("t"), "", {.page_token = first->next_page_token, .limit = 3}),
              ElementsAre(2, 1));
  EXPECT_THAT(catalog_->list_metrics(context_, id("t"), "", {.page_token = "?", .limit = 3}),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(MetricsReportsTest, TheyAreBounded) {
  make(id("t"));
  for (std::int64_t n = 1; n <= 210; ++n) {
    ASSERT_THAT(report(id("t"), n), IsOk());
  }
  const auto kept = snapshots(id("t"));
  ASSERT_EQ(kept.size(), 200U);
  EXPECT_EQ(kept.front(), 210);
  EXPECT_EQ(kept.back(), 11);
  MetricsReport long_one;
  long_one.body = std::string(70'000, ' ');
  EXPECT_THAT(catalog_->report_metrics(context_, id("t"), long_one),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(report(id("nothing"), 1), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(catalog_->list_metrics(context_, id("nothing"), "", {}),
              FailsWith(ErrorCode::NotFound));
}

}  // namespace
}  // namespace lakehouse::catalog
