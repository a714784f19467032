#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/roaring.h"
#include "base/testing/matchers.h"
#include "engine/raw_rows.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::engine {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using testing::patient_context;
using ::testing::StartsWith;
using testing::TestEngine;

class Encodings : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = std::make_unique<TestEngine>(); }
  static void TearDownTestSuite() { engine_.reset(); }

  static std::string run(std::string sql, Encoding encoding) {
    const RequestContext context = patient_context();
    Statement statement;
    statement.text = std::move(sql);
    statement.encoding = encoding;
    const auto stream = engine_->pool().execute(context, statement);
    EXPECT_THAT(stream, IsOk());
    std::string all;
    while (stream) {
      const auto bytes = (*stream)->next(context);
      EXPECT_THAT(bytes, IsOk());
      if (!bytes || !*bytes) {
        break;
      }
      all += **bytes;
    }
    return all;
  }

  static std::unique_ptr<TestEngine> engine_;
};

std::unique_ptr<TestEngine> Encodings::engine_;

struct Cell {
  std::string sql;
  std::string json;
  std::string csv;
};

const std::vector<Cell>& cells() {
  static const std::vector<Cell> kCells{
      {"NULL", "null", "\"\""},  // A NULL alone in its line would be no line.
      {"true", "true", "true"},
      {"(-128)::TINYINT", "-128", "-128"},
      {"255::UTINYINT", "255", "255"},
      {"(-32768)::SMALLINT", "-32768", "-32768"},
      {"65535::USMALLINT", "65535", "65535"},
      {"4294967295::UINTEGER", "4294967295", "4294967295"},
      {"(-9223372036854775808)::BIGINT", "-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615::UBIGINT", "18446744073709551615", "18446744073709551615"},
      {"(-170141183460469231731687303715884105727)::HUGEINT",
       "-170141183460469231731687303715884105727", "-170141183460469231731687303715884105727"},
      {"10000000000000000000000::HUGEINT", "10000000000000000000000", "10000000000000000000000"},
      {"340282366920938463463374607431768211455::UHUGEINT",
       "340282366920938463463374607431768211455", "340282366920938463463374607431768211455"},
      {"123456789012345678901234567890::BIGNUM", "123456789012345678901234567890",
       "123456789012345678901234567890"},
      {"(-1000000000)::BIGNUM", "-1000000000", "-1000000000"},
      {"0::BIGNUM", "0", "0"},
      {"1.5::DOUBLE", "1.5", "1.5"},
      {"100::DOUBLE", "100.0", "100.0"},
      {"1e300::DOUBLE", "1e+300", "1e+300"},
      {"0.1::FLOAT", "0.1", "0.1"},
      {"'nan'::DOUBLE", "\"NaN\"", "NaN"},
      {"'-inf'::FLOAT", "\"-Infinity\"", "-Infinity"},
      {"(-0.05)::DECIMAL(4,2)", "-0.05", "-0.05"},
      {"123.456::DECIMAL(9,3)", "123.456", "123.456"},
      {"7::DECIMAL(18,0)", "7", "7"},
      {"(-99999999999999999999999999999999999.999)::DECIMAL(38,3)",
       "-99999999999999999999999999999999999.999", "-99999999999999999999999999999999999.999"},
      {"'plain'", "\"plain\"", "plain"},
      {"''", "\"\"", "\"\""},
      {"'a \"quoted\", line' || chr(10) || chr(9) || chr(1) || '\\' || 'é😀 and so on'",
       "\"a \\\"quoted\\\", line\\n\\t\\u0001\\\\é😀 and so on\"",
       "\"a \"\"quoted\"\", line\n\t\x01\\é😀 and so on\""},
      {"'\\xAB\\x00\\x01z'::BLOB", "\"qwABeg==\"", "qwABeg=="},
      {"''::BLOB", "\"\"", "\"\""},
      {"DATE '2024-02-29'", "\"2024-02-29\"", "2024-02-29"},
      {"DATE '1969-12-31'", "\"1969-12-31\"", "1969-12-31"},
      {"DATE '0044-03-15 (BC)'", "\"0044-03-15 (BC)\"", "0044-03-15 (BC)"},
      {"DATE '-infinity'", "\"-infinity\"", "-infinity"},
      {"TIME '01:02:03.5'", "\"01:02:03.5\"", "01:02:03.5"},
      {"TIME '24:00:00'", "\"24:00:00\"", "24:00:00"},
      {"'01:02:03.000000001'::TIME_NS", "\"01:02:03.000000001\"", "01:02:03.000000001"},
      {"'01:02:03+05:30'::TIMETZ", "\"01:02:03+05:30\"", "01:02:03+05:30"},
      {"'01:02:03-08'::TIMETZ", "\"01:02:03-08:00\"", "01:02:03-08:00"},
      {"TIMESTAMP '1960-01-01 00:00:00.000001'", "\"1960-01-01T00:00:00.000001\"",
       "1960-01-01 00:00:00.000001"},
      {"'2024-01-02 03:04:05'::TIMESTAMP_S", "\"2024-01-02T03:04:05\"", "2024-01-02 03:04:05"},
      {"'2024-01-02 03:04:05.678'::TIMESTAMP_MS", "\"2024-01-02T03:04:05.678\"",
       "2024-01-02 03:04:05.678"},
      {"'2024-01-02 03:04:05.678901234'::TIMESTAMP_NS", "\"2024-01-02T03:04:05.678901234\"",
       "2024-01-02 03:04:05.678901234"},
      {"TIMESTAMPTZ '2024-01-02 03:04:05+02'", "\"2024-01-02T01:04:05+00:00\"",
       "2024-01-02 01:04:05+00:00"},
      {"TIMESTAMP 'infinity'", "\"infinity\"", "infinity"},
      {"INTERVAL '14 months 3 days 04:05:06.7'", "\"1 year 2 months 3 days 04:05:06.7\"",
       "1 year 2 months 3 days 04:05:06.7"},
      {"INTERVAL '-1 hours'", "\"-01:00:00\"", "-01:00:00"},
      {"INTERVAL '0 days'", "\"00:00:00\"", "00:00:00"},
      {"'4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'::UUID", "\"4ac7a9e9-607c-4c8a-84f3-843f0191e3fd\"",
       "4ac7a9e9-607c-4c8a-84f3-843f0191e3fd"},
      {"'0101'::BIT", "\"0101\"", "0101"},
      {"'010101010'::BIT", "\"010101010\"", "010101010"},
      {"'b\"'::ENUM('a', 'b\"')", "\"b\\\"\"", "\"b\"\"\""},
      {"[1, NULL, 3]", "[1,null,3]", "\"[1,null,3]\""},
      {"[]::INT[]", "[]", "[]"},
      {"[['a'], []]", "[[\"a\"],[]]", "\"[[\"\"a\"\"],[]]\""},
      {"[1, 2]::INT[2]", "[1,2]", "\"[1,2]\""},
      {"{'a': 1, 'b \"c': [DATE '2024-01-01']}", "{\"a\":1,\"b \\\"c\":[\"2024-01-01\"]}",
       "\"{\"\"a\"\":1,\"\"b \\\"\"c\"\":[\"\"2024-01-01\"\"]}\""},
      {"MAP {'k': 1, 'l': NULL}", "{\"k\":1,\"l\":null}", "\"{\"\"k\"\":1,\"\"l\"\":null}\""},
      {"MAP {1: 'x'}", "{\"1\":\"x\"}", "\"{\"\"1\"\":\"\"x\"\"}\""},
      {"union_value(num := 2)", "{\"num\":2}", "\"{\"\"num\"\":2}\""},
      {"'{\"a\": 1}'::JSON", "\"{\\\"a\\\": 1}\"", "\"{\"\"a\"\": 1}\""},
  };
  return kCells;
}

TEST_F(Encodings, EveryTypeHasItsText) {
  for (const Cell& cell : cells()) {
    SCOPED_TRACE(cell.sql);
    EXPECT_EQ(run("SELECT " + cell.sql, Encoding::Json), "[" + cell.json + "]");
    EXPECT_EQ(run("SELECT " + cell.sql + " AS \"x\"\"y\"", Encoding::Ndjson),
              "{\"x\\\"y\":" + cell.json + "}\n");
    EXPECT_EQ(run("SELECT " + cell.sql + " AS x", Encoding::Csv), "x\r\n" + cell.csv + "\r\n");
  }
}

TEST_F(Encodings, NestedValuesHoldInEveryRow) {
  // Rows past one chunk, NULLs at each level, and lists of different lengths.
  const std::string sql =
      "SELECT CASE WHEN i % 3 > 0 THEN {'l': [x FOR x IN range(i % 5)], 'm': MAP {i: 'v' || i}} "
      "END "
      "FROM range(5000) t(i)";
  const auto rows = parse_json("[" + run(sql, Encoding::Json) + "]", "rows");
  ASSERT_THAT(rows, IsOk());
  ASSERT_EQ(rows->get_array().size(), 5000U);
  for (std::size_t i = 0; i < 5000; ++i) {
    const auto& cell = rows->get_array()[i].get_array()[0];
    if (i % 3 == 0) {
      ASSERT_TRUE(cell.is_null());
      continue;
    }
    ASSERT_EQ(cell.at("l").get_array().size(), i % 5);
    ASSERT_EQ(to_json(cell.at("m")), fmt::format(R"({{"{0}":"v{0}"}})", i));
  }
}

TEST_F(Encodings, CsvHeadersAreQuotedAndNullsAreNothing) {
  EXPECT_EQ(run("SELECT NULL AS \"a,b\", '' AS c, 1 AS d", Encoding::Csv),
            "\"a,b\",c,d\r\n,\"\",1\r\n");
}

TEST_F(Encodings, WhatDuckDbReadsBackIsTheSame) {
  const std::string sql =
      "SELECT i, i * 1.5 AS d, 'text, \"' || i AS s, DATE '2020-01-01' + i::INT AS day, "
      "TIMESTAMP '2020-01-01' + to_microseconds(i * 1234567) AS at FROM range(20000) t(i)";
  constexpr const char* kColumns =
      "{'i': 'BIGINT', 'd': 'DECIMAL(20,1)', 's': 'VARCHAR', 'day': 'DATE', 'at': 'TIMESTAMP'}";
  for (const auto& [encoding, reader] :
       {std::pair{Encoding::Csv, "read_csv"}, {Encoding::Ndjson, "read_json"}}) {
    SCOPED_TRACE(reader);
    const auto file = engine_->folder() / "back";
    std::ofstream(file, std::ios::binary) << run(sql, encoding);
    const std::string back =
        fmt::format("SELECT * FROM {}('{}', columns={})", reader, file.string(), kColumns);
    EXPECT_EQ(run(fmt::format("SELECT count(*) FROM ({} EXCEPT {})", sql, back), Encoding::Json),
              "[0]");
  }
}

TEST_F(Encodings, RawRowsAreReadBackAsTheyWere) {
  const RequestContext context = patient_context();
  Statement statement;
  statement.text =
      "SELECT i::BIGINT, CASE WHEN i % 3 > 0 THEN (i % 100)::TINYINT END, 'text ' || i, "
      "CASE WHEN i % 5 = 0 THEN NULL WHEN i % 5 = 1 THEN [] "
      "ELSE [i, NULL, 0.5]::FLOAT[] END, [i, 1]::FLOAT[2], i / 4, repeat('x', 3000) "
      "FROM range(5000) t(i)";
  statement.encoding = Encoding::Raw;
  const auto stream = engine_->pool().execute(context, statement);
  ASSERT_THAT(stream, IsOk());
  auto reader = RawReader::over(**stream);
  ASSERT_THAT(reader, IsOk());
  std::int64_t at = 0;
  while (true) {
    const auto batch = reader->next(context);
    ASSERT_THAT(batch, IsOk());
    if (!*batch) {
      break;
    }
    const std::vector<RawColumn>& columns = (*batch)->columns;
    for (std::size_t row = 0; row < (*batch)->rows; ++row, ++at) {
      ASSERT_EQ(columns[0].integer(row), at);
      ASSERT_EQ(columns[1].is_null(row), at % 3 == 0);
      ASSERT_EQ(columns[1].integer(row), at % 3 == 0 ? 0 : at % 100);
      ASSERT_EQ(columns[2].text(row), fmt::format("text {}", at));
      const auto floats = columns[3].floats(row);
      ASSERT_EQ(columns[3].is_null(row), at % 5 == 0);
      ASSERT_EQ(floats.size(), at % 5 < 2 ? 0U : 3U);
      if (!floats.empty()) {
        ASSERT_EQ(floats[0], static_cast<float>(at));
        ASSERT_TRUE(std::isnan(floats[1]));
        ASSERT_EQ(floats[2], 0.5F);
      }
      ASSERT_EQ(columns[4].floats(row)[0], static_cast<float>(at));
      ASSERT_EQ(columns[5].number(row), static_cast<double>(at) / 4);
      ASSERT_EQ(columns[6].text(row).size(), 3000U);
    }
  }
  EXPECT_EQ(at, 5000);
}

TEST_F(Encodings, TypesWithoutRawFormAreRefusedByName) {
  Statement statement;
  statement.text = "SELECT DATE '2024-01-31'";
  statement.encoding = Encoding::Raw;
  const auto stream = engine_->pool().execute(patient_context(), statement);
  EXPECT_THAT(stream, FailsWith(ErrorCode::Unimplemented));
}

TEST_F(Encodings, ArrowStreamsBeginAndEndAsSpecified) {
  const std::string empty = run("SELECT 1 AS a WHERE false", Encoding::ArrowStream);
  constexpr std::string_view kContinuation = "\xFF\xFF\xFF\xFF";
  constexpr std::string_view kEnd("\xFF\xFF\xFF\xFF\0\0\0\0", 8);
  EXPECT_THAT(empty, StartsWith(kContinuation));
  EXPECT_TRUE(empty.ends_with(kEnd));
  const std::string full =
      run("SELECT i, i::VARCHAR AS s, 'a'::ENUM('a', 'b') AS e, [i] AS l, {'x': i} AS t, MAP {i: "
          "'v'} AS "
          "m, i::DECIMAL(20,2) AS d, NULL AS n FROM range(300000) t(i)",
          Encoding::ArrowStream);
  EXPECT_THAT(full, StartsWith(kContinuation));
  EXPECT_TRUE(full.ends_with(kEnd));
  EXPECT_GT(full.size(), 300000U * 40U);
}

TEST_F(Encodings, BucketsAreIcebergs) {
  // Hashes from appendix B of Iceberg's specification.
  const std::vector<std::pair<std::string, std::uint32_t>> hashes{
      {"34::INTEGER", 2017239379U},
      {"34::BIGINT", 2017239379U},
      {"14.20::DECIMAL(9,2)", 0xFFFFFFFFU & static_cast<std::uint32_t>(-500754589)},
      {"DATE '2017-11-16'", static_cast<std::uint32_t>(-653330422)},
      {"TIME '22:31:08'", static_cast<std::uint32_t>(-662762989)},
      {"TIMESTAMP '2017-11-16 22:31:08'", static_cast<std::uint32_t>(-2047944441)},
      {"TIMESTAMPTZ '2017-11-16 14:31:08-08'", static_cast<std::uint32_t>(-2047944441)},
      {"'2017-11-16 22:31:08.000001001'::TIMESTAMP_NS", static_cast<std::uint32_t>(-1207196810)},
      {"'iceberg'", 1210000089U},
      {"'f79c3e09-677c-4bbd-a479-3f349cb785e7'::UUID", 1488055340U},
      {"'\\x00\\x01\\x02\\x03'::BLOB", static_cast<std::uint32_t>(-188683207)},
  };
  for (const auto& [value, hash] : hashes) {
    SCOPED_TRACE(value);
    const auto bucket = static_cast<std::int32_t>(hash & 0x7FFFFFFFU) % 1000003;
    EXPECT_EQ(run("SELECT lh_iceberg_bucket(1000003, " + value + ")", Encoding::Json),
              fmt::format("[{}]", bucket));
  }
  EXPECT_EQ(run("SELECT lh_iceberg_bucket(16, NULL::INT), lh_iceberg_bucket(16, i) IS NULL FROM "
                "(VALUES (1), (NULL)) t(i)",
                Encoding::Json),
            "[null,false],\n[null,true]");
}

TEST_F(Encodings, RoaringBitmapsAreAsked) {
  RoaringSet set;
  for (const std::uint64_t number : {3ULL, 5ULL, 2047ULL, 2048ULL, 70'000ULL, 1ULL << 40U}) {
    set.add(number);
  }
  std::string blob;
  for (const char c : set.serialize()) {
    blob += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
  }
  EXPECT_EQ(
      run("SELECT list(i ORDER BY i) FROM (SELECT unnest([range, range + 1099511627776]) AS i "
          "FROM range(100000)) WHERE lh_roaring_contains('" +
              blob + "'::BLOB, i)",
          Encoding::Json),
      "[[3,5,2047,2048,70000,1099511627776]]");
  EXPECT_EQ(run("SELECT lh_roaring_contains(NULL, 1), lh_roaring_contains('" + blob +
                    "'::BLOB, NULL), lh_roaring_contains('" + blob + "'::BLOB, -1)",
                Encoding::Json),
            "[null,null,false]");
}

}  // namespace
}  // namespace lakehouse::engine
