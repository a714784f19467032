#include "ai/kernels/bert.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace lakehouse::ai {
namespace {

// Rows that go through the wide layer together, so that they stay in the cache.
constexpr std::size_t kBlockRows = 96;

std::vector<float> copy(std::span<const float> values) {
  return {values.begin(), values.end()};
}

template <class T>
T* room_of(std::vector<T>& values, std::size_t count) {
  if (values.size() < count) {
    values.resize(count);
  }
  return values.data();
}

}  // namespace

bool has_avx512_vnni() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

Status BertWeights::check() const {
  const auto refuse = [](std::string_view what) {
    return fail(ErrorCode::InvalidArgument, fmt::format("the encoder's {} does not fit", what));
  };
  const std::size_t head = heads == 0 ? 0 : width / heads;
  if (width == 0 || width % kGroup != 0 || heads == 0 || width % heads != 0 ||
      (head != 32 && head != 64) || layers.empty()) {
    return refuse("form");
  }
  const auto is_table = [&](std::span<const float> values) {
    return !values.empty() && values.size() % width == 0;
  };
  const auto is_norm = [&](const Norm& norm) {
    return norm.weight.size() == width && norm.bias.size() == width;
  };
  const auto is_linear = [](const Linear& linear, std::size_t in, std::size_t out) {
    return linear.matrix.size() == in * out && linear.bias.size() == out;
  };
  if (!is_table(words) || !is_table(positions) || !is_table(types) || !is_norm(embedding_norm)) {
    return refuse("embedding");
  }
  for (const Layer& layer : layers) {
    const std::size_t wide = layer.intermediate.bias.size();
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.attention}) {
      if (!is_linear(*linear, width, width)) {
        return refuse("attention");
      }
    }
    if (wide == 0 || wide % kGroup != 0 || !is_linear(layer.intermediate, width, wide) ||
        !is_linear(layer.output, wide, width) || !is_norm(layer.attention_norm) ||
        !is_norm(layer.output_norm)) {
      return refuse("layer");
    }
  }
  return {};
}

Bert::Linear Bert::pack(std::span<const BertWeights::Linear* const> parts, std::size_t in) {
  Linear made;
  std::size_t out = 0;
  for (const auto* part : parts) {
    made.bias.insert(made.bias.end(), part->bias.begin(), part->bias.end());
    out += part->bias.size();
  }
  const std::size_t groups = in / kGroup;
  made.values.resize(in * out);
  made.scale.resize(groups * out);
  made.sums.resize(groups * out);
  std::size_t first = 0;
  for (const auto* part : parts) {
    const std::size_t columns = part->bias.size();
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t c = 0; c < columns; ++c) {
        const float* from = part->matrix.data() + g * kGroup * columns + c;
        float largest = 0;
        for (std::size_t k = 0; k < kGroup; ++k) {
          largest = std::max(largest, std::abs(from[k * columns]));
        }
        const float scale = largest / 127.0F;
        const std::size_t column = first + c;
        int sum = 0;
        for (std::size_t k = 0; k < kGroup; ++k) {
          const long value = scale > 0 ? std::lrint(from[k * columns] / scale) : 0;
          const auto byte = static_cast<std::int8_t>(std::clamp(value, -127L, 127L));
          const std::size_t row = g * kGroup + k;
          made.values[column / kPanel * kPanel * in + row / 4 * kPanel * 4 + column % kPanel * 4 +
                      row % 4] = byte;
          sum += byte;
        }
        made.scale[g * out + column] = scale;
        made.sums[g * out + column] = scale * static_cast<float>(sum);
      }
    }
    first += columns;
  }
  made.packed = {.in = in,
                 .out = out,
                 .values = made.values.data(),
                 .scale = made.scale.data(),
                 .sums = made.sums.data(),
                 .bias = made.bias.data()};
  return made;
}

Bert::Bert(const BertWeights& weights)
    : width_(weights.width),
      heads_(weights.heads),
      epsilon_(weights.epsilon),
      words_(copy(weights.words)),
      positions_(copy(weights.positions)),
      types_(copy(weights.types)),
      embedding_norm_{.weight = copy(weights.embedding_norm.weight),
                      .bias = copy(weights.embedding_norm.bias)} {
  for (const BertWeights::Layer& from : weights.layers) {
    auto layer = std::make_unique<Layer>();
    const std::array qkv{&from.query, &from.key, &from.value};
    const std::array attention{&from.attention};
    const std::array intermediate{&from.intermediate};
    const std::array output{&from.output};
    layer->qkv = pack(qkv, width_);
    layer->attention = pack(attention, width_);
    layer->intermediate = pack(intermediate, width_);
    layer->output = pack(output, from.intermediate.bias.size());
    layer->attention_norm = {.weight = copy(from.attention_norm.weight),
                             .bias = copy(from.attention_norm.bias)};
    layer->output_norm = {.weight = copy(from.output_norm.weight),
                          .bias = copy(from.output_norm.bias)};
    layers_.push_back(std::move(layer));
  }
}

Status Bert::embed(std::span<const Text> texts, Room& room) const {
  std::size_t row = 0;
  for (const Text& text : texts) {
    if (text.ids.empty() || text.ids.size() > tokens_max() ||
        text.types.size() != text.ids.size()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("a text of {} tokens; the model takes 1 to {}", text.ids.size(),
                              tokens_max()));
    }
    for (std::size_t t = 0; t < text.ids.size(); ++t, ++row) {
      const auto id = static_cast<std::size_t>(text.ids[t]);
      const std::size_t type = text.types[t];
      if (text.ids[t] < 0 || id >= vocabulary() || (type + 1) * width_ > types_.size()) {
        return fail(ErrorCode::InvalidArgument,
                    "tokenizer.json has a token that model.onnx does not have");
      }
      float* to = room.rows.data() + row * width_;
      for (std::size_t d = 0; d < width_; ++d) {
        to[d] = words_[id * width_ + d] + types_[type * width_ + d];
      }
      avx512::add_and_normalise(to, positions_.data() + t * width_, 1, width_,
                                embedding_norm_.weight.data(), embedding_norm_.bias.data(),
                                epsilon_);
    }
  }
  return {};
}

void Bert::multiply(const float* x, std::size_t rows, const Linear& linear, Room& room, float* y) {
  const std::size_t in = linear.packed.in;
  const ByteRows bytes{.bytes = room_of(room.bytes, rows * in),
                       .step = room_of(room.step, rows * in / kGroup),
                       .low = room_of(room.low, rows * in / kGroup)};
  avx512::to_bytes(x, rows, in, bytes);
  avx512::multiply(bytes, rows, linear.packed, y);
}

void Bert::run_layer(const Layer& layer, std::span<const Text> texts, std::size_t tokens,
                     Room& room) const {
  float* rows = room.rows.data();
  float* qkv = room_of(room.qkv, tokens * 3 * width_);
  float* mixed = room_of(room.mixed, tokens * width_);
  for (std::size_t begin = 0; begin < tokens; begin += kBlockRows) {
    multiply(rows + begin * width_, std::min(kBlockRows, tokens - begin), layer.qkv, room,
             qkv + begin * 3 * width_);
  }
  std::size_t first = 0;
  for (const Text& text : texts) {
    const std::size_t length = text.ids.size();
    float* scratch = room_of(room.scratch, avx512::attention_floats(length, width_ / heads_));
    avx512::attend(qkv + first * 3 * width_, length, width_, heads_, scratch,
                   mixed + first * width_);
    first += length;
  }
  const std::size_t wide = layer.intermediate.packed.out;
  float* between = room_of(room.wide, kBlockRows * wide);
  for (std::size_t begin = 0; begin < tokens; begin += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, tokens - begin);
    float* x = rows + begin * width_;
    float* added = qkv;  // Not needed any more.
    multiply(mixed + begin * width_, count, layer.attention, room, added);
    avx512::add_and_normalise(x, added, count, width_, layer.attention_norm.weight.data(),
                              layer.attention_norm.bias.data(), epsilon_);
    multiply(x, count, layer.intermediate, room, between);
    avx512::gelu(between, count * wide);
    multiply(between, count, layer.output, room, added);
    avx512::add_and_normalise(x, added, count, width_, layer.output_norm.weight.data(),
                              layer.output_norm.bias.data(), epsilon_);
  }
}

Status Bert::run(std::span<const Text> texts, Room& room) const {
  std::size_t tokens = 0;
  for (const Text& text : texts) {
    tokens += text.ids.size();
  }
  room_of(room.rows, tokens * width_);
  LH_RETURN_IF_ERROR(embed(texts, room));
  for (const auto& layer : layers_) {
    run_layer(*layer, texts, tokens, room);
  }
  return {};
}

}  // namespace lakehouse::ai
