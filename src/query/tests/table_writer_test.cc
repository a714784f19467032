#include "query/table_writer.h"

#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "iceberg/literal.h"
#include "iceberg/scan.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using catalog::TableIdentifier;
using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TableIdentifier id(std::string name) {
  return {.name_space = {"main"}, .name = std::move(name)};
}

AppendRequest request(const std::string& table, std::string select,
                      WriteMode mode = WriteMode::Append) {
  AppendRequest out;
  out.table = id(table);
  out.source.text = std::move(select);
  out.mode = mode;
  return out;
}

/// One lake for all cases: each makes tables of its own.
class TableWriterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { lake_ = new testing::TestLake(); }
  static void TearDownTestSuite() {
    delete lake_;
    lake_ = nullptr;
  }
  static testing::TestLake& lake() { return *lake_; }

  RequestContext context_ = engine::testing::patient_context();

  Result<Appended> append(AppendRequest what) {
    return lake().writer().append(context_, std::move(what));
  }
  Result<catalog::LoadedTable> create(const std::string& name, TableDefinition definition) {
    return lake().writer().create_table(context_, id(name), definition, IfExists::Fail);
  }
  std::vector<std::shared_ptr<const iceberg::DataFile>> files(const catalog::LoadedTable& table) {
    iceberg::ManifestCache cache;
    const auto plan = plan_scan(context_, lake().buckets(), cache, *table.metadata,
                                table.metadata->current_snapshot()->snapshot_id);
    EXPECT_THAT(plan, IsOk());
    std::vector<std::shared_ptr<const iceberg::DataFile>> out;
    for (const iceberg::ScanTask& task : plan->tasks) {
      out.push_back(task.file);
    }
    return out;
  }
  static std::size_t files_on_disk(const std::filesystem::path& below) {
    std::size_t count = 0;
    if (std::filesystem::exists(below)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(below)) {
        count += entry.is_regular_file() ? 1U : 0U;
      }
    }
    return count;
  }
  static std::filesystem::path data_of(const catalog::LoadedTable& table) {
    return lake()
        .buckets()
        .resolve(table.metadata->location)
        ->store->local_path(lake().buckets().resolve(table.metadata->location)->key + "/data")
        .value();
  }

 private:
  static testing::TestLake* lake_;
};
testing::TestLake* TableWriterTest::lake_ = nullptr;

TEST_F(TableWriterTest, AFileIsDescribedByTheStatisticsOfItsColumns) {
  const auto made =
      append(request("stats",
                     "SELECT i::INTEGER AS i, 'name ' || i AS s, CASE WHEN i % 2 = 0 THEN i / 4.0 "
                     "END::DOUBLE AS d, "
                     "(i / 10.0)::DECIMAL(9,2) AS m, DATE '2024-01-01' + i::INTEGER AS day, "
                     "TIMESTAMP '1969-12-31 23:59:59' + to_seconds(i) AS at, i % 2 = 0 AS flag, "
                     "{'x': i, 'y': [i]} AS nested, 'a\\x00b'::BLOB AS raw FROM range(10) r(i)",
                     WriteMode::Create));
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->rows, 10);
  const auto all = files(made->table);
  ASSERT_THAT(all, SizeIs(1));
  const iceberg::DataFile& file = *all.front();
  const iceberg::Schema& schema = *made->table.metadata->current_schema();
  const auto bound = [&](const char* column, bool lower) {
    const iceberg::NestedField* field = schema.find(column);
    const std::string* bytes = (lower ? file.lower_bounds : file.upper_bounds).find(field->id);
    return bytes == nullptr ? std::string("none")
                            : literal_to_text(*literal_from_bytes(*field->type, *bytes));
  };
  EXPECT_EQ(file.record_count, 10);
  EXPECT_EQ(bound("i", true), "0");
  EXPECT_EQ(bound("i", false), "9");
  EXPECT_EQ(bound("s", true), "name 0");
  EXPECT_EQ(bound("s", false), "name 9");
  EXPECT_EQ(bound("d", true), "-0.0");
  EXPECT_EQ(bound("d", false), "2.0");
  EXPECT_EQ(bound("m", false), "0.90");
  EXPECT_EQ(bound("day", false), "2024-01-10");
  EXPECT_EQ(bound("at", true), "1969-12-31 23:59:59");
  EXPECT_EQ(bound("flag", true), "false");
  EXPECT_EQ(bound("flag", false), "true");
  EXPECT_EQ(bound("raw", true), "a\\x00b");
  EXPECT_EQ(*file.null_value_counts.find(schema.find("d")->id), 5);
  EXPECT_EQ(*file.nan_value_counts.find(schema.find("d")->id), 0);
  const auto& nested = schema.find("nested")->type->fields;
  EXPECT_NE(file.lower_bounds.find(nested[0].id), nullptr);
  EXPECT_EQ(file.lower_bounds.find(nested[1].type->fields[0].id), nullptr) << "in a list";
}

TEST_F(TableWriterTest, ColumnsAreMatchedCastAndFilledUp) {
  ASSERT_THAT(create("matched", {.columns = {{.name = "id", .type = "BIGINT", .required = true},
                                             {.name = "pay", .type = "DECIMAL(10,2)"},
                                             {.name = "Name", .type = "VARCHAR"}}}),
              IsOk());
  AppendRequest some = request("matched", "SELECT 5.129 AS x, '1' AS y");
  some.columns = {"PAY", "id"};
  ASSERT_THAT(append(some), IsOk());
  EXPECT_EQ(lake().text("SELECT id, pay::VARCHAR, name FROM matched"), R"([[1,"5.13",null]])");
  some.columns = {"pay", "nme"};
  const auto unknown = append(some);
  ASSERT_THAT(unknown, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(unknown.error().hint, HasSubstr("Name"));
  some.columns = {"pay", "pay"};
  EXPECT_THAT(append(some), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(append(request("matched", "SELECT 1")), FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(TableWriterTest, ARequiredColumnTakesNoNull) {
  ASSERT_THAT(create("strict", {.columns = {{.name = "id", .type = "BIGINT", .required = true},
                                            {.name = "tags", .type = "VARCHAR[]", .required = true},
                                            {.name = "s", .type = "VARCHAR"}}}),
              IsOk());
  const auto table = lake().catalog().load_table(context_, id("strict"));
  for (const char* select :
       {"SELECT CASE WHEN i = 7 THEN NULL ELSE i END, ['a'], 's' FROM range(20) r(i)",
        "SELECT i, CASE WHEN i = 7 THEN NULL ELSE ['a'] END, 's' FROM range(20) r(i)"}) {
    SCOPED_TRACE(select);
    const auto refused = append(request("strict", select));
    ASSERT_THAT(refused, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(refused.error().message, HasSubstr("required"));
  }
  AppendRequest missing = request("strict", "SELECT 's'");
  missing.columns = {"s"};
  EXPECT_THAT(append(missing), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(files_on_disk(data_of(*table)), 0U);
  EXPECT_EQ(lake().text("SELECT count(*) FROM strict"), "[[0]]");
}

TEST_F(TableWriterTest, PartitionsHaveTheirValues) {
  TableDefinition definition{
      .columns = {{.name = "at", .type = "TIMESTAMP"},
                  {.name = "tz", .type = "TIMESTAMP WITH TIME ZONE"},
                  {.name = "region", .type = "VARCHAR"},
                  {.name = "n", .type = "INTEGER"},
                  {.name = "m", .type = "DECIMAL(9,2)"}},
      .partition_by = {{.column = "at", .transform = "month"},
                       {.column = "tz", .transform = "hour"},
                       {.column = "region", .transform = "identity"},
                       {.column = "n", .transform = "bucket[4]"},
                       {.column = "m", .transform = "truncate[50]"},
                       {.column = "region", .transform = "truncate[2]", .name = "short"}}};
  ASSERT_THAT(create("parted", definition), IsOk());
  const auto done = append(request("parted",
                                   "SELECT * FROM (VALUES (TIMESTAMP '1969-12-31 10:00:00', "
                                   "TIMESTAMPTZ '1969-12-31 23:30:00+00', "
                                   "'a/b=c é', 34, -0.01), (TIMESTAMP '2024-02-29 10:00:00', "
                                   "TIMESTAMPTZ '2024-01-01 00:30:00+00', "
                                   "NULL, NULL, 10.65), (TIMESTAMP '2024-02-01 10:00:00', "
                                   "TIMESTAMPTZ '2024-01-01 00:59:00+00', NULL, "
                                   "NULL, 10.99), (NULL, NULL, '', 34, NULL))"));
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->rows, 4);
  std::vector<std::string> paths;
  for (const auto& file : files(done->table)) {
    paths.push_back(partition_path(*done->table.metadata->default_spec(), file->partition));
  }
  EXPECT_THAT(paths,
              ::testing::UnorderedElementsAre(
                  HasSubstr("at_month=1969-12/tz_hour=1969-12-31-23/region=a%2Fb%3Dc%20%C3%A9/"
                            "n_bucket=3/m_trunc=-0.50/short=a%2F"),
                  HasSubstr("at_month=2024-02/tz_hour=2024-01-01-00/region=null/n_bucket=null/"
                            "m_trunc=10.50"),
                  HasSubstr("at_month=null")));
  EXPECT_EQ(lake().text("SELECT count(*), count(region), sum(n) FROM parted"), "[[4,2,68]]");
  EXPECT_EQ(lake().text("SELECT m::VARCHAR FROM parted WHERE \"at\" >= TIMESTAMP '2024-02-15'"),
            R"([["10.65"]])");
}

TEST_F(TableWriterTest, NoRowsMakeNoSnapshotButATable) {
  const auto made = append(request("empty", "SELECT 1 AS a WHERE false", WriteMode::Create));
  ASSERT_THAT(made, IsOk());
  EXPECT_FALSE(made->snapshot_id);
  EXPECT_EQ(lake().text("SELECT count(*) FROM empty"), "[[0]]");
  const auto more = append(request("empty", "SELECT 1 WHERE false"));
  ASSERT_THAT(more, IsOk());
  EXPECT_EQ(more->table.metadata_location, made->table.metadata_location);
}

TEST_F(TableWriterTest, ReplacingIsOneCommitAndKeepsThePast) {
  const auto made = append(request("swap", "SELECT 1 AS a", WriteMode::Create));
  ASSERT_THAT(made, IsOk());
  ASSERT_THAT(append(request("swap", "SELECT 2 UNION ALL SELECT 3", WriteMode::Replace)), IsOk());
  EXPECT_EQ(lake().text("SELECT a FROM swap ORDER BY a"), "[[2],[3]]");
  EXPECT_EQ(
      lake().text("SELECT a FROM swap AT (VERSION => " + std::to_string(*made->snapshot_id) + ")"),
      "[[1]]");
  ASSERT_THAT(append(request("swap", "SELECT 'x' AS b, 1 AS c", WriteMode::CreateOrReplace)),
              IsOk());
  EXPECT_EQ(lake().text("FROM swap"), R"([["x",1]])");
  EXPECT_THAT(append(request("swap", "SELECT 1 AS a", WriteMode::Create)),
              FailsWith(ErrorCode::AlreadyExists));
  ASSERT_THAT(append(request("swapnew", "SELECT 1 AS a", WriteMode::CreateOrReplace)), IsOk());
  const auto emptied = lake().writer().create_table(
      context_, id("swap"), {.columns = {{.name = "z", .type = "DATE"}}}, IfExists::Replace);
  ASSERT_THAT(emptied, IsOk());
  EXPECT_EQ(lake().text("SELECT count(*) FROM swap"), "[[0]]");
}

TEST_F(TableWriterTest, AFailureLeavesNothingBehind) {
  const auto made = append(request("clean", "SELECT 1 AS a", WriteMode::Create));
  ASSERT_THAT(made, IsOk());
  const std::size_t before = files_on_disk(lake().folder() / "buckets" / "primary" / "main");
  AppendRequest failing = request("clean", "SELECT 2");
  failing.also = [](metastore::Transaction&, const std::vector<catalog::LoadedTable>&) -> Status {
    return fail(ErrorCode::FailedPrecondition, "no");
  };
  EXPECT_THAT(append(failing), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(append(request("clean", "SELECT error('boom')::INTEGER")), ::testing::Not(IsOk()));
  AppendRequest stopped = request("clean", "SELECT 2");
  stopped.before_commit = [](std::int64_t rows) -> Status {
    return fail(ErrorCode::Cancelled, std::to_string(rows));
  };
  EXPECT_THAT(append(stopped), FailsWith(ErrorCode::Cancelled));
  AppendRequest unmade = request("never", "SELECT 2 AS a", WriteMode::Create);
  unmade.also = failing.also;
  EXPECT_THAT(append(unmade), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_EQ(files_on_disk(lake().folder() / "buckets" / "primary" / "main"), before);
  EXPECT_EQ(lake().text("FROM clean"), "[[1]]");
  EXPECT_EQ(files_on_disk(lake().folder() / "buckets" / "primary" / "_staging"), 0U);
}

TEST_F(TableWriterTest, WritersAtTheSameTimeAllLand) {
  ASSERT_THAT(append(request("busy", "SELECT -1 AS a", WriteMode::Create)), IsOk());
  std::vector<std::jthread> threads;
  std::atomic<int> failed = 0;
  for (int writer = 0; writer < 4; ++writer) {
    threads.emplace_back([this, writer, &failed] {
      for (int i = 0; i < 5; ++i) {
        const auto done = append(request("busy", "SELECT " + std::to_string(writer * 100 + i)));
        failed += done ? 0 : 1;
      }
    });
  }
  // A schema change in between makes some of them write their rows anew.
  EXPECT_THAT(lake().writer().alter_table(
                  context_, id("busy"),
                  {AddColumn{.parent = {}, .column = {.name = "b", .type = "VARCHAR"}}}),
              IsOk());
  threads.clear();
  EXPECT_EQ(lake().text("SELECT count(DISTINCT a) = 21 - " + std::to_string(failed.load()) +
                        " FROM busy"),
            "[[true]]");
}

TEST_F(TableWriterTest, ColumnsAreAddedDroppedRenamedAndWidened) {
  ASSERT_THAT(append(request("altered", "SELECT 1::INTEGER AS a, {'x': 1::INTEGER} AS s, 'q' AS z",
                             WriteMode::Create)),
              IsOk());
  const auto alter = [&](std::vector<AlterAction> actions) {
    return lake().writer().alter_table(context_, id("altered"), actions);
  };
  ASSERT_THAT(alter({AddColumn{.parent = {"s"}, .column = {.name = "y", .type = "DATE"}},
                     ChangeColumnType{.path = {"A"}, .type = "BIGINT"},
                     RenameColumn{.path = {"z"}, .new_name = "zz"},
                     SetColumnDoc{.path = {"s", "x"}, .doc = "an x"}}),
              IsOk());
  EXPECT_EQ(lake().text("SELECT a, s.x, s.y, zz FROM altered"), R"([[1,1,null,"q"]])");
  EXPECT_THAT(alter({ChangeColumnType{.path = {"a"}, .type = "INTEGER"}}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(alter({RenameColumn{.path = {"zz"}, .new_name = "A"}}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(alter({AddColumn{.parent = {},
                               .column = {.name = "r", .type = "INTEGER", .required = true}}}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(alter({DropColumn{.path = {"nope"}}}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(alter({DropColumn{.path = {"nope"}, .if_exists = true}}), IsOk());
  EXPECT_THAT(alter({SetNotNull{.path = {"a"}}}), IsOk());
  EXPECT_THAT(append(request("altered", "SELECT NULL, NULL, NULL")),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(alter({DropNotNull{.path = {"a"}}, DropColumn{.path = {"s"}}}), IsOk());
  ASSERT_THAT(append(request("altered", "SELECT NULL, NULL")), IsOk());
  EXPECT_THAT(alter({SetNotNull{.path = {"a"}}}), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(alter({SetPartitioning{.partition_by = {{.column = "a", .transform = "bucket[2]"}}}}),
              IsOk());
  EXPECT_THAT(alter({DropColumn{.path = {"a"}}}), FailsWith(ErrorCode::FailedPrecondition));
  ASSERT_THAT(append(request("altered", "SELECT 5, 'five'")), IsOk());
  EXPECT_EQ(lake().text("SELECT count(*) FROM altered WHERE a = 5"), "[[1]]");
}

TEST_F(TableWriterTest, BadDefinitionsAreRefused) {
  const std::vector<TableDefinition> bad = {
      {},
      {.columns = {{.name = "", .type = "INTEGER"}}},
      {.columns = {{.name = "a", .type = "NONSENSE"}}},
      {.columns = {{.name = "a", .type = "INTEGER"}, {.name = "A", .type = "INTEGER"}}},
      {.columns = {{.name = "a", .type = "INTEGER"}},
       .partition_by = {{.column = "b", .transform = "day"}}},
      {.columns = {{.name = "a", .type = "INTEGER"}},
       .partition_by = {{.column = "a", .transform = "day"}}},
      {.columns = {{.name = "a", .type = "DATE"}},
       .partition_by = {{.column = "a", .transform = "weekly"}}},
      {.columns = {{.name = "a", .type = "DATE"}},
       .partition_by = {{.column = "a", .transform = "bucket[0]"}}},
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_THAT(create("bad", bad[i]), FailsWith(ErrorCode::InvalidArgument));
  }
}

}  // namespace
}  // namespace lakehouse::query
