#include "ai/child/encoding_operations.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "ai/child/encode_queue.h"
#include "ai/child/encoder.h"
#include "base/hash.h"
#include "base/json.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr std::uintmax_t kTokenizerBytesMax = std::uintmax_t{64} << 20U;
constexpr std::size_t kModelsMax = 16;
// What sentence-transformers cut texts at where a model does not say.
constexpr std::int64_t kTokensDefault = 256;
constexpr std::int64_t kTokensMax = 8'192;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;

// all-MiniLM-L6-v2 as it comes with the program.
constexpr std::string_view kMiniLm =
    "ca46f1a88a9c6e61b918af1ab38be3e7903b986616551f0a6f10a7ecc5730cd4";

struct LoadedModel {
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<EncoderModel> encoder;
  std::size_t tokens_max = 0;
  std::string version;
};

struct ModelName {
  std::string path;
  std::string pooling;
  std::int64_t max_tokens = 0;
  auto operator<=>(const ModelName&) const = default;
};

Result<ModelName> read_model_name(const json::object& request) {
  JsonFields fields(request, "the request");
  LH_ASSIGN_OR_RETURN(const auto* object, fields.require_object("model"));
  JsonFields members(*object, "the model");
  ModelName name;
  LH_ASSIGN_OR_RETURN(name.path, members.require_string("path"));
  LH_ASSIGN_OR_RETURN(name.pooling, members.require_string("pooling"));
  LH_ASSIGN_OR_RETURN(name.max_tokens, members.require_int64("max_tokens"));
  return name;
}

Result<std::string> read_file(const fs::path& path, std::uintmax_t bytes_max) {
  std::error_code problem;
  const auto size = fs::file_size(path, problem);
  if (problem) {
    return fail(ErrorCode::NotFound, fmt::format("the model has no file {}: {}",
                                                 path.filename().string(), problem.message()));
  }
  if (size > bytes_max) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the model's file {} is too large", path.filename().string()));
  }
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// In pieces: a model may be larger than what is left of the memory.
Result<std::string> hash_of(const fs::path& path) {
  Sha256 hash;
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(kPieceBytes);
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    hash.update(std::as_bytes(std::span(piece).first(
        static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)))));
  }
  if (!file.eof()) {
    return fail(ErrorCode::NotFound,
                fmt::format("the model's file {} cannot be read", path.filename().string()));
  }
  return to_hex(hash.finish());
}

// A number in one of the small files that models come with; nothing if it is not there.
std::optional<std::int64_t> number_in(const fs::path& path, std::string_view member) {
  const auto text = read_file(path, std::uintmax_t{1} << 20U);
  const auto document = text ? parse_json(*text, "the file") : Result<json::value>();
  if (!text || !document || !document->is_object()) {
    return std::nullopt;
  }
  const json::value* value = document->get_object().if_contains(member);
  return value != nullptr && value->is_int64() ? std::optional(value->get_int64()) : std::nullopt;
}

std::size_t tokens_max_of(const ModelName& name) {
  const fs::path folder = name.path;
  std::int64_t most = name.max_tokens;
  if (most <= 0) {
    most = number_in(folder / "sentence_bert_config.json", "max_seq_length")
               .value_or(number_in(folder / "config.json", "max_position_embeddings")
                             .value_or(kTokensDefault));
  }
  return static_cast<std::size_t>(std::clamp<std::int64_t>(most, 8, kTokensMax));
}

Result<std::unique_ptr<LoadedModel>> load(const ModelName& name, unsigned workers) {
  const fs::path folder = name.path;
  auto model = std::make_unique<LoadedModel>();
  LH_ASSIGN_OR_RETURN(const std::string tokenizer,
                      read_file(folder / "tokenizer.json", kTokenizerBytesMax));
  LH_ASSIGN_OR_RETURN(model->tokenizer, Tokenizer::parse(tokenizer));
  model->tokens_max = tokens_max_of(name);
  Sha256 hash;
  hash.update(std::as_bytes(std::span(tokenizer)));
  LH_ASSIGN_OR_RETURN(const std::string onnx, hash_of(folder / "model.onnx"));
  hash.update(std::as_bytes(std::span(onnx)));
  const std::string how = fmt::format("{}/{}", name.pooling, model->tokens_max);
  hash.update(std::as_bytes(std::span(how)));
  model->version = to_hex(hash.finish());
  const Pooling pooling = name.pooling == "cls" ? Pooling::First : Pooling::Mean;
  LH_ASSIGN_OR_RETURN(
      model->encoder,
      open_onnx_model(folder / "model.onnx", pooling, model->tokenizer->padding_id(), workers,
                      onnx == kMiniLm ? OnnxRunner::Kernels : OnnxRunner::Checked));
  return model;
}

/// The models that were asked for, and the queue that runs them. Thread-safe.
class Encoders {
 public:
  Encoders(const ChildResources& resources, Status onnx)
      : onnx_(std::move(onnx)), queue_(resources.threads) {}

  Result<LoadedModel*> model(const ModelName& name) {
    LH_RETURN_IF_ERROR(onnx_);
    if (LoadedModel* loaded = find(name)) {
      return loaded;
    }
    // One after the other: two that load at once would take all processors.
    const std::lock_guard loading(loading_);
    if (LoadedModel* loaded = find(name)) {
      return loaded;
    }
    LH_ASSIGN_OR_RETURN(auto loaded, load(name, queue_.workers()));
    const std::lock_guard lock(mutex_);
    if (models_.size() >= kModelsMax) {
      return fail(ErrorCode::ResourceExhausted,
                  fmt::format("{} models are in memory already", models_.size()));
    }
    return models_.emplace(name, std::move(loaded)).first->second.get();
  }

  Result<json::object> describe(const json::object& request) {
    LH_ASSIGN_OR_RETURN(const ModelName name, read_model_name(request));
    LH_ASSIGN_OR_RETURN(const LoadedModel* model, this->model(name));
    return json::object{{"dimensions", model->encoder->shape().dimensions},
                        {"max_tokens", model->tokens_max},
                        {"version", model->version}};
  }

  Result<json::object> run(const json::object& request, Reply& reply, bool is_embedding) {
    LH_ASSIGN_OR_RETURN(const ModelName name, read_model_name(request));
    LH_ASSIGN_OR_RETURN(LoadedModel * model, this->model(name));
    JsonFields fields(request, "the request");
    LH_ASSIGN_OR_RETURN(const json::array* texts, fields.require_array("texts"));
    std::optional<std::string> query;
    if (!is_embedding) {
      LH_ASSIGN_OR_RETURN(query, fields.require_string("query"));
    }
    LH_ASSIGN_OR_RETURN(const auto priority, fields.optional_int64("priority"));
    const std::size_t dimensions = model->encoder->shape().dimensions;
    if (!is_embedding && dimensions != 1) {
      return fail(ErrorCode::FailedPrecondition, "the model gives no scores of pairs of texts");
    }
    std::int64_t tokens = 0;
    std::int64_t truncated = 0;
    std::vector<TokenIds> ids(texts->size());
    for (std::size_t i = 0; i < texts->size(); ++i) {
      const json::value& text = (*texts)[i];
      if (!text.is_string()) {
        return fail(ErrorCode::InvalidArgument, "a text is no string");
      }
      if (query) {
        model->tokenizer->encode_pair(*query, text.get_string(), model->tokens_max, ids[i]);
      } else {
        model->tokenizer->encode(text.get_string(), model->tokens_max, ids[i]);
      }
      tokens += static_cast<std::int64_t>(ids[i].ids.size());
      truncated += ids[i].truncated ? 1 : 0;
    }
    std::vector<float> rows(ids.size() * dimensions);
    LH_RETURN_IF_ERROR(
        queue_.run(*model->encoder, ids,
                   priority.value_or(0) == 0 ? EmbedPriority::Interactive : EmbedPriority::Bulk,
                   reply, rows.data()));
    if (is_embedding) {
      normalise(rows, dimensions);
    }
    const std::string_view bytes(reinterpret_cast<const char*>(rows.data()),
                                 rows.size() * sizeof(float));
    for (std::size_t begin = 0; begin < bytes.size(); begin += kPieceBytes) {
      LH_RETURN_IF_ERROR(reply.data(bytes.substr(begin, kPieceBytes)));
    }
    return json::object{{"tokens", tokens}, {"truncated", truncated}};
  }

 private:
  static void normalise(std::vector<float>& rows, std::size_t dimensions) {
    for (auto row = rows.begin(); row != rows.end();
         row += static_cast<std::ptrdiff_t>(dimensions)) {
      const auto end = row + static_cast<std::ptrdiff_t>(dimensions);
      double square = 0;
      std::for_each(row, end, [&](float value) { square += double{value} * double{value}; });
      // Not numbers either way: a model that gives none must not look as if it did.
      const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
      std::transform(row, end, row,
                     [&](float value) { return static_cast<float>(double{value} * scale); });
    }
  }

  LoadedModel* find(const ModelName& name) {
    const std::lock_guard lock(mutex_);
    const auto found = models_.find(name);
    return found == models_.end() ? nullptr : found->second.get();
  }

  const Status onnx_;
  std::mutex loading_;
  std::mutex mutex_;
  std::map<ModelName, std::unique_ptr<LoadedModel>> models_;  // Guarded by mutex_; none ever goes.
  EncodeQueue queue_;
};

}  // namespace

void add_encoding_operations(Operations& operations, const ChildResources& resources, Status onnx) {
  const auto encoders =
      std::make_shared<Encoders>(resources, std::move(onnx));  // Shared by the operations.
  operations["describe_encoder"] = [encoders](const json::object& request, Reply&) {
    return encoders->describe(request);
  };
  operations["embed"] = [encoders](const json::object& request, Reply& reply) {
    return encoders->run(request, reply, true);
  };
  operations["score"] = [encoders](const json::object& request, Reply& reply) {
    return encoders->run(request, reply, false);
  };
}

}  // namespace lakehouse::ai
