#include "vector/lance_vectors.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"
#include "engine/testing/engine_fixture.h"
#include "vector/exact_scan.h"

namespace lakehouse::vector {
namespace {

namespace fs = std::filesystem;
using engine::testing::patient_context;
using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint32_t kDimensions = 16;
constexpr std::uint32_t kRows = 12'000;

/// Rows in heaps, as texts are.
std::vector<float> some_rows(std::uint32_t count, unsigned seed) {
  std::mt19937 dice(seed);
  std::normal_distribution<float> normal;
  std::mt19937 fixed(7);
  std::vector<float> centres(std::size_t{40} * kDimensions);
  for (float& value : centres) {
    value = normal(fixed);
  }
  std::vector<float> rows;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t centre = dice() % 40;
    for (std::uint32_t d = 0; d < kDimensions; ++d) {
      rows.push_back(centres[centre * kDimensions + d] + 0.5F * normal(dice));
    }
  }
  return rows;
}

/// One dataset for all tests, where the extension is.
class LanceVectorsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (find_lance_extension().empty()) {
      return;
    }
    std::string name = (fs::temp_directory_path() / "lh-lance-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary folder");
    }
    folder_ = name;
    engine::EngineOptions options;
    options.executable = LH_ENGINE_HOST;
    options.arguments = {};
    options.spill_directory = folder_ / "spill";
    options.grant.writable = {folder_};
    options.threads = 2;
    options.memory_limit_bytes = std::uint64_t{1} << 30U;
    engine_ = std::make_unique<LanceEngine>(std::move(options), find_lance_extension());
    rows_ = some_rows(kRows, 1);
    ASSERT_THAT(table_.add(rows_), IsOk());
    auto writer = make_lance_writer(engine_.get(), kDimensions, folder_, "v.lance");
    ASSERT_THAT(writer, IsOk());
    for (std::size_t i = 0; i < kRows; ++i) {
      ASSERT_THAT(
          (*writer)->add(patient_context(), std::span(rows_).subspan(i * kDimensions, kDimensions)),
          IsOk());
    }
    EXPECT_THAT((*writer)->add(patient_context(), std::vector<float>(kDimensions, 0.0F)),
                FailsWith(ErrorCode::InvalidArgument));
    const auto nothing = [](std::uint64_t, std::uint64_t, std::string_view) {};
    const auto names = (*writer)->finish(patient_context(), "the note", nothing);
    ASSERT_THAT(names, IsOk());
    for (const std::string& file : *names) {
      EXPECT_TRUE(fs::is_regular_file(folder_ / file)) << file;
    }
  }
  static void TearDownTestSuite() {
    engine_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  void SetUp() override {
    if (engine_ == nullptr) {
      GTEST_SKIP() << "scripts/fetch_parts.py duckdb-lance gets the extension";
    }
    auto opened = open_lance_vectors(patient_context(), engine_.get(), folder_ / "v.lance",
                                     kDimensions, "the note");
    ASSERT_THAT(opened, IsOk());
    vectors_ = *std::move(opened);
  }

  /// The share of the best 10 that are found, over some queries.
  double recall(const RowSet* allowed, bool exact, std::string* method) {
    const std::vector<float> queries = some_rows(20, 2);
    std::size_t found = 0;
    std::size_t wanted = 0;
    for (std::size_t i = 0; i < 20; ++i) {
      const auto query = std::span(queries).subspan(i * kDimensions, kDimensions);
      ScanQuery scan;
      scan.vector = query;
      scan.filter = allowed;
      const auto best = table_.search(patient_context(), scan);
      const auto got = vectors_->nearest(patient_context(), query, 10, allowed, exact, 64);
      EXPECT_THAT(got, IsOk());
      if (!best || !got) {
        return 0;
      }
      EXPECT_EQ(got->hits.size(), best->size());
      std::set<Row> rows;
      for (const Hit& hit : *best) {
        rows.insert(hit.row);
      }
      for (const Hit& hit : got->hits) {
        EXPECT_TRUE(allowed == nullptr || allowed->contains(hit.row));
        found += rows.contains(hit.row) ? 1U : 0U;
      }
      EXPECT_NEAR(got->hits.front().score, best->front().score, 1e-4);
      wanted += best->size();
      *method = got->method;
    }
    return static_cast<double>(found) / static_cast<double>(wanted);
  }

  static inline fs::path folder_;
  static inline std::unique_ptr<LanceEngine> engine_;
  static inline std::vector<float> rows_;
  static inline VectorTable table_{kDimensions};
  std::unique_ptr<IndexVectors> vectors_;
};

TEST_F(LanceVectorsTest, FindsWhatAnExactSearchFinds) {
  std::string method;
  EXPECT_EQ(vectors_->size(), kRows);
  EXPECT_GE(recall(nullptr, false, &method), 0.97);
  EXPECT_EQ(method, "lance");
  EXPECT_EQ(recall(nullptr, true, &method), 1);
  EXPECT_EQ(method, "lance_scan");
}

TEST_F(LanceVectorsTest, AFilterCostsNoRecallHoweverMuchItLeaves) {
  for (const std::uint32_t one_in : {2U, 10U, 100U, 3'000U}) {
    RowSet allowed(kRows);
    for (Row row = 0; row < kRows; row += one_in) {
      allowed.add(row);
    }
    std::string method;
    EXPECT_GE(recall(&allowed, false, &method), 0.95) << one_in;
    EXPECT_EQ(method, one_in == 2 ? "filtered_lance" : "lance_scan");
  }
  const RowSet nothing(kRows);
  const auto none = vectors_->nearest(patient_context(), std::span(rows_).first(kDimensions), 5,
                                      &nothing, false, 64);
  ASSERT_THAT(none, IsOk());
  EXPECT_THAT(none->hits, IsEmpty());
}

TEST_F(LanceVectorsTest, GivesVectorsByRow) {
  const std::vector<Row> wanted = {11'999, 0, 77, 0};
  std::vector<float> out(wanted.size() * kDimensions);
  ASSERT_THAT(vectors_->read(patient_context(), wanted, out), IsOk());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(out[i * kDimensions + 3], rows_[std::size_t{wanted[i]} * kDimensions + 3]);
  }
}

TEST_F(LanceVectorsTest, WhatIsNotItsOwnIsRefused) {
  const auto open = [](std::uint32_t dimensions, const std::string& note, const fs::path& path) {
    return open_lance_vectors(patient_context(), engine_.get(), path, dimensions, note);
  };
  EXPECT_THAT(open(kDimensions, "another", folder_ / "v.lance"), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(open(8, "the note", folder_ / "v.lance"), FailsWith(ErrorCode::DataLoss));
  EXPECT_FALSE(open(kDimensions, "the note", folder_ / "nothing").has_value());
}

TEST(LanceEngineTest, SaysHowToGetWhatIsMissing) {
  const LanceEngine none({}, {});
  EXPECT_THAT(none.check(), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(check_lance(nullptr), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(none.check().error().hint, HasSubstr("extensions"));
}

}  // namespace
}  // namespace lakehouse::vector
