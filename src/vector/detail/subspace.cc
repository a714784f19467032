#include "vector/detail/subspace.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "vector/simd/kernels.h"

namespace lakehouse::vector {

namespace {

constexpr int kIterations = 4;
constexpr std::uint64_t kSeed = 0x5B5BACE;

void fill_randomly(std::span<float> out, std::mt19937_64& dice) {
  for (float& value : out) {
    // A sum of uniform ones: the standard library's normal ones differ from library to library.
    double sum = 0;
    for (int i = 0; i < 4; ++i) {
      sum += static_cast<double>(dice() >> 11U) * 0x1p-53 - 0.5;
    }
    value = static_cast<float>(sum);
  }
}

/// Makes rows of `width` orthonormal, in their order; one that depends on those before it becomes a
/// random one. `used`: floats of a row before its padding.
void orthonormalise(std::span<float> rows, std::size_t width, std::size_t used) {
  std::mt19937_64 dice(kSeed);
  for (std::size_t at = 0; at < rows.size(); at += width) {
    const std::span<float> row = rows.subspan(at, width);
    for (int tries = 0; tries < 4; ++tries) {
      const double before = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
      // Twice is enough (Kahan): the second time takes away what rounding left.
      for (int round = 0; round < 2; ++round) {
        for (std::size_t other = 0; other < at; other += width) {
          const double along = std::inner_product(
              row.begin(), row.end(), rows.begin() + static_cast<std::ptrdiff_t>(other), 0.0);
          for (std::size_t i = 0; i < width; ++i) {
            row[i] = static_cast<float>(double{row[i]} - along * double{rows[other + i]});
          }
        }
      }
      const double after = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
      if (after > 1e-3 * before && after > 0) {
        for (float& value : row) {
          value = static_cast<float>(double{value} / after);
        }
        break;
      }
      fill_randomly(row.first(used), dice);
    }
  }
}

/// One step of the power method: each direction becomes the sum of the sample's rows, each as often
/// as it lies along the direction.
Status step(const RequestContext& context, const TableData& table, std::span<const Row> sample,
            std::span<float> directions) {
  const std::size_t width = table.stride;
  std::vector<float> sums(directions.size(), 0.0F);
  for (std::size_t i = 0; i < sample.size(); ++i) {
    if (i % 256 == 0) {
      LH_RETURN_IF_ERROR(context.check());
    }
    const float* row = table.vectors + sample[i] * width;
    for (std::size_t at = 0; at < directions.size(); at += width) {
      const float along = simd::kernels().dot(directions.data() + at, row, width);
      for (std::size_t k = 0; k < width; ++k) {
        sums[at + k] += along * row[k];
      }
    }
  }
  std::ranges::copy(sums, directions.begin());
  return {};
}

}  // namespace

Result<std::vector<float>> main_directions(const RequestContext& context, const TableData& table,
                                           std::span<const Row> sample, std::size_t count) {
  const std::size_t width = table.stride;
  count = std::min<std::size_t>({count, table.dimensions, sample.size()});
  std::vector<float> directions(count * width, 0.0F);
  std::mt19937_64 dice(kSeed);
  for (std::size_t at = 0; at < directions.size(); at += width) {
    fill_randomly(std::span(directions).subspan(at, table.dimensions), dice);
  }
  // Orthogonal iteration: in their order, the first ones span the strongest components.
  for (int i = 0; i < kIterations; ++i) {
    LH_RETURN_IF_ERROR(step(context, table, sample, directions));
    orthonormalise(directions, width, table.dimensions);
  }
  return directions;
}

void turn_directions(std::vector<float>& directions, std::size_t count) {
  if (count == 0) {
    return;
  }
  const std::size_t width = directions.size() / count;
  std::vector<float> turns(count * count);
  std::mt19937_64 dice(kSeed);
  fill_randomly(turns, dice);
  orthonormalise(turns, count, count);
  std::vector<float> turned(directions.size());
  std::vector<double> sum(width);
  for (std::size_t to = 0; to < count; ++to) {
    std::ranges::fill(sum, 0.0);
    for (std::size_t from = 0; from < count; ++from) {
      for (std::size_t i = 0; i < width; ++i) {
        sum[i] += double{turns[to * count + from]} * double{directions[from * width + i]};
      }
    }
    std::ranges::transform(sum, turned.begin() + static_cast<std::ptrdiff_t>(to * width),
                           [](double value) { return static_cast<float>(value); });
  }
  directions = std::move(turned);
}

}  // namespace lakehouse::vector
