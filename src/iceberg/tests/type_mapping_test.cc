#include "iceberg/type_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/testing/matchers.h"
#include "iceberg/tests/generators.h"

namespace lakehouse::iceberg {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;

std::string iceberg_of(std::string_view duckdb, int version = 2) {
  std::int32_t next_id = 1;
  const auto type = type_from_duckdb(duckdb, next_id, version);
  EXPECT_THAT(type, IsOk()) << duckdb;
  return type ? to_string(**type) : std::string();
}

TEST(TypeMapping, DuckDbNamesBecomeIcebergTypes) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"BOOLEAN", "boolean"},
      {"TINYINT", "int"},
      {"SMALLINT", "int"},
      {"USMALLINT", "int"},
      {"INTEGER", "int"},
      {"UINTEGER", "long"},
      {"BIGINT", "long"},
      {"UBIGINT", "decimal(20, 0)"},
      {"HUGEINT", "decimal(38, 0)"},
      {"UHUGEINT", "decimal(38, 0)"},
      {"FLOAT", "float"},
      {"DOUBLE", "double"},
      {"DECIMAL(18,3)", "decimal(18, 3)"},
      {"decimal(4, 1)", "decimal(4, 1)"},
      {"DATE", "date"},
      {"TIME", "time"},
      {"TIME_NS", "time"},
      {"TIME WITH TIME ZONE", "string"},
      {"TIMESTAMP", "timestamp"},
      {"TIMESTAMP_S", "timestamp"},
      {"TIMESTAMP_MS", "timestamp"},
      {"TIMESTAMP_NS", "timestamp"},
      {"TIMESTAMP WITH TIME ZONE", "timestamptz"},
      {"VARCHAR", "string"},
      {"VARCHAR(10)", "string"},
      {"ENUM('a', 'it''s', 'b)')", "string"},
      {"JSON", "string"},
      {"BIT", "string"},
      {"INTERVAL", "string"},
      {"UNION(num INTEGER, str VARCHAR)", "string"},
      {"\"NULL\"", "string"},
      {"BLOB", "binary"},
      {"UUID", "uuid"},
      {"GEOMETRY('OGC:CRS84')", "binary"},
      {"INTEGER[]", "list<int>"},
      {"FLOAT[384]", "list<float>"},
      {"INTEGER[][3]", "list<list<int>>"},
      {"MAP(VARCHAR, DOUBLE[])", "map<string, list<double>>"},
      {R"(STRUCT(a INTEGER, "b c" VARCHAR, "q""x" TIMESTAMP WITH TIME ZONE))",
       R"(struct<a: int, b c: string, q"x: timestamptz>)"},
      {"STRUCT(a STRUCT(b MAP(VARCHAR, STRUCT(c DECIMAL(4,1))[]))[], d DATE)[]",
       "list<struct<a: list<struct<b: map<string, list<struct<c: decimal(4, 1)>>>>>, d: date>>"},
      {R"(STRUCT("struct" INTEGER, "map" VARCHAR))", "struct<struct: int, map: string>"},
  };
  for (const auto& [duckdb, iceberg] : cases) {
    SCOPED_TRACE(duckdb);
    EXPECT_EQ(iceberg_of(duckdb), iceberg);
  }
  EXPECT_EQ(iceberg_of("TIMESTAMP_NS", 3), "timestamp_ns");
  EXPECT_EQ(iceberg_of("VARIANT", 3), "variant");
  EXPECT_EQ(iceberg_of("VARIANT", 2), "string");
  EXPECT_EQ(iceberg_of("GEOMETRY", 3), "geometry");
}

TEST(TypeMapping, WhatIsNoTypeIsRefused) {
  std::int32_t next_id = 1;
  for (const std::string_view text :
       {"", "INTEGR", "STRUCT(a)", "STRUCT(a INTEGER", "STRUCT(INTEGER, VARCHAR)", "MAP(INTEGER)",
        "DECIMAL(39,1)", "DECIMAL(3,4)", "INTEGER[", "INTEGER x", "\"unclosed", "ENUM('a'",
        "STRUCT(\"a INTEGER)"}) {
    SCOPED_TRACE(text);
    EXPECT_THAT(type_from_duckdb(text, next_id), FailsWith(ErrorCode::InvalidArgument));
  }
  std::string deep = "INTEGER";
  for (int i = 0; i < 200; ++i) {
    deep += "[]";
  }
  EXPECT_THAT(type_from_duckdb(deep, next_id), FailsWith(ErrorCode::InvalidArgument));
  std::string deep_struct;
  for (int i = 0; i < 20000; ++i) {
    deep_struct += "STRUCT(a ";
  }
  EXPECT_THAT(type_from_duckdb(deep_struct, next_id), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(next_id, 1);
}

TEST(TypeMapping, NestedIdsFollowTheGivenOnes) {
  std::int32_t next_id = 10;
  const auto type = type_from_duckdb("STRUCT(a INTEGER[], b INTEGER)", next_id);
  ASSERT_THAT(type, IsOk());
  EXPECT_EQ((*type)->fields[0].id, 10);
  EXPECT_EQ((*type)->fields[1].id, 11);
  EXPECT_EQ((*type)->fields[0].type->fields[0].id, 12);
  EXPECT_EQ(next_id, 13);
}

TEST(TypeMapping, LawTypesWithADuckDbTwinComeBack) {
  EXPECT_TRUE(rc::check([] {
    const auto type = *testing::any_type(3);
    std::int32_t next_id = 1;
    const std::string name = duckdb_type(*type);
    const auto back = type_from_duckdb(name, next_id, 3);
    RC_ASSERT(back.has_value());
    RC_ASSERT(duckdb_type(**back) == name);
  }));
}

}  // namespace
}  // namespace lakehouse::iceberg
