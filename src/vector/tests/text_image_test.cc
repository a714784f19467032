#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "vector/text/image.h"
#include "vector/text/image_writer.h"
#include "vector/text/ranking.h"

namespace lakehouse::vector {
namespace {

std::string small_image() {
  const std::vector<std::string_view> terms = {"a", "b", "c"};
  ImageWriter writer(Analysis::Plain, terms);
  for (Row row = 0; row < 400; row += 1 + row % 3) {
    ImageWriter::Terms has = {{0, 1 + row % 2}};
    if (row % 5 == 0) {
      has.emplace_back(1, 300);
    }
    if (row % 100 == 0) {
      has.emplace_back(2, 1);
    }
    writer.add(row, 400, has);
  }
  return *writer.finish(RequestContext(), "");
}

/// As somebody would who wants to be believed.
void sign(std::string& bytes) {
  ImageHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.file_bytes = bytes.size();
  header.digest = {};
  Sha256 hash;
  hash.update(std::as_bytes(std::span(&header, 1)));
  hash.update(std::as_bytes(std::span(bytes).subspan(sizeof header)));
  header.digest = hash.finish();
  std::memcpy(bytes.data(), &header, sizeof header);
}

void search_all(const TextImage& image) {
  TextDelta delta(Analysis::Plain);
  const std::vector<bool> gone(image.header().row_bound, false);
  const TextRows rows{.image = &image,
                      .gone = &gone,
                      .delta = &delta,
                      .allowed = nullptr,
                      .statistics = {.rows = 100, .mean_length = 10}};
  for (const std::size_t k : {1U, 1000U}) {
    std::vector<RankedTerm> terms;
    for (std::uint32_t term = 0; term < image.terms(); ++term) {
      terms.push_back({.in_image = term, .in_delta = {}, .place = term, .weight = 1, .bound = 0});
    }
    Sums sums;
    const auto hits = rank(RequestContext(), rows, terms, k, sums);
    ASSERT_TRUE(hits);
    for (const Hit& hit : *hits) {
      image.each_term_of(hit.row, [](std::uint32_t, std::uint32_t) {});
    }
  }
}

TEST(TextImageTest, AForgedFileIsRefusedOrSearchedWithoutReadingOutsideOfIt) {
  const std::string good = small_image();
  std::mt19937 dice(5);
  int taken = 0;
  for (int i = 0; i < 6'000; ++i) {
    std::string bad = good;
    for (std::uint32_t changes = 1 + dice() % 3; changes > 0; --changes) {
      // Beyond magic and version, or none would get far.
      const std::size_t at = 16 + dice() % (bad.size() - 16);
      bad[at] =
          static_cast<char>(dice() % 2 == 0 ? dice() : static_cast<unsigned char>(bad[at]) + 1);
    }
    sign(bad);
    // In memory of just its size, so that a sanitizer sees the first byte outside.
    const std::unique_ptr<std::uint64_t[]> aligned(new std::uint64_t[(bad.size() + 7) / 8]);
    std::memcpy(aligned.get(), bad.data(), bad.size());
    const auto image = TextImage::view(RequestContext(),
                                       {reinterpret_cast<const char*>(aligned.get()), bad.size()});
    if (image) {
      ++taken;
      search_all(**image);
    }
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace lakehouse::vector
