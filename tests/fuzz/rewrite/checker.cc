#include "checker.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "base/text.h"
#include "query/sql_lexer.h"

namespace lakehouse::query::fuzz {
namespace {

/// How the rewriter says that it will not have something.
bool is_refusal(const Answer& answer) {
  static constexpr auto kWords = std::to_array<std::string_view>(
      {"gives a table", "is not allowed", "is not supported", "is not understood",
       "may not be called", "AT takes a constant", "nested too deeply", "there is no ",
       "keep no default", "a request holds one", "are not supported", "is reserved",
       "not a constant", "column \"rowid\" not found", "column named \"rowid\"",
       // An argument of a macro, which plain DuckDB was told to keep apart (plain_definitions).
       "cannot contain aggregates"});
  return !answer.is_ok &&
         (answer.code == ErrorCode::InvalidArgument || answer.code == ErrorCode::NotFound ||
          answer.code == ErrorCode::Unimplemented) &&
         std::ranges::any_of(kWords, [&](auto word) { return answer.message.contains(word); });
}

/// Failed while it ran, not while it was bound.
bool is_late(const Answer& answer) {
  static constexpr auto kWords = std::to_array<std::string_view>({"ould not convert",
                                                                  "ould not cast",
                                                                  "Cannot cast",
                                                                  "Failed to cast value",
                                                                  "can't be cast",
                                                                  "Unimplemented type for cast",
                                                                  "out of range",
                                                                  "Out of Range",
                                                                  "verflow",
                                                                  "Conversion",
                                                                  "deliberate",
                                                                  "Invalid Input",
                                                                  "failed on",
                                                                  "More than one row",
                                                                  "invalid date field",
                                                                  "invalid timestamp field",
                                                                  "invalid time field",
                                                                  "missing )",
                                                                  "Invalid UTF8 Codepoint",
                                                                  "bit conversion",
                                                                  "no argument for repetition",
                                                                  "bad repetition"});
  return !answer.is_ok &&
         std::ranges::any_of(kWords, [&](auto word) { return answer.message.contains(word); });
}

bool is_out_of_time(const Answer& answer) {
  return !answer.is_ok &&
         (answer.code == ErrorCode::DeadlineExceeded ||
          answer.code == ErrorCode::ResourceExhausted || answer.code == ErrorCode::Cancelled);
}

bool hangs_on_chance(const std::string& sql) {
  static constexpr std::array<std::string_view, 12> kWords = {
      "random", "uuid",        "now(",    "current_",  "today", "sample",
      "approx", "get_current", "version", "reservoir", "user",  "summarize"};
  // DESCRIBE alone lists the tables, and each side has others beside.
  const auto tokens = tokenize(sql);
  const std::string lower = to_lower(sql);
  return (tokens && tokens->size() == 2) ||
         std::ranges::any_of(kWords, [&](auto word) { return lower.contains(word); });
}

std::string leaked(const Answer& ours, const Peer& peer, const std::string& sql) {
  for (const std::string& secret : secrets_in(ours.is_ok ? ours.raw : ours.message)) {
    // A sum of what is shown may well be the number of somebody else.
    const bool may_be_chance = ours.is_ok && secret.front() != 'Q';
    if (!may_be_chance && peer.all_secrets().contains(secret) &&
        !peer.shown_secrets().contains(secret) && !sql.contains(secret)) {
      return secret;
    }
  }
  return {};
}

bool same(const Answer& a, const Answer& b) {
  return a.is_ok == b.is_ok && (!a.is_ok || (a.rows == b.rows && a.types == b.types));
}

/// Asks plain DuckDB again with the same rows in other orders, and where it plans otherwise.
bool hangs_on_order(Peer& peer, const std::string& principal, const PolicySet& policies,
                    const std::string& sql, const Answer& theirs) {
  bool differs = false;
  for (std::size_t order = 1; order <= 6 && !differs; ++order) {
    const bool is_diluted = order > 4;
    peer.show(principal, policies, {order, is_diluted});
    const Answer other = peer.run(sql);
    // What is a view now can be less than a table, but what it answers is the same.
    differs = !same(other, theirs) && (other.is_ok || !is_diluted);
  }
  peer.show(principal, policies);
  return differs;
}

bool both_answer(const Answer& ours, const Answer& theirs) {
  return ours.is_ok && theirs.is_ok && ours.types == theirs.types;
}

/// A LIMIT or OFFSET of rows without an order leaves any of them: each side as many.
bool leaves_any_rows(const std::string& sql, const Answer& ours, const Answer& theirs) {
  const auto tokens = tokenize(sql);
  const auto count = [&](std::string_view word) {
    return tokens ? std::ranges::count_if(*tokens,
                                          [&](const Token& token) {
                                            return token.kind == TokenKind::Word &&
                                                   to_lower(token.text) == word;
                                          })
                  : 0;
  };
  return both_answer(ours, theirs) && ours.rows.size() == theirs.rows.size() &&
         std::max(count("limit"), count("offset")) > count("order");
}

/// The last digit of a sum hangs on the order of its parts, a frame of ROWS on that of its ties,
/// and here numbers are compared.
bool compares_what_hangs_on_order(const std::string& sql, const Answer& ours,
                                  const Answer& theirs) {
  static constexpr auto kSums = std::to_array<std::string_view>(
      {"stddev", "var_", "variance", "corr", "covar", "skewness", "kurtosis", "regr_", "sem(",
       "avg(", "fsum(", "kahan", " rows "});
  static constexpr auto kComparisons =
      std::to_array<std::string_view>({"except", "intersect", "union", "distinct"});
  const std::string lower = to_lower(sql);
  const auto holds = [&](std::string_view word) { return lower.contains(word); };
  return both_answer(ours, theirs) && std::ranges::any_of(kSums, holds) &&
         std::ranges::any_of(kComparisons, holds);
}

/// With the first rows that the other side does not have; if it has them all, with the first.
std::string described(const Answer& answer, const Answer& other) {
  if (!answer.is_ok) {
    return fmt::format("{}: {}", to_string(answer.code), answer.message);
  }
  std::string out = fmt::format("{} rows ({})", answer.rows.size(), fmt::join(answer.types, ", "));
  std::vector<std::string> only;
  std::ranges::set_difference(answer.rows, other.rows, std::back_inserter(only));
  const bool has_own = other.is_ok && !only.empty();
  const std::vector<std::string>& shown = has_own ? only : answer.rows;
  if (has_own) {
    out += fmt::format(", {} of them only here", only.size());
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(shown.size(), 5); ++i) {
    out += "\n    " + shown[i];
  }
  return out;
}

Verdict judge(const Answer& ours, const Answer& theirs, const Peer& peer, const std::string& sql) {
  if (!leaked(ours, peer, sql).empty()) {
    return Verdict::Leaks;
  }
  if (!theirs.is_ok && theirs.code == ErrorCode::Unavailable) {
    return Verdict::EndsDuckDb;
  }
  if (is_out_of_time(ours) || is_out_of_time(theirs) || ours.is_cut || theirs.is_cut) {
    return Verdict::Unclear;
  }
  // DuckDB has bugs of its own; and what it makes of a dynamic PIVOT is several statements.
  if (!theirs.is_ok && (theirs.code == ErrorCode::Internal ||
                        theirs.message.contains("Cannot prepare multiple statements"))) {
    return ours.is_ok ? Verdict::Unclear : Verdict::BothFailed;
  }
  if (!ours.is_ok && !theirs.is_ok && ours.code == theirs.code) {
    return Verdict::BothFailed;
  }
  if (!ours.is_ok && (ours.code == ErrorCode::Internal || ours.code == ErrorCode::Unavailable)) {
    return Verdict::Crashes;
  }
  if (!ours.is_ok && !theirs.is_ok) {
    return Verdict::BothFailed;
  }
  if (ours.is_ok && theirs.is_ok) {
    // What DESCRIBE says of an unaliased column is its expression, spelled in one way or another.
    const bool is_spelling =
        ours.rows.size() == theirs.rows.size() && to_lower(sql).contains("describe");
    return same(ours, theirs) ? Verdict::Same : is_spelling ? Verdict::Unclear : Verdict::Differs;
  }
  if (ours.is_ok) {
    return is_late(theirs) ? Verdict::LateError : Verdict::Differs;
  }
  if (is_refusal(ours)) {
    return Verdict::Refused;
  }
  // Only a row that is shown may be why: a cell in the message tells which one it was.
  return is_late(ours) ? Verdict::LateError : Verdict::Differs;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::Same: return "same";
    case Verdict::BothFailed: return "failed on both sides";
    case Verdict::Refused: return "refused";
    case Verdict::Unclear: return "unclear";
    case Verdict::LateError: return "failed on one side while running";
    case Verdict::EndsDuckDb: return "ended plain DuckDB";
    case Verdict::Differs: return "DIFFERS";
    case Verdict::Leaks: return "LEAKS";
    case Verdict::Crashes: return "CRASHES";
  }
  return "?";
}

Verdict check(QueryService& service, Peer& peer, const std::string& principal,
              const PolicySet& policies, const std::string& sql, std::string* detail) {
  const Answer theirs = peer.run(sql);
  const Answer ours = ask(service, principal, sql);
  Verdict verdict = judge(ours, theirs, peer, sql);
  if (verdict == Verdict::Differs && (hangs_on_chance(sql) || leaves_any_rows(sql, ours, theirs) ||
                                      compares_what_hangs_on_order(sql, ours, theirs) ||
                                      hangs_on_order(peer, principal, policies, sql, theirs))) {
    verdict = Verdict::Unclear;
  }
  if (detail != nullptr) {
    *detail =
        fmt::format("  ours:   {}\n  theirs: {}", described(ours, theirs), described(theirs, ours));
    if (verdict == Verdict::Leaks) {
      *detail += "\n  leaked: " + leaked(ours, peer, sql);
    }
  }
  return verdict;
}

Verdict explains(QueryService& service, const Peer& peer, const std::string& principal,
                 const std::string& sql, std::string* detail) {
  for (const char* how : {"EXPLAIN ", "EXPLAIN ANALYZE "}) {
    Answer plan = ask(service, principal, how + sql);
    const std::string secret = leaked(plan, peer, sql);
    if (!secret.empty()) {
      *detail = fmt::format("  {}tells {}:\n{}", how, secret, plan.raw);
      return Verdict::Leaks;
    }
  }
  return Verdict::Same;
}

std::string shrink(QueryService& service, Peer& peer, const std::string& principal,
                   const PolicySet& policies, std::string sql, Verdict verdict) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (std::size_t length = 64; length > 0; length /= 2) {
    std::size_t at = 0;
    while (std::chrono::steady_clock::now() < give_up) {
      const std::string before = sql;
      const auto tokens = tokenize(before);
      if (!tokens || at + length >= tokens->size()) {
        break;
      }
      const std::size_t begin = (*tokens)[at].position;
      const std::size_t end = (*tokens)[at + length].position;
      const std::string shorter = before.substr(0, begin) + before.substr(end);
      if (check(service, peer, principal, policies, shorter) == verdict) {
        sql = shorter;
      } else {
        ++at;
      }
    }
  }
  return sql;
}

}  // namespace lakehouse::query::fuzz
