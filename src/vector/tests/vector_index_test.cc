#include "vector/vector_index.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"
#include "vector/tests/some_vectors.h"

namespace lakehouse::vector {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAnd;
using ::testing::SizeIs;

constexpr std::uint32_t kDimensions = 64;
const RequestContext kContext;

IndexOptions options_with(std::uint32_t dimensions = kDimensions) {
  return {.dimensions = dimensions, .ef_construction = 100};
}

std::unique_ptr<VectorIndex> built(const std::vector<float>& rows, const IndexOptions& options,
                                   unsigned threads = 1, std::string note = {}) {
  auto builder = VectorIndexBuilder::create(options);
  EXPECT_THAT(builder, IsOk());
  EXPECT_THAT((*builder)->add(rows), IsOk());
  auto index = (*builder)->build(kContext, std::move(note), threads);
  EXPECT_THAT(index, IsOk());
  return std::move(*index);
}

struct Found {
  double recall = 0;
  std::set<std::string_view> methods;
};

/// Of `count` queries' best `k`, the share that is found; by their scores, since rows may be alike.
Found found(const VectorIndex& index, const SearchOptions& options, std::size_t count = 50) {
  const std::vector<float> queries = some_vectors(count, index.options().dimensions, 77);
  const std::size_t dimensions = index.options().dimensions;
  std::size_t hit = 0;
  std::size_t wanted = 0;
  Found out;
  for (std::size_t i = 0; i < count; ++i) {
    const auto query = std::span(queries).subspan(i * dimensions, dimensions);
    const auto best = index.table().search(
        kContext, ScanQuery{.vector = query, .k = options.k, .filter = options.filter});
    const auto answer = index.search(kContext, query, options);
    EXPECT_THAT(answer, IsOk());
    EXPECT_EQ(answer->hits.size(), best->size()) << "k results, whenever k exist";
    wanted += best->size();
    for (const Hit& at : answer->hits) {
      EXPECT_TRUE(options.filter == nullptr || options.filter->contains(at.row));
      hit += at.score >= best->back().score ? 1U : 0U;
    }
    out.methods.insert(to_string(answer->method));
  }
  out.recall = wanted == 0 ? 1 : static_cast<double>(hit) / static_cast<double>(wanted);
  return out;
}

class VectorIndexTest : public ::testing::Test {
 protected:
  VectorIndexTest() { std::filesystem::create_directories(folder_); }
  ~VectorIndexTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  static std::string bytes_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) /
      ("vector_index_" +
       std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST_F(VectorIndexTest, FindsNearlyAll) {
  const std::vector<float> rows = some_vectors(8000, kDimensions);
  for (const Quantization quantization : {Quantization::Int8, Quantization::None}) {
    SCOPED_TRACE(to_string(quantization));
    IndexOptions options = options_with();
    options.quantization = quantization;
    const auto index = built(rows, options);
    const Found some = found(*index, {.k = 10, .ef = 24});
    EXPECT_THAT(some.methods, ::testing::ElementsAre("graph"));
    EXPECT_GE(some.recall, 0.9);
    EXPECT_GE(found(*index, {.k = 10, .ef = 120}).recall, 0.99);
    const Found exact = found(*index, {.k = 10, .exact = true});
    EXPECT_THAT(exact.methods, ::testing::ElementsAre("scan"));
    EXPECT_EQ(exact.recall, 1.0);
  }
}

/// The table of the filters: recall and k results at every share, and the way that was chosen.
TEST_F(VectorIndexTest, FindsUnderEveryFilter) {
  constexpr std::uint32_t kRows = 20'000;
  const auto index = built(some_vectors(kRows, kDimensions), options_with());
  std::mt19937 dice(2);
  std::set<std::string_view> methods;
  for (const double share : {1.0, 0.9, 0.5, 0.2, 0.1, 0.05, 0.01, 0.001, 0.0001, 0.0}) {
    SCOPED_TRACE(share);
    RowSet filter(kRows);
    for (Row row = 0; row < kRows; ++row) {
      if (static_cast<double>(dice()) < share * 4294967296.0) {
        filter.add(row);
      }
    }
    for (const std::uint32_t k : {1U, 10U, 100U}) {
      const Found some = found(*index, {.k = k, .ef = 48, .filter = &filter}, 30);
      EXPECT_GE(some.recall, 0.95) << k;
      methods.insert(some.methods.begin(), some.methods.end());
    }
  }
  EXPECT_THAT(methods, ::testing::IsSupersetOf({"filtered_graph", "scan"}));
}

TEST_F(VectorIndexTest, FindsWhatLiesFarFromTheQuery) {
  // Allowed are only rows on the other side: a walk that begins at the query meets none of them.
  const auto index = built(some_vectors(20'000, kDimensions), options_with());
  const std::vector<float> query = some_vectors(1, kDimensions, 5);
  RowSet far(index->size());
  const auto all = index->table().search(kContext, ScanQuery{.vector = query, .k = 10'000});
  ASSERT_THAT(all, IsOk());
  far.invert();
  for (const Hit& hit : *all) {
    far.remove(hit.row);
  }
  const auto best =
      index->table().search(kContext, ScanQuery{.vector = query, .k = 10, .filter = &far});
  const auto answer = index->search(kContext, query, {.k = 10, .ef = 16, .filter = &far});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->hits, *best);
}

TEST_F(VectorIndexTest, FindsAmongManyRowsThatAreTheSame) {
  std::vector<float> rows;
  const std::vector<float> few = some_vectors(20, kDimensions);
  for (int copy = 0; copy < 300; ++copy) {
    rows.insert(rows.end(), few.begin(), few.end());
  }
  const std::vector<float> others = some_vectors(6000, kDimensions, 3);
  rows.insert(rows.end(), others.begin(), others.end());
  const auto index = built(rows, options_with());
  EXPECT_GE(found(*index, {.k = 10, .ef = 64}).recall, 0.95);
  // Of a text that many rows have, as many as are asked for.
  const auto answer =
      index->search(kContext, std::span(few).first(kDimensions), {.k = 50, .ef = 64});
  ASSERT_THAT(answer, IsOk());
  ASSERT_THAT(answer->hits, SizeIs(50));
  EXPECT_GT(answer->hits.back().score, 0.9999F);
}

TEST_F(VectorIndexTest, ThreadsBuildAsGoodAGraph) {
  const std::vector<float> rows = some_vectors(6000, kDimensions);
  const auto index = built(rows, options_with(), 4);
  EXPECT_EQ(index->size(), 6000U);
  EXPECT_GE(found(*index, {.k = 10, .ef = 100}).recall, 0.98);
}

TEST_F(VectorIndexTest, TheSameRowsMakeTheSameFile) {
  const std::vector<float> rows = some_vectors(2000, kDimensions);
  ASSERT_THAT(built(rows, options_with())->save(path("a")), IsOk());
  ASSERT_THAT(built(rows, options_with())->save(path("b")), IsOk());
  EXPECT_EQ(bytes_of(path("a")), bytes_of(path("b")));
}

TEST_F(VectorIndexTest, AFileGivesTheSameAnswers) {
  for (const Quantization quantization : {Quantization::Int8, Quantization::None}) {
    IndexOptions options = options_with();
    options.quantization = quantization;
    options.seed = 42;
    const auto index = built(some_vectors(5000, kDimensions), options, 1, "snapshot 17");
    ASSERT_THAT(index->save(path("index")), IsOk());
    const auto opened = VectorIndex::open(path("index"));
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ((*opened)->options(), options);
    EXPECT_EQ((*opened)->note(), "snapshot 17");
    EXPECT_EQ((*opened)->size(), 5000U);
    EXPECT_EQ((*opened)->file_bytes(), std::filesystem::file_size(path("index")));
    EXPECT_LT((*opened)->memory_bytes(), (*opened)->file_bytes());
    EXPECT_THAT((*opened)->verify(kContext), IsOk());
    EXPECT_THAT((*opened)->warm(kContext), IsOk());
    const std::vector<float> queries = some_vectors(20, kDimensions, 8);
    for (std::size_t i = 0; i < 20; ++i) {
      const auto query = std::span(queries).subspan(i * kDimensions, kDimensions);
      for (const SearchOptions& asked : {SearchOptions{.ef = 30}, SearchOptions{.exact = true}}) {
        EXPECT_EQ((*opened)->search(kContext, query, asked)->hits,
                  index->search(kContext, query, asked)->hits);
      }
    }
    // One that was opened is saved as it was.
    ASSERT_THAT((*opened)->save(path("copy")), IsOk());
    EXPECT_EQ(bytes_of(path("copy")), bytes_of(path("index")));
  }
}

TEST_F(VectorIndexTest, GrowsByRowsThatFollow) {
  const std::vector<float> rows = some_vectors(4000, kDimensions);
  const std::vector<float> more = some_vectors(2000, kDimensions, 6);
  ASSERT_THAT(built(rows, options_with(), 1, "old")->save(path("index")), IsOk());
  const auto opened = VectorIndex::open(path("index"));
  ASSERT_THAT(opened, IsOk());
  auto builder = VectorIndexBuilder::extend(**opened);
  ASSERT_THAT(builder, IsOk());
  ASSERT_THAT((*builder)->add(more), IsOk());
  const auto index = (*builder)->build(kContext, "new");
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ((*index)->size(), 6000U);
  EXPECT_EQ((*index)->note(), "new");
  EXPECT_GE(found(**index, {.k = 10, .ef = 100}).recall, 0.98);
  const auto answer = (*index)->search(kContext, std::span(more).first(kDimensions), {.k = 1});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->hits[0].row, 4000U);
}

TEST_F(VectorIndexTest, ABuildThatWasGivenUpGoesOn) {
  auto builder = VectorIndexBuilder::create(options_with());
  ASSERT_THAT(builder, IsOk());
  ASSERT_THAT((*builder)->add(some_vectors(3000, kDimensions)), IsOk());
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::stop_source stop;
    RequestContext context;
    context.stop = stop.get_token();
    stop.request_stop();
    EXPECT_THAT((*builder)->build(context, {}, attempt == 1 ? 3 : 1),
                FailsWith(ErrorCode::Cancelled));
  }
  std::uint32_t last = 0;
  const auto index =
      (*builder)->build(kContext, {}, 1, [&](std::uint32_t done, std::uint32_t total) {
        EXPECT_GE(done, last);
        EXPECT_EQ(total, 3000U);
        last = done;
      });
  ASSERT_THAT(index, IsOk());
  EXPECT_GE(found(**index, {.k = 10, .ef = 100}).recall, 0.99);
}

TEST_F(VectorIndexTest, SmallOnesWork) {
  const std::vector<float> rows = some_vectors(3, kDimensions);
  for (std::size_t count = 0; count <= 3; ++count) {
    SCOPED_TRACE(count);
    const auto index =
        built({rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count * kDimensions)},
              options_with());
    ASSERT_THAT(index->save(path("index")), IsOk());
    const auto opened = VectorIndex::open(path("index"));
    ASSERT_THAT(opened, IsOk());
    const auto answer = (*opened)->search(kContext, std::span(rows).first(kDimensions), {.k = 10});
    ASSERT_THAT(answer, IsOk());
    EXPECT_THAT(answer->hits, SizeIs(count));
    EXPECT_THAT(VectorIndexBuilder::extend(**opened), IsOk());
  }
}

TEST_F(VectorIndexTest, RefusesWrongNumbers) {
  for (const IndexOptions& wrong :
       {IndexOptions{.dimensions = 0}, IndexOptions{.dimensions = 5000},
        IndexOptions{.dimensions = 4, .m = 1}, IndexOptions{.dimensions = 4, .m = 200},
        IndexOptions{.dimensions = 4, .ef_construction = 0},
        IndexOptions{.dimensions = 4, .ef_construction = 100'000}}) {
    EXPECT_THAT(VectorIndexBuilder::create(wrong), FailsWith(ErrorCode::InvalidArgument));
  }
  const auto index = built(some_vectors(10, kDimensions), options_with());
  const std::vector<float> query = some_vectors(1, kDimensions);
  EXPECT_THAT(index->search(kContext, query, {.k = 0}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(index->search(kContext, query, {.ef = 5000}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(index->search(kContext, std::span(query).first(5), {}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(quantization_named("int4"), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(quantization_named("int8"), IsOkAnd(Quantization::Int8));
}

TEST_F(VectorIndexTest, RefusesFilesThatAreNone) {
  EXPECT_THAT(VectorIndex::open(path("nothing")), FailsWith(ErrorCode::NotFound));
  write(path("empty"), "");
  EXPECT_THAT(VectorIndex::open(path("empty")), FailsWith(ErrorCode::DataLoss));
  write(path("text"), std::string(10'000, 'x'));
  EXPECT_THAT(VectorIndex::open(path("text")), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(VectorIndex::open(folder_), FailsWith(ErrorCode::DataLoss));
  const auto index = built(some_vectors(100, kDimensions), options_with());
  EXPECT_THAT(index->save(path("no/such/folder")), FailsWith(ErrorCode::NotFound));
  ASSERT_THAT(index->save(path("index")), IsOk());
  std::string bytes = bytes_of(path("index"));
  bytes[8] = 99;
  write(path("later"), bytes);
  EXPECT_THAT(VectorIndex::open(path("later")), FailsWith(ErrorCode::FailedPrecondition));
}

/// Whatever changes in a file: it is refused, or `verify` says so, and searches stay inside of it.
TEST_F(VectorIndexTest, SurvivesDamagedFiles) {
  const auto index = built(some_vectors(600, kDimensions), options_with(), 1, "note");
  ASSERT_THAT(index->save(path("index")), IsOk());
  const std::string whole = bytes_of(path("index"));
  const std::vector<float> query = some_vectors(1, kDimensions, 4);
  std::mt19937 dice(11);
  int opened = 0;
  for (int attempt = 0; attempt < 400; ++attempt) {
    std::string bytes = whole;
    if (attempt % 4 == 0) {
      bytes.resize(dice() % bytes.size());
    } else {
      // Most in the header, the note, the levels and the links, which come first.
      const std::size_t place = attempt % 4 == 1 ? dice() % 256 : dice() % bytes.size();
      bytes[place] = static_cast<char>(bytes[place] ^ static_cast<char>(1U << (dice() % 8)));
    }
    write(path("damaged"), bytes);
    const auto damaged = VectorIndex::open(path("damaged"));
    if (!damaged) {
      continue;
    }
    ++opened;
    for (const SearchOptions& asked : {SearchOptions{.k = 5}, SearchOptions{.exact = true}}) {
      EXPECT_THAT((*damaged)->search(kContext, query, asked), IsOk());
    }
    if (bytes != whole && (*damaged)->verify(kContext)) {
      // Only what lies between the parts and belongs to none.
      EXPECT_EQ((*damaged)->search(kContext, query, {.exact = true})->hits,
                index->search(kContext, query, {.exact = true})->hits);
    }
  }
  EXPECT_GT(opened, 0);
}

}  // namespace
}  // namespace lakehouse::vector
