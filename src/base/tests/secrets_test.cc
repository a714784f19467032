#include "base/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lakehouse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

TEST(Secrets, TextsAndTablesAreFoundByReference) {
  const auto secrets = Secrets::parse(R"(
s3 = "abc"
[keys]
alice = "one"
etl = ["two", "three"]
)",
                                      "secrets.toml");
  ASSERT_TRUE(secrets) << secrets.error().message;
  EXPECT_EQ(secrets->text("secret://s3").value(), "abc");
  EXPECT_THAT(
      secrets->table("secret://keys").value(),
      ElementsAre(Pair("alice", ElementsAre("one")), Pair("etl", ElementsAre("two", "three"))));
}

TEST(Secrets, WhatIsNotThereIsSaidByName) {
  const auto secrets = Secrets::parse("a = \"b\"", "secrets.toml");
  ASSERT_TRUE(secrets);
  EXPECT_THAT(secrets->text("secret://x").error().message, HasSubstr("no secret 'x'"));
  EXPECT_THAT(secrets->table("secret://a").error().message, HasSubstr("no table [a]"));
  EXPECT_EQ(secrets->text("a").error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(secrets->text("secret://").error().code, ErrorCode::InvalidArgument);
}

TEST(Secrets, MessagesNameTheLineAndNeverTheSecret) {
  for (const std::string_view text : {"[keys]\nalice = hunter2", "[keys]\nalice = [\"hunter2\", 7]",
                                      "alice = 5 # hunter2", "x = \"hunter2"}) {
    SCOPED_TRACE(text);
    const auto broken = Secrets::parse(text, "secrets.toml");
    ASSERT_FALSE(broken);
    EXPECT_THAT(broken.error().message, HasSubstr("secrets.toml, line"));
    EXPECT_THAT(broken.error().message, Not(HasSubstr("hunter2")));
  }
  EXPECT_FALSE(Secrets::load("/nowhere/secrets.toml"));
}

}  // namespace
}  // namespace lakehouse
