#include "answer/schema_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "answer/schema_linking.h"
#include "base/text.h"
#include "query/small_answer.h"

namespace lakehouse::answer {
namespace {

namespace json = boost::json;

/// The server's own tables are no subject of questions.
constexpr std::string_view kVectorsNamespace = "vectors";
constexpr std::size_t kNoteCharsMax = 160;
constexpr std::size_t kValueCharsMax = 40;
constexpr std::size_t kValuesMax = 8;
constexpr std::size_t kTextColumnsMax = 24;
constexpr std::size_t kFoundPerColumnMax = 4;
/// Fewer values may be in another table by chance.
constexpr std::size_t kReferringValuesMin = 5;

// Words that mean something else where a name is expected.
constexpr std::array<std::string_view, 44> kKeywords = {
    "all",    "and",     "as",     "asc",      "between",   "by",   "case",   "cast",    "check",
    "column", "default", "desc",   "distinct", "else",      "end",  "except", "exists",  "false",
    "from",   "group",   "having", "in",       "intersect", "is",   "join",   "left",    "like",
    "limit",  "not",     "null",   "offset",   "on",        "or",   "order",  "primary", "right",
    "select", "table",   "then",   "true",     "union",     "user", "using",  "where"};

/// One line of printable text, short enough for a prompt: what a note says is data.
std::string one_line(std::string_view text, std::size_t chars_max) {
  std::string out;
  bool after_space = true;
  for (const char c : text) {
    const bool is_space = static_cast<unsigned char>(c) <= ' ' || c == 0x7F;
    if (!is_space || !after_space) {
      out += is_space ? ' ' : c;
    }
    after_space = is_space;
  }
  if (out.size() > chars_max) {
    std::size_t end = chars_max;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) {
      --end;
    }
    out.resize(end);
  }
  while (!out.empty() && out.back() == ' ') {
    out.pop_back();
  }
  return out;
}

std::string text_of(const json::value& cell) {
  return cell.is_string() ? std::string(cell.get_string()) : std::string();
}

Result<std::vector<json::array>> ask(const RequestContext& context, query::QueryService& queries,
                                     std::string sql, json::array params = {}) {
  query::SqlRequest request;
  request.sql = std::move(sql);
  request.params = std::move(params);
  request.is_own = true;
  return query::rows_of(context, queries, std::move(request));
}

bool holds_text(const SchemaColumn& column) {
  return column.type == "VARCHAR";
}

using TableKey = std::pair<std::string, std::string>;

Result<std::map<TableKey, SchemaTable>> read_columns(const RequestContext& context,
                                                     query::QueryService& queries) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      ask(context, queries,
          "SELECT table_schema, table_name, column_name, data_type, column_comment "
          "FROM information_schema.columns ORDER BY table_schema, table_name, ordinal_position"));
  std::map<TableKey, SchemaTable> tables;
  for (const json::array& row : rows) {
    TableKey key{text_of(row[0]), text_of(row[1])};
    if (key.first == kVectorsNamespace) {
      continue;
    }
    SchemaTable& table = tables[key];
    table.name_space = key.first;
    table.name = key.second;
    SchemaColumn column{.name = text_of(row[2]),
                        .type = text_of(row[3]),
                        .note = one_line(text_of(row[4]), kNoteCharsMax)};
    column.shows_values = holds_text(column);
    table.columns.push_back(std::move(column));
  }
  return tables;
}

Status add_descriptions(const RequestContext& context, query::QueryService& queries,
                        std::map<TableKey, SchemaTable>& tables) {
  LH_ASSIGN_OR_RETURN(const auto rows,
                      ask(context, queries,
                          "SELECT table_schema, table_name, description "
                          "FROM information_schema.datasets WHERE description IS NOT NULL"));
  for (const json::array& row : rows) {
    const auto table = tables.find({text_of(row[0]), text_of(row[1])});
    if (table != tables.end()) {
      table->second.description = one_line(text_of(row[2]), kNoteCharsMax);
    }
  }
  return {};
}

Status add_notes(const RequestContext& context, query::QueryService& queries,
                 std::map<TableKey, SchemaTable>& tables) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      ask(context, queries,
          "SELECT table_schema, table_name, column_name, note, "
          "category IS NOT NULL OR coalesce(sensitivity, 'public') NOT IN ('public', 'internal') "
          "FROM information_schema.column_notes"));
  for (const json::array& row : rows) {
    const auto table = tables.find({text_of(row[0]), text_of(row[1])});
    if (table == tables.end()) {
      continue;
    }
    const auto column =
        std::ranges::find(table->second.columns, text_of(row[2]), &SchemaColumn::name);
    if (column == table->second.columns.end()) {
      continue;
    }
    if (row[3].is_string()) {
      column->note = one_line(text_of(row[3]), kNoteCharsMax);
    }
    column->shows_values = column->shows_values && row[4].is_bool() && !row[4].get_bool();
  }
  return {};
}

RequestContext within(const RequestContext& context, std::chrono::milliseconds time_max) {
  RequestContext out = context;
  out.deadline = std::min(context.deadline, std::chrono::steady_clock::now() + time_max);
  return out;
}

/// What takes too long or cannot be read of a table is missing in the prompt, and no failure.
Status unless_the_caller_left(const RequestContext& context, const Error& error) {
  LH_RETURN_IF_ERROR(context.check());
  const bool may_be_missing = error.code != ErrorCode::Internal;
  return may_be_missing ? Status() : Status(std::unexpected(error));
}

}  // namespace

std::string plain_or_quoted(std::string_view name) {
  const bool is_word = !name.empty() &&
                       std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
                       std::ranges::all_of(name, [](char c) {
                         return std::islower(static_cast<unsigned char>(c)) != 0 ||
                                std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '_';
                       });
  return is_word && !std::ranges::binary_search(kKeywords, name) ? std::string(name)
                                                                 : quote_sql_identifier(name);
}

std::string SchemaTable::sql_name() const {
  if (name_space == "main") {
    return plain_or_quoted(name);
  }
  return plain_or_quoted(name_space) + "." + plain_or_quoted(name);
}

Result<std::vector<SchemaTable>> read_schema(const RequestContext& context,
                                             query::QueryService& queries,
                                             const std::vector<std::string>& datasets) {
  LH_ASSIGN_OR_RETURN(auto tables, read_columns(context, queries));
  LH_RETURN_IF_ERROR(add_descriptions(context, queries, tables));
  LH_RETURN_IF_ERROR(add_notes(context, queries, tables));
  std::vector<SchemaTable> out;
  std::vector<std::string> names;
  for (auto& [key, table] : tables) {
    names.push_back(table.dataset());
    if (datasets.empty() || std::ranges::count(datasets, names.back()) != 0) {
      out.push_back(std::move(table));
    }
  }
  for (const std::string& wanted : datasets) {
    if (std::ranges::count(names, wanted) == 0) {
      return fail(ErrorCode::NotFound, fmt::format("there is no dataset '{}'", as_utf8(wanted)),
                  did_you_mean(wanted, names));
    }
  }
  return out;
}

Status read_values(const RequestContext& context, query::QueryService& queries,
                   std::chrono::milliseconds time_max, SchemaTable& table) {
  std::string sql;
  std::vector<SchemaColumn*> columns;
  for (SchemaColumn& column : table.columns) {
    if (column.shows_values && columns.size() < kTextColumnsMax) {
      const std::string name = quote_sql_identifier(column.name);
      sql += fmt::format(
          "{}(SELECT list(v) FROM (SELECT {} AS v FROM {} WHERE length({}) BETWEEN 1 AND {} "
          "GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {}))",
          sql.empty() ? "SELECT " : ", ", name, table.sql_name(), name, kValueCharsMax,
          kValuesMax + 1);
      columns.push_back(&column);
    }
  }
  if (columns.empty()) {
    return {};
  }
  const auto rows = ask(within(context, time_max), queries, std::move(sql));
  if (!rows) {
    return unless_the_caller_left(context, rows.error());
  }
  for (std::size_t i = 0; i < columns.size() && !rows->empty(); ++i) {
    const json::value& list = rows->front()[i];
    if (!list.is_array()) {
      continue;
    }
    columns[i]->has_all_values = list.get_array().size() <= kValuesMax;
    for (const json::value& value : list.get_array()) {
      if (columns[i]->values.size() < kValuesMax) {
        columns[i]->values.push_back(one_line(text_of(value), kValueCharsMax));
      }
    }
  }
  return {};
}

Status find_references(const RequestContext& context, query::QueryService& queries,
                       std::chrono::milliseconds time_max, std::vector<SchemaTable>& tables) {
  for (SchemaTable& to : tables) {
    const SchemaColumn* const key = naming_column(to);
    if (key == nullptr || !key->shows_values) {
      continue;
    }
    std::vector<SchemaColumn*> columns;
    std::set<std::string> values;
    for (SchemaTable& from : tables) {
      for (SchemaColumn& column : from.columns) {
        if (&from != &to && &column != naming_column(from) && column.refers_to.empty() &&
            column.values.size() >= kReferringValuesMin) {
          columns.push_back(&column);
          values.insert(column.values.begin(), column.values.end());
        }
      }
    }
    if (columns.empty()) {
      continue;
    }
    json::array wanted;
    std::string list;
    for (const std::string& value : values) {
      wanted.emplace_back(value);
      list += fmt::format("{}${}", list.empty() ? "" : ", ", wanted.size());
    }
    const std::string name = quote_sql_identifier(key->name);
    const auto rows = ask(within(context, time_max), queries,
                          fmt::format("SELECT {0} FROM {1} WHERE {0} IN ({2}) LIMIT {3}", name,
                                      to.sql_name(), list, values.size() + 1),
                          std::move(wanted));
    if (!rows) {
      LH_RETURN_IF_ERROR(unless_the_caller_left(context, rows.error()));
      continue;
    }
    std::set<std::string> there;
    for (const json::array& row : *rows) {
      there.insert(text_of(row[0]));
    }
    // A key that comes twice names no row.
    for (SchemaColumn* const column : columns) {
      if (there.size() == rows->size() &&
          std::ranges::all_of(column->values,
                              [&](const std::string& value) { return there.contains(value); })) {
        column->refers_to = to.dataset();
      }
    }
  }
  return {};
}

Status find_values(const RequestContext& context, query::QueryService& queries,
                   std::chrono::milliseconds time_max, const SchemaTable& table,
                   const std::vector<std::string>& phrases, std::vector<ValueFound>& found) {
  if (phrases.empty()) {
    return {};
  }
  std::string list;
  json::array params;
  for (const std::string& phrase : phrases) {
    params.emplace_back(phrase);
    list += fmt::format("{}${}", list.empty() ? "" : ", ", params.size());
  }
  std::string sql;
  std::vector<const SchemaColumn*> columns;
  for (const SchemaColumn& column : table.columns) {
    if (holds_text(column) && columns.size() < kTextColumnsMax) {
      const std::string name = quote_sql_identifier(column.name);
      sql += fmt::format(
          "{}(SELECT list(v) FROM (SELECT DISTINCT {} AS v FROM {} WHERE lower({}) IN ({}) "
          "ORDER BY 1 LIMIT {}))",
          sql.empty() ? "SELECT " : ", ", name, table.sql_name(), name, list, kFoundPerColumnMax);
      columns.push_back(&column);
    }
  }
  if (columns.empty()) {
    return {};
  }
  const auto rows = ask(within(context, time_max), queries, std::move(sql), std::move(params));
  if (!rows) {
    return unless_the_caller_left(context, rows.error());
  }
  for (std::size_t i = 0; i < columns.size() && !rows->empty(); ++i) {
    const json::value& values = rows->front()[i];
    if (values.is_array()) {
      for (const json::value& value : values.get_array()) {
        found.push_back({.table = table.sql_name(),
                         .column = plain_or_quoted(columns[i]->name),
                         .value = one_line(text_of(value), kValueCharsMax)});
      }
    }
  }
  return {};
}

}  // namespace lakehouse::answer
