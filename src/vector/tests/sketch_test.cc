#include "vector/detail/sketch.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/testing/matchers.h"
#include "vector/detail/index_file.h"
#include "vector/detail/table_data.h"
#include "vector/exact_scan.h"
#include "vector/tests/some_vectors.h"
#include "vector/vector_index.h"

namespace lakehouse::vector {
namespace {

using testing::IsOk;
using ::testing::SizeIs;

constexpr std::uint32_t kDimensions = 320;
constexpr std::size_t kRows = 5003;
const RequestContext kContext;

/// Vectors as models make them: most of each lies in a few directions.
std::vector<float> text_like(std::size_t count, std::uint64_t seed) {
  constexpr std::size_t kDirections = 60;
  constexpr float kNoise = 0.15F;
  const std::vector<float> weights = some_vectors(count, kDirections, seed);
  const std::vector<float> directions = some_vectors(kDirections, kDimensions, 55);
  std::mt19937_64 dice(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * kDimensions);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t d = 0; d < kDimensions; ++d) {
      float& value = rows[i * kDimensions + d];
      for (std::size_t k = 0; k < kDirections; ++k) {
        value += weights[i * kDirections + k] * directions[k * kDimensions + d];
      }
      value += kNoise * std::sqrt(float{kDirections}) * normal(dice);
    }
  }
  return rows;
}

const std::vector<float>& some_rows() {
  static const std::vector<float> rows = text_like(kRows, 1);
  return rows;
}

std::span<const float> nth(const std::vector<float>& rows, std::size_t i) {
  return std::span(rows).subspan(i * kDimensions, kDimensions);
}

class SketchTest : public ::testing::Test {
 protected:
  SketchTest() : table_(kDimensions) {
    EXPECT_THAT(table_.add(text_like(kRows, 1)), IsOk());
    auto made = Sketches::make(kContext, table_.data());
    EXPECT_THAT(made, IsOk());
    sketches_ = *std::move(made);
    EXPECT_FALSE(sketches_.empty());
  }

  VectorTable table_;
  Sketches sketches_;
  std::vector<float> queries_ = text_like(70, 2);
};

/// The byte of a row's code, wherever it is packed to.
std::int32_t byte_of(const Sketch& sketch, Row row, std::size_t i) {
  const std::size_t length = sketch.length();
  const std::size_t at = sketch.parts().packed
                             ? row / 16 * 16 * length + i / 4 * 64 + row % 16 * 4 + i % 4
                             : row * length + i;
  return sketch.codes()[at];
}

TEST_F(SketchTest, BoundsWhatRowsScore) {
  for (const Sketch* sketch : {&sketches_.coarse, &sketches_.fine}) {
    double slack = 0;
    for (std::size_t q = 0; q < 10; ++q) {
      const auto unit = unit_query(nth(queries_, q), kDimensions, table_.data().stride);
      ASSERT_THAT(unit, IsOk());
      const QueryCode query = sketch->encode(*unit);
      for (Row row = 0; row < kRows; ++row) {
        std::int32_t product = 0;
        for (std::size_t i = 0; i < sketch->length(); ++i) {
          product += byte_of(*sketch, row, i) * std::int32_t{query.bytes[i]};
        }
        const double bound = (product - query.bias) * query.scale + query.error;
        const auto score = static_cast<double>(table_.data().score(unit->data(), row));
        ASSERT_GE(bound + 1e-5, score) << row;
        slack += bound - score;
      }
    }
    EXPECT_LT(slack / (10 * kRows), 0.3) << "a bound that says little is of no use";
  }
}

TEST_F(SketchTest, ScansAnswerAsWithoutThem) {
  RowSet most(kRows + 90);
  RowSet few(kRows);
  for (Row row = 0; row < kRows; ++row) {
    if (row % 5 != 2) {
      most.add(row);
    }
    if (row % 100 == 3) {
      few.add(row);
    }
  }
  const std::vector<Row> start = {4, 4, 17, 4999, 5002, 70'000, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11};
  std::vector<ScanQuery> asked;
  for (std::size_t q = 0; q < 70; ++q) {
    const RowSet* const filters[] = {nullptr, &most, &few};
    asked.push_back({.vector = nth(queries_, q),
                     .k = static_cast<std::uint32_t>(q % 13 + 1),
                     .filter = filters[q % 3],
                     .start = q % 2 == 0 ? std::span<const Row>() : start});
  }
  std::vector<std::vector<Hit>> plain;
  for (const ScanQuery& query : asked) {
    plain.push_back(*table_.search(kContext, query));
  }
  table_.data().sketches = std::move(sketches_);
  for (std::size_t q = 0; q < asked.size(); ++q) {
    EXPECT_EQ(*table_.search(kContext, asked[q]), plain[q]) << q;
  }
  for (const std::size_t count : {2U, 13U, 64U, 70U}) {
    const auto together = table_.search(kContext, std::span(asked).first(count));
    ASSERT_THAT(together, IsOk());
    for (std::size_t q = 0; q < count; ++q) {
      EXPECT_EQ((*together)[q], plain[q]) << q << " of " << count;
    }
  }
}

TEST_F(SketchTest, QuestionsOfAnotherKindAreAnswered) {
  table_.data().sketches = std::move(sketches_);
  VectorTable plain(kDimensions);
  ASSERT_THAT(plain.add(text_like(kRows, 1)), IsOk());
  // Far from all rows: then sketches rule out little, and scans go on without.
  const std::vector<float> far = some_vectors(20, kDimensions, 5);
  std::vector<ScanQuery> asked;
  for (std::size_t q = 0; q < 20; ++q) {
    asked.push_back({.vector = nth(far, q)});
  }
  EXPECT_EQ(*table_.search(kContext, asked), *plain.search(kContext, asked));
}

TEST_F(SketchTest, RowsThatFollowAreFound) {
  table_.data().sketches = std::move(sketches_);
  ASSERT_THAT(table_.add(nth(queries_, 0)), IsOk());
  const auto hits = table_.search(kContext, {.vector = nth(queries_, 0), .k = 1});
  ASSERT_THAT(hits, IsOk());
  EXPECT_EQ(hits->front().row, kRows);
}

TEST(SketchesTest, ThereAreNoneOfRowsThatLieAnyhow) {
  std::mt19937_64 dice(3);
  std::normal_distribution<float> normal;
  std::vector<float> rows(4200 * kDimensions);
  std::ranges::generate(rows, [&] { return normal(dice); });
  VectorTable table(kDimensions);
  ASSERT_THAT(table.add(rows), IsOk());
  const auto sketches = Sketches::make(kContext, table.data());
  ASSERT_THAT(sketches, IsOk());
  EXPECT_TRUE(sketches->empty());
}

TEST(SketchesTest, ThereAreSomeOfRowsThatAreAllTheSame) {
  std::vector<float> rows;
  for (int i = 0; i < 4200; ++i) {
    rows.insert(rows.end(), kDimensions, 1.0F);
  }
  VectorTable table(kDimensions);
  ASSERT_THAT(table.add(rows), IsOk());
  auto sketches = Sketches::make(kContext, table.data());
  ASSERT_THAT(sketches, IsOk());
  table.data().sketches = *std::move(sketches);
  const auto hits = table.search(kContext, {.vector = nth(rows, 0), .k = 7});
  ASSERT_THAT(hits, IsOk());
  ASSERT_THAT(*hits, SizeIs(7));
  EXPECT_EQ(hits->back().row, 6U);
}

class SketchFileTest : public ::testing::Test {
 protected:
  SketchFileTest()
      : path_(std::filesystem::path(::testing::TempDir()) /
              ("sketches-" + std::to_string(::getpid()))) {
    auto builder =
        VectorIndexBuilder::create({.dimensions = kDimensions, .m = 4, .ef_construction = 10});
    EXPECT_THAT((*builder)->add(text_like(kRows, 1)), IsOk());
    index_ = std::move(*(*builder)->build(kContext));
    EXPECT_FALSE(index_->table().data().sketches.empty());
    EXPECT_THAT(index_->save(path_), IsOk());
    std::ifstream file(path_, std::ios::binary);
    whole_ = std::string(std::istreambuf_iterator<char>(file), {});
  }
  ~SketchFileTest() override { std::filesystem::remove(path_); }

  void write(const std::string& bytes) const {
    std::filesystem::remove(path_);  // What is mapped must not change.
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  std::string path_;
  std::unique_ptr<VectorIndex> index_;
  std::string whole_;
  std::vector<float> queries_ = text_like(40, 2);
};

TEST_F(SketchFileTest, HoldsThem) {
  const auto opened = VectorIndex::open(path_);
  ASSERT_THAT(opened, IsOk());
  EXPECT_FALSE((*opened)->table().data().sketches.empty());
  EXPECT_THAT((*opened)->verify(kContext), IsOk());
  EXPECT_THAT((*opened)->warm(kContext), IsOk());
  EXPECT_GT((*opened)->memory_bytes(), kRows * (kDimensions + 64 + 128));
  std::vector<ScanQuery> asked;
  for (std::size_t q = 0; q < 40; ++q) {
    asked.push_back({.vector = nth(queries_, q)});
  }
  const auto hits = (*opened)->scan(kContext, asked);
  EXPECT_EQ(*hits, *index_->scan(kContext, asked));
  EXPECT_EQ(*hits, *(*opened)->table().search(kContext, asked));
  const auto grown = VectorIndexBuilder::extend(**opened);
  ASSERT_THAT(grown, IsOk());
  ASSERT_THAT((*grown)->add(queries_), IsOk());
  const auto larger = (*grown)->build(kContext);
  ASSERT_THAT(larger, IsOk());
  EXPECT_EQ((*(*larger)->scan(kContext, asked))[7].front().row, kRows + 7);
}

TEST_F(SketchFileTest, DoesWithoutThem) {
  const IndexOptions& options = index_->options();
  auto builder = VectorIndexBuilder::create(options);
  ASSERT_THAT((*builder)->add(std::span(some_rows()).first(100 * kDimensions)), IsOk());
  ASSERT_THAT((*(*builder)->build(kContext))->save(path_), IsOk());
  const auto opened = VectorIndex::open(path_);
  ASSERT_THAT(opened, IsOk());
  EXPECT_TRUE((*opened)->table().data().sketches.empty());
}

/// Whatever changes in them: the file is refused, or `verify` says so, or they are not used.
TEST_F(SketchFileTest, SurvivesDamage) {
  const std::size_t begin = whole_.find("LHSKETCH");
  ASSERT_NE(begin, std::string::npos);
  std::mt19937 dice(12);
  const auto query = nth(queries_, 0);
  for (int attempt = 0; attempt < 32; ++attempt) {
    std::string bytes = whole_;
    if (attempt % 4 == 0) {
      bytes.resize(begin + dice() % (bytes.size() - begin));
    } else {
      const std::size_t place = begin + (attempt % 4 == 1 ? dice() % sizeof(IndexFile::SketchHeader)
                                                          : dice() % (bytes.size() - begin));
      bytes[place] = static_cast<char>(bytes[place] ^ static_cast<char>(1U << (dice() % 8)));
    }
    write(bytes);
    const auto damaged = VectorIndex::open(path_);
    if (damaged) {
      EXPECT_THAT((*damaged)->search(kContext, query, {.exact = true}), IsOk());
      if ((*damaged)->verify(kContext) && !(*damaged)->table().data().sketches.empty()) {
        const std::vector<ScanQuery> asked(1, ScanQuery{.vector = query});
        EXPECT_EQ(*(*damaged)->scan(kContext, asked), *index_->scan(kContext, asked));
      }
    }
  }
}

}  // namespace
}  // namespace lakehouse::vector
