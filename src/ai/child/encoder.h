#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "ai/tokens/tokenizer.h"
#include "base/error.h"

namespace ov {
class Model;
}  // namespace ov

namespace lakehouse::ai {

/// How the vectors of a text's tokens become the one of the text.
enum class Pooling : std::uint8_t {
  Mean,   ///< Their mean.
  First,  ///< That of the first one, BERT's [CLS].
};

/// What a model's file says of it.
struct EncoderShape {
  std::uint32_t dimensions = 0;  ///< Of its output: one vector a text.
  std::uint32_t tokens_max = 0;  ///< What it can take at once; 0: it does not say.
};

/// One worker's way to run a model. Not thread-safe.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// One row of `dimensions` for each of `texts`, which are of similar length, to `rows`; not
  /// normalised.
  virtual Status run(std::span<const TokenIds* const> texts, float* rows) = 0;
};

/// A model as it lies in memory, shared by the workers. Thread-safe.
class EncoderModel {
 public:
  virtual ~EncoderModel() = default;
  [[nodiscard]] virtual EncoderShape shape() const = 0;
  /// Texts that are best run together, if they have `tokens` each.
  [[nodiscard]] virtual std::size_t batch_of(std::size_t tokens) const = 0;
  virtual Result<std::unique_ptr<Encoder>> make_encoder() = 0;
};

/// The vectors of a text's tokens into the one of the text.
void pool_tokens(const float* tokens, std::size_t count, std::size_t dimensions, Pooling pooling,
                 float* row);

/// The model's numbers, run by kernels of ours (see kernels/bert.h). Unimplemented, with why, if
/// the model has another form than BERT's, or this processor has not what they need.
Result<std::unique_ptr<EncoderModel>> open_bert_model(const ov::Model& model, Pooling pooling);

/// To be called before the sandbox: OpenVINO looks at the machine's processors. What it will load
/// later lies in the folder that it gives. Unavailable if OpenVINO does not work here.
Result<std::filesystem::path> prepare_onnx();

/// What runs an ONNX file.
enum class OnnxRunner : std::uint8_t {
  Checked,  ///< Our kernels if they can and agree with the library on an example, else the library.
  Kernels,  ///< Our kernels if they can: the model is known, and was checked in our tests.
  Library,  ///< OpenVINO.
};

/// An ONNX file. `padding_id` fills up shorter texts of a batch. InvalidArgument if it is no model
/// of that sort, with what is missing.
Result<std::unique_ptr<EncoderModel>> open_onnx_model(const std::filesystem::path& file,
                                                      Pooling pooling, std::int32_t padding_id,
                                                      unsigned workers, OnnxRunner runner);

}  // namespace lakehouse::ai
