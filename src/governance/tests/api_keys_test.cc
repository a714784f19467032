#include "governance/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lakehouse::governance {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kLong = "a-key-that-is-long-enough";

TEST(ApiKeys, FindsTheOwnerOfPlainAndHashedKeys) {
  const NewKey made = new_api_key();
  EXPECT_EQ(made.key.size(), 43U);
  const auto keys =
      ApiKeys::from({{"alice", {kLong, "another-key-of-alice-0"}}, {"etl", {made.hashed}}});
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(keys->size(), 3U);
  EXPECT_EQ(keys->find(kLong)->principal, "alice");
  const auto etl = keys->find(made.key);
  ASSERT_TRUE(etl);
  EXPECT_EQ(etl->principal, "etl");
  EXPECT_TRUE(keys->has(*etl));
  EXPECT_FALSE(keys->find(made.hashed)) << "the hash is no key";
  EXPECT_FALSE(keys->find(made.hashed.substr(7)));
  EXPECT_FALSE(keys->find(""));
  EXPECT_FALSE(keys->find(std::string(kLong) + "x"));
  EXPECT_FALSE(keys->has({.principal = "alice", .key_id = etl->key_id}));
}

TEST(ApiKeys, RefusesWhatCannotBeWithoutShowingIt) {
  for (const auto& [name, key] :
       std::vector<std::pair<std::string, std::string>>{{"alice", "short"},
                                                        {"alice", "sha256:abc"},
                                                        {"alice", "sha256:" + std::string(64, 'G')},
                                                        {"anonymous", kLong},
                                                        {"a b", kLong},
                                                        {"a:b", kLong},
                                                        {"", kLong},
                                                        {std::string(129, 'a'), kLong}}) {
    SCOPED_TRACE(name + " " + key);
    const auto keys = ApiKeys::from({{name, {key}}});
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code, ErrorCode::InvalidArgument);
    EXPECT_THAT(keys.error().message, Not(HasSubstr(key)));
  }
  const auto shared = ApiKeys::from({{"alice", {kLong}}, {"bob", {kLong}}});
  ASSERT_FALSE(shared);
  EXPECT_THAT(shared.error().message, HasSubstr("the same key"));
}

}  // namespace
}  // namespace lakehouse::governance
