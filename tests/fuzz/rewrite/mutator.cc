#include "mutator.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "query/sql_lexer.h"
#include "tables.h"

namespace lakehouse::query::fuzz {
namespace {

namespace json = boost::json;

/// Parts of a tree of the same sort may stand in each other's place.
enum class Sort : std::uint8_t { Expression, TableRef, Node };

std::string_view text_of(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string())
                                                : std::string_view();
}

bool is_of(const json::object& node, Sort sort) {
  static constexpr std::array<std::string_view, 7> kTables = {
      "BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "PIVOT", "SHOW_REF"};
  const std::string_view type = text_of(node, "type");
  switch (sort) {
    case Sort::Expression: return node.contains("class");
    case Sort::TableRef:
      return !node.contains("class") && std::ranges::find(kTables, type) != kTables.end();
    case Sort::Node: return type.ends_with("_NODE");
  }
  return false;
}

void collect(json::value& at, Sort sort, std::vector<json::object*>& out) {
  if (json::array* list = at.if_array()) {
    for (json::value& entry : *list) {
      collect(entry, sort, out);
    }
  } else if (json::object* node = at.if_object()) {
    if (is_of(*node, sort)) {
      out.push_back(node);
    }
    for (auto& field : *node) {
      collect(field.value(), sort, out);
    }
  }
}

RequestContext patience() {
  RequestContext context;
  context.principal = "fuzz";
  context.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  return context;
}

json::value tree_of(engine::Engine& engine, const std::string& sql) {
  auto parsed = engine.parse(patience(), sql);
  return parsed && parsed->size() == 1 ? std::move(parsed->front().tree) : json::value();
}

std::string text_of_tree(engine::Engine& engine, const json::value& tree) {
  engine::Statement statement;
  statement.text = "SELECT json_deserialize_sql($1::JSON)";
  statement.parameters = json::array{json::value(json::serialize(tree))};
  const auto rows = engine.query_rows(patience(), std::move(statement));
  return rows && rows->rows.size() == 1 && rows->rows[0][0].is_string()
             ? std::string(rows->rows[0][0].get_string())
             : std::string();
}

/// Names and words that statements are made of.
const std::vector<std::string>& words() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> out = {"a1",
                                    "a2",
                                    "main",
                                    "lake",
                                    "t",
                                    "c1",
                                    "c2",
                                    "*",
                                    "DISTINCT",
                                    "ALL",
                                    "NULL",
                                    "NOT",
                                    "LATERAL",
                                    "EXCLUDE",
                                    "REPLACE",
                                    "COLUMNS",
                                    "UNION",
                                    "WITH",
                                    "FROM",
                                    "SELECT",
                                    "WHERE",
                                    "ORDER",
                                    "BY",
                                    "GROUP",
                                    "QUALIFY",
                                    "PIVOT",
                                    "UNPIVOT",
                                    "VALUES",
                                    "AS",
                                    "ON",
                                    "USING",
                                    "NATURAL",
                                    "count",
                                    "max",
                                    "min",
                                    "list",
                                    "unnest",
                                    "range",
                                    "read_csv",
                                    "query",
                                    "query_table",
                                    "duckdb_tables",
                                    "information_schema",
                                    "getvariable",
                                    "0",
                                    "1",
                                    "'Q7'",
                                    "CAST",
                                    "EXISTS",
                                    "IN",
                                    "ANY",
                                    "whole",
                                    "rowid",
                                    "filename",
                                    "file_row_number"};
    for (const Table& table : tables()) {
      out.push_back(table.name);
      for (const Column& column : table.columns) {
        out.push_back(column.name);
      }
    }
    return out;
  }();
  return all;
}

}  // namespace

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> all = [] {
    std::ifstream file(LH_FUZZ_STATEMENTS);
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) {
      if (!line.empty() && !line.starts_with("--")) {
        out.push_back(line);
      }
    }
    if (out.empty()) {
      throw std::runtime_error("no statements in " LH_FUZZ_STATEMENTS);
    }
    return out;
  }();
  return all;
}

Mutator::Mutator(Dice& dice, engine::Engine& engine) : dice_(dice), engine_(engine) {}

std::string Mutator::statement(std::string generated) {
  std::string sql = dice_.percent(30) ? std::move(generated) : dice_.pick(corpus());
  const std::size_t how = dice_.roll(100);
  if (how < 25) {
    return sql;
  }
  if (how < 75) {
    for (std::size_t i = 0; i <= dice_.roll(2); ++i) {
      sql = by_tree(sql, dice_.pick(corpus()));
    }
    return sql;
  }
  if (how < 85) {
    return by_tokens(sql, dice_.pick(corpus()));
  }
  return how < 95 ? wrapped(sql) : disguised(sql);
}

std::string Mutator::by_tree(const std::string& sql, const std::string& donor) {
  json::value tree = tree_of(engine_, sql);
  json::value other = dice_.percent(40) ? tree : tree_of(engine_, donor);
  if (!tree.is_object() || !other.is_object()) {
    return sql;
  }
  const std::size_t roll = dice_.roll(10);
  const Sort sort = roll < 6 ? Sort::Expression : roll < 9 ? Sort::TableRef : Sort::Node;
  std::vector<json::object*> places;
  std::vector<json::object*> parts;
  collect(tree, sort, places);
  collect(other, sort, parts);
  if (places.empty() || parts.empty()) {
    return sql;
  }
  json::object& place = *dice_.pick(places);
  json::object part = *dice_.pick(parts);
  if (sort != Sort::Node && place.contains("alias")) {
    part["alias"] = place["alias"];  // What refers to it finds it still.
  }
  place = std::move(part);
  std::string text = text_of_tree(engine_, tree);
  return text.empty() ? sql : text;
}

std::string Mutator::by_tokens(const std::string& sql, const std::string& donor) {
  const auto tokens = tokenize(sql);
  const auto others = tokenize(donor);
  if (!tokens || !others || tokens->size() < 3 || others->size() < 3) {
    return sql;
  }
  const std::size_t at = dice_.roll(tokens->size() - 1);
  const std::size_t length = std::min(1 + dice_.roll(4), tokens->size() - 1 - at);
  const std::string head = sql.substr(0, (*tokens)[at].position);
  const std::string tail = sql.substr((*tokens)[at + length].position);
  switch (dice_.roll(4)) {
    case 0: return head + tail;
    case 1: return head + " " + dice_.pick(words()) + " " + tail;
    case 2: {
      const std::size_t from = dice_.roll(others->size() - 1);
      const std::size_t to = std::min(from + 1 + dice_.roll(8), others->size() - 1);
      return head + " " +
             donor.substr((*others)[from].position,
                          (*others)[to].position - (*others)[from].position) +
             " " + tail;
    }
    default: {
      // One name by another, wherever it stands.
      const Token& name = (*tokens)[at];
      return name.is_name() ? head + dice_.pick(words()) + sql.substr(name.end()) : head + tail;
    }
  }
}

std::string Mutator::wrapped(const std::string& sql) {
  const std::string& name = dice_.pick(tables()).name;
  switch (dice_.roll(9)) {
    case 0: return fmt::format("SELECT * FROM ({}) AS w", sql);
    case 1: return fmt::format("WITH {0} AS ({1}) SELECT * FROM {0}", name, sql);
    case 2: return fmt::format("WITH {0} AS ({1}) SELECT count(*) FROM main.{0}, {0}", name, sql);
    case 3: return fmt::format("SELECT count(*) FROM ({}) AS w", sql);
    case 4: return fmt::format("SELECT n FROM numbers WHERE EXISTS ({})", sql);
    case 5: return fmt::format("({0}) UNION ALL ({0})", sql);
    case 6: return fmt::format("({0}) EXCEPT ({0})", sql);
    case 7: return fmt::format("DESCRIBE {}", sql);
    default: return fmt::format("SELECT n, w.* FROM numbers, LATERAL ({}) AS w WHERE n < 3", sql);
  }
}

/// The same tokens, written otherwise.
std::string Mutator::disguised(const std::string& sql) {
  static const std::vector<std::string> kBlanks = {
      " ",        "\n",           "\t",  " /* FROM secrets */ ", " -- '\n", "/**/",
      "\xC2\xA0", "\xE2\x80\x89", "\r\n"};
  const auto tokens = tokenize(sql);
  if (!tokens) {
    return sql;
  }
  std::string out;
  for (std::size_t i = 0; i + 1 < tokens->size(); ++i) {
    const Token& token = (*tokens)[i];
    std::string text(token.text);
    if (token.kind == TokenKind::Word && dice_.percent(30)) {
      for (char& c : text) {
        const bool is_lower = c >= 'a' && c <= 'z';
        c = is_lower ? static_cast<char>(c - 'a' + 'A') : c;
      }
    }
    out += text;
    const bool is_apart = (*tokens)[i + 1].position > token.end();
    out += is_apart ? dice_.pick(kBlanks) : "";
  }
  return out;
}

}  // namespace lakehouse::query::fuzz
