#include "gateway/http/embed_handlers.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/json.h"
#include "gateway/http/run_on.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;

constexpr std::size_t kTextsMax = 1'000;

constexpr std::string_view kEmbed = R"({
  "type":"object","additionalProperties":false,"required":["texts"],"properties":{
  "model":{"type":"string","description":"One of GET /ai/models; the default one if absent."},
  "texts":{"type":"array","minItems":1,"maxItems":1000,"items":{"type":"string"},
    "description":"A text that is longer than the model takes is cut."}}})";

constexpr std::string_view kEmbedded = R"({
  "type":"object","required":["model","version","dimensions","embeddings"],"properties":{
  "model":{"type":"string"},
  "version":{"type":"string","description":"Vectors of one version may be compared."},
  "dimensions":{"type":"integer"},
  "embeddings":{"type":"array","description":"Of each text, in their order; of length 1.",
    "items":{"type":"array","items":{"type":"number"}}}}})";

ContentSpec content(std::string_view schema, std::string example = "") {
  return {.media_type = "application/json",
          .schema = std::string(schema),
          .example = std::move(example)};
}

}  // namespace

void EmbedHandlers::add_routes(Router& router) {
  router.add({.method = Method::Post,
              .path = "/ai/embed",
              .operation_id = "embed",
              .summary = "Turn texts into vectors",
              .tag = "AI",
              .request = {content(kEmbed, R"({"texts":["a welder in Ohio"]})")},
              .responses = {{.status = 200,
                             .description = "The vectors.",
                             .content = {content(kEmbedded)}}},
              .errors = {404, 409, 413, 415, 501, 504},
              .handler = [this](Request request) { return embed(std::move(request)); }});
}

boost::asio::awaitable<Result<Response>> EmbedHandlers::embed(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const auto model, fields.optional_string("model"));
  LH_ASSIGN_OR_CO_RETURN(std::vector<std::string> texts, fields.require_strings("texts"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  if (texts.empty() || texts.size() > kTextsMax) {
    co_return fail(ErrorCode::InvalidArgument, "'texts' holds 1 to 1,000 texts");
  }
  auto work = [this, context = request.context, name = model.value_or(""),
               texts = std::move(texts)]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto embedder, models_.embedder(context, name));
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    LH_ASSIGN_OR_RETURN(const ai::Embeddings rows, embedder->embed(context, views));
    json::array embeddings;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = rows.row(i);
      embeddings.emplace_back(json::array(row.begin(), row.end()));
    }
    const ai::ModelInfo& info = embedder->info();
    return json_response(200, json::object{{"model", info.name},
                                           {"version", info.version},
                                           {"dimensions", rows.dimensions},
                                           {"embeddings", std::move(embeddings)}});
  };
  co_return co_await run_on(pool_, std::move(work));
}

}  // namespace lakehouse::gateway::http
