#include "engine/wire/messages.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"

namespace lakehouse::engine {
namespace {

namespace json = boost::json;

Result<json::value> parse_message(std::string_view text) {
  auto parsed = parse_deep_json(text);
  if (!parsed) {
    return fail(ErrorCode::Internal, "the engine protocol broke: " + parsed.error().message);
  }
  return parsed;
}

json::object statement_to_json(const Statement& statement) {
  json::array variables;
  for (const Variable& variable : statement.variables) {
    variables.push_back(json::object{{"name", variable.name}, {"value", variable.value}});
  }
  const auto texts = [](const std::vector<std::string>& sql) {
    return json::array(sql.begin(), sql.end());
  };
  json::object object{{"text", statement.text},
                      {"is_tree", statement.is_tree},
                      {"around_tree", statement.around_tree},
                      {"parameters", statement.parameters},
                      {"encoding", static_cast<std::uint64_t>(statement.encoding)}};
  object["variables"] = std::move(variables);
  object["before"] = texts(statement.before);
  object["after"] = texts(statement.after);
  if (statement.rows_max) {
    object["rows_max"] = *statement.rows_max;
  }
  return object;
}

Result<Statement> statement_from_json(const json::object& object) {
  JsonFields fields(object, "the statement");
  Statement statement;
  LH_ASSIGN_OR_RETURN(statement.text, fields.require_string("text"));
  LH_ASSIGN_OR_RETURN(statement.is_tree, fields.require_bool("is_tree"));
  LH_ASSIGN_OR_RETURN(statement.around_tree, fields.require_string("around_tree"));
  if (const json::value* parameters = fields.optional_value("parameters")) {
    statement.parameters = *parameters;
  }
  LH_ASSIGN_OR_RETURN(const auto encoding, fields.require_int64("encoding"));
  statement.encoding = static_cast<Encoding>(encoding);
  LH_ASSIGN_OR_RETURN(statement.before, fields.require_strings("before"));
  LH_ASSIGN_OR_RETURN(statement.after, fields.require_strings("after"));
  LH_ASSIGN_OR_RETURN(const auto* variables, fields.require_array("variables"));
  for (const json::value& entry : *variables) {
    LH_ASSIGN_OR_RETURN(auto members, JsonFields::of(entry, "a variable"));
    Variable variable;
    LH_ASSIGN_OR_RETURN(variable.name, members.require_string("name"));
    if (const json::value* value = members.optional_value("value")) {
      variable.value = *value;
    }
    statement.variables.push_back(std::move(variable));
  }
  LH_ASSIGN_OR_RETURN(const auto rows_max, fields.optional_int64("rows_max"));
  if (rows_max) {
    statement.rows_max = static_cast<std::uint64_t>(*rows_max);
  }
  return statement;
}

}  // namespace

Result<json::value> parse_deep_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = 20'000;
  boost::system::error_code error;
  json::value value = json::parse(text, error, {}, options);
  if (error) {
    return fail(ErrorCode::InvalidArgument, "not JSON: " + error.message());
  }
  return value;
}

std::string encode_request(const Request& request) {
  json::object object{{"operation", static_cast<std::uint64_t>(request.operation)}};
  if (request.time_left) {
    object["time_left_ms"] = request.time_left->count();
  }
  if (request.id != 0) {
    object["id"] = request.id;
  }
  if (request.operation == Operation::Parse) {
    object["sql"] = request.sql;
  } else if (request.operation != Operation::Progress) {
    object["statement"] = statement_to_json(request.statement);
  }
  return json::serialize(object);
}

Result<Request> decode_request(std::string_view text) {
  LH_ASSIGN_OR_RETURN(const json::value value, parse_message(text));
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(value, "the request"));
  Request request;
  LH_ASSIGN_OR_RETURN(const auto operation, fields.require_int64("operation"));
  request.operation = static_cast<Operation>(operation);
  LH_ASSIGN_OR_RETURN(const auto time_left_ms, fields.optional_int64("time_left_ms"));
  if (time_left_ms) {
    request.time_left = std::chrono::milliseconds(*time_left_ms);
  }
  LH_ASSIGN_OR_RETURN(const auto id, fields.optional_int64("id"));
  request.id = static_cast<std::uint64_t>(id.value_or(0));
  if (request.operation == Operation::Parse) {
    LH_ASSIGN_OR_RETURN(request.sql, fields.require_string("sql"));
  } else if (request.operation != Operation::Progress) {
    LH_ASSIGN_OR_RETURN(const auto* statement, fields.require_object("statement"));
    LH_ASSIGN_OR_RETURN(request.statement, statement_from_json(*statement));
  }
  return request;
}

std::string encode_grant(const EngineGrant& grant) {
  const auto texts = [](const std::vector<std::filesystem::path>& paths) {
    json::array array;
    for (const auto& path : paths) {
      array.push_back(json::value(path.string()));
    }
    return array;
  };
  return json::serialize(
      json::object{{"readable", texts(grant.readable)}, {"writable", texts(grant.writable)}});
}

Result<EngineGrant> decode_grant(std::string_view text) {
  LH_ASSIGN_OR_RETURN(const json::value value, parse_message(text));
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(value, "the grant"));
  EngineGrant grant;
  LH_ASSIGN_OR_RETURN(const auto readable, fields.require_strings("readable"));
  LH_ASSIGN_OR_RETURN(const auto writable, fields.require_strings("writable"));
  grant.readable.assign(readable.begin(), readable.end());
  grant.writable.assign(writable.begin(), writable.end());
  return grant;
}

std::string encode_columns(const std::vector<Column>& columns) {
  json::array array;
  for (const Column& column : columns) {
    array.push_back(json::array{column.name, column.type});
  }
  return json::serialize(array);
}

Result<std::vector<Column>> decode_columns(std::string_view text) {
  LH_ASSIGN_OR_RETURN(const json::value value, parse_message(text));
  std::vector<Column> columns;
  const json::array* array = value.if_array();
  if (array == nullptr) {
    return fail(ErrorCode::Internal, "the engine protocol broke: columns are no array");
  }
  for (const json::value& entry : *array) {
    const json::array* pair = entry.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() ||
        !(*pair)[1].is_string()) {
      return fail(ErrorCode::Internal, "the engine protocol broke: a column is no pair");
    }
    columns.push_back({.name = std::string((*pair)[0].get_string()),
                       .type = std::string((*pair)[1].get_string())});
  }
  return columns;
}

std::string encode_progress(const std::vector<StatementProgress>& statements) {
  json::array array;
  for (const StatementProgress& statement : statements) {
    array.push_back(json::array{statement.id, statement.done});
  }
  return json::serialize(array);
}

Result<std::vector<StatementProgress>> decode_progress(std::string_view text) {
  LH_ASSIGN_OR_RETURN(const json::value value, parse_message(text));
  std::vector<StatementProgress> out;
  for (const json::value& entry : value.is_array() ? value.get_array() : json::array()) {
    const json::array* pair = entry.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_number() ||
        !(*pair)[1].is_number()) {
      return fail(ErrorCode::Internal, "the engine protocol broke: progress is no pair");
    }
    out.push_back(
        {.id = (*pair)[0].to_number<std::uint64_t>(), .done = (*pair)[1].to_number<double>()});
  }
  return out;
}

std::string encode_end(const ResultEnd& end) {
  return json::serialize(json::object{{"row_count", end.row_count},
                                      {"truncated", end.truncated},
                                      {"memory_peak_bytes", end.memory_peak_bytes},
                                      {"spill_peak_bytes", end.spill_peak_bytes}});
}

Result<ResultEnd> decode_end(std::string_view text) {
  LH_ASSIGN_OR_RETURN(const json::value value, parse_message(text));
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(value, "the end"));
  LH_ASSIGN_OR_RETURN(const auto row_count, fields.require_int64("row_count"));
  LH_ASSIGN_OR_RETURN(const auto truncated, fields.require_bool("truncated"));
  LH_ASSIGN_OR_RETURN(const auto memory, fields.require_int64("memory_peak_bytes"));
  LH_ASSIGN_OR_RETURN(const auto spill, fields.require_int64("spill_peak_bytes"));
  return ResultEnd{.row_count = static_cast<std::uint64_t>(row_count),
                   .truncated = truncated,
                   .memory_peak_bytes = static_cast<std::uint64_t>(memory),
                   .spill_peak_bytes = static_cast<std::uint64_t>(spill)};
}

std::string encode_parsed(const std::vector<ParsedText>& statements) {
  std::string text = "[";
  for (const ParsedText& statement : statements) {
    // The tree stays text: parsing it here only to write it again would double the cost.
    text += fmt::format(R"({}{{"kind":{},"text":{},"offset":{},"problem":{},"tree":{}}})",
                        text.size() > 1 ? "," : "", json::serialize(json::string(statement.kind)),
                        json::serialize(json::string(statement.text)), statement.offset_bytes,
                        json::serialize(json::string(statement.tree_problem)), statement.tree_json);
  }
  return text + "]";
}

Result<std::vector<ParsedStatement>> decode_parsed(std::string_view text) {
  LH_ASSIGN_OR_RETURN(json::value value, parse_message(text));
  json::array* array = value.if_array();
  if (array == nullptr) {
    return fail(ErrorCode::Internal, "the engine protocol broke: statements are no array");
  }
  std::vector<ParsedStatement> statements;
  for (json::value& entry : *array) {
    LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(entry, "a parsed statement"));
    ParsedStatement statement;
    LH_ASSIGN_OR_RETURN(statement.kind, fields.require_string("kind"));
    LH_ASSIGN_OR_RETURN(statement.text, fields.require_string("text"));
    LH_ASSIGN_OR_RETURN(const auto offset, fields.require_int64("offset"));
    statement.offset_bytes = static_cast<std::size_t>(offset);
    LH_ASSIGN_OR_RETURN(statement.tree_problem, fields.require_string("problem"));
    statement.tree = std::move(entry.get_object()["tree"]);
    statements.push_back(std::move(statement));
  }
  return statements;
}

}  // namespace lakehouse::engine
