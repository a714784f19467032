#include "engine/child/sql_tree.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "engine/child/database.h"
#include "engine/child/sql_text.h"

namespace lakehouse::engine {
namespace {

namespace json = boost::json;

constexpr std::string_view kOnlySelect = "Only SELECT statements can be serialized";
// Of one session: those of the statements that a caller repeats.
constexpr std::size_t kKnownTreesMax = 16;
constexpr std::size_t kKnownTreeBytesMax = std::size_t{64} << 10U;

// Runs a prepared statement with one text parameter that gives one row; the chunk holds it.
Result<DataChunk> run_one(const Prepared& prepared, std::string_view text, QueryResult& result) {
  if (duckdb_bind_varchar_length(prepared.get(), 1, text.data(), text.size()) == DuckDBError) {
    return fail(ErrorCode::InvalidArgument, "the SQL text is not UTF-8");
  }
  if (duckdb_execute_prepared(prepared.get(), result.out()) == DuckDBError) {
    return std::unexpected(error_from_duckdb(duckdb_result_error(result.out())));
  }
  DataChunk chunk(duckdb_fetch_chunk(result.get()));
  if (chunk.get() == nullptr || duckdb_data_chunk_get_size(chunk.get()) != 1) {
    return fail(ErrorCode::Internal, "DuckDB's parser gave no answer");
  }
  return chunk;
}

std::string text_at(const DataChunk& chunk, idx_t column) {
  const auto* cells = static_cast<const duckdb_string_t*>(
      duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk.get(), column)));
  return std::string(view(cells[0]));
}

std::string_view member(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  const json::value* found = object == nullptr ? nullptr : object->if_contains(name);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string()) : "";
}

// Whether a statement that gave no tree is one that asks, rather than does.
bool is_query(std::string_view keyword) {
  constexpr std::string_view kQueries[] = {"SELECT",  "FROM",     "VALUES", "TABLE",     "PIVOT",
                                           "UNPIVOT", "DESCRIBE", "SHOW",   "SUMMARIZE", "DESC"};
  return std::ranges::find(kQueries, keyword) != std::end(kQueries);
}

Error syntax_error(std::string_view serialized_json, std::string_view sql) {
  const auto parsed = parse_deep_json(serialized_json);
  Error error{.code = ErrorCode::InvalidArgument,
              .message = parsed ? std::string(member(*parsed, "error_message")) : "syntax error",
              .hint = {},
              .position_bytes = std::nullopt,
              .details_json = {}};
  const std::string position(parsed ? member(*parsed, "position") : "");
  if (!position.empty() && position.size() < 10) {
    // DuckDB's scanner counts characters, everything else bytes.
    error.position_bytes = bytes_of_characters(sql, std::stoul(position));
  }
  return error;
}

/// Walks a tree for the places where a name stands.
class NameFinder {
 public:
  explicit NameFinder(std::string_view name) : name_(to_lower(name)) {}

  void visit(const json::value& value) {
    if (const json::array* array = value.if_array()) {
      for (const json::value& element : *array) {
        visit(element);
      }
    } else if (const json::object* object = value.if_object()) {
      visit_object(*object);
    }
  }

  /// The one place, if there is exactly one.
  [[nodiscard]] std::optional<std::size_t> only_place() const {
    return places_.size() == 1 ? std::optional(places_[0]) : std::nullopt;
  }

 private:
  void visit_object(const json::object& object) {
    if (const json::value* location = object.if_contains("query_location");
        location != nullptr && location->is_int64() && names(object)) {
      const auto place = static_cast<std::size_t>(location->get_int64());
      if (std::ranges::find(places_, place) == places_.end()) {
        places_.push_back(place);
      }
    }
    for (const auto& entry : object) {
      visit(entry.value());
    }
  }

  [[nodiscard]] bool names(const json::object& object) const {
    for (const std::string_view key : {"function_name", "table_name"}) {
      const json::value* name = object.if_contains(key);
      if (name != nullptr && name->is_string() && to_lower(name->get_string()) == name_) {
        return true;
      }
    }
    const json::value* column = object.if_contains("column_names");
    if (column == nullptr || !column->is_array() || column->get_array().empty()) {
      return false;
    }
    const auto is_name = [&](const json::value& part) {
      return part.is_string() && to_lower(part.get_string()) == name_;
    };
    return std::ranges::any_of(column->get_array(), is_name);
  }

  std::string name_;
  std::vector<std::size_t> places_;
};

/// 1e400 is infinite, for which JSON has no word: DuckDB writes one that nobody reads, itself
/// neither.
Status check_numbers(std::string_view tree) {
  constexpr std::string_view kPlace = R"("query_location":)";
  std::size_t at = std::string_view::npos;
  for (const std::string_view infinite : {R"("value":Infinity)", R"("value":-Infinity)"}) {
    // A quote inside a text has a backslash before it, so this is no text.
    at = std::min(at, tree.find(infinite));
  }
  if (at == std::string_view::npos) {
    return {};
  }
  auto error = fail(ErrorCode::InvalidArgument, "the number is too big for a DOUBLE",
                    "Infinity is written 'inf'::DOUBLE.");
  if (const std::size_t place = tree.rfind(kPlace, at); place != std::string_view::npos) {
    std::size_t position = 0;
    const char* digits = tree.data() + place + kPlace.size();
    if (std::from_chars(digits, tree.data() + at, position).ec == std::errc()) {
      error.error().position_bytes = position;
    }
  }
  return error;
}

}  // namespace

Result<SqlTree> SqlTree::open(const Database& database) {
  LH_ASSIGN_OR_RETURN(Connection connection, open_connection(database));
  LH_ASSIGN_OR_RETURN(Prepared serialize,
                      prepare_sql(connection,
                                  "SELECT tree::VARCHAR, json_array_length(tree, '$.statements') "
                                  "FROM (SELECT json_serialize_sql($1::VARCHAR) AS tree)"));
  LH_ASSIGN_OR_RETURN(Prepared deserialize,
                      prepare_sql(connection, "SELECT json_deserialize_sql($1::VARCHAR::JSON)"));
  return SqlTree(std::move(connection), std::move(serialize), std::move(deserialize));
}

Result<SqlTree::Serialized> SqlTree::serialize(std::string_view sql) {
  QueryResult result;
  LH_ASSIGN_OR_RETURN(const DataChunk chunk, run_one(serialize_, sql, result));
  Serialized serialized;
  serialized.json = text_at(chunk, 0);
  serialized.failed = serialized.json.starts_with(R"({"error":true)");
  if (!serialized.failed) {
    LH_RETURN_IF_ERROR(check_numbers(serialized.json));
    serialized.statement_count = static_cast<const std::uint64_t*>(
        duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk.get(), 1)))[0];
  }
  return serialized;
}

Result<ParsedText> SqlTree::parse_piece(std::string_view sql, std::size_t offset_bytes) {
  LH_ASSIGN_OR_RETURN(Serialized serialized, serialize(sql));
  ParsedText parsed{.kind = "SELECT",
                    .text = std::string(sql),
                    .offset_bytes = offset_bytes,
                    .tree_json = std::move(serialized.json),
                    .tree_problem = {}};
  if (!serialized.failed && serialized.statement_count == 1) {
    return parsed;
  }
  LH_ASSIGN_OR_RETURN(const json::value problem, parse_deep_json(parsed.tree_json));
  if (!serialized.failed || member(problem, "error_type") == "parser") {
    // The whole parsed, so a piece that does not was cut at the wrong place.
    return fail(ErrorCode::InvalidArgument, "the statements cannot be told apart",
                "Send them one by one.");
  }
  const std::string keyword = leading_keyword(sql);
  parsed.kind = is_query(keyword) ? "SELECT" : keyword;
  parsed.tree_json = "null";
  if (is_query(keyword)) {
    parsed.tree_problem = member(problem, "error_message").starts_with(kOnlySelect)
                              ? "a " + keyword + " of this form has no tree"
                              : std::string(member(problem, "error_message"));
  } else {
    Extracted extracted;
    const idx_t count =
        duckdb_extract_statements(connection_.get(), std::string(sql).c_str(), extracted.out());
    if (count != 1 && keyword != "PRAGMA") {
      return fail(ErrorCode::InvalidArgument, "the statements cannot be told apart",
                  "Send them one by one.");
    }
  }
  return parsed;
}

Result<std::vector<ParsedText>> SqlTree::parse(std::string_view sql) {
  if (!is_valid_utf8(sql)) {
    return fail(ErrorCode::InvalidArgument, "the SQL text is not UTF-8");
  }
  if (sql.contains('\0')) {
    return fail(ErrorCode::InvalidArgument, "the SQL text holds a zero byte");
  }
  LH_ASSIGN_OR_RETURN(Serialized whole, serialize(sql));
  if (whole.failed && whole.json.starts_with(R"({"error":true,"error_type":"parser")")) {
    return std::unexpected(syntax_error(whole.json, sql));
  }
  const std::vector<SqlPiece> pieces = split_statements(sql);
  std::vector<ParsedText> statements;
  if (pieces.size() == 1 && pieces[0].offset_bytes == 0 && whole.statement_count == 1) {
    statements.push_back({.kind = "SELECT",
                          .text = std::string(pieces[0].text),
                          .offset_bytes = 0,
                          .tree_json = std::move(whole.json),
                          .tree_problem = {}});
    return statements;
  }
  for (const SqlPiece& piece : pieces) {
    LH_ASSIGN_OR_RETURN(ParsedText parsed, parse_piece(piece.text, piece.offset_bytes));
    statements.push_back(std::move(parsed));
  }
  return statements;
}

Result<std::string> SqlTree::to_sql(std::string_view tree) {
  const auto known = std::ranges::find(
      known_, tree, [](const auto& one) -> std::string_view { return one.first; });
  if (known != known_.end()) {
    known_.splice(known_.begin(), known_, known);
    return known_.front().second;
  }
  QueryResult result;
  auto chunk = run_one(deserialize_, tree, result);
  if (!chunk) {
    Error error = std::move(chunk).error();
    if (error.code == ErrorCode::Internal) {  // And not for want of memory, say.
      error.code = ErrorCode::InvalidArgument;
    }
    error.position_bytes.reset();
    error.details_json.clear();
    return std::unexpected(std::move(error).with_context("the statement's tree"));
  }
  std::string sql = text_at(*chunk, 0);
  if (tree.size() <= kKnownTreeBytesMax) {
    known_.emplace_front(tree, sql);
    if (known_.size() > kKnownTreesMax) {
      known_.pop_back();
    }
  }
  return sql;
}

Error locate_error(Error error, std::string_view sql, std::string_view tree) {
  const std::string told_name = std::exchange(error.details_json, {});
  if (tree.empty() || !error.position_bytes) {
    return error;
  }
  const std::size_t position = *std::exchange(error.position_bytes, std::nullopt);
  const std::string name = told_name.empty() ? identifier_at(sql, position) : told_name;
  const auto parsed = parse_deep_json(tree);
  if (parsed && !name.empty()) {
    NameFinder finder(name);
    finder.visit(*parsed);
    error.position_bytes = finder.only_place();
  }
  return error;
}

}  // namespace lakehouse::engine
