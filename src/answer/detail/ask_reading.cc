#include "answer/detail/ask_reading.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "base/text.h"
#include "vector/text_analysis.h"

namespace lakehouse::answer {
namespace {

using query::Token;
using query::TokenKind;

constexpr std::string_view kArranged[] = {"order", "ordered", "sort", "sorted", "group", "grouped"};

bool is_word_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

double parsed(std::string_view digits) {
  double out = 0;
  double scale = 0;
  for (const char c : digits) {
    if (c == '.') {
      scale = 1;
    } else if (c != ',') {
      out = out * 10 + (c - '0');
      scale *= 10;
    }
  }
  return scale > 0 ? out / scale : out;
}

/// "How many? (Today is 2024-09-18.)" without what it says of today: that need not be used.
std::string without_today(std::string_view question) {
  std::string out(question);
  const std::size_t at = to_lower(out).find("today is ");
  if (at != std::string::npos) {
    std::size_t end = at + 9;
    while (end < out.size() && (is_digit(out[end]) || out[end] == '-')) {
      ++end;
    }
    out.erase(at, end - at);
  }
  return out;
}

std::set<double> numbers_told(std::string_view told, const std::vector<std::string>& words) {
  static const std::map<std::string, double, std::less<>> kWords = {
      {"one", 1},       {"two", 2},      {"three", 3},   {"four", 4},      {"five", 5},
      {"six", 6},       {"seven", 7},    {"eight", 8},   {"nine", 9},      {"ten", 10},
      {"eleven", 11},   {"twelve", 12},  {"twenty", 20}, {"hundred", 100}, {"thousand", 1000},
      {"million", 1e6}, {"half", 0.5},   {"second", 2},  {"third", 3},     {"fourth", 4},
      {"january", 1},   {"february", 2}, {"march", 3},   {"april", 4},     {"may", 5},
      {"june", 6},      {"july", 7},     {"august", 8},  {"september", 9}, {"october", 10},
      {"november", 11}, {"december", 12}};
  static const std::vector<std::pair<Names, std::vector<double>>> kSpans = {
      {{"week", "weeks", "weekly", "weekday", "weekdays", "weekend", "weekends", "day", "daily"},
       {1, 2, 3, 4, 5, 6, 7}},
      {{"year", "years", "yearly", "annual", "month", "monthly"}, {12, 365}},
      {{"quarter", "quarters", "quarterly"}, {1, 2, 3, 4}}};
  // A hundred for per cent.
  std::set<double> out{0, 1, 100};
  for (const double number : numbers_in(told, false)) {
    out.insert(number);
    out.insert(number - 1);  // "The past 7 days" with today are six before it.
  }
  for (const std::string& word : words) {
    if (const auto number = kWords.find(word); number != kWords.end()) {
      out.insert(number->second);
      out.insert(number->second - 1);
    }
    for (const auto& [spans, numbers] : kSpans) {
      if (spans.contains(word)) {
        out.insert(numbers.begin(), numbers.end());
      }
    }
  }
  return out;
}

}  // namespace

bool is_in(Words words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

std::vector<double> numbers_in(std::string_view text, bool are_whole) {
  std::vector<double> out;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_digit(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() &&
           (is_digit(text[end]) || ((text[end] == ',' || text[end] == '.') &&
                                    end + 1 < text.size() && is_digit(text[end + 1])))) {
      ++end;
    }
    const auto touches = [](char c) { return is_word_char(c) || c == '-'; };
    const bool is_part =
        (i > 0 && touches(text[i - 1])) || (end < text.size() && touches(text[end]));
    if (!are_whole || !is_part) {
      out.push_back(parsed(text.substr(i, end - i)));
    }
    i = end;
  }
  return out;
}

Terms terms_in(std::string_view text) {
  Terms out;
  for (vector::TermAt& term : vector::analyse(text, vector::Analysis::English)) {
    out.push_back(std::move(term.term));
  }
  return out;
}

bool contains(const Terms& whole, const Terms& part) {
  return !part.empty() && !std::ranges::search(whole, part).empty();
}

bool has_any(const std::vector<std::string>& words, Words wanted) {
  return std::ranges::any_of(words, [&](const std::string& word) { return is_in(wanted, word); });
}

std::vector<std::string> words_in(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : to_lower(text) + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += c;
    } else if (!word.empty()) {
      out.push_back(std::exchange(word, {}));
    }
  }
  return out;
}

Question::Question(const AskPrompt& asked)
    : prompt(asked),
      text(without_today(asked.question)),
      told(to_lower(asked.question + "\n" + asked.hint + "\n" + asked.today)),
      told_words(words_in(told)),
      told_terms(terms_in(told)),
      numbers(numbers_told(told, told_words)),
      joins(likely_joins(asked.tables)) {
  for (const vector::TermAt& term : vector::analyse(text, vector::Analysis::English)) {
    words.push_back(to_lower(std::string_view(text).substr(term.begin, term.end - term.begin)));
    terms.push_back(term.term);
  }
  // "Ordered by" speaks of no orders.
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i + 1] == "by" && is_in(kArranged, words[i])) {
      terms[i].clear();
    }
  }
  for (std::size_t i = 0; i < asked.tables.size(); ++i) {
    table_terms.push_back(terms_in(words_of_name(asked.tables[i].name)));
    for (const SchemaColumn& column : asked.tables[i].columns) {
      columns.push_back({i, to_lower(column.name), terms_in(words_of_name(column.name))});
    }
  }
}

bool Question::is_in_column_name(std::size_t i) const {
  return std::ranges::any_of(columns, [&](const Column& column) {
    const std::size_t count = column.terms.size();
    for (std::size_t back = 0; count > 1 && back < count && back <= i; ++back) {
      const std::size_t begin = i - back;
      if (begin + count <= terms.size() &&
          std::equal(column.terms.begin(), column.terms.end(),
                     terms.begin() + static_cast<std::ptrdiff_t>(begin))) {
        return true;
      }
    }
    return false;
  });
}

bool Statement::has_sequence(std::initializer_list<std::string_view> wanted) const {
  return !std::ranges::search(tokens, wanted, [](const Token& token, std::string_view word) {
            return word.size() == 1 && !is_word_char(word.front()) ? token.is_symbol(word.front())
                                                                   : token.is(word);
          }).empty();
}

std::string literal_of(const Token& token) {
  std::string out(token.text);
  const std::size_t begin = out.find('\'');
  if (begin == std::string::npos || out.size() < begin + 2) {
    return out;
  }
  out = out.substr(begin + 1, out.size() - begin - 2);
  for (std::size_t at = out.find("''"); at != std::string::npos; at = out.find("''", at + 1)) {
    out.erase(at, 1);
  }
  return out;
}

Statement::Statement(const Question& question, const std::vector<Token>& all) : tokens(all) {
  const auto table_named = [&](const std::string& name) -> std::optional<std::size_t> {
    const auto found =
        std::ranges::find(question.prompt.tables, name,
                          [](const SchemaTable& table) { return to_lower(table.name); });
    return found == question.prompt.tables.end()
               ? std::nullopt
               : std::optional(static_cast<std::size_t>(found - question.prompt.tables.begin()));
  };
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (token.kind == TokenKind::String) {
      strings.push_back(literal_of(token));
    }
    if (!token.is_name() || (i > 0 && tokens[i - 1].is("AS"))) {
      continue;
    }
    const std::string name = to_lower(token.value);
    words.insert(name);
    if (i == 0 || !tokens[i - 1].is_symbol('.')) {
      bare.insert(name);
    }
    if (tokens[i + 1].is_symbol('(')) {
      called.insert(name);
    }
    // [FROM|JOIN|,] [namespace.] table [AS] [alias]
    const bool after_dot = i > 1 && tokens[i - 1].is_symbol('.');
    const std::size_t before = after_dot ? i - 2 : i;
    const bool in_from =
        before > 0 && (tokens[before - 1].is("FROM") || tokens[before - 1].is("JOIN") ||
                       tokens[before - 1].is_symbol(','));
    const auto table = table_named(name);
    if (!table || !in_from || tokens[i + 1].is_symbol('.')) {
      continue;
    }
    tables.insert(*table);
    aliases[name] = *table;
    const std::size_t alias = i + 1 + (tokens[i + 1].is("AS") ? 1U : 0U);
    if (tokens[alias].is_name()) {
      aliases[to_lower(tokens[alias].value)] = *table;
    }
  }
  for (const Column& column : question.columns) {
    if (words.contains(column.name) && tables.contains(column.table)) {
      columns.push_back(&column);
    }
  }
}

}  // namespace lakehouse::answer
