#include "vector/text_index.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse::vector {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TextIndexTest : public ::testing::Test {
 protected:
  TextIndexTest() {
    std::string name = (std::filesystem::temp_directory_path() / "lh-text-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~TextIndexTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path file() const { return folder_ / "a.text"; }

  [[nodiscard]] std::vector<Hit> search(const TextIndex& index, std::string_view text,
                                        std::size_t k = 10, const RowSet* allowed = nullptr,
                                        std::span<const Hit> feedback = {}) const {
    const auto hits =
        index.search(context_, {.text = text, .k = k, .allowed = allowed, .feedback = feedback});
    EXPECT_THAT(hits, IsOk());
    return hits ? *hits : std::vector<Hit>();
  }
  [[nodiscard]] std::vector<Row> found(const TextIndex& index, std::string_view text,
                                       std::size_t k = 10, const RowSet* allowed = nullptr,
                                       std::span<const Hit> feedback = {}) const {
    std::vector<Row> rows;
    for (const Hit& hit : search(index, text, k, allowed, feedback)) {
      rows.push_back(hit.row);
    }
    return rows;
  }
  [[nodiscard]] std::unique_ptr<TextIndex> reloaded(const TextIndex& index) const {
    EXPECT_THAT(index.save(context_, file(), "note"), IsOk());
    auto loaded = TextIndex::load(context_, file());
    EXPECT_THAT(loaded, IsOk());
    return loaded ? *std::move(loaded) : nullptr;
  }

  RequestContext context_;
  std::filesystem::path folder_;
};

TEST_F(TextIndexTest, FindsRowsByWordsInAnyFormRarestFirst) {
  const auto index = TextIndex::make();
  ASSERT_THAT(index->add(0, "The welder welded pipes in a refinery."), IsOk());
  ASSERT_THAT(index->add(1, "Welding, pipes and more pipes"), IsOk());
  ASSERT_THAT(index->add(2, "An accountant; pipes never"), IsOk());
  ASSERT_THAT(index->add(3, "Ängström café"), IsOk());
  EXPECT_THAT(found(*index, "who is welding?"), ElementsAre(1, 0));
  EXPECT_THAT(found(*index, "ACCOUNTANTS"), ElementsAre(2));
  EXPECT_THAT(found(*index, "angstrom"), ElementsAre(3));
  EXPECT_THAT(found(*index, "CAFE\xCC\x81"), ElementsAre(3));
  EXPECT_THAT(found(*index, "nothing of this", 10), IsEmpty());
  EXPECT_THAT(found(*index, "", 10), IsEmpty());
  EXPECT_THAT(found(*index, "pipes", 1), ElementsAre(1));
  EXPECT_EQ(index->stats().rows, 4U);
}

TEST_F(TextIndexTest, OnlyAllowedRowsAreFoundAndAsManyAsThereAre) {
  const auto index = TextIndex::make();
  for (Row row = 0; row < 1000; ++row) {
    ASSERT_THAT(index->add(row, row % 2 == 0 ? "even number" : "odd number number"), IsOk());
  }
  const RowSet allowed = RowSet::of(1000, std::vector<Row>{4, 6, 998});
  EXPECT_THAT(found(*index, "odd number", 10, &allowed), ElementsAre(4, 6, 998));
  EXPECT_THAT(found(*index, "odd", 10, &allowed), IsEmpty());
  const auto loaded = reloaded(*index);
  EXPECT_THAT(found(*loaded, "odd number", 10, &allowed), ElementsAre(4, 6, 998));
  EXPECT_THAT(found(*loaded, "number", 600), SizeIs(600));
}

TEST_F(TextIndexTest, RemovedAndReplacedRowsAreNotFoundBeforeAndAfterSaving) {
  auto index = TextIndex::make();
  ASSERT_THAT(index->add(0, "apple"), IsOk());
  ASSERT_THAT(index->add(1, "apple pear"), IsOk());
  ASSERT_THAT(index->add(2, "pear"), IsOk());
  index = reloaded(*index);
  index->remove(0);
  index->remove(77);
  ASSERT_THAT(index->add(1, "plum"), IsOk());
  ASSERT_THAT(index->add(5, "apple"), IsOk());
  EXPECT_THAT(found(*index, "apple"), ElementsAre(5));
  EXPECT_THAT(found(*index, "pear"), ElementsAre(2));
  EXPECT_THAT(found(*index, "plum"), ElementsAre(1));
  EXPECT_EQ(index->stats().rows, 3U);
  index = reloaded(*index);
  EXPECT_THAT(found(*index, "apple"), ElementsAre(5));
  EXPECT_THAT(found(*index, "pear plum"), ElementsAre(1, 2));
  EXPECT_EQ(index->note(), "note");
  ASSERT_THAT(index->add(2, "..."), IsOk());
  EXPECT_THAT(found(*index, "pear"), IsEmpty());
  EXPECT_EQ(index->stats().rows, 2U);
}

/// BM25 by the book, over texts whose words are their terms.
std::vector<Hit> by_the_book(const std::map<Row, std::vector<std::string>>& rows,
                             const std::vector<std::string>& query, const RowSet& allowed) {
  double length = 0;
  for (const auto& [row, words] : rows) {
    length += static_cast<double>(words.size());
  }
  const auto count = static_cast<double>(rows.size());
  std::map<Row, double> scores;
  for (const std::string& word : query) {
    double with = 0;
    for (const auto& [row, words] : rows) {
      with += std::ranges::count(words, word) > 0 ? 1 : 0;
    }
    for (const auto& [row, words] : rows) {
      const auto times = static_cast<double>(std::ranges::count(words, word));
      if (times > 0 && allowed.contains(row)) {
        scores[row] +=
            std::log(1 + (count - with + 0.5) / (with + 0.5)) * times * 2.2 /
            (times + 1.2 * (0.25 + 0.75 * static_cast<double>(words.size()) * count / length));
      }
    }
  }
  std::vector<Hit> hits;
  for (const auto& [row, score] : scores) {
    hits.push_back({.row = row, .score = static_cast<float>(score)});
  }
  std::ranges::sort(hits, better);
  return hits;
}

TEST_F(TextIndexTest, RanksAsBm25WhateverIsInTheFileAndWhateverInMemory) {
  std::mt19937 dice(7);
  const auto below = [&](std::uint32_t bound) {
    return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(dice);
  };
  // Few words are in most rows, most in few: lists of many blocks, and of one row.
  const auto word = [&] { return "w" + std::to_string(below(1 + below(1 + below(300)))); };
  auto index = TextIndex::make(Analysis::Plain);
  std::map<Row, std::vector<std::string>> rows;
  for (int step = 0; step < 3000; ++step) {
    const Row row = below(1500);
    if (below(5) == 0) {
      index->remove(row);
      rows.erase(row);
      continue;
    }
    std::vector<std::string> words(1 + below(40));
    std::string text;
    for (std::string& one : words) {
      one = word();
      text += one + " ";
    }
    ASSERT_THAT(index->add(row, text), IsOk());
    rows[row] = words;
    if (step == 1000 || step == 2000) {
      index = reloaded(*index);
    }
  }
  ASSERT_EQ(index->stats().rows, rows.size());
  RowSet allowed = RowSet::all(1500);
  for (int i = 0; i < 200; ++i) {
    std::vector<std::string> query;
    std::string text;
    for (std::uint32_t words = 1 + below(12); words > 0; --words) {
      query.push_back(word());
      text += query.back() + " ";
    }
    if (i == 100) {
      for (Row row = 0; row < 1500; row += 3) {
        allowed.remove(row);
      }
    }
    const std::size_t k = 1 + below(i % 4 == 0 ? 1000 : 12);
    std::vector<Hit> wanted = by_the_book(rows, query, allowed);
    wanted.resize(std::min(k, wanted.size()));
    const std::vector<Hit> hits = search(*index, text, k, &allowed);
    SCOPED_TRACE(text);
    ASSERT_EQ(hits.size(), wanted.size());
    for (std::size_t place = 0; place < hits.size(); ++place) {
      // Rows with nearly the same score may change places.
      ASSERT_NEAR(hits[place].score, wanted[place].score, 1e-3) << place;
    }
  }
}

TEST_F(TextIndexTest, TheSameRowsMakeTheSameFileInWhateverOrderTheyCame) {
  const auto one = TextIndex::make();
  const auto other = TextIndex::make();
  for (Row row = 0; row < 100; ++row) {
    ASSERT_THAT(one->add(row, "row number" + std::to_string(row % 7)), IsOk());
    ASSERT_THAT(other->add(99 - row, "row number" + std::to_string((99 - row) % 7)), IsOk());
  }
  ASSERT_THAT(other->add(200, "gone again"), IsOk());
  other->remove(200);
  const auto bytes_of = [&](const TextIndex& index) {
    EXPECT_THAT(index.save(context_, file()), IsOk());
    std::ostringstream bytes;
    bytes << std::ifstream(file()).rdbuf();
    return bytes.str();
  };
  EXPECT_EQ(bytes_of(*one), bytes_of(*other));
}

TEST_F(TextIndexTest, FeedbackFindsWhatTheQueryHasNoWordFor) {
  const auto index = TextIndex::make();
  ASSERT_THAT(index->add(0, "car engine gearbox"), IsOk());
  ASSERT_THAT(index->add(1, "automobile engine gearbox"), IsOk());
  ASSERT_THAT(index->add(2, "cooking recipes"), IsOk());
  EXPECT_THAT(found(*index, "car"), ElementsAre(0));
  const std::vector<Hit> good = {{.row = 0, .score = 1}};
  EXPECT_THAT(found(*index, "car", 10, nullptr, good), ElementsAre(0, 1));
  const auto loaded = reloaded(*index);
  EXPECT_THAT(found(*loaded, "car", 10, nullptr, good), ElementsAre(0, 1));
  // Rows that are not there teach nothing.
  const std::vector<Hit> unknown = {{.row = 4'000'000, .score = 1}};
  EXPECT_THAT(found(*loaded, "car", 10, nullptr, unknown), ElementsAre(0));
}

TEST_F(TextIndexTest, RefusesWhatIsTooMuch) {
  const auto index = TextIndex::make();
  EXPECT_THAT(index->add(RowSet::kRowsMax, "a"), FailsWith(ErrorCode::InvalidArgument));
  const std::string text(TextIndex::kQueryBytesMax + 1, 'a');
  const TextQuery long_query{.text = text, .k = 10, .allowed = nullptr, .feedback = {}};
  EXPECT_THAT(index->search(context_, long_query), FailsWith(ErrorCode::InvalidArgument));
  const TextQuery no_k{.text = "a", .k = 0, .allowed = nullptr, .feedback = {}};
  EXPECT_THAT(index->search(context_, no_k), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(TextIndex::load(context_, folder_ / "none"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(TextIndex::load(context_, folder_), FailsWith(ErrorCode::DataLoss));
}

TEST_F(TextIndexTest, HugeAndBrokenTextIsTakenAsFarAsItIsText) {
  const auto index = TextIndex::make();
  std::string text(1'000'000, 'x');
  text += " \xFF\xFE caf\xC3\xA9 \xC3 \xE2\x82 end \xF5\x80\x80\x80";
  ASSERT_THAT(index->add(0, text), IsOk());
  EXPECT_THAT(found(*index, "cafe"), ElementsAre(0));
  EXPECT_THAT(found(*index, "end"), ElementsAre(0));
  EXPECT_THAT(found(*index, std::string(100, 'x')), ElementsAre(0));
  std::string many;
  for (int i = 0; i < 10'000; ++i) {
    many += "q" + std::to_string(i) + " ";
  }
  EXPECT_THAT(found(*index, std::string_view(many).substr(0, 60'000)), IsEmpty());
}

TEST_F(TextIndexTest, ADamagedFileIsRefusedOrAnswersWithoutHarm) {
  const auto index = TextIndex::make();
  for (Row row = 0; row < 300; ++row) {
    ASSERT_THAT(index->add(row, "common rare" + std::to_string(row % 50) + " common"), IsOk());
  }
  ASSERT_THAT(index->save(context_, file(), "n"), IsOk());
  std::ostringstream all;
  all << std::ifstream(file()).rdbuf();
  const std::string good = all.str();
  std::mt19937 dice(11);
  for (int i = 0; i < 120; ++i) {
    std::string bad = good;
    if (i % 4 == 0) {
      bad.resize(dice() % bad.size());
    } else {
      bad[dice() % bad.size()] ^= static_cast<char>(1U << (dice() % 8));
    }
    std::ofstream(file(), std::ios::trunc | std::ios::binary) << bad;
    EXPECT_FALSE(TextIndex::load(context_, file()));
  }
  std::ofstream(file(), std::ios::trunc | std::ios::binary) << good;
  EXPECT_THAT(TextIndex::load(context_, file()), IsOk());
}

}  // namespace
}  // namespace lakehouse::vector
