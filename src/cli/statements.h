#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lakehouse::cli {

/// A text of SQL cut at the semicolons that end statements: not at those in strings, quoted names,
/// comments or dollar quotes, nor at those in a transaction: BEGIN; ...; COMMIT is one statement.
struct SplitText {
  /// From the first word to the semicolon, without it; none is blank.
  std::vector<std::string> statements;
  /// What is begun after the last semicolon; empty if that is blanks and comments.
  std::string rest;
};
[[nodiscard]] SplitText split_statements(std::string_view text);

/// True if there is nothing to run in `text`: blanks and whole comments.
[[nodiscard]] bool is_blank_sql(std::string_view text);

}  // namespace lakehouse::cli
