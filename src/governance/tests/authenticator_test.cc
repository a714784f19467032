#include "governance/authenticator.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/testing/matchers.h"
#include "governance/detail/base64.h"

namespace lakehouse::governance {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;
const std::string kAlice = "key-of-alice-0123456789";
const std::string kBob = "key-of-bob-0123456789";

class AuthenticatorTest : public ::testing::Test {
 protected:
  AuthenticatorTest() {
    std::filesystem::create_directories(folder_);
    write_keys("alice = \"" + kAlice + "\"\nbob = \"" + kBob + "\"\n");
    metastore_ = metastore::open_sqlite(folder_ + "/metastore.db").value();
    authenticator_ = open();
  }
  ~AuthenticatorTest() override {
    authenticator_.reset();
    metastore_.reset();
    std::filesystem::remove_all(folder_);
  }

  void write_keys(const std::string& lines) {
    std::ofstream(folder_ + "/secrets.toml") << "[keys]\n" << lines;
  }
  std::unique_ptr<Authenticator> open() {
    Authenticator::Options options;
    options.secrets_file = folder_ + "/secrets.toml";
    options.token_lifetime = std::chrono::hours(1);
    options.now_ms = [this] { return now_ms_; };
    return Authenticator::open(*metastore_, options).value();
  }
  static std::string bearer(const std::string& text) { return "Bearer " + text; }
  std::string token_of(const std::string& key) {
    return authenticator_->issue({}, "", key).value().text;
  }

  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("lakehouse-auth-" + new_token(8))).string();
  std::int64_t now_ms_ = std::int64_t{1'800'000'000} * 1000;
  std::unique_ptr<metastore::Metastore> metastore_;
  std::unique_ptr<Authenticator> authenticator_;
};

TEST_F(AuthenticatorTest, KeysAndTokensAndBasicNameTheCaller) {
  EXPECT_EQ(authenticator_->authenticate(bearer(kAlice)).value(), "alice");
  EXPECT_EQ(authenticator_->authenticate("bEARER   " + kBob).value(), "bob");
  EXPECT_EQ(authenticator_->authenticate(bearer(token_of(kBob))).value(), "bob");
  EXPECT_EQ(authenticator_->authenticate("Basic Ym9iOmtleS1vZi1ib2ItMDEyMzQ1Njc4OQ==").value(),
            "bob");
  EXPECT_THAT(authenticator_->authenticate("Basic YWxpY2U6a2V5LW9mLWJvYi0wMTIzNDU2Nzg5"),
              FailsWith(ErrorCode::Unauthenticated))
      << "bob's key with alice's name";
}

TEST_F(AuthenticatorTest, WhatIsNotKnownIsRefusedWithoutAWordOfIt) {
  for (const std::string& header :
       {std::string(), std::string("Bearer"), std::string("Bearer "), bearer("x"),
        std::string("Digest ") + kAlice, kAlice, bearer("a.b.c"), bearer(".."),
        std::string("Basic !!!"), std::string("Basic "), bearer(std::string(100'000, '.'))}) {
    SCOPED_TRACE(header.substr(0, 40));
    const auto refused = authenticator_->authenticate(header);
    ASSERT_THAT(refused, FailsWith(ErrorCode::Unauthenticated));
    EXPECT_THAT(refused.error().message, Not(HasSubstr(kAlice)));
  }
}

TEST_F(AuthenticatorTest, AChangedTokenIsNoToken) {
  const std::string token = token_of(kAlice);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(authenticator_->authenticate(bearer(changed))) << "character " << i;
  }
  // The algorithm that a token names is not believed.
  const std::string none = detail::encode_base64url(R"({"alg":"none"})") +
                           token.substr(token.find('.'), token.rfind('.') - token.find('.') + 1);
  EXPECT_FALSE(authenticator_->authenticate(bearer(none)));
}

TEST_F(AuthenticatorTest, TokensEnd) {
  const std::string token = token_of(kAlice);
  now_ms_ += kHourMs - 1000;
  EXPECT_THAT(authenticator_->authenticate(bearer(token)), IsOk());
  now_ms_ += 1000;
  EXPECT_THAT(authenticator_->authenticate(bearer(token)), FailsWith(ErrorCode::Unauthenticated));
}

TEST_F(AuthenticatorTest, NoTokenEndsBeforeItWasPromisedTo) {
  now_ms_ += 999;
  const std::string token = token_of(kAlice);
  now_ms_ += kHourMs - 1;
  EXPECT_THAT(authenticator_->authenticate(bearer(token)), IsOk());
}

TEST_F(AuthenticatorTest, ClientCredentialsMustBelongTogether) {
  EXPECT_THAT(authenticator_->issue({}, "alice", kAlice), IsOk());
  EXPECT_THAT(authenticator_->issue({}, "bob", kAlice), FailsWith(ErrorCode::Unauthenticated));
  EXPECT_THAT(authenticator_->issue({}, "alice", "x"), FailsWith(ErrorCode::Unauthenticated));
  EXPECT_THAT(authenticator_->issue({}, "alice", token_of(kAlice)),
              FailsWith(ErrorCode::Unauthenticated))
      << "a token is no key";
}

TEST_F(AuthenticatorTest, TokensAreExchangedByThoseWhoseTheyAre) {
  const std::string token = token_of(kAlice);
  now_ms_ += kHourMs / 2;
  const auto fresh = authenticator_->exchange({}, token, bearer(token));
  ASSERT_THAT(fresh, IsOk());
  now_ms_ += kHourMs / 2;  // The first one has expired, the second one has not.
  EXPECT_EQ(authenticator_->authenticate(bearer(fresh->text)).value(), "alice");
  EXPECT_THAT(authenticator_->exchange({}, token, bearer(token)),
              FailsWith(ErrorCode::Unauthenticated));
  EXPECT_THAT(authenticator_->exchange({}, token, ""), FailsWith(ErrorCode::Unauthenticated));
  EXPECT_THAT(authenticator_->exchange({}, token, bearer(kBob)),
              FailsWith(ErrorCode::Unauthenticated));
  EXPECT_THAT(authenticator_->exchange({}, token, bearer(kAlice)), IsOk())
      << "with her key alice may turn an expired token into a new one";
  // An unsigned token of somebody else's making proves nothing.
  EXPECT_THAT(authenticator_->exchange({}, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.", ""),
              FailsWith(ErrorCode::Unauthenticated));
}

TEST_F(AuthenticatorTest, AKeyThatIsTakenAwayTakesItsTokensAlong) {
  const std::string token = token_of(kBob);
  write_keys("alice = \"" + kAlice + "\"\n");
  ASSERT_THAT(authenticator_->refresh({}), IsOk());
  EXPECT_THAT(authenticator_->authenticate(bearer(kBob)), FailsWith(ErrorCode::Unauthenticated));
  EXPECT_THAT(authenticator_->authenticate(bearer(token)), FailsWith(ErrorCode::Unauthenticated));
  EXPECT_THAT(authenticator_->authenticate(bearer(kAlice)), IsOk());
}

TEST_F(AuthenticatorTest, ABrokenFileLeavesInForceWhatWas) {
  write_keys("alice = \"short\"\n");
  EXPECT_THAT(authenticator_->refresh({}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(authenticator_->authenticate(bearer(kAlice)), IsOk());
  write_keys("carol = \"key-of-carol-0123456789\"\n");
  EXPECT_THAT(authenticator_->refresh({}), IsOk());
  EXPECT_EQ(authenticator_->authenticate(bearer("key-of-carol-0123456789")).value(), "carol");
}

TEST_F(AuthenticatorTest, AnotherServerOnTheMetastoreKnowsTheToken) {
  const auto other = open();
  const std::string token = token_of(kAlice);
  EXPECT_FALSE(other->authenticate(bearer(token))) << "it has not heard of the secret yet";
  ASSERT_THAT(other->refresh({}), IsOk());
  EXPECT_EQ(other->authenticate(bearer(token)).value(), "alice");
}

TEST_F(AuthenticatorTest, SigningSecretsChangeAndGo) {
  const std::string first = token_of(kAlice);
  const auto kid_of = [](const std::string& token) { return token.substr(0, token.find('.')); };
  now_ms_ += 7 * kDayMs - 1000;
  const std::string same = token_of(kAlice);
  EXPECT_EQ(kid_of(first), kid_of(same));
  now_ms_ += 1000;
  const std::string second = token_of(kAlice);
  EXPECT_NE(kid_of(first), kid_of(second));
  EXPECT_THAT(authenticator_->authenticate(bearer(same)), IsOk()) << "signed by the one before";
  now_ms_ += 30 * kDayMs;
  token_of(kAlice);
  std::int64_t kept = 0;
  ASSERT_THAT(metastore_->read({},
                               [&](metastore::Transaction& transaction) -> Status {
                                 const auto rows =
                                     transaction.query("SELECT count(*) FROM token_secrets");
                                 kept = metastore::integer((*rows)[0][0]);
                                 return {};
                               }),
              IsOk());
  EXPECT_EQ(kept, 1);
}

TEST_F(AuthenticatorTest, RefreshesAreRationed) {
  ASSERT_TRUE(authenticator_->refresh_is_due(false));
  EXPECT_FALSE(authenticator_->refresh_is_due(true));
  now_ms_ += 1000;
  EXPECT_FALSE(authenticator_->refresh_is_due(false));
  EXPECT_TRUE(authenticator_->refresh_is_due(true));
  now_ms_ += 5000;
  EXPECT_TRUE(authenticator_->refresh_is_due(false));
}

TEST_F(AuthenticatorTest, WithoutKeysThereIsNoDoor) {
  write_keys("");
  Authenticator::Options options;
  options.secrets_file = folder_ + "/secrets.toml";
  EXPECT_THAT(Authenticator::open(*metastore_, options), FailsWith(ErrorCode::InvalidArgument));
}

}  // namespace
}  // namespace lakehouse::governance
