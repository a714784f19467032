#include "ai/client/embedded_encoder.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;

// JSON is UTF-8, and a text from a table need not be.
std::string mended(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t good = 1;
    for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
      if (is_valid_utf8(text.substr(0, length))) {
        out.append(text.substr(0, length));
        good = length;
        break;
      }
      if (length == 4 || length == text.size()) {
        out.append("\xEF\xBF\xBD");
      }
    }
    text.remove_prefix(good);
  }
  return out;
}

Result<json::array> as_array(std::span<const std::string_view> texts) {
  if (texts.size() > Embedder::kTextsMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} texts are more than a model takes at once, which is {}",
                            texts.size(), Embedder::kTextsMax));
  }
  std::size_t bytes = 0;
  json::array array;
  array.reserve(texts.size());
  for (const std::string_view text : texts) {
    bytes += text.size();
    if (bytes > Embedder::kBytesMax) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the texts are longer than {} MiB together, which is what a model "
                              "takes at once",
                              Embedder::kBytesMax >> 20U));
    }
    if (is_valid_utf8(text)) {
      array.emplace_back(text);
    } else {
      array.emplace_back(mended(text));
    }
  }
  return array;
}

/// One model in the child, whatever is asked of it.
class EncoderClient {
 public:
  EncoderClient(ModelChild& child, const ModelFiles& files)
      : child_(child),
        name_{{"path", files.path.string()},
              {"pooling", files.pooling},
              {"max_tokens", files.max_tokens}} {
    info_.name = files.name;
    info_.kind = files.kind;
    info_.provider = "embedded";
  }

  Status learn(const RequestContext& context) {
    LH_ASSIGN_OR_RETURN(const json::object said,
                        child_.call(context, {{"op", "describe_encoder"}, {"model", name_}}, {}));
    JsonFields fields(said, "the model's answer");
    LH_ASSIGN_OR_RETURN(const auto dimensions, fields.require_int64("dimensions"));
    LH_ASSIGN_OR_RETURN(const auto max_tokens, fields.require_int64("max_tokens"));
    LH_ASSIGN_OR_RETURN(info_.version, fields.require_string("version"));
    info_.dimensions = static_cast<std::uint32_t>(dimensions);
    info_.max_tokens = static_cast<std::uint32_t>(max_tokens);
    return {};
  }

  [[nodiscard]] const ModelInfo& info() const { return info_; }
  ModelInfo& info() { return info_; }

  /// `columns` floats for each of `texts`.
  Result<std::vector<float>> run(const RequestContext& context, json::object request,
                                 std::span<const std::string_view> texts, std::size_t columns) {
    LH_RETURN_IF_ERROR(context.check());
    std::vector<float> values;
    if (texts.empty()) {
      return values;
    }
    LH_ASSIGN_OR_RETURN(request["texts"], as_array(texts));
    request["model"] = name_;
    std::string bytes;
    const std::size_t expected = texts.size() * columns * sizeof(float);
    const auto take = [&](std::string_view piece) -> Status {
      if (bytes.size() + piece.size() > expected) {
        return fail(ErrorCode::Internal, "the protocol of models broke: too many numbers");
      }
      bytes.append(piece);
      return {};
    };
    LH_ASSIGN_OR_RETURN(const json::object end, child_.call(context, std::move(request), take));
    if (bytes.size() != expected) {
      return fail(ErrorCode::Internal, "the protocol of models broke: too few numbers");
    }
    values.resize(texts.size() * columns);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  ModelChild& child_;
  json::object name_;
  ModelInfo info_;
};

class EmbeddedEmbedder final : public Embedder {
 public:
  explicit EmbeddedEmbedder(EncoderClient client) : client_(std::move(client)) {}
  [[nodiscard]] const ModelInfo& info() const override { return client_.info(); }

 private:
  Result<Embeddings> do_embed(const RequestContext& context,
                              std::span<const std::string_view> texts,
                              EmbedPriority priority) override {
    Embeddings rows{.dimensions = info().dimensions, .values = {}};
    LH_ASSIGN_OR_RETURN(
        rows.values,
        client_.run(context, {{"op", "embed"}, {"priority", static_cast<int>(priority)}}, texts,
                    rows.dimensions));
    return rows;
  }

  EncoderClient client_;
};

class EmbeddedReranker final : public Reranker {
 public:
  explicit EmbeddedReranker(EncoderClient client) : client_(std::move(client)) {}
  [[nodiscard]] const ModelInfo& info() const override { return client_.info(); }

  Result<Reranking> rerank(const RequestContext& context, std::string_view query,
                           std::span<const std::string_view> texts) override {
    Reranking result{.scores = {}, .method = "cross-encoder"};
    LH_ASSIGN_OR_RETURN(
        result.scores, client_.run(context, {{"op", "score"}, {"query", mended(query)}}, texts, 1));
    return result;
  }

 private:
  EncoderClient client_;
};

}  // namespace

Result<std::shared_ptr<Embedder>> make_embedded_embedder(const RequestContext& context,
                                                         ModelChild& child, ModelFiles files) {
  EncoderClient client(child, files);
  LH_RETURN_IF_ERROR(client.learn(context));
  return std::make_shared<EmbeddedEmbedder>(std::move(client));
}

Result<std::shared_ptr<Reranker>> make_embedded_reranker(const RequestContext& context,
                                                         ModelChild& child, ModelFiles files) {
  EncoderClient client(child, files);
  LH_RETURN_IF_ERROR(client.learn(context));
  if (std::exchange(client.info().dimensions, 0U) != 1) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("the model '{}' gives no scores of pairs of texts", files.name),
                "Reranking takes a cross-encoder, such as ms-marco-MiniLM-L-6-v2.");
  }
  return std::make_shared<EmbeddedReranker>(std::move(client));
}

}  // namespace lakehouse::ai
