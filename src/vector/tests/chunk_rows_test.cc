#include "vector/chunk_rows.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/testing/matchers.h"

namespace lakehouse::vector {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::ElementsAre;

class ChunkFileTest : public ::testing::Test {
 protected:
  ChunkFileTest() { std::filesystem::create_directories(folder_); }
  ~ChunkFileTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return (folder_ / "chunks.lhc").string(); }
  static ChunkRows some(bool has_text_keys, int count) {
    ChunkRows rows(has_text_keys);
    for (int i = 0; i < count; ++i) {
      const std::string key = fmt::format("key {}", i / 2);
      const std::string text = fmt::format("text of {}", i);
      rows.add({.key = has_text_keys ? KeyView{0, key} : KeyView{i / 2, {}},
                .chunk = static_cast<std::uint32_t>(i % 2),
                .start = static_cast<std::uint64_t>(i),
                .end = static_cast<std::uint64_t>(i) + 5,
                .row_hash = -i,
                .text = text});
    }
    return rows;
  }
  static std::vector<Row> rows_of(const ChunkFile& file, const KeyView& key) {
    std::vector<Row> out;
    file.each_of(key, [&](Row row) { out.push_back(row); });
    std::ranges::sort(out);
    return out;
  }

  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / new_uuid();
};

TEST_F(ChunkFileTest, WhatWasWrittenIsReadAndFoundByItsKey) {
  for (const bool has_text_keys : {false, true}) {
    const ChunkRows rows = some(has_text_keys, 1001);
    ASSERT_THAT(ChunkFile::write(rows, "a note", path()), IsOk());
    const auto file = ChunkFile::open(path());
    ASSERT_THAT(file, IsOk());
    EXPECT_EQ((*file)->note(), "a note");
    ASSERT_EQ((*file)->size(), 1001U);
    const ChunkView chunk = (*file)->at(77);
    EXPECT_EQ(chunk.text, "text of 77");
    EXPECT_EQ(chunk.chunk, 1U);
    EXPECT_EQ(chunk.start, 77U);
    EXPECT_EQ(chunk.end, 82U);
    EXPECT_EQ(chunk.row_hash, -77);
    const KeyView key = has_text_keys ? KeyView{0, "key 38"} : KeyView{38, {}};
    EXPECT_EQ(chunk.key, key);
    EXPECT_THAT(rows_of(**file, key), ElementsAre(76, 77));
    EXPECT_THAT(rows_of(**file, has_text_keys ? KeyView{0, "none"} : KeyView{-1, {}}),
                ElementsAre());
  }
  ASSERT_THAT(ChunkFile::write(some(true, 0), "", path()), IsOk());
  const auto empty = ChunkFile::open(path());
  ASSERT_THAT(empty, IsOk());
  EXPECT_THAT(rows_of(**empty, KeyView{0, "x"}), ElementsAre());
}

TEST_F(ChunkFileTest, ADamagedFileIsRefused) {
  EXPECT_THAT(ChunkFile::open(path()), FailsWith(ErrorCode::NotFound));
  ASSERT_THAT(ChunkFile::write(some(true, 50), "note", path()), IsOk());
  std::string whole;
  {
    std::ifstream in(path(), std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
  const std::size_t texts =
      std::string("text of 00").size() * 40 + std::string("text of 0").size() * 10;
  std::mt19937_64 dice(1);  // NOLINT: the same each time.
  const auto opens = [&](const std::string& bytes) {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
    return ChunkFile::open(path());
  };
  for (int i = 0; i < 300; ++i) {
    std::string bytes = whole;
    bytes[dice() % (bytes.size() - texts)] ^= static_cast<char>(1U << (dice() % 8));
    EXPECT_THAT(opens(bytes), FailsWith(ErrorCode::DataLoss));
    EXPECT_THAT(opens(whole.substr(0, dice() % whole.size())), FailsWith(ErrorCode::DataLoss));
  }
  EXPECT_THAT(opens(whole), IsOk());
}

}  // namespace
}  // namespace lakehouse::vector
