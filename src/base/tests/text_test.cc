#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lakehouse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Text, QuotesDoubleTheirOwnMark) {
  EXPECT_EQ(quote_sql_identifier(R"(a"b)"), R"("a""b")");
  EXPECT_EQ(quote_sql_literal("O'Neil"), "'O''Neil'");
}

TEST(Text, PathSegmentsHoldNoSlash) {
  EXPECT_EQ(encode_path_segment("a b/c%"), "a%20b%2Fc%25");
}

TEST(Text, NearestNamesAreSortedByDistanceWithoutCase) {
  const std::vector<std::string> names{"candidates", "clients", "candidate", "x"};
  EXPECT_THAT(nearest_names("Candidats", names), ElementsAre("candidate", "candidates"));
  EXPECT_THAT(nearest_names("weather", names), IsEmpty());
  EXPECT_EQ(did_you_mean("cliens", names), "Did you mean 'clients'?");
}

TEST(Text, Utf8IsCheckedToTheLetter) {
  for (const std::string_view good : {"", "abc", "é", "日本", "😀"}) {
    EXPECT_TRUE(is_valid_utf8(good)) << good;
  }
  for (const std::string_view bad :
       {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
}

TEST(Text, WhatACallerSentIsQuotedAsUtf8) {
  EXPECT_EQ(as_utf8("é"), "é");
  EXPECT_EQ(as_utf8("a\xF2z"), "a\\xf2z");
}

}  // namespace
}  // namespace lakehouse
