#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/json.h"
#include "base/testing/matchers.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::engine {
namespace {

using ::testing::HasSubstr;

class FileLists : public ::testing::Test {
 protected:
  std::string path(std::string_view name) { return (engine_.folder() / name).string(); }

  std::string ask(const std::string& sql, const std::vector<std::string>& paths) {
    boost::json::string text;
    for (const std::string& one : paths) {
      text.append(one).push_back('\0');
    }
    Statement statement;
    statement.text = sql;
    statement.variables.push_back({"lh_0_0", boost::json::object{{"files", text}}});
    const auto rows = engine_.pool().query_rows(testing::patient_context(), std::move(statement));
    return rows ? to_json(boost::json::array(rows->rows.begin(), rows->rows.end()))
                : rows.error().message;
  }
  std::vector<std::string> files(int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) {
      out.push_back(path(fmt::format("f{} [*]?.parquet", i)));
      ask(fmt::format("COPY (SELECT {} AS f, i FROM range(10) t(i)) TO '{}'", i, out.back()), {});
    }
    return out;
  }

 private:
  testing::TestEngine engine_;
};

TEST_F(FileLists, AreReadInTheirOrder) {
  std::vector<std::string> all = files(3);
  std::swap(all[0], all[2]);
  EXPECT_EQ(ask("SELECT file_index, f, count(*), min(file_row_number), max(i) "
                "FROM lh_parquet('lh_0_0', hive_partitioning = false) GROUP BY ALL ORDER BY ALL",
                all),
            "[[0,2,10,0,9],[1,1,10,0,9],[2,0,10,0,9]]");
  EXPECT_EQ(ask("SELECT count(*) FROM lh_parquet('lh_0_0')", all), "[[30]]");
  EXPECT_EQ(ask("SELECT count(*) FROM lh_parquet('lh_0_0')", all), "[[30]]");
  EXPECT_EQ(
      ask("SELECT DISTINCT f FROM lh_parquet('lh_0_0', filename = 'n') WHERE n LIKE '%f1 %'", all),
      "[[1]]");
  EXPECT_EQ(
      ask("WITH a AS (FROM lh_parquet('lh_0_0')) SELECT count(*) FROM a JOIN a b USING (f, i) "
          "WHERE a.f IN (SELECT max(f) FROM lh_parquet('lh_0_0'))",
          all),
      "[[10]]");
}

TEST_F(FileLists, AreKnownToTheirStatementOnly) {
  const std::vector<std::string> one = files(1);
  EXPECT_EQ(ask("SELECT count(*) FROM lh_parquet('lh_0_0')", one), "[[10]]");
  EXPECT_THAT(ask("FROM lh_parquet('lh_0_1')", one), HasSubstr("no list of files"));
  EXPECT_THAT(ask(fmt::format("FROM lh_parquet('{}')", one[0]), one),
              HasSubstr("no list of files"));
  EXPECT_THAT(ask(fmt::format("FROM lh_parquet(['{}'])", one[0]), one), HasSubstr("lh_parquet"));
  EXPECT_NE(ask("SELECT count(*) FROM lh_parquet('lh_0_0')", {}), "[[10]]");
}

TEST_F(FileLists, HoldNoFilesThatTheEngineMayNotRead) {
  const std::string outside = std::filesystem::temp_directory_path() / "lh-outside.parquet";
  std::ofstream(outside) << "PAR1";
  EXPECT_THAT(ask("FROM lh_parquet('lh_0_0')", {outside}), HasSubstr("disabled by configuration"));
  EXPECT_THAT(ask("FROM lh_parquet('lh_0_0')", {path("../lh-outside.parquet")}),
              HasSubstr("disabled by configuration"));
  std::filesystem::remove(outside);
  EXPECT_THAT(ask("FROM lh_parquet('lh_0_0')", {path("nothing.parquet")}), HasSubstr("nothing"));
}

}  // namespace
}  // namespace lakehouse::engine
