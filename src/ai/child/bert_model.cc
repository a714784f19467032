#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <openvino/op/constant.hpp>
#include <openvino/op/divide.hpp>
#include <openvino/op/matmul.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/openvino.hpp>

#include "ai/child/encoder.h"
#include "ai/kernels/bert.h"

namespace lakehouse::ai {
namespace {

// More do not make it faster, and a batch is what a person's search waits for.
constexpr std::size_t kBatchTokens = 384;
constexpr std::size_t kLayersMax = 64;

std::unexpected<Error> other_form(std::string_view what) {
  return fail(ErrorCode::Unimplemented, fmt::format("the encoder has no {}", what));
}

/// Finds a BERT encoder's numbers in a graph, by the names that PyTorch gives them.
class GraphReader {
 public:
  explicit GraphReader(const ov::Model& model) {
    for (const auto& node : model.get_ordered_ops()) {
      if (const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node)) {
        if (constant->get_element_type() == ov::element::f32) {
          constants_.emplace(name_of(*constant), constant);
        }
      }
    }
    read_head_width(model);
  }

  Result<BertWeights> read() const {
    BertWeights weights;
    LH_ASSIGN_OR_RETURN(weights.words, table("embeddings.word_embeddings.weight"));
    LH_ASSIGN_OR_RETURN(weights.positions, table("embeddings.position_embeddings.weight"));
    LH_ASSIGN_OR_RETURN(weights.types, table("embeddings.token_type_embeddings.weight"));
    LH_ASSIGN_OR_RETURN(weights.embedding_norm, norm("embeddings.LayerNorm"));
    weights.width = weights.embedding_norm.weight.size();
    if (head_width_ == 0 || weights.width % head_width_ != 0) {
      return other_form("attention that is known");
    }
    weights.heads = weights.width / head_width_;
    for (std::size_t i = 0; i < kLayersMax; ++i) {
      const std::string prefix = fmt::format("encoder.layer.{}.", i);
      if (find(prefix + "output.LayerNorm.weight") == nullptr) {
        break;
      }
      BertWeights::Layer layer;
      LH_ASSIGN_OR_RETURN(layer.query, linear(prefix + "attention.self.query"));
      LH_ASSIGN_OR_RETURN(layer.key, linear(prefix + "attention.self.key"));
      LH_ASSIGN_OR_RETURN(layer.value, linear(prefix + "attention.self.value"));
      LH_ASSIGN_OR_RETURN(layer.attention, linear(prefix + "attention.output.dense"));
      LH_ASSIGN_OR_RETURN(layer.attention_norm, norm(prefix + "attention.output.LayerNorm"));
      LH_ASSIGN_OR_RETURN(layer.intermediate, linear(prefix + "intermediate.dense"));
      LH_ASSIGN_OR_RETURN(layer.output, linear(prefix + "output.dense"));
      LH_ASSIGN_OR_RETURN(layer.output_norm, norm(prefix + "output.LayerNorm"));
      weights.layers.push_back(layer);
    }
    LH_RETURN_IF_ERROR(weights.check());
    return weights;
  }

 private:
  using Constant = ov::op::v0::Constant;

  // "bert.encoder.layer.0..." and "0.auto_model.encoder.layer.0..." are "encoder.layer.0...".
  static std::string name_of(const Constant& constant) {
    const std::string& name = constant.get_friendly_name();
    for (const std::string_view start : {"encoder.layer.", "embeddings."}) {
      if (const auto at = name.find(start); at != std::string::npos) {
        return name.substr(at);
      }
    }
    return name;
  }

  const Constant* find(const std::string& name) const {
    const auto found = constants_.find(name);
    return found == constants_.end() ? nullptr : found->second.get();
  }

  static std::span<const float> values(const Constant& constant) {
    return {constant.get_data_ptr<float>(), ov::shape_size(constant.get_shape())};
  }

  Result<std::span<const float>> table(const std::string& name) const {
    const Constant* constant = find(name);
    return constant == nullptr ? Result<std::span<const float>>(other_form(name))
                               : values(*constant);
  }

  Result<BertWeights::Norm> norm(const std::string& name) const {
    BertWeights::Norm norm;
    LH_ASSIGN_OR_RETURN(norm.weight, table(name + ".weight"));
    LH_ASSIGN_OR_RETURN(norm.bias, table(name + ".bias"));
    return norm;
  }

  // The matrix itself has no name that tells: it is what is multiplied before its bias is added.
  Result<BertWeights::Linear> linear(const std::string& name) const {
    const Constant* bias = find(name + ".bias");
    if (bias == nullptr) {
      return other_form(name);
    }
    for (const auto& target : bias->output(0).get_target_inputs()) {
      const ov::Node* add = target.get_node();
      for (const auto& input : add->input_values()) {
        const auto product = ov::as_type_ptr<ov::op::v0::MatMul>(input.get_node_shared_ptr());
        if (product == nullptr || product->get_transpose_a() || product->get_transpose_b()) {
          continue;
        }
        const auto matrix =
            ov::as_type_ptr<Constant>(product->input_value(1).get_node_shared_ptr());
        if (matrix != nullptr && matrix->get_element_type() == ov::element::f32 &&
            matrix->get_shape().size() == 2 &&
            matrix->get_shape()[1] == ov::shape_size(bias->get_shape())) {
          return BertWeights::Linear{.matrix = values(*matrix), .bias = values(*bias)};
        }
      }
    }
    return other_form(name);
  }

  // Scores are divided by the root of a head's width; nothing else says how wide heads are.
  void read_head_width(const ov::Model& model) {
    for (const auto& node : model.get_ordered_ops()) {
      const bool divides = ov::is_type<ov::op::v1::Divide>(node);
      if (!divides && !ov::is_type<ov::op::v1::Multiply>(node)) {
        continue;
      }
      const auto by = ov::as_type_ptr<Constant>(node->input_value(1).get_node_shared_ptr());
      if (by == nullptr || by->get_element_type() != ov::element::f32 ||
          ov::shape_size(by->get_shape()) != 1) {
        continue;
      }
      const float factor = by->get_data_ptr<float>()[0];
      const float root = divides || factor == 0 ? factor : 1 / factor;
      for (const std::size_t width : {32U, 64U}) {
        if (std::abs(root * root - static_cast<float>(width)) < 1e-3F) {
          head_width_ = width;
        }
      }
    }
  }

  std::map<std::string, std::shared_ptr<Constant>, std::less<>> constants_;
  std::size_t head_width_ = 0;
};

class BertEncoder final : public Encoder {
 public:
  BertEncoder(const Bert& bert, Pooling pooling) : bert_(bert), pooling_(pooling) {}

  Status run(std::span<const TokenIds* const> texts, float* rows) override {
    std::vector<Bert::Text> views;
    for (const TokenIds* text : texts) {
      views.push_back({.ids = text->ids, .types = text->types});
    }
    LH_RETURN_IF_ERROR(bert_.run(views, room_));
    const float* vectors = room_.rows.data();
    for (const TokenIds* text : texts) {
      pool_tokens(vectors, text->ids.size(), bert_.width(), pooling_, rows);
      vectors += text->ids.size() * bert_.width();
      rows += bert_.width();
    }
    return {};
  }

 private:
  const Bert& bert_;
  Pooling pooling_;
  Bert::Room room_;
};

class BertModel final : public EncoderModel {
 public:
  BertModel(const BertWeights& weights, Pooling pooling) : bert_(weights), pooling_(pooling) {}

  [[nodiscard]] EncoderShape shape() const override {
    return {.dimensions = static_cast<std::uint32_t>(bert_.width()),
            .tokens_max = static_cast<std::uint32_t>(bert_.tokens_max())};
  }
  [[nodiscard]] std::size_t batch_of(std::size_t tokens) const override {
    return std::clamp<std::size_t>(kBatchTokens / std::max<std::size_t>(tokens, 1), 1, 64);
  }
  Result<std::unique_ptr<Encoder>> make_encoder() override {
    return std::make_unique<BertEncoder>(bert_, pooling_);
  }

 private:
  const Bert bert_;
  const Pooling pooling_;
};

}  // namespace

void pool_tokens(const float* tokens, std::size_t count, std::size_t dimensions, Pooling pooling,
                 float* row) {
  std::copy_n(tokens, dimensions, row);
  if (pooling == Pooling::First) {
    return;
  }
  for (std::size_t t = 1; t < count; ++t) {
    for (std::size_t d = 0; d < dimensions; ++d) {
      row[d] += tokens[t * dimensions + d];
    }
  }
  for (std::size_t d = 0; d < dimensions; ++d) {
    row[d] /= static_cast<float>(count);
  }
}

Result<std::unique_ptr<EncoderModel>> open_bert_model(const ov::Model& model, Pooling pooling) {
  if (!has_avx512_vnni()) {
    return fail(ErrorCode::Unimplemented, "this processor has no AVX-512 VNNI");
  }
  LH_ASSIGN_OR_RETURN(const BertWeights weights, GraphReader(model).read());
  return std::make_unique<BertModel>(weights, pooling);
}

}  // namespace lakehouse::ai
