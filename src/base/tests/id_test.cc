#include "base/id.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lakehouse {
namespace {

TEST(Uuid, SortsAfterThoseMadeBefore) {
  std::string before = new_uuid();
  for (int i = 0; i < 20'000; ++i) {
    std::string next = new_uuid();
    ASSERT_LT(before, next);
    before = std::move(next);
  }
}

TEST(Uuid, IsOfVersion7AndNeverTheSame) {
  std::vector<std::vector<std::string>> made(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : made) {
      threads.emplace_back([&mine] {
        for (int i = 0; i < 5'000; ++i) {
          mine.push_back(new_uuid());
        }
      });
    }
  }
  std::set<std::string> all;
  for (const auto& mine : made) {
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), 20'000U);
  EXPECT_THAT(*all.begin(),
              ::testing::MatchesRegex(
                  "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
}

}  // namespace
}  // namespace lakehouse
