#include "ingest/schema_service.h"

#include <string>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "ingest/column_match.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::ingest {
namespace {

using catalog::MigrationRule;
using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = MigrationRule::Kind;

/// One lake for all cases: each makes datasets of its own.
class SchemaServiceTest : public ::testing::Test {
 protected:
  struct Lake {
    query::testing::TestLake lake;
    std::unique_ptr<metastore::Metastore> metastore =
        metastore::open_sqlite((lake.folder() / "metastore.db").string()).value();
    catalog::SchemaRules rules{*metastore};
    IngestService ingest{lake.catalog(), lake.engine(), lake.buckets(), lake.writer(), &rules};
    SchemaService schemas{lake.catalog(), lake.engine(), lake.service(),
                          lake.writer(),  ingest,        rules};
  };
  static void SetUpTestSuite() { all_ = new Lake(); }
  static void TearDownTestSuite() {
    delete all_;
    all_ = nullptr;
  }

  Result<IngestResult> ingest(const std::string& content, const std::string& dataset,
                              const std::string& file_name) {
    LH_ASSIGN_OR_RETURN(const std::unique_ptr<Upload> upload, all_->ingest.stage({}));
    LH_RETURN_IF_ERROR(upload->write(content));
    LH_RETURN_IF_ERROR(upload->finish(file_name));
    IngestOptions options;
    options.dataset = dataset;
    options.file_name = file_name;
    return all_->ingest.ingest(context_, *upload, options);
  }
  Result<DiffAnswer> diff(const std::string& dataset, const std::string& sample,
                          const std::string& file_name) {
    DiffRequest request;
    request.dataset = dataset;
    request.sample = sample;
    request.file_name = file_name;
    return all_->schemas.diff(context_, request);
  }
  Result<MigrateAnswer> migrate(const std::string& dataset, std::vector<MigrationRule> rules,
                                const std::string& source = {}) {
    MigrateRequest request;
    request.dataset = dataset;
    request.rules = std::move(rules);
    request.source = source;
    return all_->schemas.migrate(context_, request);
  }
  static std::string text(const std::string& sql) { return all_->lake.text(sql); }

  const RequestContext context_ = engine::testing::patient_context();
  static Lake* all_;
};
SchemaServiceTest::Lake* SchemaServiceTest::all_ = nullptr;

std::string orders(const std::string& header, int first) {
  std::string text = header + "\n";
  for (int i = first; i < first + 30; ++i) {
    text += fmt::format("{},C-{:05},2024-01-{:02},{}.50\n", i, i % 17, i % 28 + 1, i * 3);
  }
  return text;
}

TEST_F(SchemaServiceTest, ARenameIsFoundAppliedAndRememberedForTheNextFile) {
  ASSERT_THAT(ingest(orders("id,cust_no,ord_dt,amt", 1), "renames.orders", "shop_1.csv"), IsOk());
  const std::string next = orders("id,Customer Number,Order Date,Amount", 20);
  const auto found = diff("renames.orders", next, "shop_2.csv");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->source, "shop");
  ASSERT_THAT(found->diff.renamed, SizeIs(3));
  EXPECT_THAT(found->diff.added, IsEmpty());
  EXPECT_THAT(found->sql,
              Contains("ALTER TABLE \"renames\".\"orders\" RENAME COLUMN \"cust_no\" TO "
                       "\"customer_number\""));
  const auto done = migrate("renames.orders", found->rules, "shop");
  ASSERT_THAT(done, IsOk());
  EXPECT_TRUE(done->changed);
  EXPECT_EQ(done->schema_fingerprint, found->other_fingerprint);
  // The new file fits, and so does one of the old kind that comes late; both are one shape.
  const auto second = ingest(next, "renames.orders", "shop_2.csv");
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->file_fingerprint, second->schema_fingerprint);
  ASSERT_THAT(ingest(orders("id,cust_no,ord_dt,amt", 50), "renames.orders", "shop_3.csv"), IsOk());
  EXPECT_EQ(text("SELECT count(*), count(customer_number), count(amount) FROM renames.orders"),
            "[[90,90,90]]");
  EXPECT_TRUE(
      diff("renames.orders", orders("id,cust_no,ord_dt,amt", 9), "shop_4.csv")->diff.empty());
  // Other sources are not meant.
  const auto other = ingest(orders("id,cust_no,ord_dt,amt", 80), "renames.orders", "erp.csv");
  ASSERT_THAT(other, IsOk());
  EXPECT_THAT(other->warnings, Contains(HasSubstr("two names")));
}

TEST_F(SchemaServiceTest, CastsDefaultsAndDropsHoldForTheNextFile) {
  ASSERT_THAT(
      ingest(R"([{"id":1,"n":10,"old":"a","region":"N"},{"id":2,"n":20,"old":"b","region":"S"}])",
             "rules.t", "feed_1.json"),
      IsOk());
  const std::string next = R"([{"id":3,"n":"30","old":"x"},{"id":4,"n":"40","old":"y"}])";
  const auto refused = ingest(next, "rules.t", "feed_2.json");
  ASSERT_TRUE(refused.has_value()) << "a JSON text is read as the number it is";
  const auto done = migrate("rules.t",
                            {{.kind = Kind::Cast, .column = "n", .type = "BIGINT"},
                             {.kind = Kind::Default, .column = "region", .value = "W"},
                             {.kind = Kind::Drop, .column = "old"}},
                            "feed");
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(done->remembered, SizeIs(3));
  ASSERT_THAT(ingest(R"([{"id":5,"n":50.0,"old":"z"}])", "rules.t", "feed_3.json"), IsOk());
  EXPECT_EQ(text("SELECT * FROM rules.t WHERE id > 4"), R"([[5,50,"W"]])");
}

TEST_F(SchemaServiceTest, WhatCannotBeAppliedChangesNothing) {
  ASSERT_THAT(ingest("id,name\n1,a\n", "bad.t", "bad.csv"), IsOk());
  const std::vector<MigrationRule> wrong = {
      {.kind = Kind::Rename, .column = "nam", .to = "x"},
      {.kind = Kind::Rename, .column = "name"},
      {.kind = Kind::Rename, .column = "name", .to = "id"},
      {.kind = Kind::Widen, .column = "id", .type = "VARCHAR"},
      {.kind = Kind::Default, .column = "id", .value = "one"},
      {.kind = Kind::Add, .column = "name", .type = "BIGINT"},
      {.kind = Kind::Add, .column = "x", .type = "NO SUCH TYPE"},
      {.kind = Kind::Cast, .column = "id", .type = "DATE"},
  };
  for (const MigrationRule& rule : wrong) {
    SCOPED_TRACE(rule.column + " " + rule.to + rule.type);
    EXPECT_THAT(migrate("bad.t", {{.kind = Kind::Drop, .column = "elsewhere"}, rule}),
                FailsWith(ErrorCode::InvalidArgument));
  }
  EXPECT_THAT(migrate("bad.none", wrong), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(all_->schemas.rules(context_, "bad.t").value(), IsEmpty());
  EXPECT_EQ(text("SELECT * FROM bad.t"), R"([[1,"a"]])");
}

TEST_F(SchemaServiceTest, ASnapshotDiffersByFieldIds) {
  ASSERT_THAT(ingest("id,start_date\n1,2024-01-01\n", "history.t", "h.csv"), IsOk());
  const auto first =
      all_->lake.catalog().load_table(context_, {.name_space = {"history"}, .name = "t"});
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(
      migrate("history.t", {{.kind = Kind::Rename, .column = "start_date", .to = "end_date"},
                            {.kind = Kind::Add, .column = "n", .type = "BIGINT"}}),
      IsOk());
  DiffRequest request;
  request.dataset = "history.t";
  request.snapshot_id = first->metadata->current_snapshot_id;
  const auto found = all_->schemas.diff(context_, request);
  ASSERT_THAT(found, IsOk());
  ASSERT_THAT(found->diff.renamed, SizeIs(1));
  EXPECT_EQ(found->diff.renamed[0].confidence, 1);
  EXPECT_THAT(found->diff.added, ::testing::ElementsAre("n"));
  request.snapshot_id = 17;
  EXPECT_THAT(all_->schemas.diff(context_, request), FailsWith(ErrorCode::NotFound));
  request.snapshot_id.reset();
  EXPECT_THAT(all_->schemas.diff(context_, request), FailsWith(ErrorCode::InvalidArgument));
}

TEST(SourceOfFile, IsWhatStaysFromOneFileToTheNext) {
  EXPECT_EQ(source_of_file("exports/CRM_contacts_2024-01-31.csv.gz"), "crm_contacts");
  EXPECT_EQ(source_of_file("C:\\data\\orders-17.csv"), "orders");
  EXPECT_EQ(source_of_file("2024.csv"), "");
  EXPECT_EQ(source_of_file(""), "");
}

}  // namespace
}  // namespace lakehouse::ingest
