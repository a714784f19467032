#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <exception>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <fmt/format.h>
#include <openvino/openvino.hpp>

#include "ai/child/encoder.h"

namespace lakehouse::ai {
namespace {

constexpr std::array<std::string_view, 3> kInputs{"input_ids", "attention_mask", "token_type_ids"};
constexpr std::string_view kLibraryVersion = ".2641";
// More do not make it faster: measured with MiniLM on one thread.
constexpr std::size_t kBatchTokens = 512;

std::unexpected<Error> unusable(std::string_view why) {
  return fail(ErrorCode::InvalidArgument, fmt::format("model.onnx is no model for texts: {}", why),
              "It takes input_ids, attention_mask and perhaps token_type_ids.");
}

// Each new shape is compiled anew, which takes as long as some runs: there are few.
std::size_t padded_length(std::size_t tokens) {
  const std::size_t step = tokens <= 128 ? 16 : 32;
  return (tokens + step - 1) / step * step;
}

std::size_t padded_count(std::size_t texts) {
  std::size_t count = 1;
  while (count < texts) {
    count *= 2;
  }
  return count;
}

// The process's one: made before the sandbox, and never destroyed, as threads may still use it.
ov::Core& core() {
  static auto* const made = new ov::Core();
  return *made;
}

bool agree(EncoderModel& a, EncoderModel& b);

class OnnxModel;

class OnnxEncoder final : public Encoder {
 public:
  OnnxEncoder(const OnnxModel& model, ov::InferRequest request)
      : model_(model), request_(std::move(request)) {}
  Status run(std::span<const TokenIds* const> texts, float* rows) override;

 private:
  const OnnxModel& model_;
  ov::InferRequest request_;
};

class OnnxModel final : public EncoderModel {
 public:
  static Result<std::unique_ptr<EncoderModel>> open(const std::filesystem::path& file,
                                                    Pooling pooling, std::int32_t padding_id,
                                                    unsigned workers, OnnxRunner runner) {
    std::unique_ptr<OnnxModel> made(new OnnxModel());
    made->pooling_ = pooling;
    made->padding_id_ = padding_id;
    std::shared_ptr<ov::Model> model = core().read_model(file.string());
    for (const auto& input : model->inputs()) {
      const std::string name = input.get_any_name();
      if (std::ranges::find(kInputs, name) == kInputs.end() ||
          input.get_element_type() != ov::element::i64) {
        return unusable(fmt::format("it has the input '{}'", name));
      }
      made->has_types_ = made->has_types_ || name == kInputs[2];
    }
    LH_ASSIGN_OR_RETURN(const auto output, made->choose_output(*model));
    std::unique_ptr<EncoderModel> bert;
    if (!made->is_pooled_ && runner != OnnxRunner::Library) {
      if (auto opened = open_bert_model(*model, pooling)) {
        bert = *std::move(opened);
      }
    }
    if (bert != nullptr && runner == OnnxRunner::Kernels) {
      return bert;
    }
    const auto result = std::make_shared<ov::op::v0::Result>(output);
    const auto pruned =
        std::make_shared<ov::Model>(ov::ResultVector{result}, model->get_parameters());
    made->compiled_ = core().compile_model(
        pruned, "CPU",
        {ov::num_streams(static_cast<int>(workers)),
         ov::inference_num_threads(static_cast<int>(workers)), ov::hint::enable_cpu_pinning(false),
         // Without AMX, bf16 is slower than f32 here: measured.
         ov::hint::inference_precision(ov::element::f32)});
    if (bert != nullptr && agree(*bert, *made)) {
      return bert;
    }
    return made;
  }

  [[nodiscard]] EncoderShape shape() const override {
    return {.dimensions = dimensions_, .tokens_max = 0};
  }
  [[nodiscard]] std::size_t batch_of(std::size_t tokens) const override {
    return std::clamp<std::size_t>(kBatchTokens / padded_length(std::max<std::size_t>(tokens, 1)),
                                   1, 16);
  }
  Result<std::unique_ptr<Encoder>> make_encoder() override {
    return std::make_unique<OnnxEncoder>(*this, compiled_.create_infer_request());
  }

  [[nodiscard]] bool has_types() const { return has_types_; }
  [[nodiscard]] bool is_pooled() const { return is_pooled_; }
  [[nodiscard]] Pooling pooling() const { return pooling_; }
  [[nodiscard]] std::int32_t padding_id() const { return padding_id_; }

 private:
  OnnxModel() = default;

  // The vector of the text if the model pools itself, else those of its tokens.
  Result<ov::Output<ov::Node>> choose_output(ov::Model& model) {
    std::optional<ov::Output<ov::Node>> chosen;
    for (const auto& output : model.outputs()) {
      const ov::PartialShape shape = output.get_partial_shape();
      const bool is_named = output.get_names().contains("sentence_embedding") ||
                            output.get_names().contains("logits");
      if (shape.rank().is_dynamic() || (shape.size() != 2 && shape.size() != 3) ||
          (chosen && !is_named)) {
        continue;
      }
      const ov::Dimension last = *std::prev(shape.end());
      if (last.is_dynamic()) {
        continue;
      }
      chosen = output.get_node()->input_value(0);
      is_pooled_ = shape.size() == 2;
      dimensions_ = static_cast<std::uint32_t>(last.get_length());
    }
    if (!chosen || dimensions_ == 0 || dimensions_ > 16'384) {
      return unusable("no output is of the right form");
    }
    return *chosen;
  }

  ov::CompiledModel compiled_;
  Pooling pooling_ = Pooling::Mean;
  std::int32_t padding_id_ = 0;
  std::uint32_t dimensions_ = 0;
  bool has_types_ = false;
  bool is_pooled_ = false;
};

Status OnnxEncoder::run(std::span<const TokenIds* const> texts, float* rows) {
  std::size_t longest = 1;
  for (const TokenIds* text : texts) {
    longest = std::max(longest, text->ids.size());
  }
  const std::size_t length = padded_length(longest);
  const ov::Shape shape{padded_count(texts.size()), length};
  ov::Tensor ids(ov::element::i64, shape);
  ov::Tensor mask(ov::element::i64, shape);
  ov::Tensor types(ov::element::i64, shape);
  std::fill_n(ids.data<std::int64_t>(), ids.get_size(), model_.padding_id());
  std::fill_n(mask.data<std::int64_t>(), mask.get_size(), 0);
  std::fill_n(types.data<std::int64_t>(), types.get_size(), 0);
  for (std::size_t row = 0; row < shape[0]; ++row) {
    // A row that is there for its shape alone attends to itself, or there would be no numbers.
    mask.data<std::int64_t>()[row * length] = 1;
    if (row >= texts.size()) {
      continue;
    }
    const TokenIds& text = *texts[row];
    std::ranges::copy(text.ids, ids.data<std::int64_t>() + row * length);
    std::ranges::copy(text.types, types.data<std::int64_t>() + row * length);
    std::fill_n(mask.data<std::int64_t>() + row * length, text.ids.size(), 1);
  }
  request_.set_tensor("input_ids", ids);
  request_.set_tensor("attention_mask", mask);
  if (model_.has_types()) {
    request_.set_tensor("token_type_ids", types);
  }
  request_.infer();
  const ov::Tensor output = request_.get_output_tensor(0);
  const std::size_t dimensions = model_.shape().dimensions;
  const float* values = output.data<float>();
  for (std::size_t row = 0; row < texts.size(); ++row) {
    if (model_.is_pooled()) {
      std::copy_n(values + row * dimensions, dimensions, rows + row * dimensions);
    } else {
      pool_tokens(values + row * length * dimensions, texts[row]->ids.size(), dimensions,
                  model_.pooling(), rows + row * dimensions);
    }
  }
  return {};
}

// A model may look like BERT by its names and be none: with other positions, or another function
// between its layers.
bool agree(EncoderModel& a, EncoderModel& b) {
  constexpr std::int32_t kFirstWord = 1'000;
  constexpr double kCosineMin = 0.995;
  const std::size_t dimensions = a.shape().dimensions;
  if (b.shape().dimensions != dimensions) {
    return false;
  }
  TokenIds text;
  for (std::int32_t i = 0; i < 40; ++i) {
    text.ids.push_back(kFirstWord + 37 * i);
    text.types.push_back(0);
  }
  const TokenIds* const texts[] = {&text};
  std::vector<float> rows(2 * dimensions);
  for (auto [model, row] : {std::pair(&a, rows.data()), std::pair(&b, rows.data() + dimensions)}) {
    auto encoder = model->make_encoder();
    if (!encoder || !(*encoder)->run(texts, row)) {
      return false;
    }
  }
  double product = 0;
  double left = 0;
  double right = 0;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const double x = rows[d];
    const double y = rows[dimensions + d];
    product += x * y;
    left += x * x;
    right += y * y;
  }
  return product >= kCosineMin * std::sqrt(left * right);
}

}  // namespace

Result<std::filesystem::path> prepare_onnx() {
  Dl_info info{};
  const auto version = &ov::get_openvino_version;
  if (::dladdr(reinterpret_cast<const void*>(version), &info) == 0) {
    return fail(ErrorCode::Unavailable, "OpenVINO's folder is not known");
  }
  const auto folder = std::filesystem::absolute(info.dli_fname).parent_path();
  // Loaded for good here, because the system's libraries that it needs are out of reach soon.
  const auto reader = folder / ("libopenvino_onnx_frontend.so" + std::string(kLibraryVersion));
  if (::dlopen(reader.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    return fail(ErrorCode::Unavailable, fmt::format("OpenVINO does not work: {}", ::dlerror()));
  }
  try {
    static_cast<void>(core().get_versions("CPU"));
  } catch (const std::exception& thrown) {
    return fail(ErrorCode::Unavailable, fmt::format("OpenVINO does not work: {}", thrown.what()));
  }
  return folder;
}

Result<std::unique_ptr<EncoderModel>> open_onnx_model(const std::filesystem::path& file,
                                                      Pooling pooling, std::int32_t padding_id,
                                                      unsigned workers, OnnxRunner runner) {
  try {
    return OnnxModel::open(file, pooling, padding_id, workers, runner);
  } catch (const std::exception& thrown) {
    const std::string_view said = thrown.what();
    return fail(ErrorCode::InvalidArgument,
                fmt::format("model.onnx cannot be run: {}", said.substr(0, 500)));
  }
}

}  // namespace lakehouse::ai
