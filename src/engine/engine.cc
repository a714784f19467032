#include "engine/engine.h"

#include <algorithm>

#include "engine/wire/messages.h"

namespace lakehouse::engine {
namespace {

constexpr std::uint64_t kSmallRowsMax = 100'000;
constexpr std::string_view kHeldGone = R"({"held_gone":true})";

}  // namespace

std::string_view to_string(Lane lane) {
  switch (lane) {
    case Lane::Auto: return "auto";
    case Lane::Light: return "light";
    case Lane::Heavy: return "heavy";
    case Lane::File: return "file";
  }
  return "auto";
}

Error held_gone() {
  return Error{.code = ErrorCode::Unavailable,
               .message = "the engine that held the tables in memory has gone",
               .hint = "Retry.",
               .position_bytes = std::nullopt,
               .details_json = std::string(kHeldGone)};
}

bool is_held_gone(const Error& error) {
  return error.details_json == kHeldGone;
}

Result<Rows> Engine::query_rows(const RequestContext& context, Statement statement) {
  statement.encoding = Encoding::Json;
  statement.rows_max = std::min(statement.rows_max.value_or(kSmallRowsMax + 1), kSmallRowsMax + 1);
  LH_ASSIGN_OR_RETURN(const auto stream, execute(context, std::move(statement)));
  std::string text = "[";
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, stream->next(context));
    if (!bytes) {
      break;
    }
    text += *bytes;
  }
  if (stream->end().row_count > kSmallRowsMax) {
    return fail(ErrorCode::ResourceExhausted, "the statement gives more than 100,000 rows");
  }
  LH_ASSIGN_OR_RETURN(boost::json::value parsed, parse_deep_json(text + "]"));
  Rows rows{.columns = stream->columns(), .rows = {}};
  rows.rows.reserve(parsed.get_array().size());
  for (boost::json::value& row : parsed.get_array()) {
    rows.rows.push_back(std::move(row.get_array()));
  }
  return rows;
}

}  // namespace lakehouse::engine
