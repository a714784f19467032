#include "catalog/pii_findings.h"

#include "catalog/tests/catalog_fixture.h"

namespace lakehouse::catalog {
namespace {

PiiFinding finding(std::int32_t field_id, PiiKind kind, double confidence) {
  return {.column = {},
          .field_id = field_id,
          .kind = kind,
          .confidence = confidence,
          .reason = "because",
          .sample_size = 5,
          .inside_texts = false};
}

class PiiFindingsTest : public CatalogFixture {
 protected:
  std::vector<std::pair<std::int32_t, double>> kept() {
    std::vector<std::pair<std::int32_t, double>> out;
    for (const PiiFinding& one : findings_.load(context_, "u").value().findings) {
      out.emplace_back(one.field_id, one.confidence);
    }
    return out;
  }
  PiiFindings findings_{*metastore_};
  Profiles profiles_{*metastore_};
};

TEST_F(PiiFindingsTest, SomeRowsAddAndTheSurerFindingStays) {
  EXPECT_FALSE(findings_.load(context_, "u")->scan.has_value());
  const PiiScan scan{
      .snapshot_id = 7, .at_ms = 1, .sampled_rows = 5, .table_rows = 9, .on_demand = false};
  ASSERT_THAT(findings_.record(context_, "u", scan, {finding(1, PiiKind::Email, 0.9)}, false),
              IsOk());
  ASSERT_THAT(
      findings_.record(context_, "u", scan,
                       {finding(1, PiiKind::Email, 0.6), finding(2, PiiKind::Ssn, 0.7)}, false),
      IsOk());
  EXPECT_EQ(kept(), (std::vector<std::pair<std::int32_t, double>>{{1, 0.9}, {2, 0.7}}));
  EXPECT_EQ(findings_.load(context_, "u")->scan, scan);
  EXPECT_TRUE(findings_.load(context_, "other")->findings.empty());
}

TEST_F(PiiFindingsTest, AScanOfTheWholeReplaces) {
  ASSERT_THAT(findings_.record(context_, "u", {}, {finding(1, PiiKind::Email, 0.9)}, false),
              IsOk());
  ASSERT_THAT(findings_.record(context_, "u", {}, {finding(3, PiiKind::Card, 0.8)}, true), IsOk());
  EXPECT_EQ(kept(), (std::vector<std::pair<std::int32_t, double>>{{3, 0.8}}));
}

TEST_F(PiiFindingsTest, ProfilesAreKeptByVariantAndTheLatestOnly) {
  for (std::int64_t snapshot = 1; snapshot <= 30; ++snapshot) {
    ASSERT_THAT(profiles_.put(context_, "u", snapshot, "v", snapshot, "{}"), IsOk());
  }
  EXPECT_FALSE(profiles_.find(context_, "u", 1, "v")->has_value());
  EXPECT_EQ(profiles_.find(context_, "u", 30, "v").value(), "{}");
  EXPECT_FALSE(profiles_.find(context_, "u", 30, "w")->has_value());
  ASSERT_THAT(profiles_.put(context_, "u", 30, "w", 31, "[]"), IsOk());
  EXPECT_EQ(profiles_.find(context_, "u", 30, "w").value(), "[]");
  EXPECT_EQ(profiles_.find(context_, "u", 30, "v").value(), "{}");
}

TEST_F(PiiFindingsTest, APurgeForgets) {
  const LoadedTable table = make(id("t"));
  const std::string uuid = table.metadata->table_uuid;
  ASSERT_THAT(findings_.record(context_, uuid, {}, {finding(1, PiiKind::Email, 0.9)}, true),
              IsOk());
  ASSERT_THAT(profiles_.put(context_, uuid, 1, "v", 1, "{}"), IsOk());
  ASSERT_THAT(catalog_->drop_table(context_, id("t"), true), IsOk());
  EXPECT_FALSE(findings_.load(context_, uuid)->scan.has_value());
  EXPECT_FALSE(profiles_.find(context_, uuid, 1, "v")->has_value());
}

}  // namespace
}  // namespace lakehouse::catalog
