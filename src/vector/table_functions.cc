#include "vector/table_functions.h"

#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "query/tree.h"

namespace lakehouse::vector {

namespace {

namespace json = boost::json;
namespace tree = query::tree;

constexpr std::array<std::pair<std::string_view, SearchMode>, 3> kFunctions = {
    {{"vector_search", SearchMode::Vector},
     {"hybrid_search", SearchMode::Hybrid},
     {"text_search", SearchMode::Text}}};

std::unexpected<Error> wrong(const query::TableFunctionCall& call, std::string_view what) {
  Error error{.code = ErrorCode::InvalidArgument,
              .message = fmt::format("{}: {}", call.name, what),
              .hint = fmt::format("Write {}('index', 'text', k := 10, filter := 'SQL condition').",
                                  call.name),
              .position_bytes = call.position,
              .details_json = {}};
  return std::unexpected(std::move(error));
}

Result<std::string> text_in(const query::TableFunctionCall& call, std::string_view name,
                            const json::value& value) {
  if (!value.is_string()) {
    return wrong(call, fmt::format("{} must be a text", name));
  }
  return std::string(value.get_string());
}

Result<bool> flag_in(const query::TableFunctionCall& call, std::string_view name,
                     const json::value& value) {
  if (!value.is_bool()) {
    return wrong(call, fmt::format("{} must be true or false", name));
  }
  return value.get_bool();
}

Result<std::size_t> count_in(const query::TableFunctionCall& call, const json::value& value) {
  const std::int64_t count = value.is_int64()    ? value.get_int64()
                             : value.is_uint64() ? static_cast<std::int64_t>(value.get_uint64())
                                                 : 0;
  if (count < 1) {
    return wrong(call, "k must be a whole number above 0");
  }
  return static_cast<std::size_t>(count);
}

/// What is searched for: a text, or a vector in modes that take one.
Status read_wanted(const query::TableFunctionCall& call, const json::value& value,
                   SearchRequest& request) {
  if (value.is_string()) {
    request.text = value.get_string();
    return {};
  }
  if (!value.is_array() || request.mode != SearchMode::Vector) {
    return wrong(call, request.mode == SearchMode::Vector
                           ? "the second argument must be a text or a list of numbers"
                           : "the second argument must be a text");
  }
  for (const json::value& item : value.get_array()) {
    boost::system::error_code error;
    const auto number = item.to_number<double>(error);
    if (error || !std::isfinite(number)) {
      return wrong(call, "the vector must be a list of numbers");
    }
    request.vector.push_back(static_cast<float>(number));
  }
  return {};
}

Status read_named(const query::TableFunctionCall& call, SearchRequest& request) {
  for (const auto& [name, value] : call.named) {
    if (name == "k") {
      LH_ASSIGN_OR_RETURN(request.k, count_in(call, value));
    } else if (name == "filter") {
      LH_ASSIGN_OR_RETURN(request.filter, text_in(call, name, value));
    } else if (name == "exact") {
      LH_ASSIGN_OR_RETURN(request.exact, flag_in(call, name, value));
    } else if (name == "rerank") {
      LH_ASSIGN_OR_RETURN(request.rerank, flag_in(call, name, value));
    } else if (name == "one_per_row") {
      LH_ASSIGN_OR_RETURN(request.one_per_row, flag_in(call, name, value));
    } else {
      const std::array<std::string, 5> known = {"k", "filter", "exact", "rerank", "one_per_row"};
      Error error = wrong(call, fmt::format("there is no argument {}", name)).error();
      if (std::string hint = did_you_mean(name, known); !hint.empty()) {
        error.hint = std::move(hint);
      }
      return std::unexpected(std::move(error));
    }
  }
  return {};
}

Result<SearchRequest> request_of(const query::TableFunctionCall& call) {
  SearchRequest request;
  for (const auto& [name, mode] : kFunctions) {
    if (name == call.name) {
      request.mode = mode;
    }
  }
  if (call.arguments.size() < 2 || call.arguments.size() > 3) {
    return wrong(call, "it takes an index, what to search for, and k");
  }
  LH_ASSIGN_OR_RETURN(request.index, text_in(call, "the index", call.arguments[0]));
  LH_RETURN_IF_ERROR(read_wanted(call, call.arguments[1], request));
  if (call.arguments.size() == 3) {
    LH_ASSIGN_OR_RETURN(request.k, count_in(call, call.arguments[2]));
  }
  LH_RETURN_IF_ERROR(read_named(call, request));
  return request;
}

std::string_view key_type_of(KeyType type) {
  switch (type) {
    case KeyType::String: return "VARCHAR";
    case KeyType::Int32: return "INTEGER";
    case KeyType::Int64: return "BIGINT";
    case KeyType::Uuid: return "UUID";
  }
  return "VARCHAR";
}

}  // namespace

std::vector<std::string> SearchFunctions::names() const {
  std::vector<std::string> all;
  for (const auto& [name, mode] : kFunctions) {
    all.emplace_back(name);
  }
  return all;
}

Result<query::TableFunctionResult> SearchFunctions::call(const RequestContext& context,
                                                         const query::TableFunctionCall& call) {
  VectorService* const service = service_.load();
  if (service == nullptr) {
    return fail(ErrorCode::Unavailable, "vector search has not started yet");
  }
  LH_ASSIGN_OR_RETURN(const SearchRequest request, request_of(call));
  LH_ASSIGN_OR_RETURN(const IndexInfo index, service->get(context, request.index));
  LH_ASSIGN_OR_RETURN(const SearchResults found, service->search(context, request));
  json::array keys;
  json::array chunks;
  json::array scores;
  json::array texts;
  for (const SearchHit& hit : found.hits) {
    keys.push_back(hit.key);
    chunks.emplace_back(hit.chunk);
    scores.emplace_back(hit.score);
    texts.emplace_back(hit.text);
  }
  // The rows go beside the statement, not in its text: lists that UNNEST opens side by side.
  query::TableFunctionResult result;
  const std::uint64_t number = calls_.fetch_add(1);
  json::array columns;
  const auto add = [&](std::string_view name, std::string_view type, json::array&& values) {
    std::string variable = fmt::format("lh_{}_{}_{}", call.name, number, name);
    columns.push_back(tree::aliased(
        tree::cast_to(
            tree::function("unnest", json::array{tree::function(
                                         "getvariable", json::array{tree::string(variable)})}),
            json::object{{"id", type}}),
        name));
    result.variables.push_back({.name = std::move(variable), .value = std::move(values)});
  };
  add("key", key_type_of(index.key_type), std::move(keys));
  add("chunk", "INTEGER", std::move(chunks));
  add("score", "DOUBLE", std::move(scores));
  add("text", "VARCHAR", std::move(texts));
  result.node = tree::select(std::move(columns), tree::empty_table());
  return result;
}

}  // namespace lakehouse::vector
