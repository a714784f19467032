#include "vector/detail/encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "vector/simd/kernels.h"

namespace lakehouse::vector {

namespace {

constexpr std::size_t kRounds = 4;
/// Of a coordinate, in standard deviations: what is beyond is cut off and counts as error. So far
/// out that it is rare: neighbours are cut off at the same coordinate, so these errors add up.
constexpr double kClip = 4.5;
// Part of the file format: another one means other codes.
constexpr std::uint64_t kRotationSeed = 0x6C616B65686F7573ULL;

std::uint64_t mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31U);
}

/// The rounded code of one coordinate: by sums, which compilers do for many at once.
int code_of(float value, float per_step) {
  constexpr float kShift = 0x1.8p23F;  // Beyond it floats are whole numbers.
  const float rounded = std::clamp(value * per_step, -127.0F, 127.0F) + kShift;
  return static_cast<int>(rounded - kShift);
}

}  // namespace

Encoder::Encoder(std::uint32_t dimensions)
    : dimensions_(dimensions), length_((std::size_t{dimensions} + 63) / 64 * 64), power_(64) {
  while (power_ * 2 <= length_) {
    power_ *= 2;
  }
  step_ = static_cast<float>(kClip / (127 * std::sqrt(static_cast<double>(length_))));
  signs_.resize(kRounds * length_);
  const float size = 1 / std::sqrt(static_cast<float>(power_));
  for (std::size_t round = 0; round < kRounds; ++round) {
    // Each round turns a power of two of places: the first ones, then the last ones, in turn.
    const std::size_t first = round % 2 == 0 ? 0 : length_ - power_;
    for (std::size_t i = 0; i < length_; ++i) {
      const bool turned = i >= first && i < first + power_;
      const bool negative = (mix(kRotationSeed + round * length_ + i) & 1U) != 0;
      signs_[round * length_ + i] = (turned ? size : 1) * (negative ? -1.0F : 1.0F);
    }
  }
}

double Encoder::typical_error() const {
  // Rounding errors are spread evenly over one step.
  return double{step_} * std::sqrt(static_cast<double>(length_) / 12);
}

void Encoder::rotate(std::span<const float> unit, std::span<float> out) const {
  std::copy(unit.begin(), unit.end(), out.begin());
  std::fill(out.begin() + dimensions_, out.end(), 0.0F);
  for (std::size_t round = 0; round < kRounds; ++round) {
    const float* signs = signs_.data() + round * length_;
    for (std::size_t i = 0; i < length_; ++i) {
      out[i] *= signs[i];
    }
    simd::kernels().hadamard(out.data() + (round % 2 == 0 ? 0 : length_ - power_), power_);
  }
}

float Encoder::encode_row(std::span<const float> unit, std::uint8_t* code) const {
  thread_local std::vector<float> rotated;
  rotated.resize(length_);
  rotate(unit, rotated);
  const float per_step = 1 / step_;
  double left = 0;
  for (std::size_t i = 0; i < length_; ++i) {
    const int value = code_of(rotated[i], per_step);
    const float rest = rotated[i] - static_cast<float>(value) * step_;
    left += double{rest} * double{rest};
    code[i] = static_cast<std::uint8_t>(value + 128);
  }
  return static_cast<float>(std::sqrt(left));
}

QueryCode Encoder::encode_query(std::span<const float> unit) const {
  std::vector<float> rotated(length_);
  rotate(unit, rotated);
  float largest = 0;
  for (const float value : rotated) {
    largest = std::max(largest, std::abs(value));
  }
  const float step = largest / 127;
  QueryCode query;
  query.bytes.resize(length_);
  query.scale = double{step} * double{step_};
  query.rest.resize(length_);
  std::array<double, 8> left{};  // Several sums, so that they need not wait for each other.
  std::array<double, 8> rest_left{};
  for (std::size_t i = 0; i < length_; ++i) {
    const int value = code_of(rotated[i], 1 / step);
    const float rest = rotated[i] - static_cast<float>(value) * step;
    const int part = code_of(rest, 256 / step);
    const float rest_rest = rest - static_cast<float>(part) * (step / 256);
    left[i % left.size()] += double{rest} * double{rest};
    rest_left[i % left.size()] += double{rest_rest} * double{rest_rest};
    query.bytes[i] = static_cast<std::int8_t>(value);
    query.rest[i] = static_cast<std::int8_t>(part);
    query.bias += 128 * value;
    query.rest_bias += 128 * part;
  }
  query.error = std::sqrt(std::accumulate(left.begin(), left.end(), 0.0));
  query.rest_error = std::sqrt(std::accumulate(rest_left.begin(), rest_left.end(), 0.0));
  return query;
}

void Encoder::row_as_query(const std::uint8_t* code, QueryCode& out) const {
  out.bytes.resize(length_);
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < length_; ++i) {
    const int value = int{code[i]} - 128;
    out.bytes[i] = static_cast<std::int8_t>(value);
    sum += value;
  }
  out.bias = 128 * sum;
  out.scale = double{step_} * double{step_};
}

}  // namespace lakehouse::vector
