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

TEST_F(DataFolderTest, AFileIsNoFolder) {
  std::ofstream(root_) << "x";
  EXPECT_THAT(DataFolder::open(root_), FailsWith(ErrorCode::FailedPrecondition));
}

}  // namespace
}  // namespace lakehouse::server
