#include "gateway/http/storage_handlers.h"

#include <filesystem>

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/testing/matchers.h"
#include "gateway/http/server.h"
#include "gateway/testing/http_client.h"
#include "metastore/metastore.h"

namespace lakehouse::gateway::http {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using testing::RawClient;
using testing::RawResponse;

class StorageHandlersTest : public ::testing::Test {
 protected:
  StorageHandlersTest() : root_(::testing::TempDir() + "storage_door_" + new_token(6)) {
    std::filesystem::create_directories(root_);
    buckets_ = storage::Buckets::open(
                   {{.name = "primary", .type = "local", .location = root_ + "/bucket"}})
                   .value();
    metastore_ = metastore::open_sqlite(root_ + "/metastore.db").value();
    catalog_ = catalog::Catalog::open(*buckets_, *metastore_, {}).value();
    pool_ = std::make_unique<WorkerPool>("test", 4, 100);
    handlers_ = std::make_unique<StorageHandlers>(
        *buckets_, *catalog_, Pools{.storage = *pool_, .engine = *pool_, .jobs = *pool_});
    handlers_->add_routes(router_);
    server_ = HttpServer::start({}, router_, log_, metrics_).value();
  }
  ~StorageHandlersTest() override {
    server_->stop(std::chrono::milliseconds(0));
    pool_.reset();
    server_.reset();
    std::filesystem::remove_all(root_);
  }

  RawResponse call(std::string_view method, std::string_view path, std::string_view headers = "",
                   std::string_view body = "") {
    RawClient client(server_->port());
    client.send(
        fmt::format("{} /storage/buckets{} HTTP/1.1\r\nHost: localhost\r\n{}"
                    "Content-Length: {}\r\n\r\n{}",
                    method, path, headers, body.size(), body));
    return client.receive(method == "HEAD");
  }

  std::string root_;
  Log log_{{.level = LogLevel::Error, .format = LogFormat::Text, .file = "/dev/null"}};
  Metrics metrics_;
  std::unique_ptr<storage::Buckets> buckets_;
  std::unique_ptr<metastore::Metastore> metastore_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<StorageHandlers> handlers_;
  Router router_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<WorkerPool> pool_;
};

TEST_F(StorageHandlersTest, AnObjectIsStoredReadAndRemoved) {
  const auto put = call("PUT", "/primary/objects/a/b%20c.txt", "", "hello world");
  ASSERT_EQ(put.status, 200) << put.body;
  const auto answer = boost::json::parse(put.body).as_object();
  EXPECT_EQ(answer.at("key").as_string(), "a/b c.txt");
  EXPECT_EQ(answer.at("size_bytes").as_int64(), 11);
  EXPECT_EQ(put.headers.at("etag"), std::string_view(answer.at("etag").as_string()));

  const auto get = call("GET", "/primary/objects/a/b%20c.txt");
  EXPECT_EQ(get.body, "hello world");
  EXPECT_EQ(get.headers.at("etag"), put.headers.at("etag"));
  EXPECT_EQ(get.headers.at("content-length"), "11");
  const auto head = call("HEAD", "/primary/objects/a/b%20c.txt");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), "11");

  EXPECT_EQ(call("DELETE", "/primary/objects/a/b%20c.txt").status, 204);
  EXPECT_EQ(call("DELETE", "/primary/objects/a/b%20c.txt").status, 204);
  EXPECT_EQ(call("GET", "/primary/objects/a/b%20c.txt").status, 404);
  EXPECT_EQ(call("GET", "/absent/objects/a").status, 404);
}

TEST_F(StorageHandlersTest, RangesAreCutOut) {
  ASSERT_EQ(call("PUT", "/primary/objects/r", "", "0123456789").status, 200);
  const std::vector<std::tuple<std::string, int, std::string, std::string>> cases = {
      {"bytes=0-3", 206, "0123", "bytes 0-3/10"},
      {"bytes=8-", 206, "89", "bytes 8-9/10"},
      {"bytes=8-99", 206, "89", "bytes 8-9/10"},
      {"bytes=-3", 206, "789", "bytes 7-9/10"},
      {"bytes=-30", 206, "0123456789", "bytes 0-9/10"},
      {"bytes=10-", 416, "", "bytes */10"},
      {"bytes=-0", 416, "", "bytes */10"},
      {"bytes=5-2", 200, "0123456789", ""},
      {"bytes=a-b", 200, "0123456789", ""},
      {"bytes=0-1,3-4", 200, "0123456789", ""},
      {"lines=0-1", 200, "0123456789", ""},
  };
  for (const auto& [range, status, body, content_range] : cases) {
    SCOPED_TRACE(range);
    const auto response = call("GET", "/primary/objects/r", "Range: " + range + "\r\n");
    EXPECT_EQ(response.status, status);
    if (status != 416) {
      EXPECT_EQ(response.body, body);
    }
    if (!content_range.empty()) {
      EXPECT_EQ(response.headers.at("content-range"), content_range);
    }
  }
}

TEST_F(StorageHandlersTest, ConditionsHold) {
  const auto first =
      call("PUT", "/primary/objects/c", "If-None-Match: *\r\n", "1").headers.at("etag");
  EXPECT_EQ(call("PUT", "/primary/objects/c", "If-None-Match: *\r\n", "2").status, 412);
  EXPECT_EQ(call("PUT", "/primary/objects/c", "If-Match: \"other\"\r\n", "2").status, 412);
  EXPECT_EQ(call("PUT", "/primary/objects/absent", "If-Match: \"other\"\r\n", "2").status, 412);
  const auto second = call("PUT", "/primary/objects/c", "If-Match: " + first + "\r\n", "2");
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(call("PUT", "/primary/objects/c", "If-None-Match: \"x\"\r\n", "2").status, 400);
  const std::string& etag = second.headers.at("etag");
  EXPECT_EQ(call("GET", "/primary/objects/c", "If-None-Match: " + etag + "\r\n").status, 304);
  EXPECT_EQ(call("GET", "/primary/objects/c", "If-None-Match: " + first + "\r\n").body, "2");
  EXPECT_EQ(call("GET", "/primary/objects/c", "If-Match: " + first + "\r\n").status, 412);
  EXPECT_EQ(call("GET", "/primary/objects/c", "If-Match: \"x\", " + etag + "\r\n").status, 200);
  EXPECT_EQ(call("DELETE", "/primary/objects/c", "If-Match: " + etag + "\r\n").status, 400);
}

TEST_F(StorageHandlersTest, ABigObjectComesBackAsItWent) {
  std::string body;
  for (int i = 0; body.size() < (std::size_t{5} << 20U); ++i) {
    body += fmt::format("{},", i);
  }
  ASSERT_EQ(call("PUT", "/primary/objects/big", "", body).status, 200);
  const auto get = call("GET", "/primary/objects/big");
  EXPECT_TRUE(get.complete);
  EXPECT_TRUE(get.body == body);
}

TEST_F(StorageHandlersTest, AnUploadThatIsCutLeavesNothing) {
  {
    RawClient client(server_->port());
    client.send(
        "PUT /storage/buckets/primary/objects/cut HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Length: 100\r\n\r\nonly this");
  }
  EXPECT_EQ(call("GET", "/primary/objects/cut").status, 404);
  EXPECT_THAT(call("GET", "/primary/objects").body, HasSubstr("\"objects\":[]"));
}

TEST_F(StorageHandlersTest, ListsByPrefixDelimiterAndPage) {
  for (const auto* key : {"a/1", "a/2", "b/1", "c"}) {
    ASSERT_EQ(call("PUT", fmt::format("/primary/objects/{}", key), "", "x").status, 200);
  }
  const auto rolled = boost::json::parse(call("GET", "/primary/objects?delimiter=/").body);
  EXPECT_EQ(rolled.at("objects").as_array().size(), 1U);
  EXPECT_EQ(rolled.at("common_prefixes").as_array().size(), 2U);
  const auto page = boost::json::parse(call("GET", "/primary/objects?prefix=a/&limit=1").body);
  EXPECT_EQ(page.at("objects").at(0).at("key").as_string(), "a/1");
  const auto next = boost::json::parse(
      call("GET", fmt::format("/primary/objects?prefix=a/&limit=1&page_token={}",
                              std::string_view(page.at("next_page_token").as_string())))
          .body);
  EXPECT_EQ(next.at("objects").at(0).at("key").as_string(), "a/2");
  EXPECT_EQ(call("GET", "/primary/objects?limit=0").status, 400);
}

TEST_F(StorageHandlersTest, WhatIsATablesOrTheServersIsNotWritten) {
  RequestContext context;
  catalog::CreateTable create;
  create.identifier = {.name_space = {"main"}, .name = "t"};
  const auto table = catalog_->create_table(context, std::move(create));
  ASSERT_THAT(table, IsOk());
  const auto at = buckets_->resolve(table->metadata_location);
  ASSERT_THAT(at, IsOk());
  EXPECT_EQ(call("GET", "/primary/objects/" + at->key).status, 200) << "reading is allowed";
  EXPECT_EQ(call("PUT", "/primary/objects/" + at->key, "", "x").status, 409);
  EXPECT_EQ(call("DELETE", "/primary/objects/" + at->key).status, 409);
  const std::string folder = at->key.substr(0, at->key.find("/metadata"));
  EXPECT_EQ(call("PUT", "/primary/objects/" + folder + "/data/new", "", "x").status, 409);
  EXPECT_EQ(call("PUT", "/primary/objects/" + folder + "-beside/x", "", "x").status, 200);
  EXPECT_EQ(call("PUT", "/primary/objects/_staging/x", "", "x").status, 409);
}

TEST_F(StorageHandlersTest, KeysThatEscapeAreRefused) {
  for (const auto* key : {"..", "a/../../b", "%2e%2e/x", "a//b", "a/%2e%2e/b", "a%00b"}) {
    SCOPED_TRACE(key);
    EXPECT_EQ(call("PUT", fmt::format("/primary/objects/{}", key), "", "x").status, 400);
    EXPECT_EQ(call("GET", fmt::format("/primary/objects/{}", key)).status, 400);
  }
}

}  // namespace
}  // namespace lakehouse::gateway::http
