#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "ai/kernels/bert.h"
#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;

using Matrix = std::vector<double>;

class Dice {
 public:
  std::vector<float> floats(std::size_t count, float scale) {
    std::normal_distribution<float> normal(0.0F, scale);
    std::vector<float> values(count);
    std::ranges::generate(values, [&] { return normal(generator_); });
    return values;
  }
  std::size_t below(std::size_t end) { return generator_() % end; }

 private:
  std::mt19937 generator_{7};
};

/// A small encoder with random numbers, and the same arithmetic as the book has it.
class SmallBert {
 public:
  SmallBert(std::size_t width, std::size_t heads, std::size_t wide, std::size_t layers)
      : width_(width), heads_(heads) {
    weights_.width = width;
    weights_.heads = heads;
    weights_.words = keep(50 * width, 0.5F);
    weights_.positions = keep(64 * width, 0.2F);
    weights_.types = keep(2 * width, 0.1F);
    weights_.embedding_norm = norm();
    for (std::size_t i = 0; i < layers; ++i) {
      weights_.layers.push_back({.query = linear(width, width),
                                 .key = linear(width, width),
                                 .value = linear(width, width),
                                 .attention = linear(width, width),
                                 .attention_norm = norm(),
                                 .intermediate = linear(width, wide),
                                 .output = linear(wide, width),
                                 .output_norm = norm()});
    }
  }

  BertWeights& weights() { return weights_; }

  [[nodiscard]] Matrix run(const Bert::Text& text) const {
    Matrix x;
    for (std::size_t t = 0; t < text.ids.size(); ++t) {
      for (std::size_t d = 0; d < width_; ++d) {
        x.push_back(weights_.words[static_cast<std::size_t>(text.ids[t]) * width_ + d] +
                    weights_.positions[t * width_ + d] +
                    weights_.types[text.types[t] * width_ + d]);
      }
    }
    x = normalised(x, weights_.embedding_norm);
    for (const auto& layer : weights_.layers) {
      const Matrix mixed = attended(multiplied(x, layer.query), multiplied(x, layer.key),
                                    multiplied(x, layer.value));
      x = normalised(added(x, multiplied(mixed, layer.attention)), layer.attention_norm);
      Matrix between = multiplied(x, layer.intermediate);
      for (double& value : between) {
        value *= 0.5 * (1 + std::erf(value / std::sqrt(2.0)));
      }
      x = normalised(added(x, multiplied(between, layer.output)), layer.output_norm);
    }
    return x;
  }

 private:
  std::span<const float> keep(std::size_t count, float scale) {
    return kept_.emplace_back(dice_.floats(count, scale));
  }
  BertWeights::Linear linear(std::size_t in, std::size_t out) {
    return {.matrix = keep(in * out, 1 / std::sqrt(static_cast<float>(in))),
            .bias = keep(out, 0.1F)};
  }
  BertWeights::Norm norm() {
    std::vector<float> weight = dice_.floats(width_, 0.1F);
    std::ranges::for_each(weight, [](float& value) { value += 1; });
    return {.weight = kept_.emplace_back(std::move(weight)), .bias = keep(width_, 0.1F)};
  }

  static Matrix added(Matrix a, const Matrix& b) {
    std::ranges::transform(a, b, a.begin(), std::plus());
    return a;
  }
  static Matrix multiplied(const Matrix& x, const BertWeights::Linear& linear) {
    const std::size_t out = linear.bias.size();
    const std::size_t in = linear.matrix.size() / out;
    Matrix y(x.size() / in * out);
    for (std::size_t r = 0; r < x.size() / in; ++r) {
      for (std::size_t c = 0; c < out; ++c) {
        double sum = linear.bias[c];
        for (std::size_t k = 0; k < in; ++k) {
          sum += x[r * in + k] * linear.matrix[k * out + c];
        }
        y[r * out + c] = sum;
      }
    }
    return y;
  }
  [[nodiscard]] Matrix normalised(Matrix x, const BertWeights::Norm& norm) const {
    for (std::size_t r = 0; r < x.size() / width_; ++r) {
      const auto row = std::span(x).subspan(r * width_, width_);
      double mean = 0;
      double square = 0;
      for (const double value : row) {
        mean += value / static_cast<double>(width_);
      }
      for (const double value : row) {
        square += (value - mean) * (value - mean) / static_cast<double>(width_);
      }
      for (std::size_t d = 0; d < width_; ++d) {
        row[d] = (row[d] - mean) / std::sqrt(square + 1e-12) * norm.weight[d] + norm.bias[d];
      }
    }
    return x;
  }
  [[nodiscard]] Matrix attended(const Matrix& q, const Matrix& k, const Matrix& v) const {
    const std::size_t head = width_ / heads_;
    const std::size_t tokens = q.size() / width_;
    Matrix out(q.size());
    for (std::size_t at = 0; at < width_; at += head) {
      for (std::size_t i = 0; i < tokens; ++i) {
        std::vector<double> share(tokens);
        double whole = 0;
        for (std::size_t j = 0; j < tokens; ++j) {
          double score = 0;
          for (std::size_t d = at; d < at + head; ++d) {
            score += q[i * width_ + d] * k[j * width_ + d];
          }
          share[j] = std::exp(score / std::sqrt(static_cast<double>(head)));
          whole += share[j];
        }
        for (std::size_t j = 0; j < tokens; ++j) {
          for (std::size_t d = at; d < at + head; ++d) {
            out[i * width_ + d] += share[j] / whole * v[j * width_ + d];
          }
        }
      }
    }
    return out;
  }

  Dice dice_;
  std::size_t width_;
  std::size_t heads_;
  std::vector<std::vector<float>> kept_;
  BertWeights weights_;
};

double cosine(std::span<const float> a, std::span<const double> b) {
  double product = 0;
  double left = 0;
  double right = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * b[i];
    left += double{a[i]} * double{a[i]};
    right += b[i] * b[i];
  }
  return product / std::sqrt(left * right);
}

void expect_like_the_book(std::size_t width, std::size_t heads, std::size_t wide) {
  if (!has_avx512_vnni()) {
    GTEST_SKIP() << "this processor has no AVX-512 VNNI";
  }
  SmallBert small(width, heads, wide, 2);
  ASSERT_THAT(small.weights().check(), IsOk());
  const Bert bert(small.weights());
  Bert::Room room;
  Dice dice;
  // Every remainder of the blocks of rows and of keys.
  std::vector<std::vector<std::int32_t>> ids;
  for (const std::size_t length : {1U, 2U, 3U, 5U, 7U, 16U, 31U, 32U, 33U, 50U, 64U}) {
    std::ranges::generate(ids.emplace_back(length),
                          [&] { return static_cast<std::int32_t>(dice.below(50)); });
  }
  const std::vector<std::uint8_t> types(64, 0);
  std::vector<Bert::Text> texts;
  for (const auto& one : ids) {
    texts.push_back({.ids = one, .types = std::span(types).first(one.size())});
  }
  ASSERT_THAT(bert.run(texts, room), IsOk());
  std::size_t first = 0;
  for (const Bert::Text& text : texts) {
    SCOPED_TRACE(text.ids.size());
    const Matrix book = small.run(text);
    const std::span<const float> rows(room.rows.data() + first * width, book.size());
    EXPECT_GT(cosine(rows, book), 0.999);
    first += text.ids.size();
  }
}

TEST(Bert, RunsAsTheBookHasIt) {
  expect_like_the_book(128, 4, 256);
}

TEST(Bert, RunsWithWideHeadsToo) {
  expect_like_the_book(128, 2, 320);
}

TEST(Bert, WhatIsOutsideItsTablesIsAnError) {
  if (!has_avx512_vnni()) {
    GTEST_SKIP() << "this processor has no AVX-512 VNNI";
  }
  SmallBert small(64, 2, 64, 1);
  const Bert bert(small.weights());
  Bert::Room room;
  const std::vector<std::uint8_t> types(65, 0);
  const std::vector<std::uint8_t> odd_type{2};
  const std::vector<std::int32_t> too_long(65, 1);
  const std::vector<std::int32_t> unknown{50};
  const std::vector<std::int32_t> negative{-1};
  const std::vector<std::int32_t> fine{1};
  const std::span<const std::uint8_t> one_type = std::span(types).first(1);
  for (const Bert::Text& text : {Bert::Text{}, Bert::Text{.ids = too_long, .types = types},
                                 Bert::Text{.ids = unknown, .types = one_type},
                                 Bert::Text{.ids = negative, .types = one_type},
                                 Bert::Text{.ids = fine, .types = odd_type}}) {
    EXPECT_THAT(bert.run(std::span(&text, 1), room), FailsWith(ErrorCode::InvalidArgument));
  }
}

TEST(Bert, OtherFormsAreRefused) {
  SmallBert small(64, 2, 64, 1);
  BertWeights& weights = small.weights();
  EXPECT_THAT(weights.check(), IsOk());
  weights.heads = 4;  // Of 16: not built.
  EXPECT_THAT(weights.check(), FailsWith(ErrorCode::InvalidArgument));
  weights.heads = 2;
  weights.layers[0].output.matrix = weights.layers[0].output.matrix.first(64);
  EXPECT_THAT(weights.check(), FailsWith(ErrorCode::InvalidArgument));
}

}  // namespace
}  // namespace lakehouse::ai
