#include "server/data_folder.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/id.h"
#include "base/testing/matchers.h"

namespace lakehouse::server {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;

class DataFolderTest : public ::testing::Test {
 protected:
  ~DataFolderTest() override { std::filesystem::remove_all(root_); }
  std::string root_ = ::testing::TempDir() + "lakehouse_data_" + new_token(6);
};

TEST_F(DataFolderTest, IsMadeWithItsParents) {
  const auto data = DataFolder::open(root_ + "/a/b");
  ASSERT_THAT(data, IsOk());
  EXPECT_TRUE(std::filesystem::is_directory(root_ + "/a/b"));
  EXPECT_EQ(data->resolve("buckets/x"), root_ + "/a/b/buckets/x");
  EXPECT_EQ(data->resolve("/elsewhere"), "/elsewhere");
}

TEST_F(DataFolderTest, ServesOneAtATime) {
  auto first = std::make_unique<Result<DataFolder>>(DataFolder::open(root_));
  ASSERT_THAT(*first, IsOk());
  const auto second = DataFolder::open(root_);
  ASSERT_THAT(second, FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(second.error().message, HasSubstr(root_));
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(::getpid())));
  first.reset();
  EXPECT_THAT(DataFolder::open(root_), IsOk());
}

TEST_F(DataFolderTest, ServesSeveralThatShareItEachWithAFolderOfItsOwn) {
  auto first =
      std::make_unique<Result<DataFolder>>(DataFolder::open(root_, DataFolder::Use::Shared));
  const auto second = DataFolder::open(root_, DataFolder::Use::Shared);
  ASSERT_THAT(*first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_TRUE(std::filesystem::is_directory((*first)->run()));
  EXPECT_TRUE(std::filesystem::is_directory(second->run()));
  EXPECT_NE((*first)->run(), second->run());
  EXPECT_THAT(DataFolder::open(root_), FailsWith(ErrorCode::FailedPrecondition));
  first.reset();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(root_ + "/run"), {}), 1);
}

TEST_F(DataFolderTest, OneThatIsUsedAloneIsNotShared) {
  const auto alone = DataFolder::open(root_);
  const auto shared = DataFolder::open(root_, DataFolder::Use::Shared);
  EXPECT_THAT(shared, FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(shared.error().message, HasSubstr(std::to_string(::getpid())));
}

TEST_F(DataFolderTest, WhatServersThatAreGoneHaveLeftIsRemoved) {
  std::filesystem::create_directories(root_ + "/run/server-00000000/engine-spill");
  const auto data = DataFolder::open(root_, DataFolder::Use::Shared);
  ASSERT_THAT(data, IsOk());
  EXPECT_FALSE(std::filesystem::exists(root_ + "/run/server-00000000"));
}

TEST_F(DataFolderTest, AFileIsNoFolder) {
  std::ofstream(root_) << "x";
  EXPECT_THAT(DataFolder::open(root_), FailsWith(ErrorCode::FailedPrecondition));
}

}  // namespace
}  // namespace lakehouse::server
