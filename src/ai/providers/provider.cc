#include "ai/providers/provider.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;

// What one request to a provider holds.
constexpr std::size_t kBatchTextsMax = 64;
constexpr std::size_t kBatchBytesMax = std::size_t{256} << 10U;
constexpr std::uint32_t kDimensionsMax = 65'536;

/// How many bytes the character at the beginning of `text` has; 0: it is none.
std::size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t bytes = first < 0x80   ? 1
                            : first < 0xC0 ? 0
                            : first < 0xE0 ? 2
                            : first < 0xF0 ? 3
                                           : 4;
  return bytes <= text.size() && bytes != 0 && is_valid_utf8(text.substr(0, bytes)) ? bytes : 0;
}

Status append_vector(const ProviderHttp& http, const json::value& vector, std::uint32_t dimensions,
                     std::vector<float>& values) {
  const json::array* numbers = vector.if_array();
  if (numbers == nullptr || numbers->empty() || numbers->size() > kDimensionsMax ||
      (dimensions != 0 && numbers->size() != dimensions)) {
    return http.nonsense(
        fmt::format("a vector of {} numbers", numbers == nullptr ? 0 : numbers->size()));
  }
  double squares = 0;
  for (const json::value& number : *numbers) {
    squares += number.is_number() ? std::pow(number.to_number<double>(), 2)
                                  : std::numeric_limits<double>::quiet_NaN();
  }
  if (!std::isfinite(squares) || squares <= 0) {
    return http.nonsense("a vector without a length");
  }
  for (const json::value& number : *numbers) {
    values.push_back(static_cast<float>(number.to_number<double>() / std::sqrt(squares)));
  }
  return {};
}

}  // namespace

ModelInfo provider_info(const ProviderHttp& http, const ProviderModel& model, ModelKind kind) {
  ModelInfo info;
  info.name = model.name;
  info.kind = kind;
  info.provider = http.address().name;
  info.version = model.model;
  info.max_tokens = model.max_tokens;
  info.context_tokens = model.context_tokens;
  return info;
}

std::string valid_utf8(std::string_view text) {
  if (is_valid_utf8(text)) {
    return std::string(text);
  }
  std::string out;
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    out += bytes == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, bytes);
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return out;
}

Status ProviderEmbedder::probe(const RequestContext& context) {
  constexpr std::string_view kText = "dimensions";
  LH_ASSIGN_OR_RETURN(const Embeddings one,
                      do_embed(context, std::span(&kText, 1), EmbedPriority::Interactive));
  info_.dimensions = static_cast<std::uint32_t>(one.dimensions);
  return {};
}

Result<Embeddings> ProviderEmbedder::do_embed(const RequestContext& context,
                                              std::span<const std::string_view> texts,
                                              EmbedPriority /*priority*/) {
  std::size_t total = 0;
  for (const std::string_view text : texts) {
    total += text.size();
  }
  if (texts.size() > Embedder::kTextsMax || total > Embedder::kBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} texts of {} bytes are too many for one call", texts.size(), total),
                "Send at most 4,096 texts and 64 MiB at a time.");
  }
  std::uint32_t dimensions = info_.dimensions;
  Embeddings result{.dimensions = dimensions, .values = {}};
  while (!texts.empty()) {
    LH_RETURN_IF_ERROR(context.check());
    std::size_t count = 0;
    for (std::size_t bytes = 0; count < std::min(texts.size(), kBatchTextsMax); ++count) {
      bytes += texts[count].size();
      if (count > 0 && bytes > kBatchBytesMax) {
        break;
      }
    }
    LH_ASSIGN_OR_RETURN(const json::array vectors, vectors_of(context, texts.first(count)));
    if (vectors.size() != count) {
      return http_->nonsense(fmt::format("{} vectors for {} texts", vectors.size(), count));
    }
    for (const json::value& vector : vectors) {
      LH_RETURN_IF_ERROR(append_vector(*http_, vector, dimensions, result.values));
      dimensions = static_cast<std::uint32_t>(vector.get_array().size());
    }
    texts = texts.subspan(count);
  }
  result.dimensions = dimensions;
  return result;
}

Status check_request(const GenerateRequest& request) {
  if (request.messages.empty() == request.prompt.empty()) {
    return fail(ErrorCode::InvalidArgument, "either 'messages' or 'prompt' must be given");
  }
  if (request.max_tokens == 0) {
    return fail(ErrorCode::InvalidArgument, "'max_tokens' must be 1 or more");
  }
  if (!std::isfinite(request.temperature) || request.temperature < 0 || request.temperature > 5) {
    return fail(ErrorCode::InvalidArgument, "'temperature' must be between 0 and 5");
  }
  if (request.top_p && !(*request.top_p > 0 && *request.top_p <= 1)) {
    return fail(ErrorCode::InvalidArgument, "'top_p' must be above 0, and 1 or less");
  }
  if (!request.grammar.empty() && !request.json_schema.empty()) {
    return fail(ErrorCode::InvalidArgument, "'grammar' and 'json_schema' exclude each other");
  }
  for (const ChatMessage& message : request.messages) {
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("there is no role '{}'", as_utf8(message.role).substr(0, 40)),
                  "A message's role is system, user or assistant.");
    }
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty()) {
      return fail(ErrorCode::InvalidArgument, "a text of 'stop' is empty");
    }
  }
  if (!request.json_schema.empty()) {
    LH_ASSIGN_OR_RETURN(const json::value schema, parse_json(request.json_schema, "'json_schema'"));
    if (!schema.is_object()) {
      return fail(ErrorCode::InvalidArgument, "'json_schema' must be a JSON object");
    }
  }
  return {};
}

std::string_view text_member(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string())
                                                : std::string_view();
}

std::uint32_t count_member(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  if (found == nullptr || !found->is_number()) {
    return 0;
  }
  const double number = found->to_number<double>();
  return number > 0 && number <= std::numeric_limits<std::uint32_t>::max()
             ? static_cast<std::uint32_t>(number)
             : 0;
}

const json::object* object_member(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found == nullptr ? nullptr : found->if_object();
}

const json::array* array_member(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found == nullptr ? nullptr : found->if_array();
}

}  // namespace lakehouse::ai
