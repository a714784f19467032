#include "storage/buckets.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/testing/matchers.h"

namespace lakehouse::storage {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using lakehouse::testing::IsOkAnd;

class BucketsTest : public ::testing::Test {
 protected:
  ~BucketsTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] BucketConfig config(std::string name, const std::string& below) const {
    return {.name = std::move(name), .type = "local", .location = folder_ + below};
  }

  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("buckets-" + new_token(8))).string();
  RequestContext context_;
};

TEST_F(BucketsTest, LocationsAndKeysAreTwoNamesOfOneThing) {
  const auto buckets = Buckets::open({config("primary", "/p/"), config("cold", "/c")});
  ASSERT_THAT(buckets, IsOk());
  EXPECT_EQ((*buckets)->primary(), "primary");
  const auto location = (*buckets)->location("cold", "main/t-1/data");
  ASSERT_THAT(location, IsOkAnd("file://" + folder_ + "/c/main/t-1/data"));

  for (const std::string& same :
       {*location, *location + "/", "file:" + folder_ + "/c/main/t-1/data",
        folder_ + "/c/main/t-1/data"}) {
    SCOPED_TRACE(same);
    const auto resolved = (*buckets)->resolve(same);
    ASSERT_THAT(resolved, IsOk());
    EXPECT_EQ(resolved->bucket, "cold");
    EXPECT_EQ(resolved->key, "main/t-1/data");
  }
}

TEST_F(BucketsTest, LocationsElsewhereAreRefused) {
  const auto buckets = Buckets::open({config("primary", "/p")});
  ASSERT_THAT(buckets, IsOk());
  for (const std::string& location :
       {std::string("s3://p/x"), std::string("file:///etc/passwd"), std::string(),
        "file://" + folder_ + "/p/../x", "file://" + folder_ + "/p/a/../../../x",
        "file://" + folder_ + "/p", "file://" + folder_ + "/pp/x", "file://host" + folder_ + "/p/x",
        "file://" + folder_ + "/p//x"}) {
    EXPECT_THAT((*buckets)->resolve(location), FailsWith(ErrorCode::InvalidArgument)) << location;
  }
}

TEST_F(BucketsTest, SmallObjectsAreReadAndWrittenByLocation) {
  const auto buckets = Buckets::open({config("primary", "/p")});
  ASSERT_THAT(buckets, IsOk());
  const std::string location = (*buckets)->location("primary", "t/x.json").value();
  const Bytes bytes{std::byte{1}, std::byte{2}};
  ASSERT_THAT((*buckets)->write_new(context_, location, bytes), IsOk());
  EXPECT_THAT((*buckets)->write_new(context_, location, bytes),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT((*buckets)->read(context_, location), IsOkAnd(bytes));
  ASSERT_THAT((*buckets)->remove(context_, location), IsOk());
  EXPECT_THAT((*buckets)->read(context_, location), FailsWith(ErrorCode::NotFound));
}

TEST_F(BucketsTest, WrongConfigurationsAreRefused) {
  EXPECT_THAT(Buckets::open({}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(Buckets::open({config("a", "/x"), config("a", "/y")}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(Buckets::open({config("a", "/x"), config("b", "/x/y")}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(Buckets::open({{.name = "a", .type = "local", .location = "relative"}}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(Buckets::open({{.name = "a", .type = "s3", .location = "/x"}}),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(BucketsTest, AnUnknownBucketIsAnsweredWithTheNamesThereAre) {
  const auto buckets = Buckets::open({config("primary", "/p")});
  ASSERT_THAT(buckets, IsOk());
  const auto found = (*buckets)->find("primry");
  ASSERT_THAT(found, FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(found.error().message, ::testing::HasSubstr("primary"));
}

}  // namespace
}  // namespace lakehouse::storage
