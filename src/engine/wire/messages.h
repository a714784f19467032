#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "engine/child_link.h"
#include "engine/engine.h"
#include "engine/engine_grant.h"

/// \file
/// What the JSON frames say, to text and back.

namespace lakehouse::engine {

enum class Operation : std::uint8_t {
  Parse,
  Execute,
  Describe,
  Progress,  ///< How far the statements that run are; answered beside them.
};

struct Request {
  Operation operation = Operation::Parse;
  std::optional<std::chrono::milliseconds> time_left;
  std::string sql;       ///< For Parse.
  Statement statement;   ///< For Execute and Describe.
  std::uint64_t id = 0;  ///< Of an Execute, which Progress tells it by; 0: it is not told.
};

std::string encode_request(const Request& request);
Result<Request> decode_request(std::string_view text);

/// What a child may read and write, for one that was started before that was known.
std::string encode_grant(const EngineGrant& grant);
Result<EngineGrant> decode_grant(std::string_view text);

std::string encode_columns(const std::vector<Column>& columns);
Result<std::vector<Column>> decode_columns(std::string_view text);

/// How far a statement is, from 0 to 1; -1 if that cannot be said.
struct StatementProgress {
  std::uint64_t id = 0;
  double done = -1;
  friend bool operator==(const StatementProgress&, const StatementProgress&) = default;
};
std::string encode_progress(const std::vector<StatementProgress>& statements);
Result<std::vector<StatementProgress>> decode_progress(std::string_view text);

std::string encode_end(const ResultEnd& end);
Result<ResultEnd> decode_end(std::string_view text);

/// A parsed statement whose tree is still text.
struct ParsedText {
  std::string kind;
  std::string text;
  std::size_t offset_bytes = 0;
  std::string tree_json = "null";
  std::string tree_problem;
};
std::string encode_parsed(const std::vector<ParsedText>& statements);
Result<std::vector<ParsedStatement>> decode_parsed(std::string_view text);

/// JSON as deep as DuckDB's parser lets expressions nest, which is deeper than a request may.
Result<boost::json::value> parse_deep_json(std::string_view text);

}  // namespace lakehouse::engine
