#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "answer/ask_prompt.h"
#include "answer/schema_linking.h"
#include "query/sql_lexer.h"

/// \file
/// A question and a statement as doubts hold them against each other: by their words, stems,
/// numbers and names.

namespace lakehouse::answer {

/// The stems of a text, in its order.
using Terms = std::vector<std::string>;
/// Words that are known beforehand.
using Words = std::span<const std::string_view>;
using Names = std::set<std::string, std::less<>>;

bool is_in(Words words, std::string_view word);
bool has_any(const std::vector<std::string>& words, Words wanted);
bool is_digit(char c);

/// The numbers of `text`: "$30,000" is 30000; "M5" and "2024-01-31" hold none if `are_whole`.
std::vector<double> numbers_in(std::string_view text, bool are_whole);

Terms terms_in(std::string_view text);

/// True if the stems of `part` follow each other in `whole`; not if there are none.
bool contains(const Terms& whole, const Terms& part);

/// The words and numbers of a text, in lower case.
std::vector<std::string> words_in(std::string_view text);

struct Column {
  std::size_t table = 0;
  std::string name;  ///< In lower case.
  Terms terms;
};

/// The question and what it is about.
struct Question {
  explicit Question(const AskPrompt& prompt);

  [[nodiscard]] bool speaks_of(Words any) const { return has_any(told_words, any); }
  /// Of what stands in several columns' names, the word at `i` is a part of one: "highest point".
  [[nodiscard]] bool is_in_column_name(std::size_t i) const;

  const AskPrompt& prompt;
  std::string text;                ///< Without today.
  std::vector<std::string> words;  ///< Its words, in lower case,
  Terms terms;                     ///< and their stems, one each.
  std::string told;                ///< With the hint and today, in lower case.
  std::vector<std::string> told_words;
  Terms told_terms;
  std::set<double> numbers;  ///< That a statement may use.
  std::vector<Terms> table_terms;
  std::vector<Column> columns;
  std::vector<LikelyJoin> joins;
};

/// A statement by its tokens.
struct Statement {
  Statement(const Question& question, const std::vector<query::Token>& all);

  [[nodiscard]] bool has(std::string_view word) const { return words.contains(word); }
  [[nodiscard]] bool calls(std::string_view function) const { return called.contains(function); }
  [[nodiscard]] bool has_symbol(char symbol) const {
    return std::ranges::any_of(tokens,
                               [&](const query::Token& one) { return one.is_symbol(symbol); });
  }
  [[nodiscard]] bool has_sequence(std::initializer_list<std::string_view> wanted) const;

  std::span<const query::Token> tokens;
  std::vector<std::string> strings;  ///< What stands between quotes.
  Names words;                       ///< Unquoted, in lower case; no names given by AS.
  Names bare;                        ///< Those with no table before them.
  Names called;                      ///< Functions.
  std::set<std::size_t> tables;
  std::vector<const Column*> columns;
  /// Tables by what the statement calls them.
  std::map<std::string, std::size_t, std::less<>> aliases;
};

/// What a string token holds: '' is one quote.
std::string literal_of(const query::Token& token);

}  // namespace lakehouse::answer
