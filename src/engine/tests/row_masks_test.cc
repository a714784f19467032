#include <cstdint>
#include <span>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/roaring.h"
#include "base/testing/matchers.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::engine {
namespace {

std::string mask_of(std::initializer_list<std::uint64_t> rows) {
  RoaringSet set;
  for (const std::uint64_t row : rows) {
    set.add(row);
  }
  const std::string bytes = set.serialize();
  return to_hex(std::as_bytes(std::span(bytes)));
}

class RowMasks : public ::testing::Test {
 protected:
  std::string ask(const std::string& sql, const boost::json::array& bitmaps) {
    Statement statement;
    statement.text = sql;
    statement.variables.push_back({"lh_0_1", boost::json::object{{"row_mask", bitmaps}}});
    const auto rows = engine_.pool().query_rows(testing::patient_context(), std::move(statement));
    return rows ? to_json(rows->rows.at(0)) : rows.error().message;
  }

 private:
  testing::TestEngine engine_;
};

TEST_F(RowMasks, SayWhichRowsOfWhichFilesAreDeleted) {
  const boost::json::array bitmaps{mask_of({0, 3, 2047, 2048, 70'000}), "",
                                   mask_of({5, std::uint64_t{1} << 40U})};
  EXPECT_EQ(
      ask("SELECT string_agg(f || ':' || r, ' ' ORDER BY f, r) FROM (SELECT f, unnest([r, r + "
          "1099511627776]) AS r FROM range(4) a(f), range(100000) b(r)) "
          "WHERE lh_row_is_deleted('lh_0_1', f::UBIGINT, r)",
          bitmaps),
      R"(["0:0 0:3 0:2047 0:2048 0:70000 2:5 2:1099511627776"])");
  EXPECT_EQ(ask("SELECT lh_row_is_deleted('lh_0_1', NULL, 1), lh_row_is_deleted('lh_0_1', 0, -1)",
                bitmaps),
            "[null,false]");
}

TEST_F(RowMasks, AreKnownToTheirStatementOnly) {
  EXPECT_EQ(ask("SELECT lh_row_is_deleted('lh_0_1', 0, 1)", {mask_of({1})}), "[true]");
  EXPECT_THAT(ask("SELECT lh_row_is_deleted('lh_0_2', 0, 1)", {mask_of({1})}),
              ::testing::HasSubstr("no row mask"));
  EXPECT_THAT(ask("SELECT lh_row_is_deleted(i::VARCHAR, 0, 1) FROM range(3) t(i)", {mask_of({1})}),
              ::testing::HasSubstr("constant"));
  EXPECT_THAT(ask("SELECT 1", {"00ff"}), ::testing::HasSubstr("bitmap"));
  EXPECT_THAT(ask("SELECT 1", {"zz"}), ::testing::HasSubstr("hexadecimal"));
}

}  // namespace
}  // namespace lakehouse::engine
