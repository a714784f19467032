#include "query/log_text.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "query/sql_excerpt.h"
#include "query/sql_lexer.h"

namespace lakehouse::query {
namespace {

constexpr std::array<std::string_view, 24> kKinds = {
    "SELECT", "WITH",      "FROM",    "VALUES", "TABLE",  "PIVOT",  "UNPIVOT",  "DESCRIBE",
    "SHOW",   "SUMMARIZE", "EXPLAIN", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "MERGE",
    "BEGIN",  "CREATE",    "DROP",    "ALTER",  "COPY",   "SET",    "ATTACH",   "CALL"};

/// Only a word that is known to be a keyword: any other could be what must not be kept.
std::string kind_and_length(std::string_view sql, const std::vector<Token>* tokens) {
  std::string_view kind = "a statement";
  if (tokens != nullptr) {
    const auto known = std::ranges::find_if(
        kKinds, [&](std::string_view word) { return tokens->front().is(word); });
    kind = known == kKinds.end() ? kind : *known;
  }
  return fmt::format("{} ({} bytes)", kind, sql.size());
}

std::string masked(const std::vector<Token>& tokens, bool with_quoted_names) {
  std::string out;
  std::size_t end = tokens.front().position;
  for (const Token& token : tokens) {
    if (token.position > end && token.kind != TokenKind::End) {
      out.push_back(' ');
    }
    end = token.end();
    const bool is_literal = token.kind == TokenKind::String || token.kind == TokenKind::Number ||
                            (token.kind == TokenKind::QuotedIdentifier && !with_quoted_names);
    out += is_literal ? "?" : token.text;
  }
  return out;
}

}  // namespace

Result<LogText> log_text_from(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, LogText>, 3> kNames = {
      {{"full", LogText::Full}, {"masked", LogText::Masked}, {"off", LogText::Off}}};
  const auto* const found = std::ranges::find(kNames, name, &decltype(kNames)::value_type::first);
  return found != kNames.end() ? Result<LogText>(found->second)
                               : fail(ErrorCode::InvalidArgument,
                                      fmt::format("'{}' is neither full, masked nor off", name));
}

std::string log_text(LogText how, LogStage stage, std::string_view sql) {
  if (how == LogText::Full) {
    return sql_excerpt(sql);
  }
  const auto tokens = tokenize(sql);
  if (how == LogText::Off || stage == LogStage::Sent || !tokens) {
    return kind_and_length(sql, tokens ? &*tokens : nullptr);
  }
  return sql_excerpt(masked(*tokens, stage == LogStage::Bound));
}

}  // namespace lakehouse::query
