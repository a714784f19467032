#include "vector/detail/sketch.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "vector/detail/subspace.h"
#include "vector/detail/table_data.h"
#include "vector/simd/kernels.h"

namespace lakehouse::vector {

namespace {

constexpr std::uint32_t kRowsMin = 4096;
constexpr std::uint32_t kSampleRows = 8192;
constexpr std::uint32_t kSampleQueries = 48;
/// Of a coordinate, in standard deviations: where its code ends.
constexpr double kClip = 4.5;
constexpr int kLengthUnits = 255;
/// Rows that a sieve has in one register.
constexpr std::size_t kGroup = 16;
/// Directions are orthonormal, and lengths computed, but for that.
constexpr double kRounding = 1e-6;
/// As much as codes add to what a bound leaves open, about.
constexpr double kCodeError = 0.02;

/// Of the length of `coordinates`, what is left of a vector of length 1.
double rest_of(std::span<const float> coordinates) {
  double square = 0;
  for (const float value : coordinates) {
    square += double{value} * double{value};
  }
  return std::sqrt(std::max(0.0, 1 - square) + kRounding);
}

void project(const float* row, std::size_t stride, const float* directions, std::span<float> out) {
  simd::kernels().project(directions, stride, out.size(), row, out.data());
}

std::vector<Row> sample_of(const TableData& table, std::uint32_t count) {
  std::vector<Row> rows;
  count = std::min(count, table.size);
  for (std::uint32_t i = 0; i < count; ++i) {
    rows.push_back(static_cast<Row>(std::uint64_t{i} * table.size / count));
  }
  return rows;
}

/// What share of rows the first `count` directions let through, of what is searched for in a
/// sample.
double share_let_through(const TableData& table, std::span<const Row> sample,
                         std::span<const float> coordinates, std::size_t stride,
                         std::size_t count) {
  std::vector<double> rests;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    rests.push_back(rest_of(coordinates.subspan(i * stride, count)));
  }
  std::uint64_t through = 0;
  for (std::size_t i = 0; i < kSampleQueries; ++i) {
    const std::size_t query = i * sample.size() / kSampleQueries;
    const float* unit = table.vectors + sample[query] * table.stride;
    float best = -1;
    for (std::size_t row = 0; row < sample.size(); ++row) {
      best = row == query ? best : std::max(best, table.score(unit, sample[row]));
    }
    const float* mine = coordinates.data() + query * stride;
    for (std::size_t row = 0; row < sample.size(); ++row) {
      const double estimate =
          double{simd::kernels().dot(mine, coordinates.data() + row * stride, count)};
      through += estimate + rests[query] * rests[row] + kCodeError >= double{best} ? 1U : 0U;
    }
  }
  return static_cast<double>(through) / static_cast<double>(sample.size() * kSampleQueries);
}

/// Whether sketches along the directions are expected to make scans quicker.
bool pays(const TableData& table, std::span<const Row> sample, std::span<const float> directions) {
  constexpr std::size_t kCount = Sketches::kFineBytes - Sketch::kLengths;
  std::vector<float> coordinates(sample.size() * kCount);
  for (std::size_t i = 0; i < sample.size(); ++i) {
    project(table.vectors + sample[i] * table.stride, table.stride, directions.data(),
            std::span(coordinates).subspan(i * kCount, kCount));
  }
  const auto share = [&](std::size_t bytes) {
    return share_let_through(table, sample, coordinates, kCount, bytes - Sketch::kLengths);
  };
  const double cost = Sketches::kCoarseBytes / 64.0 +
                      share(Sketches::kCoarseBytes) * Sketches::kFineCost +
                      share(Sketches::kFineBytes) * Sketches::kCodeCost;
  return cost < 0.8 * static_cast<double>(table.encoder.code_bytes()) / 64;
}

float step_of(std::uint32_t length) {
  return static_cast<float>(kClip / (127 * std::sqrt(length - double{Sketch::kLengths})));
}

/// The coordinates' code; what it leaves of them.
double encode_coordinates(std::span<const float> coordinates, float step, std::uint8_t* code) {
  double left = 0;
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    const float value = std::clamp(coordinates[i] / step, -127.0F, 127.0F);
    const auto rounded = static_cast<int>(std::lrintf(value));
    const double rest = double{coordinates[i]} - double{step} * rounded;
    left += rest * rest;
    code[i] = static_cast<std::uint8_t>(rounded + 128);
  }
  return std::sqrt(left) + kRounding;
}

std::uint8_t units(double length, double step) {
  return static_cast<std::uint8_t>(std::clamp(std::ceil(length / step), 0.0, double{kLengthUnits}));
}

}  // namespace

std::size_t Sketch::Parts::codes_bytes() const {
  const std::size_t rows =
      packed ? (std::size_t{size} + simd::kTileRows - 1) / simd::kTileRows * simd::kTileRows : size;
  return rows * length;
}

std::size_t Sketch::memory_bytes() const {
  return parts_.codes.size() + directions_.size() * sizeof(float);
}

Sketch Sketch::open(const Parts& parts) {
  Sketch sketch;
  sketch.parts_ = parts;
  sketch.directions_.assign(parts.directions.begin(), parts.directions.end());
  sketch.parts_.directions = sketch.directions_;
  return sketch;
}

Result<Sketch> Sketch::make(const RequestContext& context, const TableData& table,
                            std::span<const float> directions, std::uint32_t length, bool packed) {
  const std::size_t count = length - kLengths;
  Sketch sketch;
  sketch.directions_.assign(directions.begin(),
                            directions.begin() + static_cast<std::ptrdiff_t>(count * table.stride));
  // Turned among themselves: then all coordinates are alike, and one step fits them.
  turn_directions(sketch.directions_, count);
  sketch.parts_.length = length;
  sketch.parts_.size = table.size;
  sketch.parts_.packed = packed;
  sketch.parts_.directions = sketch.directions_;
  LH_RETURN_IF_ERROR(sketch.encode_rows(context, table));
  return sketch;
}

Status Sketch::encode_rows(const RequestContext& context, const TableData& table) {
  const std::size_t length = parts_.length;
  const std::size_t bytes = parts_.codes_bytes();
  LH_RETURN_IF_ERROR(own_.reserve(bytes));
  auto* codes = own_.as<std::uint8_t>();
  const auto dword_at = [&](Row row, std::size_t i) {
    return parts_.packed ? codes + row / kGroup * kGroup * length + (i * kGroup + row % kGroup) * 4
                         : codes + row * length + i * 4;
  };
  std::vector<float> coordinates(length - kLengths);
  std::vector<std::uint8_t> code(length);
  std::vector<std::array<double, 2>> lengths(table.size);
  std::array<double, 2> longest = {};
  for (Row row = 0; row < table.size; ++row) {
    if (row % 4096 == 0) {
      LH_RETURN_IF_ERROR(context.check());
    }
    project(table.vectors + row * table.stride, table.stride, directions_.data(), coordinates);
    lengths[row] = {rest_of(coordinates),
                    encode_coordinates(coordinates, step_of(parts_.length), code.data())};
    longest = {std::max(longest[0], lengths[row][0]), std::max(longest[1], lengths[row][1])};
    for (std::size_t i = 0; i < coordinates.size() / 4; ++i) {
      std::memcpy(dword_at(row, i), code.data() + i * 4, 4);
    }
  }
  parts_.rest_step = static_cast<float>(longest[0] / (kLengthUnits - 1));
  parts_.error_step = static_cast<float>(longest[1] / (kLengthUnits - 1));
  for (Row row = 0; row < table.size; ++row) {
    const std::uint8_t rest = units(lengths[row][0], double{parts_.rest_step});
    const std::uint8_t error = units(lengths[row][1], double{parts_.error_step});
    const std::array<std::uint8_t, kLengths> dword = {rest, rest, rest, error};
    std::memcpy(dword_at(row, length / 4 - 1), dword.data(), 4);
  }
  parts_.codes = {codes, bytes};
  return {};
}

QueryCode Sketch::encode(std::span<const float> unit) const {
  std::vector<float> coordinates(parts_.length - kLengths);
  project(unit.data(), unit.size(), directions_.data(), coordinates);
  const double rest = rest_of(coordinates);
  const double step = double{step_of(parts_.length)};
  // So large that coordinates and lengths fit into their bytes.
  double query_step = std::max(rest * double{parts_.rest_step} / (3 * 126 * step),
                               2 * double{parts_.error_step} / (126 * step));
  for (const float value : coordinates) {
    query_step = std::max(query_step, std::abs(double{value}) / 127);
  }
  QueryCode out;
  out.bytes.resize(parts_.length);
  out.scale = query_step * step;
  double left = 0;
  double square = 0;
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    const double value = double{coordinates[i]};
    const auto rounded = static_cast<int>(std::lrint(value / query_step));
    left += (value - query_step * rounded) * (value - query_step * rounded);
    square += query_step * rounded * query_step * rounded;
    out.bytes[i] = static_cast<std::int8_t>(rounded);
    out.bias += 128 * rounded;
  }
  out.error = std::sqrt(left) + kRounding;
  const auto rests = static_cast<int>(std::ceil(rest * double{parts_.rest_step} / out.scale));
  for (int i = 0; i < 3; ++i) {
    out.bytes[coordinates.size() + static_cast<std::size_t>(i)] =
        static_cast<std::int8_t>((rests + i) / 3);
  }
  out.bytes.back() = static_cast<std::int8_t>(
      std::ceil(std::sqrt(square) * double{parts_.error_step} / out.scale));
  return out;
}

Result<Sketches> Sketches::make(const RequestContext& context, const TableData& table) {
  constexpr std::size_t kCount = kFineBytes - Sketch::kLengths;
  if (table.size < kRowsMin || table.encoder.code_bytes() < std::size_t{2} * kFineBytes) {
    return Sketches();
  }
  const std::vector<Row> sample = sample_of(table, kSampleRows);
  LH_ASSIGN_OR_RETURN(const std::vector<float> directions,
                      main_directions(context, table, sample, kCount));
  Sketches out;
  if (pays(table, sample, directions)) {
    LH_ASSIGN_OR_RETURN(out.coarse, Sketch::make(context, table, directions, kCoarseBytes, true));
    LH_ASSIGN_OR_RETURN(out.fine, Sketch::make(context, table, directions, kFineBytes, false));
  }
  return out;
}

}  // namespace lakehouse::vector
