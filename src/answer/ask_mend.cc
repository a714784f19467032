#include "answer/ask_mend.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "answer/schema_linking.h"
#include "base/text.h"
#include "query/sql_lexer.h"

namespace lakehouse::answer {
namespace {

using query::Token;
using query::TokenKind;

/// What stands where a column might, and is none.
constexpr std::string_view kKeywords[] = {
    "select",  "distinct", "from",     "where",     "group", "by",        "having", "order",
    "limit",   "offset",   "join",     "inner",     "left",  "right",     "full",   "outer",
    "cross",   "on",       "using",    "as",        "and",   "or",        "not",    "in",
    "exists",  "between",  "like",     "ilike",     "is",    "null",      "case",   "when",
    "then",    "else",     "end",      "asc",       "desc",  "nulls",     "first",  "last",
    "union",   "all",      "except",   "intersect", "over",  "partition", "rows",   "range",
    "qualify", "window",   "interval", "true",      "false", "any",       "some",   "filter",
    "within",  "natural",  "semi",     "anti",      "asof"};

bool is_keyword(std::string_view word) {
  return std::ranges::find(kKeywords, word) != std::end(kKeywords);
}

/// One SELECT with the tables of its FROM.
struct Scope {
  std::size_t parent = 0;                     ///< Of the first: itself.
  std::map<std::string, std::size_t> tables;  ///< By what they are called in it.
  std::set<std::string> own;                  ///< Names that AS gives.
  bool is_known = true;                       ///< It reads tables of the schema alone.
};

class Mender {
 public:
  Mender(std::span<const Token> tokens, const std::vector<SchemaTable>& tables)
      : tokens_(tokens), tables_(tables), joins_(likely_joins(tables)) {
    read_scopes();
  }

  /// What tokens are to be written as, by their places.
  std::map<std::size_t, std::string> mend() {
    std::map<std::size_t, std::string> out;
    for (std::size_t i = 0; i + 1 < tokens_.size(); ++i) {
      const bool after_dot = i > 0 && tokens_[i - 1].is_symbol('.');
      if (!tokens_[i].is_name() || after_dot || named_tables_.contains(i)) {
        continue;
      }
      if (tokens_[i + 1].is_symbol('.')) {
        mend_qualified(i, out);
      } else if (may_be_column(i)) {
        mend_bare(i, out);
      }
    }
    return out;
  }

 private:
  void read_scopes() {
    scopes_.emplace_back();
    // Each open bracket: its scope, and whether it is that SELECT's own.
    std::vector<std::pair<std::size_t, bool>> open{{0, true}};
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].is_symbol('(')) {
        const bool selects = tokens_[i + 1].is("SELECT");
        if (selects) {
          scopes_.push_back({.parent = open.back().first, .tables = {}, .own = {}});
        }
        open.emplace_back(selects ? scopes_.size() - 1 : open.back().first, selects);
      } else if (tokens_[i].is_symbol(')') && open.size() > 1) {
        open.pop_back();
      }
      scope_of_.push_back(open.back().first);
      if (tokens_[i].is("AS") && tokens_[i + 1].is_name()) {
        scopes_[open.back().first].own.insert(to_lower(tokens_[i + 1].value));
      }
      if (open.back().second && (tokens_[i].is("FROM") || tokens_[i].is("JOIN"))) {
        read_tables(i + 1, scopes_[open.back().first]);
      }
    }
  }

  void read_tables(std::size_t i, Scope& scope) {
    while (tokens_[i].is_name()) {
      named_tables_.insert(i);
      while (tokens_[i + 1].is_symbol('.') && tokens_[i + 2].is_name()) {
        i += 2;
        named_tables_.insert(i);
      }
      const std::string name = to_lower(tokens_[i].value);
      std::string alias = name;
      ++i;
      if (tokens_[i].is("AS")) {
        ++i;
      }
      if (tokens_[i].is_name() && !is_keyword(to_lower(tokens_[i].value))) {
        alias = to_lower(tokens_[i].value);
        named_tables_.insert(i++);
      }
      const auto table = std::ranges::find(
          tables_, name, [](const SchemaTable& one) { return to_lower(one.name); });
      if (table == tables_.end()) {
        scope.is_known = false;
      } else {
        scope.tables.emplace(alias, static_cast<std::size_t>(table - tables_.begin()));
      }
      if (!tokens_[i].is_symbol(',')) {
        return;
      }
      ++i;
    }
    scope.is_known = false;  // A subquery, or a function.
  }

  [[nodiscard]] const SchemaColumn* column(std::size_t table, const std::string& name) const {
    const auto found = std::ranges::find(
        tables_[table].columns, name, [](const SchemaColumn& one) { return to_lower(one.name); });
    return found == tables_[table].columns.end() ? nullptr : &*found;
  }

  /// The column of `table` that `name` can only mean; empty if there is none, or a choice.
  [[nodiscard]] std::string meant(std::size_t table, const std::string& name) const {
    std::set<std::string> found;
    for (const LikelyJoin& join : joins_) {
      if (join.from_table == table && to_lower(join.to_column) == name) {
        found.insert(join.from_column);
      } else if (join.to_table == table && to_lower(join.from_column) == name) {
        found.insert(join.to_column);
      }
    }
    const std::set<std::string> terms = terms_of(words_of_name(name));
    for (const bool whole : {true, false}) {
      for (const SchemaColumn& one : tables_[table].columns) {
        const std::set<std::string> others = terms_of(words_of_name(one.name));
        if (terms == others || (!whole && !terms.empty() && std::ranges::includes(others, terms))) {
          found.insert(one.name);
        }
      }
      if (!found.empty()) {
        break;
      }
    }
    return found.size() == 1 ? *found.begin() : std::string();
  }

  /// `t.name`
  void mend_qualified(std::size_t i, std::map<std::size_t, std::string>& out) const {
    const std::string name = to_lower(tokens_[i + 2].value);
    const std::string alias = to_lower(tokens_[i].value);
    const Scope* scope = &scopes_[scope_of_[i]];
    while (!scope->tables.contains(alias) && scope != &scopes_[scope->parent]) {
      scope = &scopes_[scope->parent];
    }
    const auto table = scope->tables.find(alias);
    if (!tokens_[i + 2].is_name() || table == scope->tables.end() ||
        column(table->second, name) != nullptr) {
      return;
    }
    std::vector<std::string> owners;
    for (const auto& [other, index] : scope->tables) {
      if (column(index, name) != nullptr) {
        owners.push_back(other);
      }
    }
    if (owners.size() == 1) {
      out[i] = plain_or_quoted(owners.front());
    } else if (const std::string other = meant(table->second, name); !other.empty()) {
      out[i + 2] = plain_or_quoted(other);
    }
  }

  /// Not f(x), DATE '...', INTERVAL 3 MONTH, EXTRACT(year FROM x), x AS name, a name given by AS.
  [[nodiscard]] bool may_be_column(std::size_t i) const {
    const Token& next = tokens_[i + 1];
    const std::string name = to_lower(tokens_[i].value);
    const bool is_part =
        next.is_symbol('(') || next.kind == TokenKind::String ||
        (i > 0 && (tokens_[i - 1].kind == TokenKind::Number ||
                   tokens_[i - 1].kind == TokenKind::String || tokens_[i - 1].is_symbol(':') ||
                   tokens_[i - 1].is("AS") || (tokens_[i - 1].is_symbol('(') && next.is("FROM"))));
    return !is_part && !scopes_[scope_of_[i]].own.contains(name) &&
           (tokens_[i].kind == TokenKind::QuotedIdentifier || !is_keyword(name));
  }

  void mend_bare(std::size_t i, std::map<std::size_t, std::string>& out) const {
    const Scope& scope = scopes_[scope_of_[i]];
    const std::string name = to_lower(tokens_[i].value);
    std::set<std::string> found;
    for (const auto& [alias, table] : scope.tables) {
      if (column(table, name) != nullptr) {
        return;
      }
      found.insert(meant(table, name));
    }
    found.erase("");
    if (scope.is_known && found.size() == 1) {
      out[i] = plain_or_quoted(*found.begin());
    }
  }

  std::span<const Token> tokens_;
  const std::vector<SchemaTable>& tables_;
  std::vector<LikelyJoin> joins_;
  std::vector<Scope> scopes_;
  std::vector<std::size_t> scope_of_;  ///< Of each token.
  std::set<std::size_t> named_tables_;
};

}  // namespace

std::string with_columns_mended(std::string_view sql, const std::vector<SchemaTable>& tables) {
  const auto tokens = query::tokenize(sql);
  if (!tokens || tokens->front().is("WITH")) {
    return std::string(sql);
  }
  std::string out;
  std::size_t at = 0;
  for (const auto& [i, text] : Mender(*tokens, tables).mend()) {
    const Token& token = (*tokens)[i];
    out += sql.substr(at, token.position - at);
    out += text;
    at = token.end();
  }
  out += sql.substr(at);
  return out;
}

}  // namespace lakehouse::answer
