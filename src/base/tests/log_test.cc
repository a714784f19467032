#include "base/log.h"

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lakehouse {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class LogTest : public ::testing::Test {
 protected:
  LogTest() { std::remove(path_.c_str()); }
  ~LogTest() override { std::remove(path_.c_str()); }

  std::vector<std::string> lines() {
    std::ifstream file(path_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
      lines.push_back(line);
    }
    return lines;
  }

  std::string path_ = ::testing::TempDir() + "lakehouse_log_test.log";
};

TEST_F(LogTest, TextLinesHoldFieldsAndTheRequestId) {
  Log log({.level = LogLevel::Info, .format = LogFormat::Text, .file = path_});
  RequestContext context;
  context.request_id = "r-1";
  log.write(LogLevel::Info, "http", context, "request",
            {{.name = "status", .value = std::int64_t{200}},
             {.name = "path", .value = std::string_view("/a b")}});
  log.write(LogLevel::Debug, "http", "not logged");
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_THAT(lines()[0],
              EndsWith("Z info  http: request status=200 path=\"/a b\" request_id=r-1"));
}

TEST_F(LogTest, WhatComesFromOutsideCannotForgeALine) {
  Log log({.level = LogLevel::Info, .format = LogFormat::Text, .file = path_});
  log.write(LogLevel::Warn, "http", "a\nb",
            {{.name = "path", .value = std::string_view("x\r\ny")}});
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_THAT(lines()[0], HasSubstr("a\\x0ab path=x\\x0d\\x0ay"));
}

TEST_F(LogTest, JsonLinesAreJson) {
  Log log({.level = LogLevel::Info, .format = LogFormat::Json, .file = path_});
  RequestContext context;
  context.request_id = "r-1";
  context.traceparent = "00-a-b-01";
  log.write(LogLevel::Error, "http", context, "it \"broke\"",
            {{.name = "bytes", .value = std::string_view("\xff")},
             {.name = "ok", .value = false},
             {.name = "s", .value = 0.5}});
  ASSERT_EQ(lines().size(), 1U);
  const auto line = boost::json::parse(lines()[0]).as_object();
  EXPECT_EQ(line.at("level").as_string(), "error");
  EXPECT_EQ(line.at("message").as_string(), "it \"broke\"");
  EXPECT_EQ(line.at("request_id").as_string(), "r-1");
  EXPECT_EQ(line.at("traceparent").as_string(), "00-a-b-01");
  EXPECT_EQ(line.at("bytes").as_string(), "\\xff");
  EXPECT_FALSE(line.at("ok").as_bool());
}

}  // namespace
}  // namespace lakehouse
