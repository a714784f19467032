#include "gateway/http/guard.h"

#include <gtest/gtest.h>

#include "gateway/http/message.h"

namespace lakehouse::gateway::http {
namespace {

int status_for(const GuardOptions& options, std::string_view host, std::string_view origin = "",
               std::string_view site = "") {
  const GuardedHeaders headers{.host = host, .origin = origin, .sec_fetch_site = site};
  const Status status = check_host_and_origin(options, headers);
  return status ? 200 : http_status_of(status.error());
}

TEST(Guard, ServesLoopbackNamesOnly) {
  const GuardOptions options{.loopback_only = true, .host_names = {"lake.local"}};
  for (const auto* host : {"localhost", "localhost:3100", "127.0.0.1", "127.0.0.1:80", "[::1]:3100",
                           "[::1]", "LOCALHOST", "lake.local:3100", "Lake.Local"}) {
    EXPECT_EQ(status_for(options, host), 200) << host;
  }
  for (const auto* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "",
                           "localhost:80@evil", "[::1", "10.0.0.1", "localhost:x"}) {
    EXPECT_EQ(status_for(options, host), 421) << host;
  }
}

TEST(Guard, OnOtherAddressesAnyHostIsServedUnlessNamesAreConfigured) {
  EXPECT_EQ(status_for({.loopback_only = false, .host_names = {}}, "anything:80"), 200);
  const GuardOptions named{.loopback_only = false, .host_names = {"lake"}};
  EXPECT_EQ(status_for(named, "lake"), 200);
  EXPECT_EQ(status_for(named, "other"), 421);
}

TEST(Guard, RefusesPagesOfOtherSites) {
  const GuardOptions options;
  EXPECT_EQ(status_for(options, "localhost:3100", "http://localhost:3100"), 200);
  EXPECT_EQ(status_for(options, "localhost:3100", "", "same-origin"), 200);
  EXPECT_EQ(status_for(options, "localhost:3100", "", "none"), 200);
  EXPECT_EQ(status_for(options, "localhost:3100", "http://localhost:8080"), 403);
  EXPECT_EQ(status_for(options, "localhost:3100", "https://evil.example"), 403);
  EXPECT_EQ(status_for(options, "localhost:3100", "null"), 403);
  EXPECT_EQ(status_for(options, "localhost:3100", "", "cross-site"), 403);
  EXPECT_EQ(status_for(options, "localhost:3100", "", "same-site"), 403);
}

TEST(RequestId, TakesPlainOnesOnly) {
  EXPECT_TRUE(is_valid_request_id("a1-b_c.D:e/f+g=@"));
  EXPECT_FALSE(is_valid_request_id(""));
  EXPECT_FALSE(is_valid_request_id("a b"));
  EXPECT_FALSE(is_valid_request_id("a\"b"));
  EXPECT_FALSE(is_valid_request_id(std::string(129, 'a')));
}

TEST(Traceparent, IsValidatedAndContinued) {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_TRUE(is_valid_traceparent(good));
  EXPECT_TRUE(is_valid_traceparent("01" + good.substr(2) + "-more"));
  EXPECT_FALSE(is_valid_traceparent(good + "-more"));
  EXPECT_FALSE(is_valid_traceparent("ff" + good.substr(2)));
  EXPECT_FALSE(is_valid_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  EXPECT_FALSE(is_valid_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
  EXPECT_FALSE(is_valid_traceparent("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
  EXPECT_FALSE(is_valid_traceparent(""));
  const std::string child = traceparent_of_child(good);
  EXPECT_TRUE(is_valid_traceparent(child));
  EXPECT_EQ(child.substr(0, 36), good.substr(0, 36));
  EXPECT_NE(child, good);
}

}  // namespace
}  // namespace lakehouse::gateway::http
