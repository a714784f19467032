#include "answer/ask_statement.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <limits>
#include <optional>
#include <ranges>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "answer/schema_linking.h"
#include "base/text.h"
#include "query/sql_lexer.h"

namespace lakehouse::answer {
namespace {

using query::Token;
using query::TokenKind;
using Tokens = std::span<const Token>;

constexpr std::size_t kExplanationCharsMax = 300;

bool is_any(const Token& token, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return token.is(word); });
}

/// Finds where a statement names tables.
class TableReferences {
 public:
  explicit TableReferences(Tokens tokens) : tokens_(tokens) {}

  /// The tokens, in order, that are a table's whole name: of one part, and not defined by WITH.
  std::vector<std::size_t> find() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      if (token.is_symbol('(')) {
        open(i);
      } else if (token.is_symbol(')')) {
        close();
      } else if (token.is_symbol(',')) {
        level().wants_table = level().in_from;
      } else if (!at_keyword(i) && token.is_name() && level().wants_table) {
        i = take_name(i);
      }
    }
    return std::move(found_);
  }

 private:
  /// What is between two brackets.
  struct Level {
    bool selects = false;
    bool in_from = false;
    bool wants_table = false;
    std::string defines;  ///< The name that WITH gives it.
  };

  Level& level() { return levels_.back(); }

  void open(std::size_t i) {
    Level inner;
    inner.in_from = inner.wants_table = std::exchange(level().wants_table, false);
    if (i >= 2 && has_with_ && is_any(tokens_[i - 1], {"AS", "MATERIALIZED"})) {
      inner.defines = defined_before(i - 1);
      if (is_recursive_) {
        own_.insert(inner.defines);
      }
    }
    levels_.push_back(std::move(inner));
  }

  void close() {
    if (!level().defines.empty()) {
      own_.insert(level().defines);
    }
    if (levels_.size() > 1) {
      levels_.pop_back();
    }
  }

  /// The name in `name [(columns)] AS [[NOT] MATERIALIZED]`, which ends at `i`.
  [[nodiscard]] std::string defined_before(std::size_t i) const {
    while (i > 0 && !tokens_[i].is("AS")) {
      --i;
    }
    std::size_t depth = 0;
    while (i > 0) {
      const Token& token = tokens_[--i];
      depth += token.is_symbol(')') ? 1U : 0U;
      if (depth == 0) {
        return token.is_name() ? to_lower(token.value) : std::string();
      }
      depth -= token.is_symbol('(') ? 1U : 0U;
    }
    return {};
  }

  bool at_keyword(std::size_t i) {
    const Token& token = tokens_[i];
    const bool after_dot = i > 0 && tokens_[i - 1].is_symbol('.');
    if (token.kind != TokenKind::Word || after_dot) {
      return false;
    }
    if (token.is("WITH")) {
      has_with_ = true;
    } else if (token.is("RECURSIVE")) {
      is_recursive_ = true;
    } else if (token.is("SELECT")) {
      level().selects = true;
      level().in_from = level().wants_table = false;
    } else if (token.is("FROM")) {
      // Not that of EXTRACT(year FROM day), nor IS DISTINCT FROM.
      if (level().selects && !tokens_[i - 1].is("DISTINCT")) {
        level().in_from = level().wants_table = true;
      }
    } else if (token.is("JOIN")) {
      level().in_from = level().wants_table = true;
    } else if (is_any(token, {"WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "WINDOW", "QUALIFY",
                              "UNION", "EXCEPT", "INTERSECT"})) {
      level().in_from = level().wants_table = false;
    } else {
      return token.is("LATERAL") || token.is("ON");
    }
    return true;
  }

  /// The last token of the name that begins at `i`.
  std::size_t take_name(std::size_t i) {
    level().wants_table = false;
    std::size_t last = i;
    while (last + 2 < tokens_.size() && tokens_[last + 1].is_symbol('.') &&
           tokens_[last + 2].is_name()) {
      last += 2;
    }
    const bool is_function = last + 1 < tokens_.size() && tokens_[last + 1].is_symbol('(');
    if (last == i && !is_function && !own_.contains(to_lower(tokens_[i].value))) {
      found_.push_back(i);
    }
    return last;
  }

  Tokens tokens_;
  std::vector<Level> levels_{Level{}};
  std::set<std::string> own_;
  bool has_with_ = false;
  bool is_recursive_ = false;
  std::vector<std::size_t> found_;
};

/// `sql` with some of its tokens written otherwise.
template <typename Replace>
std::string replaced(std::string_view sql, Tokens tokens, Replace replacement) {
  std::string out;
  std::size_t at = 0;
  for (const Token& token : tokens) {
    if (const std::optional<std::string> text = replacement(token)) {
      out += sql.substr(at, token.position - at);
      out += *text;
      at = token.end();
    }
  }
  out += sql.substr(at);
  return out;
}

// --- Words for a statement.

/// The tokens of a clause as they stand, without the tables before columns.
std::string text_of(Tokens tokens) {
  std::string out;
  std::size_t end = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool is_qualifier = i + 2 < tokens.size() && tokens[i].is_name() &&
                              tokens[i + 1].is_symbol('.') &&
                              tokens[i + 1].position == tokens[i].end();
    if (!out.empty() && tokens[i].position > end) {
      out += ' ';
    }
    if (is_qualifier) {
      end = tokens[++i].end();
      continue;
    }
    out += tokens[i].text;
    end = tokens[i].end();
  }
  return out;
}

/// The parts of `tokens` between commas that stand in no brackets.
std::vector<Tokens> parts_of(Tokens tokens) {
  std::vector<Tokens> out;
  std::size_t depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    depth += tokens[i].is_symbol('(') ? 1U : 0U;
    depth -= tokens[i].is_symbol(')') && depth > 0 ? 1U : 0U;
    if (depth == 0 && tokens[i].is_symbol(',')) {
      out.push_back(tokens.subspan(begin, i - begin));
      begin = i + 1;
    }
  }
  out.push_back(tokens.subspan(begin));
  return out;
}

/// `tokens` as they stand in the statement, which they are a part of.
std::string_view source_of(std::string_view sql, Tokens tokens) {
  return sql.substr(tokens.front().position, tokens.back().end() - tokens.front().position);
}

/// A selected item without the name that AS gives it.
Tokens without_name(Tokens item) {
  return item.size() > 2 && item[item.size() - 2].is("AS") ? item.first(item.size() - 2) : item;
}

/// True for `f(...)` and nothing behind it.
bool is_one_call(Tokens tokens) {
  if (tokens.size() < 3 || !tokens[0].is_name() || !tokens[1].is_symbol('(')) {
    return false;
  }
  std::size_t depth = 0;
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    depth += tokens[i].is_symbol('(') ? 1U : 0U;
    depth -= tokens[i].is_symbol(')') && depth > 0 ? 1U : 0U;
    if (depth == 0) {
      return i + 1 == tokens.size();
    }
  }
  return false;
}

std::string words_for(Tokens expression) {
  if (expression.size() == 1 && expression[0].is_symbol('*')) {
    return "all columns";
  }
  if (!is_one_call(expression)) {
    return text_of(expression);
  }
  Tokens inner = expression.subspan(2, expression.size() - 3);
  if (expression[0].is("ROUND")) {
    return words_for(parts_of(inner).front());
  }
  if (expression[0].is("COUNT") && (inner.empty() || inner[0].is_symbol('*'))) {
    return "the number of rows";
  }
  const bool is_distinct = !inner.empty() && inner[0].is("DISTINCT");
  if (is_distinct) {
    inner = inner.subspan(1);
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kWords = {
      {{"COUNT", "the number of"},
       {"SUM", "the sum of"},
       {"AVG", "the average of"},
       {"MIN", "the lowest"},
       {"MAX", "the highest"}}};
  for (const auto& [name, words] : kWords) {
    if (expression[0].is(name)) {
      return fmt::format("{}{} {}", words, is_distinct ? " different" : "", text_of(inner));
    }
  }
  return text_of(expression);
}

std::string words_for_item(Tokens item) {
  const Tokens expression = without_name(item);
  const std::string words = words_for(expression);
  if (expression.size() == item.size() || words.starts_with("the ")) {
    return words;
  }
  const std::string& name = item.back().value;
  return words == name ? words : fmt::format("{} ({})", name, words);
}

std::string listed(const std::vector<std::string>& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  }
  return out;
}

/// The clauses of the last SELECT that stands in no brackets, by their first words.
std::map<std::string, Tokens> clauses_of(Tokens tokens) {
  constexpr std::array<std::string_view, 10> kClauses = {"SELECT", "FROM",    "WHERE",  "GROUP",
                                                         "HAVING", "QUALIFY", "WINDOW", "ORDER",
                                                         "LIMIT",  "OFFSET"};
  std::map<std::string, Tokens> out;
  std::size_t depth = 0;
  std::string name;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    depth += tokens[i].is_symbol('(') ? 1U : 0U;
    depth -= tokens[i].is_symbol(')') && depth > 0 ? 1U : 0U;
    const auto clause =
        std::ranges::find_if(kClauses, [&](std::string_view word) { return tokens[i].is(word); });
    const bool ends = tokens[i].kind == TokenKind::End;
    if (depth != 0 || (!ends && clause == kClauses.end()) ||
        (i > 0 && tokens[i].is("FROM") && tokens[i - 1].is("DISTINCT"))) {
      continue;
    }
    if (!name.empty()) {
      out[name] = tokens.subspan(begin, i - begin);
    }
    if (!ends) {
      name = *clause;
      begin = i + 1 + (tokens[i + 1].is("BY") ? 1U : 0U);
      if (name == "SELECT") {
        out.clear();
      }
    }
  }
  return out;
}

// --- In which order columns are asked for.

using Terms = std::set<std::string>;

/// What the question says between commas, full stops and "and", in stems; without what it says in
/// brackets, and what rows are ordered by.
struct QuestionParts {
  std::vector<Terms> parts;
  std::size_t list = 0;  ///< Where the last list begins: "..., showing its name and price".
  Terms keys;            ///< What there is a row for: "each state", "per calendar month".
};

QuestionParts parts_of_question(std::string_view question) {
  constexpr std::array<std::string_view, 10> kShow = {"return",  "show",     "showing", "list",
                                                      "listing", "give",     "giving",  "display",
                                                      "include", "including"};
  enum class Into : std::uint8_t { Part, Keys, Nothing };
  std::vector<std::string> texts(1);
  std::string keys;
  Into into = Into::Part;
  QuestionParts out;
  std::string word;
  std::size_t depth = 0;
  for (const char c : fmt::format("{} ", question)) {
    depth += c == '(' ? 1U : 0U;
    depth -= c == ')' && depth > 0 ? 1U : 0U;
    const bool ends_part = std::string_view(",;:.?!\n").contains(c);
    if (depth > 0 || c == ')' || (!ends_part && c != ' ')) {
      word += depth > 0 || c == ')' ? "" : std::string(1, c);
      continue;
    }
    const std::string lower = to_lower(std::exchange(word, {}));
    const bool begins_list = std::ranges::find(kShow, lower) != kShow.end();
    if (begins_list || lower == "and") {
      texts.emplace_back();
      into = Into::Part;
    } else if (lower == "each" || lower == "per" || lower == "every") {
      into = Into::Keys;
    } else if (lower == "by") {
      into = Into::Nothing;
    } else if (into == Into::Part) {
      texts.back() += lower + " ";
    } else if (into == Into::Keys) {
      keys += lower + " ";
      into = std::ranges::count(keys, ' ') > 1 ? Into::Nothing : into;
    }
    out.list = begins_list ? texts.size() - 1 : out.list;
    if (ends_part) {
      texts.emplace_back();
      into = Into::Part;
    }
  }
  for (const std::string& part : texts) {
    out.parts.push_back(terms_of(part));
  }
  out.keys = terms_of(keys);
  return out;
}

/// What a selected column is called, in stems.
Terms terms_of_item(Tokens item) {
  if (without_name(item).size() < item.size()) {
    return terms_of(words_of_name(item.back().value));
  }
  if (item.size() == 3 && item[1].is_symbol('.')) {
    item = item.subspan(2);
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kCalls = {
      {{"COUNT", "number"},
       {"SUM", "total"},
       {"AVG", "average"},
       {"MIN", "lowest"},
       {"MAX", "highest"}}};
  std::string words;
  for (const Token& token : item) {
    const auto call =
        std::ranges::find_if(kCalls, [&](const auto& one) { return token.is(one.first); });
    words += call != kCalls.end() ? std::string(call->second)
             : token.is_name()    ? words_of_name(token.value)
                                  : "";
    words += ' ';
  }
  return terms_of(words);
}

/// Where the question speaks of an item: 0 if it is what there is a row for; else the one part that
/// says all its words, and least beside them.
std::optional<std::size_t> place_of(const Terms& item, const QuestionParts& question) {
  std::optional<std::size_t> out;
  std::size_t fewest = std::numeric_limits<std::size_t>::max();
  for (std::size_t i = question.list; i < question.parts.size(); ++i) {
    const Terms& part = question.parts[i];
    if (item.empty() || part.size() > fewest || !std::ranges::includes(part, item)) {
      continue;
    }
    out = part.size() < fewest ? std::optional(i + 1) : std::nullopt;
    fewest = part.size();
  }
  const bool is_key = std::ranges::any_of(
      item, [&](const std::string& term) { return question.keys.contains(term); });
  return !out && is_key ? std::optional<std::size_t>(0) : out;
}

/// True where columns may be selected in another order and all else means the same.
bool may_be_reordered(Tokens tokens, const std::map<std::string, Tokens>& clauses) {
  const auto is_place = [](Tokens key) {
    return !key.empty() && key.front().kind == TokenKind::Number;
  };
  for (const char* clause : {"GROUP", "ORDER"}) {
    const auto found = clauses.find(clause);
    if (found != clauses.end() && std::ranges::any_of(parts_of(found->second), is_place)) {
      return false;
    }
  }
  return tokens.front().is("SELECT") && clauses.contains("SELECT") &&
         std::ranges::none_of(tokens, [](const Token& token) {
           return is_any(token, {"UNION", "INTERSECT", "EXCEPT"});
         });
}

// --- What a subquery uses.

struct Subquery {
  std::string table;  ///< In lower case, without its namespace.
  /// What may be columns, with no table before them.
  std::vector<const Token*> names;
};

/// The subquery whose SELECT is at `begin`, but for subqueries within it. Nothing if it does not
/// read exactly one table.
std::optional<Subquery> read_subquery(Tokens tokens, std::size_t begin) {
  Subquery out;
  std::set<std::string> aliases;
  std::size_t depth = 0;
  std::size_t skipped_from = 0;  // Brackets within which another SELECT stands.
  for (std::size_t i = begin;; ++i) {
    const Token& token = tokens[i];
    if (token.kind == TokenKind::End || token.is("JOIN")) {
      return std::nullopt;
    }
    if (token.is_symbol(')')) {
      if (depth == 0) {
        break;
      }
      skipped_from = depth == skipped_from ? 0 : skipped_from;
      --depth;
    } else if (token.is_symbol('(')) {
      ++depth;
      skipped_from = skipped_from == 0 && tokens[i + 1].is("SELECT") ? depth : skipped_from;
    } else if (skipped_from != 0) {
      continue;
    } else if (token.is("AS")) {
      aliases.insert(to_lower(tokens[i + 1].value));
    } else if (token.is("FROM") && depth == 0) {
      if (!out.table.empty() || !tokens[i + 1].is_name()) {
        return std::nullopt;
      }
      for (++i; tokens[i + 1].is_symbol('.'); i += 2) {
      }
      out.table = to_lower(tokens[i].value);
      if (tokens[i + 1].is_symbol(',')) {
        return std::nullopt;
      }
    } else if (token.is_name()) {
      // Not t.x, f(x), DATE '...', INTERVAL 3 MONTH, EXTRACT(year FROM x).
      const Token& last = tokens[i - 1];
      const Token& next = tokens[i + 1];
      const bool is_part = last.is_symbol('.') || next.is_symbol('.') || next.is_symbol('(') ||
                           next.kind == TokenKind::String || last.kind == TokenKind::Number ||
                           last.kind == TokenKind::String || (depth > 0 && next.is("FROM"));
      if (!is_part) {
        out.names.push_back(&token);
      }
    }
  }
  std::erase_if(out.names,
                [&](const Token* name) { return aliases.contains(to_lower(name->value)); });
  return out.table.empty() ? std::nullopt : std::optional(std::move(out));
}

std::string words_for_order(Tokens key) {
  for (const std::string_view word : {"FIRST", "LAST", "NULLS"}) {
    if (!key.empty() && key.back().is(word)) {
      key = key.first(key.size() - 1);
    }
  }
  const bool falls = !key.empty() && key.back().is("DESC");
  if (falls || (!key.empty() && key.back().is("ASC"))) {
    key = key.first(key.size() - 1);
  }
  return words_for(key) + (falls ? " from the highest" : "");
}

/// A column of the outer statement where one of the subquery's only table must be meant.
std::string column_of_outer(Tokens tokens, const std::vector<SchemaTable>& tables) {
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const bool is_one = tokens[i].is_symbol('(') && tokens[i + 1].is("SELECT");
    const auto subquery = is_one ? read_subquery(tokens, i + 1) : std::nullopt;
    const auto is_its_table = [&](const SchemaTable& table) {
      return subquery && to_lower(table.name) == subquery->table;
    };
    const auto own = std::ranges::find_if(tables, is_its_table);
    if (own == tables.end() || std::ranges::count_if(tables, is_its_table) != 1) {
      continue;
    }
    for (const Token* const name : subquery->names) {
      const auto has_it = [&](const SchemaTable& table) {
        return std::ranges::any_of(table.columns, [&](const SchemaColumn& column) {
          return to_lower(column.name) == to_lower(name->value);
        });
      };
      if (!has_it(*own) && std::ranges::any_of(tables, has_it)) {
        return fmt::format("{} has no column {}", plain_or_quoted(own->name),
                           plain_or_quoted(name->value));
      }
    }
  }
  return {};
}

/// `SELECT state, sum(price) ... GROUP BY state, date_trunc('month', day)`: rows that nobody can
/// tell apart.
std::string group_not_told(Tokens tokens) {
  auto clauses = clauses_of(tokens);
  if (clauses["GROUP"].empty() || clauses.contains("LIMIT")) {
    return {};
  }
  std::set<std::string> selected;
  for (const Tokens item : parts_of(clauses["SELECT"])) {
    selected.insert(to_lower(text_of(without_name(item))));
  }
  const std::vector<Tokens> keys = parts_of(clauses["GROUP"]);
  const auto is_told = [&](Tokens key) { return selected.contains(to_lower(text_of(key))); };
  const auto untold =
      std::ranges::find_if(keys, [&](Tokens key) { return is_one_call(key) && !is_told(key); });
  return untold == keys.end() || std::ranges::none_of(keys, is_told)
             ? ""
             : fmt::format("the rows do not say which {} they are about: select it, too",
                           text_of(*untold));
}

}  // namespace

std::string with_full_names(std::string_view sql, const FullNames& names) {
  const auto tokens = query::tokenize(sql);
  if (!tokens) {
    return std::string(sql);
  }
  std::set<const Token*> tables;
  for (const std::size_t i : TableReferences(*tokens).find()) {
    tables.insert(&(*tokens)[i]);
  }
  return replaced(sql, *tokens, [&](const Token& token) -> std::optional<std::string> {
    if (!tables.contains(&token)) {
      return std::nullopt;
    }
    const auto name = names.find(to_lower(token.value));
    return name == names.end() ? std::nullopt : std::optional(name->second);
  });
}

std::string with_stored_values(std::string_view sql, const std::vector<ValueFound>& values) {
  const auto tokens = query::tokenize(sql);
  if (!tokens) {
    return std::string(sql);
  }
  std::map<std::string, std::set<std::string>> spellings;
  for (const ValueFound& found : values) {
    const std::string literal = quote_sql_literal(found.value);
    const std::string text = literal.substr(1, literal.size() - 2);
    spellings[to_lower(text)].insert(text);
  }
  return replaced(sql, *tokens, [&](const Token& token) -> std::optional<std::string> {
    if (token.kind != TokenKind::String || token.text.size() < 2 || token.text.front() != '\'') {
      return std::nullopt;
    }
    // The '%' of a pattern stay around it.
    const std::string_view whole = token.text.substr(1, token.text.size() - 2);
    const std::size_t begin = std::min(whole.find_first_not_of('%'), whole.size());
    const std::string_view text = whole.substr(begin, whole.find_last_not_of('%') + 1 - begin);
    const auto found = spellings.find(to_lower(text));
    if (text.empty() || found == spellings.end() || found->second.size() != 1) {
      return std::nullopt;
    }
    return fmt::format("'{}{}{}'", whole.substr(0, begin), *found->second.begin(),
                       whole.substr(begin + text.size()));
  });
}

std::string with_distinct(std::string_view sql) {
  const auto tokens = query::tokenize(sql);
  if (!tokens || !tokens->front().is("SELECT") || (*tokens)[1].is("DISTINCT")) {
    return std::string(sql);
  }
  const std::size_t end = tokens->front().end();
  return fmt::format("{} DISTINCT{}", sql.substr(0, end), sql.substr(end));
}

std::string with_all_grouped(std::string_view sql) {
  const auto tokens = query::tokenize(sql);
  auto clauses = tokens ? clauses_of(*tokens) : std::map<std::string, Tokens>();
  const Tokens group = clauses["GROUP"];
  if (group.empty() || group.front().is("ALL")) {
    return std::string(sql);
  }
  std::set<std::string> grouped;
  for (const Tokens key : parts_of(group)) {
    grouped.insert(key.empty() ? "" : to_lower(source_of(sql, key)));
  }
  std::string added;
  for (const Tokens selected : parts_of(clauses["SELECT"])) {
    const Tokens item = without_name(selected);
    const bool is_column = (item.size() == 1 && item[0].is_name()) ||
                           (item.size() == 3 && item[1].is_symbol('.') && item[2].is_name());
    if (is_column && grouped.insert(to_lower(source_of(sql, item))).second) {
      added += fmt::format(", {}", source_of(sql, item));
    }
  }
  const std::size_t end = group.back().end();
  return fmt::format("{}{}{}", sql.substr(0, end), added, sql.substr(end));
}

std::string with_columns_in_order(std::string_view sql, std::string_view question) {
  const auto tokens = query::tokenize(sql);
  const auto clauses = tokens ? clauses_of(*tokens) : std::map<std::string, Tokens>();
  if (!tokens || !may_be_reordered(*tokens, clauses)) {
    return std::string(sql);
  }
  Tokens selected = clauses.at("SELECT");
  if (!selected.empty() && selected.front().is("DISTINCT")) {
    selected = selected.subspan(1);
  }
  const QuestionParts parts = parts_of_question(question);
  std::multimap<std::size_t, std::string_view> items;  // Of one part, as they stood.
  for (const Tokens item : parts_of(selected)) {
    const auto place = place_of(terms_of_item(item), parts);
    if (item.empty() || item.front().is("ON") || !place) {
      return std::string(sql);
    }
    items.emplace(*place, source_of(sql, item));
  }
  return fmt::format("{}{}{}", sql.substr(0, selected.front().position),
                     fmt::join(items | std::views::values, ", "),
                     sql.substr(selected.back().end()));
}

std::string hidden_mistake(std::string_view sql, const std::vector<SchemaTable>& tables) {
  const auto tokens = query::tokenize(sql);
  if (!tokens || tokens->front().is("WITH")) {  // That may call anything by a table's name.
    return {};
  }
  const std::string column = column_of_outer(*tokens, tables);
  return column.empty() ? group_not_told(*tokens) : column;
}

std::string explanation_of(std::string_view sql) {
  const auto tokens = query::tokenize(sql);
  if (!tokens) {
    return {};
  }
  auto clauses = clauses_of(*tokens);
  Tokens selected = clauses["SELECT"];
  if (selected.empty()) {
    return {};
  }
  const bool is_distinct = selected[0].is("DISTINCT");
  if (is_distinct) {
    selected = selected.subspan(1);
  }
  std::vector<std::string> items;
  for (const Tokens item : parts_of(selected)) {
    items.push_back(words_for_item(item));
  }
  std::string out = (is_distinct ? "each different " : "") + listed(items);
  if (const Tokens from = clauses["FROM"]; !from.empty()) {
    std::vector<std::string> tables;
    for (const std::size_t i : TableReferences(*tokens).find()) {
      const Token* const token = &(*tokens)[i];
      if (token >= from.data() && token < from.data() + from.size()) {
        tables.push_back(token->value);
      }
    }
    out += " from " + (tables.empty() ? text_of(from) : listed(tables));
  }
  if (const Tokens where = clauses["WHERE"]; !where.empty()) {
    out += " where " + text_of(where);
  }
  if (const Tokens group = clauses["GROUP"]; !group.empty()) {
    out += ", for each " + text_of(group);
  }
  if (const Tokens having = clauses["HAVING"]; !having.empty()) {
    out += " with " + text_of(having);
  }
  if (const Tokens order = clauses["ORDER"]; !order.empty()) {
    std::vector<std::string> keys;
    for (const Tokens key : parts_of(order)) {
      keys.push_back(words_for_order(key));
    }
    out += ", by " + listed(keys);
  }
  if (const Tokens limit = clauses["LIMIT"]; !limit.empty()) {
    out += ", the first " + (limit.size() == 1 && limit[0].text == "1" ? "one" : text_of(limit));
  }
  if (out.size() > kExplanationCharsMax) {
    out.resize(kExplanationCharsMax);
    while (!is_valid_utf8(out)) {
      out.pop_back();
    }
    out += "...";
  }
  out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  return out + (out.ends_with('.') ? "" : ".");
}

}  // namespace lakehouse::answer
