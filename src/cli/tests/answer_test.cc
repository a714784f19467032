#include "cli/answer.h"

#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "cli/table.h"

namespace lakehouse::cli {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

constexpr std::string_view kDocument = R"j({"columns": [{"name": "id", "type": "HUGEINT"},
  {"name": "who", "type": "VARCHAR"}, {"name": "x", "type": "STRUCT(a INTEGER[])"}], "rows": [
  [170141183460469231731687303715884105727, "Zo\u00eb \"Z\"", {"a": [1, null], "b": {"c": "d"}}],
  [-0.50, null, [true, "x"]]], "row_count": 2, "truncated": true, "query_id": "q",
  "elapsed_ms": 12.5, "snapshot_ids": {"main.t": 1}, "cached": false, "engine": "local"})j";

Result<Answer> read(std::string_view text, std::size_t piece) {
  AnswerReader reader;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    if (!reader.write(text.substr(at, piece))) {
      break;
    }
  }
  return reader.finish();
}

TEST(AnswerReader, ReadsTheSameInPiecesOfAnySize) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{10000}}) {
    SCOPED_TRACE(piece);
    const Result<Answer> answer = read(kDocument, piece);
    ASSERT_THAT(answer, IsOk());
    ASSERT_EQ(answer->columns.size(), 3U);
    EXPECT_EQ(answer->columns[0], (AnswerColumn{.name = "id", .type = "HUGEINT"}));
    ASSERT_EQ(answer->rows.size(), 2U);
    EXPECT_EQ(answer->rows[0][0].text, "170141183460469231731687303715884105727");
    EXPECT_EQ(answer->rows[0][0].kind, Cell::Kind::Number);
    EXPECT_EQ(answer->rows[0][1].text, "Zoë \"Z\"");
    EXPECT_EQ(answer->rows[0][2].text, R"({"a": [1, null], "b": {"c": "d"}})");
    EXPECT_EQ(answer->rows[1][0].text, "-0.50");
    EXPECT_EQ(answer->rows[1][1].kind, Cell::Kind::Null);
    EXPECT_EQ(answer->rows[1][2].text, R"([true, "x"])");
    EXPECT_TRUE(answer->truncated);
    EXPECT_DOUBLE_EQ(answer->elapsed_ms, 12.5);
  }
}

TEST(AnswerReader, SaysWhenItIsNoAnswer) {
  for (const std::string_view text : {"", "<html>", "{\"rows\": [", "{} {}"}) {
    SCOPED_TRACE(text);
    EXPECT_THAT(read(text, 3), FailsWith(ErrorCode::DataLoss));
  }
}

Answer people() {
  Answer answer;
  answer.columns = {{.name = "name", .type = "VARCHAR"}, {.name = "pay", .type = "DOUBLE"}};
  answer.rows = {
      {{.kind = Cell::Kind::Text, .text = "Ann"}, {.kind = Cell::Kind::Number, .text = "12.5"}},
      {{.kind = Cell::Kind::Text, .text = "日本"}, {.kind = Cell::Kind::Null, .text = ""}}};
  return answer;
}

TEST(Table, AlignsNumbersRightAndWideCharactersRightly) {
  EXPECT_EQ(render_table(people(), 0),
            " name |  pay\n"
            "------+------\n"
            " Ann  | 12.5\n"
            " 日本 | NULL\n");
}

TEST(Table, IsCutToTheTerminal) {
  Answer answer = people();
  answer.rows[0][0].text = std::string(300, 'x');
  const std::string text = render_table(answer, 30);
  EXPECT_THAT(text, ::testing::HasSubstr("xxx… | 12.5\n"));
  for (int column = 0; column < 20; ++column) {
    answer.columns.push_back({.name = "column_" + std::to_string(column), .type = "VARCHAR"});
    for (auto& row : answer.rows) {
      row.push_back({.kind = Cell::Kind::Text, .text = "value"});
    }
  }
  EXPECT_THAT(render_table(answer, 60), ::testing::HasSubstr("of 22 columns do not fit here"));
}

TEST(Table, ShowsEachValueOnItsLine) {
  EXPECT_EQ(render_lines(people()),
            "-- row 1 --\nname = Ann\n pay = 12.5\n-- row 2 --\nname = 日本\n pay = NULL\n");
}

TEST(Table, SummarySaysWhatWasCut) {
  Answer answer = people();
  answer.elapsed_ms = 12;
  EXPECT_EQ(render_summary(answer, true), "(2 rows, 12 ms)\n");
  answer.truncated = true;
  EXPECT_EQ(render_summary(answer, false),
            "(2 rows, and there are more: --limit N shows N of them)\n");
}

}  // namespace
}  // namespace lakehouse::cli
