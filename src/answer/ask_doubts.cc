#include "answer/ask_doubts.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "answer/detail/ask_reading.h"
#include "answer/schema_linking.h"
#include "base/text.h"
#include "query/sql_lexer.h"

namespace lakehouse::answer {
namespace {

namespace json = boost::json;
using query::Token;
using query::TokenKind;

constexpr std::string_view kHighest[] = {"largest", "biggest", "highest", "longest",  "most",
                                         "top",     "maximum", "max",     "greatest", "latest",
                                         "newest",  "tallest", "best",    "oldest"};
constexpr std::string_view kLowest[] = {"smallest", "lowest", "shortest", "least",    "fewest",
                                        "minimum",  "min",    "bottom",   "earliest", "cheapest"};
/// Words that end like superlatives.
constexpr std::string_view kNoSuperlatives[] = {
    "rest",      "test",      "west",    "request", "interest", "forest",  "guest",  "harvest",
    "invest",    "suggest",   "contest", "nest",    "quest",    "protest", "honest", "modest",
    "northwest", "southwest", "midwest", "digest",  "manifest", "arrest"};
/// Ordering and picking without a superlative.
constexpr std::string_view kOrders[] = {"order",     "ordered",    "sort",    "sorted", "rank",
                                        "ranked",    "ranking",    "first",   "last",   "recent",
                                        "ascending", "descending", "starting"};
constexpr std::string_view kSorts[] = {"order", "ordered", "sort", "sorted"};
/// A question says these without meaning a column that is called so.
constexpr std::string_view kEverywhere[] = {"number", "count", "total", "date", "time", "name"};
constexpr std::string_view kTimes[] = {"day",    "days", "week",  "weeks",  "month",
                                       "months", "year", "years", "quarter"};
constexpr std::string_view kTotals[] = {"total"};
constexpr std::string_view kNegations[] = {
    "no",   "not",   "never", "without", "except",  "excluding", "exclude", "excludes", "excluded",
    "don",  "doesn", "didn",  "none",    "neither", "nor",       "isn",     "aren",     "non",
    "hasn", "haven", "wasn",  "weren",   "unlike",  "lack",      "lacks",   "lacking",  "missing"};
/// What may be said for a negation in a statement.
constexpr std::string_view kNegatesToo[] = {"other", "out",     "different", "only",
                                            "un",    "outside", "another"};
constexpr std::string_view kEach[] = {"each", "per", "every"};
constexpr std::string_view kAverages[] = {"average", "averages", "mean", "avg"};
constexpr std::string_view kRatios[] = {"ratio", "percent", "percentage", "proportion"};

std::string unquoted(std::string_view name) {
  if (name.size() >= 2 && name.front() == '"') {
    name = name.substr(1, name.size() - 2);
  }
  return to_lower(name);
}

bool is_superlative(std::string_view word) {
  return is_in(kHighest, word) || is_in(kLowest, word) ||
         (word.size() > 4 && word.ends_with("est") && !is_in(kNoSuperlatives, word));
}

using Doubts = std::vector<std::string>;

bool is_date_or_number(std::string_view text) {
  return text.find_first_not_of("0123456789-: .%") == std::string_view::npos;
}

/// '3 months', 'week': an interval or a part of a date.
bool is_span(std::string_view text) {
  static constexpr std::string_view kUnits[] = {"second",  "minute",  "hour",  "day",   "week",
                                                "month",   "quarter", "year",  "dow",   "isodow",
                                                "isoweek", "doy",     "epoch", "decade"};
  std::vector<std::string> words = words_in(text);
  if (!words.empty() && std::ranges::all_of(words.front(), is_digit)) {
    words.erase(words.begin());
  }
  if (words.size() != 1) {
    return false;
  }
  std::string unit = words.front();
  if (unit.ends_with('s') && unit.size() > 3) {
    unit.pop_back();
  }
  return is_in(kUnits, unit);
}

/// True for a value that its column always has: 'usa' says nothing.
bool is_always(const AskPrompt& prompt, std::string_view value) {
  for (const SchemaTable& table : prompt.tables) {
    for (const SchemaColumn& column : table.columns) {
      if (column.has_all_values && column.values.size() == 1 &&
          to_lower(column.values.front()) == value) {
        return true;
      }
    }
  }
  return false;
}

void doubt_literals(const Question& question, const Statement& statement, Doubts& doubts) {
  for (const std::string& literal : statement.strings) {
    const std::string text = to_lower(literal);
    if (is_date_or_number(text)) {
      for (const double number : numbers_in(text, false)) {
        if (number >= 1'000 && number < 10'000 && !question.numbers.contains(number)) {
          doubts.push_back(fmt::format("the question says nothing of {}", literal));
        }
      }
      continue;
    }
    const bool is_pattern_of_format = text.starts_with('%') && text.size() <= 3;
    if (!is_span(text) && !is_pattern_of_format &&
        !contains(question.told_terms, terms_in(words_of_name(text))) &&
        !is_always(question.prompt, text)) {
      doubts.push_back(fmt::format("the question says nothing of '{}'", literal));
    }
  }
}

void doubt_numbers(const Question& question, const Statement& statement, Doubts& doubts) {
  std::set<double> used;
  for (const Token& token : statement.tokens) {
    if (token.kind == TokenKind::Number) {
      const std::vector<double> numbers = numbers_in(token.text, false);
      if (numbers.size() == 1 && !question.numbers.contains(numbers.front())) {
        doubts.push_back(fmt::format("the question says nothing of {}", token.text));
      }
      used.insert(numbers.begin(), numbers.end());
    }
  }
  for (const std::string& literal : statement.strings) {
    const std::vector<double> numbers = numbers_in(literal, false);
    used.insert(numbers.begin(), numbers.end());
  }
  for (const double number : numbers_in(question.text, true)) {
    if (!used.contains(number) && !used.contains(number - 1)) {
      doubts.push_back(fmt::format("the question's {} is not used", number));
    }
  }
}

/// Values that the question names must be asked for, and where they are.
/// `state = 'ohio'`, `state LIKE '%ohio%'`, `state <> 'ohio'`, `state IN ('ohio', ...`.
struct Comparison {
  std::string column;  ///< In lower case.
  std::string value;   ///< Without what LIKE puts around it.
  bool is_alike = false;
};

std::string without_wildcards(std::string text) {
  std::erase(text, '%');
  return text;
}

std::vector<Comparison> comparisons_in(const Statement& statement) {
  std::vector<Comparison> out;
  const auto tokens = statement.tokens;
  for (std::size_t i = 0; i + 3 < tokens.size(); ++i) {
    const bool is_equal = tokens[i + 1].is_symbol('=');
    const bool is_like = tokens[i + 1].is("LIKE") || tokens[i + 1].is("ILIKE");
    const bool is_in_list = tokens[i + 1].is("IN") && tokens[i + 2].is_symbol('(');
    const bool is_other = (tokens[i + 1].is_symbol('!') && tokens[i + 2].is_symbol('=')) ||
                          (tokens[i + 1].is_symbol('<') && tokens[i + 2].is_symbol('>'));
    const Token& value = tokens[i + (is_in_list || is_other ? 3U : 2U)];
    if (tokens[i].is_name() && (is_equal || is_like || is_in_list || is_other) &&
        value.kind == TokenKind::String) {
      out.push_back({.column = to_lower(tokens[i].value),
                     .value = without_wildcards(literal_of(value)),
                     .is_alike = is_equal || is_like});
    }
  }
  return out;
}

void doubt_values(const Question& question, const Statement& statement, Doubts& doubts) {
  std::map<std::string, Names> columns_of;
  for (const ValueFound& found : question.prompt.values) {
    columns_of[to_lower(found.value)].insert(unquoted(found.column));
  }
  Names schema_terms;
  for (const Terms& terms : question.table_terms) {
    schema_terms.insert(terms.begin(), terms.end());
  }
  for (const Column& column : question.columns) {
    schema_terms.insert(column.terms.begin(), column.terms.end());
  }
  const auto is_used = [&](const std::string& value) {
    return std::ranges::any_of(statement.strings, [&](const std::string& literal) {
      const std::string text = to_lower(literal);
      return text.contains(value) || (value.contains(text) && columns_of.contains(text));
    });
  };
  for (const auto& [value, columns] : columns_of) {
    const Terms terms = terms_in(value);
    const bool is_inside = std::ranges::any_of(columns_of, [&](const auto& other) {
      return other.first.size() > value.size() && contains(terms_in(other.first), terms);
    });
    const bool is_name = std::ranges::all_of(
        terms, [&](const std::string& term) { return schema_terms.contains(term); });
    if (!is_inside && !is_name && !is_always(question.prompt, value) && !is_used(value)) {
      doubts.push_back(fmt::format("the question's '{}' is not used", value));
    }
  }
  for (const Comparison& one : comparisons_in(statement)) {
    const auto found = columns_of.find(to_lower(one.value));
    const bool is_column = std::ranges::any_of(
        statement.columns, [&](const Column* column) { return column->name == one.column; });
    if (is_column && found != columns_of.end() && !found->second.contains(one.column)) {
      doubts.push_back(fmt::format("'{}' is no {}", found->first, one.column));
    }
  }
}

/// "How many states does it run through" counts no rows in which the state is given.
void doubt_counted(const Question& question, const Statement& statement, Doubts& doubts) {
  if (question.words.size() < 3 || question.words[0] != "how" || question.words[1] != "many") {
    return;
  }
  for (std::size_t table = 0; table < question.table_terms.size(); ++table) {
    const Terms& terms = question.table_terms[table];
    if (statement.tables.contains(table) || terms.empty() ||
        std::ranges::search(question.terms, terms).begin() != question.terms.begin() + 2) {
      continue;
    }
    Names referring;
    for (const LikelyJoin& join : question.joins) {
      if (join.to_table == table && statement.tables.contains(join.from_table)) {
        referring.insert(to_lower(join.from_column));
      }
    }
    const bool is_any = !referring.empty();
    for (const Comparison& one : comparisons_in(statement)) {
      if (one.is_alike) {
        referring.erase(one.column);
      }
    }
    if (is_any && referring.empty()) {
      doubts.push_back(fmt::format("it counts one {} only", question.prompt.tables[table].name));
    }
  }
}

void doubt_superlatives(const Question& question, const Statement& statement, Doubts& doubts) {
  bool wants_high = false;
  bool wants_low = false;
  std::string wanted;
  bool may_order = question.speaks_of(kOrders);
  for (std::size_t i = 0; i < question.words.size(); ++i) {
    const std::string& word = question.words[i];
    const bool is_one = is_superlative(word);
    may_order = may_order || is_one;
    const bool is_bound = i > 0 && question.words[i - 1] == "at";  // "at least"
    if (is_one && !is_bound && !question.is_in_column_name(i)) {
      wanted = word;
      wants_high = wants_high || is_in(kHighest, word);
      wants_low = wants_low || is_in(kLowest, word);
    }
  }
  may_order =
      may_order || has_any(question.told_words, kHighest) || has_any(question.told_words, kLowest);
  bool picks = statement.has("limit") || statement.has("qualify");
  for (const std::string_view name : {"max", "min", "rank", "row_number", "dense_rank", "arg_max",
                                      "arg_min", "max_by", "min_by", "all", "first", "last"}) {
    picks = picks || statement.calls(name);
  }
  const bool is_ordering_asked = has_any(question.words, kSorts);
  if (!wanted.empty() && !picks && !(is_ordering_asked && statement.has("order"))) {
    doubts.push_back(fmt::format("it does not look for the {}", wanted));
  }
  if (!may_order && (statement.has("limit") || statement.calls("max") || statement.calls("min"))) {
    doubts.emplace_back("the question asks for no highest or lowest");
  }
  const auto count = [&](std::string_view word) {
    return std::ranges::count_if(statement.tokens, [&](const Token& one) { return one.is(word); });
  };
  const bool sorts_down = statement.has("desc") || statement.calls("max") ||
                          statement.calls("arg_max") || statement.calls("max_by");
  const bool sorts_up = count("ORDER") > count("DESC") || statement.calls("min") ||
                        statement.calls("arg_min") || statement.calls("min_by");
  // What is young or recent is high or low by how it is counted.
  static constexpr std::string_view kOfTime[] = {"latest", "newest", "oldest", "earliest",
                                                 "youngest"};
  if (wants_high != wants_low && picks && !is_ordering_asked && !has_any(question.words, kOfTime) &&
      (wants_high ? !sorts_down : !sorts_up)) {
    doubts.push_back(fmt::format("it looks for the opposite of the {}", wanted));
  }
}

/// "The latest payment": some date is picked by, not only what is looked for beside it.
void doubt_latest(const Question& question, const Statement& statement, Doubts& doubts) {
  static constexpr std::string_view kLatest[] = {"latest", "newest", "earliest", "recent"};
  const bool is_asked = has_any(question.told_words, kLatest);
  Names times;
  for (const std::size_t table : statement.tables) {
    for (const SchemaColumn& column : question.prompt.tables[table].columns) {
      if (column.type == "DATE" || column.type.starts_with("TIMESTAMP")) {
        times.insert(to_lower(column.name));
      }
    }
  }
  if (!is_asked || times.empty()) {
    return;
  }
  static constexpr std::string_view kPicks[] = {"max",    "min",    "arg_max", "arg_min",
                                                "max_by", "min_by", "last",    "first"};
  // What follows ORDER BY, or stands in the brackets of max(...).
  const auto tokens = statement.tokens;
  std::size_t depth = 0;
  std::optional<std::size_t> picking;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    depth += tokens[i].is_symbol('(') ? 1U : 0U;
    depth -= tokens[i].is_symbol(')') && depth > 0 ? 1U : 0U;
    const std::string word = tokens[i].is_name() ? to_lower(tokens[i].value) : "";
    if (is_in(kPicks, word) || (i > 0 && tokens[i].is("BY") && tokens[i - 1].is("ORDER"))) {
      picking = depth;
    } else if (picking && times.contains(word)) {
      return;
    } else if (picking && tokens[i].is_symbol(')') && depth <= *picking) {
      picking.reset();
    }
  }
  doubts.emplace_back("it does not look for the latest or the earliest date");
}

/// `traverse LIKE '%' || city_name || '%'`: what only looks alike.
void doubt_likeness(const Question& question, const Statement& statement, Doubts& doubts) {
  static constexpr std::string_view kPartly[] = {
      "contain",   "contains",   "containing", "contained", "part",    "includes", "include",
      "including", "like",       "within",     "start",     "starts",  "starting", "begin",
      "begins",    "beginning",  "end",        "ends",      "ending",  "mention",  "mentions",
      "mentioned", "mentioning", "similar",    "match",     "matches", "matching"};
  const auto tokens = statement.tokens;
  bool in_pattern = false;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    in_pattern = in_pattern ? tokens[i].kind == TokenKind::String || tokens[i].is_symbol('|')
                            : tokens[i].is("LIKE") || tokens[i].is("ILIKE");
    if (in_pattern && tokens[i].is_symbol('|') && tokens[i + 1].is_name() &&
        !question.speaks_of(kPartly)) {
      doubts.push_back(fmt::format("it takes what looks like {} for the same", tokens[i + 1].text));
      return;
    }
  }
}

bool is_number(const json::value& cell) {
  if (cell.is_string()) {  // A decimal leaves the engine as text.
    const std::string_view text = cell.get_string();
    return !text.empty() && text.find_first_not_of("-0123456789.") == std::string_view::npos;
  }
  return cell.is_number();
}

void doubt_form(const Question& question, const Statement& statement,
                const std::vector<json::array>& rows, Doubts& doubts) {
  static constexpr std::string_view kMany[] = {"return", "list",  "show", "by",
                                               "which",  "their", "and"};
  const auto& words = question.words;
  const bool is_count =
      !words.empty() &&
      (words[0] == "count" || (words.size() > 1 && words[0] == "how" && words[1] == "many"));
  const bool is_one = rows.size() == 1 && rows.front().size() == 1;
  if (is_one && rows.front().front() == 0 && (statement.has("like") || statement.has("ilike"))) {
    doubts.emplace_back("nothing looks like what it looks for");
  }
  if (is_count && !has_any(words, kEach) && !has_any(words, kMany) &&
      !(is_one && is_number(rows.front().front()))) {
    doubts.emplace_back("the question asks for one number");
  }
  static constexpr std::string_view kCounts[] = {"how",   "many",  "much", "number",
                                                 "count", "total", "tally"};
  const auto tokens = statement.tokens;
  if (is_one && tokens.size() > 1 && tokens[1].is("COUNT") &&
      !has_any(question.told_words, kCounts) && !has_any(question.told_words, kRatios)) {
    doubts.emplace_back("the question does not ask for a number of rows");
  }
}

void doubt_words(const Question& question, const Statement& statement, Doubts& doubts) {
  const auto& words = question.words;
  const bool negates = statement.has("not") || statement.has("except") ||
                       (statement.has("left") && statement.has("null")) ||
                       statement.has_symbol('!') || statement.has_sequence({"<", ">"}) ||
                       statement.has("false") || statement.has("anti") ||
                       statement.has_sequence({"IS", "NULL"});
  const bool may_be_compared = statement.has_symbol('<') || statement.has_symbol('=');
  const bool is_of_time = has_any(question.told_words, kTimes);
  if (has_any(words, kNegations) && !negates && !(is_of_time && may_be_compared)) {
    doubts.emplace_back("it leaves out what the question says with 'not' or 'without'");
  }
  const bool excludes = statement.has("except") || statement.has_sequence({"NOT", "IN"}) ||
                        statement.has_sequence({"NOT", "EXISTS"}) ||
                        statement.has_sequence({"NOT", "LIKE"}) ||
                        statement.has_sequence({"NOT", "ILIKE"}) || statement.has_symbol('!') ||
                        statement.has_sequence({"<", ">"});
  if (excludes && !question.speaks_of(kNegations) && !question.speaks_of(kNegatesToo)) {
    doubts.emplace_back("the question excludes nothing");
  }
  const bool divides = statement.has_symbol('/');
  if (has_any(words, kAverages) && !statement.calls("avg") && !statement.calls("mean") &&
      !divides) {
    doubts.emplace_back("it computes no average");
  }
  if (statement.calls("avg") && !question.speaks_of(kAverages)) {
    doubts.emplace_back("the question asks for no average");
  }
  if (has_any(words, kRatios) && !divides) {
    doubts.emplace_back("it computes no ratio");
  }
  const bool aggregates = std::ranges::any_of(statement.called, [](const std::string& name) {
    return name == "count" || name == "sum" || name == "avg";
  });
  if (has_any(words, kEach) && aggregates && !statement.has("group") && !statement.has("over")) {
    doubts.emplace_back("it gives one row for all, and the question asks for each");
  }
  const bool is_name = std::ranges::any_of(question.columns, [](const Column& column) {
    return std::ranges::count(column.terms, "total") != 0;
  });
  if (has_any(words, kTotals) && !is_name && !aggregates) {
    doubts.emplace_back("it computes no total");
  }
}

/// Tables and columns that the question names must be used.
void doubt_names(const Question& question, const Statement& statement, Doubts& doubts) {
  const auto holds = [](const Terms& terms, const Terms& all) {
    return std::ranges::all_of(
        all, [&](const std::string& term) { return std::ranges::count(terms, term) != 0; });
  };
  const auto column_speaks_of = [&](const Terms& terms) {
    return std::ranges::any_of(statement.columns,
                               [&](const Column* one) { return holds(one->terms, terms); });
  };
  for (std::size_t i = 0; i < question.table_terms.size(); ++i) {
    const Terms& terms = question.table_terms[i];
    const bool is_referred = std::ranges::any_of(statement.columns, [&](const Column* one) {
      return std::ranges::any_of(question.joins, [&](const LikelyJoin& join) {
        return join.to_table == i && join.from_table == one->table &&
               to_lower(join.from_column) == one->name;
      });
    });
    const bool is_other_used = std::ranges::any_of(statement.tables, [&](std::size_t table) {
      return holds(question.table_terms[table], terms);
    });
    if (contains(question.terms, terms) && !is_other_used && !is_referred &&
        !column_speaks_of(terms)) {
      doubts.push_back(fmt::format("{} is not used", question.prompt.tables[i].name));
    }
  }
  for (const Column& column : question.columns) {
    const auto at = std::ranges::search(question.terms, column.terms).begin();
    if (at == question.terms.end() || column.terms.empty() || column_speaks_of(column.terms)) {
      continue;
    }
    if (column.terms.size() == 1) {
      // A single word may mean much: not if it is a table's, a part of a longer name, or stands
      // beside a word of a column that is used ("population density").
      const auto i = static_cast<std::size_t>(at - question.terms.begin());
      bool may_be_other = is_in(kTimes, question.words[i]) ||
                          is_in(kEverywhere, question.words[i]) || question.is_in_column_name(i) ||
                          std::ranges::any_of(question.table_terms, [&](const Terms& terms) {
                            return std::ranges::count(terms, column.terms.front()) != 0;
                          });
      for (const std::size_t beside : {i - 1, i + 1}) {
        may_be_other = may_be_other || (beside < question.terms.size() &&
                                        column_speaks_of({question.terms[beside]}));
      }
      if (may_be_other) {
        continue;
      }
    }
    doubts.push_back(fmt::format("{} is not used", column.name));
  }
}

/// The table after whose rows a question asks: "What are the 5 largest CITIES in...". Nothing for
/// what is asked about them: "What is the population of...", "Which city names...".
std::optional<std::size_t> asked_table(const Question& question) {
  static constexpr std::string_view kAsk[] = {"what", "which", "who",  "list",
                                              "show", "give",  "name", "return"};
  static constexpr std::string_view kSmall[] = {"is", "are", "was", "were", "the",      "a",  "an",
                                                "me", "us",  "all", "do",   "distinct", "top"};
  const auto& words = question.words;
  std::size_t i = 1;
  while (i < words.size() && (is_in(kSmall, words[i]) || is_superlative(words[i]) ||
                              std::ranges::all_of(words[i], is_digit))) {
    ++i;
  }
  if (words.empty() || !is_in(kAsk, words[0])) {
    return std::nullopt;
  }
  for (std::size_t table = 0; table < question.table_terms.size(); ++table) {
    const Terms& terms = question.table_terms[table];
    if (i + terms.size() > words.size() || terms.empty() ||
        !std::equal(terms.begin(), terms.end(),
                    question.terms.begin() + static_cast<std::ptrdiff_t>(i))) {
      continue;
    }
    const std::size_t next = i + terms.size();
    const bool is_about = std::ranges::any_of(question.columns, [&](const Column& column) {
      return column.table == table && next < question.terms.size() &&
             std::ranges::count(column.terms, question.terms[next]) != 0;
    });
    return is_about ? std::nullopt : std::optional(table);
  }
  return std::nullopt;
}

/// Who asks for cities wants to know which.
void doubt_answer(const Question& question, const Statement& statement,
                  const std::vector<json::array>& rows, Doubts& doubts) {
  const auto is_echo = [&](const json::array& row) {
    return row.size() == 1 && row.front().is_string() &&
           std::ranges::count(statement.strings, std::string(row.front().get_string()),
                              without_wildcards) != 0;
  };
  if (!rows.empty() && std::ranges::all_of(rows, is_echo)) {
    doubts.emplace_back("it answers with what the question says");
  }
  const auto table = asked_table(question);
  const SchemaColumn* const key = table ? naming_column(question.prompt.tables[*table]) : nullptr;
  if (key == nullptr) {
    return;
  }
  Names names{to_lower(key->name)};
  for (const LikelyJoin& join : question.joins) {
    if (join.to_table == *table) {
      names.insert(to_lower(join.from_column));
    }
  }
  for (const Column& column : question.columns) {
    if (column.table != *table && contains(column.terms, question.table_terms[*table])) {
      names.insert(column.name);
    }
  }
  std::size_t depth = 0;
  bool is_selecting = false;
  bool is_selected = false;
  for (const Token& token : statement.tokens) {
    depth += token.is_symbol('(') ? 1U : 0U;
    depth -= token.is_symbol(')') && depth > 0 ? 1U : 0U;
    if (depth == 0 && (token.is("SELECT") || token.is("FROM"))) {
      is_selecting = token.is("SELECT");
      is_selected = is_selected && !is_selecting;
    } else if (is_selecting) {
      is_selected = is_selected || token.is_symbol('*') ||
                    (token.is_name() && names.contains(to_lower(token.value)));
    }
  }
  if (!is_selected) {
    doubts.push_back(fmt::format("it does not say which {}", question.prompt.tables[*table].name));
  }
}

/// A column with its table before it: `t.column`.
struct Qualified {
  std::string alias;
  std::size_t table = 0;
  std::string column;
};

std::optional<Qualified> qualified_at(const Statement& statement, std::size_t i) {
  const auto tokens = statement.tokens;
  if (i + 2 >= tokens.size() || !tokens[i].is_name() || !tokens[i + 1].is_symbol('.') ||
      !tokens[i + 2].is_name()) {
    return std::nullopt;
  }
  const auto table = statement.aliases.find(to_lower(tokens[i].value));
  return table == statement.aliases.end()
             ? std::nullopt
             : std::optional(Qualified{table->first, table->second, to_lower(tokens[i + 2].value)});
}

/// How a statement joins its tables.
struct Joins {
  /// Columns of different tables that are equal.
  std::vector<std::pair<Qualified, Qualified>> pairs;
  Names used;  ///< Tables of which other columns are used, too, as they are called.
};

Joins joins_in(const Statement& statement) {
  Joins out;
  for (std::size_t i = 0; i < statement.tokens.size(); ++i) {
    const auto left = qualified_at(statement, i);
    const bool is_equal =
        left && i + 3 < statement.tokens.size() && statement.tokens[i + 3].is_symbol('=');
    const auto right = is_equal ? qualified_at(statement, i + 4) : std::nullopt;
    if (right && left->alias != right->alias) {
      out.pairs.emplace_back(*left, *right);
      i += 6;
    } else if (left) {
      out.used.insert(left->alias);
    }
  }
  return out;
}

/// Joins on columns that have nothing to do with each other.
void doubt_joined_columns(const Question& question, const Joins& joins, Doubts& doubts) {
  const auto key_of = [&](const Qualified& column) {
    for (const LikelyJoin& join : question.joins) {
      if (join.from_table == column.table && to_lower(join.from_column) == column.column) {
        return std::pair(join.to_table, to_lower(join.to_column));
      }
    }
    return std::pair(column.table, column.column);
  };
  for (const auto& [left, right] : joins.pairs) {
    const bool is_same_name = left.column == right.column && left.column != "id";
    const bool is_of_time = left.column.contains("date") && right.column.contains("date");
    if (key_of(left) != key_of(right) && !is_same_name && !is_of_time) {
      doubts.push_back(fmt::format("{} and {} are different things", left.column, right.column));
    }
  }
}

/// Tables that nothing is taken from, and one table's row joined with itself: they only repeat
/// rows.
void doubt_joined_tables(const Question& question, const Statement& statement, const Joins& joins,
                         Doubts& doubts) {
  std::map<std::string, std::size_t> joined;
  std::map<std::string, std::size_t> groups;  // Of columns that are equal.
  for (std::size_t i = 0; i < joins.pairs.size(); ++i) {
    const auto& [left, right] = joins.pairs[i];
    ++joined[left.alias];
    ++joined[right.alias];
    const std::size_t one = groups.try_emplace(left.alias + "." + left.column, i).first->second;
    const std::size_t other = groups.try_emplace(right.alias + "." + right.column, i).first->second;
    for (auto& [column, group] : groups) {
      group = group == other ? one : group;
    }
  }
  for (const auto& [alias, count] : joined) {
    const std::size_t table = statement.aliases.find(alias)->second;
    const bool is_bare = std::ranges::any_of(statement.columns, [&](const Column* column) {
      return column->table == table && statement.bare.contains(column->name);
    });
    if (count == 1 && !joins.used.contains(alias) && !is_bare &&
        !contains(question.terms, question.table_terms[table])) {
      doubts.push_back(fmt::format("{} adds nothing", question.prompt.tables[table].name));
    }
    const SchemaColumn* const key = naming_column(question.prompt.tables[table]);
    const std::string column = key == nullptr ? "id" : to_lower(key->name);
    for (const auto& [other, other_count] : joined) {
      const auto one = groups.find(fmt::format("{}.{}", alias, column));
      const auto two = groups.find(fmt::format("{}.{}", other, column));
      if (alias < other && statement.aliases.find(other)->second == table && one != groups.end() &&
          two != groups.end() && one->second == two->second) {
        doubts.push_back(
            fmt::format("{} is joined with itself", question.prompt.tables[table].name));
      }
    }
  }
}

}  // namespace

std::vector<std::string> doubts_about(const AskPrompt& prompt, std::string_view sql,
                                      const std::vector<json::array>& rows) {
  const auto tokens = query::tokenize(sql);
  if (!tokens) {
    return {};
  }
  const Question question(prompt);
  const Statement statement(question, *tokens);
  Doubts doubts;
  doubt_literals(question, statement, doubts);
  doubt_numbers(question, statement, doubts);
  doubt_values(question, statement, doubts);
  doubt_counted(question, statement, doubts);
  doubt_superlatives(question, statement, doubts);
  doubt_latest(question, statement, doubts);
  doubt_likeness(question, statement, doubts);
  doubt_form(question, statement, rows, doubts);
  doubt_answer(question, statement, rows, doubts);
  doubt_words(question, statement, doubts);
  doubt_names(question, statement, doubts);
  const Joins joins = joins_in(statement);
  doubt_joined_columns(question, joins, doubts);
  doubt_joined_tables(question, statement, joins, doubts);
  return doubts;
}

bool asks_for_one(std::string_view question) {
  constexpr std::string_view kAsk[] = {"how", "what", "where", "when", "who"};
  constexpr std::string_view kOne[] = {"is",   "was",  "does", "did",   "long", "high", "tall",
                                       "deep", "wide", "far",  "large", "big",  "old",  "much"};
  const std::vector<std::string> words = words_in(question);
  return words.size() > 1 && is_in(kAsk, words[0]) && is_in(kOne, words[1]);
}

}  // namespace lakehouse::answer
