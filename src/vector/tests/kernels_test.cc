#include "vector/simd/kernels.h"

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lakehouse::vector::simd {
namespace {

constexpr std::size_t kRows = 67;

class KernelsTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  KernelsTest() : length_(GetParam()), codes_(kRows * length_), queries_(kTileQueries * length_) {
    std::mt19937 dice(5);
    for (std::uint8_t& byte : codes_) {
      byte = static_cast<std::uint8_t>(dice());
    }
    for (std::int8_t& byte : queries_) {
      byte = static_cast<std::int8_t>(dice());
    }
    // The largest products that there are.
    std::fill_n(codes_.begin(), length_, std::uint8_t{255});
    std::fill_n(queries_.begin(), length_, std::int8_t{-128});
    for (std::size_t q = 0; q < kTileQueries; ++q) {
      query_[q] = queries_.data() + q * length_;
    }
  }

  [[nodiscard]] std::int32_t product(std::size_t row, std::size_t query) const {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < length_; ++i) {
      sum += int{codes_[row * length_ + i]} * int{query_[query][i]};
    }
    return sum;
  }

  std::size_t length_;
  std::vector<std::uint8_t> codes_;
  std::vector<std::int8_t> queries_;
  std::array<const std::int8_t*, kTileQueries> query_{};
};

TEST_P(KernelsTest, AllOfThisProcessorGiveTheSameProducts) {
  const std::vector<std::uint32_t> rows = {3, 66, 0, 0, 12, 1, 40, 41, 42, 43, 9, 2, 5};
  for (const Kernels* kernels : all_kernels()) {
    SCOPED_TRACE(kernels->name);
    std::array<std::int32_t, kRows> out{};
    kernels->dots_in_order(codes_.data(), length_, kRows, query_[0], out.data());
    for (std::size_t row = 0; row < kRows; ++row) {
      ASSERT_EQ(out[row], product(row, 0)) << row;
    }
    for (std::size_t count = 0; count <= rows.size(); ++count) {
      kernels->dots(codes_.data(), length_, rows.data(), count, query_[1], out.data(),
                    rows.size() - count);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(out[i], product(rows[i], 1)) << i << " of " << count;
      }
    }
  }
}

TEST_P(KernelsTest, SievesFindTheRowsThatReachTheBound) {
  constexpr std::size_t kTiles = 2;
  constexpr std::size_t kStep = 3;
  std::vector<std::int8_t> packed_queries(kTileQueries * length_);
  pack_queries(query_.data(), length_, packed_queries.data());
  std::array<std::int32_t, kTileQueries> least{};
  for (std::size_t q = 0; q < kTileQueries; ++q) {
    least[q] = product(q, q);  // So that one row has just as much.
  }
  for (const Kernels* kernels : all_kernels()) {
    SCOPED_TRACE(kernels->name);
    std::vector<std::uint8_t> packed(kTiles * kTileRows * length_);
    std::array<std::uint32_t, kStep * kTileQueries> masks{};
    for (std::size_t tile = 0; tile < kTiles; ++tile) {
      std::uint8_t* to = packed.data() + tile * kTileRows * length_;
      kernels->pack(codes_.data() + tile * kTileRows * length_, length_, to);
      kernels->sieve(to, length_, packed_queries.data(), least.data(), masks.data() + tile, kStep);
    }
    for (std::size_t q = 0; q < kTileQueries; ++q) {
      std::array<std::uint32_t, kTiles> one{};
      kernels->sieve_one(packed.data(), length_, kTiles, query_[q], least[q], one.data());
      for (std::size_t row = 0; row < kTiles * kTileRows; ++row) {
        const std::uint32_t reaches = product(row, q) >= least[q] ? 1 : 0;
        ASSERT_EQ(masks[q * kStep + row / kTileRows] >> row % kTileRows & 1U, reaches);
        ASSERT_EQ(one[row / kTileRows] >> row % kTileRows & 1U, reaches);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, KernelsTest, ::testing::Values(64, 128, 384, 448, 4096));

TEST(KernelsTest, RowsAreThoseOfTheMasks) {
  std::mt19937 dice(8);
  for (const std::size_t tiles : {0U, 1U, 15U, 16U, 17U, 127U, 128U, 129U, 300U}) {
    std::vector<std::uint32_t> masks(tiles);
    std::vector<std::uint32_t> wanted;
    for (std::size_t tile = 0; tile < tiles; ++tile) {
      masks[tile] = tile % 3 == 0 ? 0 : tile % 7 == 0 ? ~0U : static_cast<std::uint32_t>(dice());
      for (std::uint32_t bit = 0; bit < kTileRows; ++bit) {
        if ((masks[tile] >> bit & 1U) != 0) {
          wanted.push_back(5 + static_cast<std::uint32_t>(tile * kTileRows) + bit);
        }
      }
    }
    for (const Kernels* kernels : all_kernels()) {
      std::vector<std::uint32_t> rows(tiles * kTileRows + 16);
      ASSERT_EQ(kernels->rows_of(masks.data(), tiles, 5, rows.data()), wanted.size());
      rows.resize(wanted.size());
      EXPECT_EQ(rows, wanted) << kernels->name << " " << tiles;
    }
  }
}

TEST(KernelsTest, KeepsWhatReachesTheBound) {
  std::mt19937 dice(9);
  for (const std::size_t count : {0U, 1U, 15U, 16U, 17U, 40U}) {
    for (const std::int32_t least : {-2147483647 - 1, 50, 101}) {
      std::vector<std::uint32_t> rows(count + 21);
      std::vector<std::int32_t> values(count + 21);
      std::ranges::generate(rows, [&] { return static_cast<std::uint32_t>(dice()); });
      std::ranges::generate(values, [&] { return static_cast<std::int32_t>(dice() % 101); });
      for (const Kernels* kernels : all_kernels()) {
        SCOPED_TRACE(kernels->name);
        // In their place, three before it, and with others behind them that must stay.
        std::vector<std::uint32_t> kept_rows = rows;
        std::vector<std::int32_t> kept_values = values;
        const std::size_t kept = kernels->keep(kept_rows.data() + 3, kept_values.data() + 3, count,
                                               least, kept_rows.data(), kept_values.data());
        std::size_t at = 0;
        for (std::size_t i = 3; i < count + 3; ++i) {
          if (values[i] >= least) {
            ASSERT_EQ(kept_rows[at], rows[i]);
            ASSERT_EQ(kept_values[at++], values[i]);
          }
        }
        ASSERT_EQ(kept, at);
        for (std::size_t i = count + 3; i < rows.size(); ++i) {
          ASSERT_EQ(kept_rows[i], rows[i]);
          ASSERT_EQ(kept_values[i], values[i]);
        }
      }
    }
  }
}

TEST(KernelsTest, PlacesAreThoseThatReachTheBound) {
  const std::vector<std::int32_t> values = {5, -1, 7, 5, 4, 0, -2147483647 - 1, 6, 2, 9,
                                            5, 3,  1, 2, 5, 4};
  for (const Kernels* kernels : all_kernels()) {
    SCOPED_TRACE(kernels->name);
    std::array<std::uint32_t, 16> places{};
    ASSERT_EQ(kernels->at_least(values.data(), 16, 5, places.data()), 7U);
    EXPECT_THAT(std::vector(places.begin(), places.begin() + 7),
                ::testing::ElementsAre(0, 2, 3, 7, 9, 10, 14));
    EXPECT_EQ(kernels->at_least(values.data(), 16, -2147483647 - 1, places.data()), 16U);
    EXPECT_EQ(kernels->at_least(values.data(), 16, 10, places.data()), 0U);
  }
}

TEST(KernelsTest, DotsOfFloatsAgree) {
  std::mt19937 dice(3);
  std::normal_distribution<float> normal;
  for (std::size_t count = 0; count < 200; ++count) {
    std::vector<float> a(count);
    std::vector<float> b(count);
    double sum = 0;
    double size = 0;
    for (std::size_t i = 0; i < count; ++i) {
      a[i] = normal(dice);
      b[i] = normal(dice);
      sum += double{a[i]} * double{b[i]};
      size += std::abs(double{a[i]} * double{b[i]});
    }
    for (const Kernels* kernels : all_kernels()) {
      ASSERT_NEAR(static_cast<double>(kernels->dot(a.data(), b.data(), count)), sum,
                  1e-6 * size + 1e-12)
          << kernels->name << " " << count;
    }
  }
}

TEST(KernelsTest, ProjectsLikeDots) {
  std::mt19937 dice(4);
  std::normal_distribution<float> normal;
  for (const std::size_t count : {7U, 16U, 384U}) {
    for (const std::size_t number : {0U, 1U, 4U, 7U}) {
      std::vector<float> vectors(count * number);
      std::vector<float> a(count);
      std::ranges::generate(vectors, [&] { return normal(dice); });
      std::ranges::generate(a, [&] { return normal(dice); });
      for (const Kernels* kernels : all_kernels()) {
        std::vector<float> out(number);
        kernels->project(vectors.data(), count, number, a.data(), out.data());
        for (std::size_t i = 0; i < number; ++i) {
          ASSERT_NEAR(out[i], kernels->dot(vectors.data() + i * count, a.data(), count), 1e-4)
              << kernels->name;
        }
      }
    }
  }
}

TEST(KernelsTest, HadamardsTransformIsTheSameEverywhere) {
  std::mt19937 dice(6);
  std::normal_distribution<float> normal;
  for (const std::size_t count : {16U, 64U, 256U, 4096U}) {
    std::vector<float> values(count);
    std::ranges::generate(values, [&] { return normal(dice); });
    std::vector<float> plain = values;
    kScalar.hadamard(plain.data(), count);
    double sum = 0;
    for (const float value : values) {
      sum += double{value};
    }
    EXPECT_NEAR(static_cast<double>(plain[0]), sum, 1e-3);
    for (const Kernels* kernels : all_kernels()) {
      std::vector<float> turned = values;
      kernels->hadamard(turned.data(), count);
      EXPECT_EQ(turned, plain) << kernels->name << " " << count;
    }
  }
}

}  // namespace
}  // namespace lakehouse::vector::simd
