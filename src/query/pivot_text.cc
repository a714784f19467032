#include "query/pivot_text.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "query/sql_lexer.h"

namespace lakehouse::query {
namespace {

const std::string kInsertion = " IN " + std::string(kPivotMarker) + " ";

bool opens(const Token& token) {
  return token.is_symbol('(') || token.is_symbol('[') || token.is_symbol('{');
}
bool closes(const Token& token) {
  return token.is_symbol(')') || token.is_symbol(']') || token.is_symbol('}');
}

class Finder {
 public:
  explicit Finder(const std::vector<Token>& tokens) : tokens_(tokens) {}

  std::vector<std::size_t> run() {
    for (std::size_t i = 0; i + 1 < tokens_.size(); ++i) {
      if ((tokens_[i].is("PIVOT") || tokens_[i].is("PIVOT_WIDER")) && !is_standard(i + 1)) {
        statement(i + 1);
      }
    }
    std::ranges::sort(places_);
    return std::move(places_);
  }

 private:
  /// PIVOT (sum(x) FOR y IN (...)), behind a table.
  [[nodiscard]] bool is_standard(std::size_t at) const {
    if (!tokens_[at].is_symbol('(')) {
      return false;
    }
    std::size_t depth = 0;
    for (; at < tokens_.size(); ++at) {
      depth += opens(tokens_[at]) ? 1U : 0U;
      depth -= closes(tokens_[at]) && depth > 0 ? 1U : 0U;
      if (depth == 0 || (depth == 1 && tokens_[at].is("FOR"))) {
        return depth == 1;
      }
    }
    return false;
  }

  /// From behind the word PIVOT: to its ON, which is the one that belongs to no join.
  void statement(std::size_t at) {
    std::size_t depth = 0;
    std::size_t joins = 0;
    for (; at + 1 < tokens_.size(); ++at) {
      const Token& token = tokens_[at];
      if (closes(token) && depth == 0) {
        return;
      }
      depth += opens(token) ? 1U : 0U;
      depth -= closes(token) ? 1U : 0U;
      if (depth > 0) {
        continue;
      }
      const Token& before = tokens_[at - 1];
      if (token.is("JOIN") && !before.is("CROSS") && !before.is("POSITIONAL") && !is_natural(at)) {
        ++joins;
      } else if (joins > 0 && (token.is("ON") || token.is("USING"))) {
        --joins;
      } else if (token.is("ON")) {
        return columns(at + 1);
      }
    }
  }
  [[nodiscard]] bool is_natural(std::size_t join) const {
    for (std::size_t back = 1; back <= 3 && back <= join; ++back) {
      if (tokens_[join - back].is("NATURAL")) {
        return true;
      }
    }
    return false;
  }

  static bool ends_columns(const Token& token) {
    constexpr std::string_view kWords[] = {"USING", "GROUP",  "ORDER",     "LIMIT",
                                           "UNION", "EXCEPT", "INTERSECT", "OFFSET"};
    return token.kind == TokenKind::End || token.is_symbol(';') ||
           std::ranges::any_of(kWords, [&](std::string_view word) { return token.is(word); });
  }

  void columns(std::size_t at) {
    std::size_t depth = 0;
    std::size_t cases = 0;
    bool has_list = false;
    const std::size_t begin = at;
    for (; at < tokens_.size(); ++at) {
      const Token& token = tokens_[at];
      const bool ends = depth == 0 && (ends_columns(token) || closes(token));
      if (ends || (depth == 0 && token.is_symbol(','))) {
        if (!has_list && at > begin) {
          places_.push_back(tokens_[at - 1].end());
        }
        has_list = false;
        if (ends) {
          return;
        }
      }
      depth += opens(token) ? 1U : 0U;
      depth -= closes(token) && depth > 0 ? 1U : 0U;
      if (depth == 0) {
        cases += token.is("CASE") ? 1U : 0U;
        cases -= token.is("END") && cases > 0 ? 1U : 0U;
        has_list = has_list || (cases == 0 && token.is("IN"));
      }
    }
  }

  const std::vector<Token>& tokens_;
  std::vector<std::size_t> places_;
};

}  // namespace

std::size_t MarkedPivots::original(std::size_t at) const {
  std::size_t shift = 0;
  for (const std::size_t place : places) {
    if (at <= place + shift) {
      break;
    }
    shift += std::min(kInsertion.size(), at - (place + shift));
  }
  return at - shift;
}

MarkedPivots mark_pivots(std::string_view sql) {
  const auto tokens = tokenize(sql);
  if (!tokens) {
    return {};
  }
  MarkedPivots out;
  out.places = Finder(*tokens).run();
  std::size_t from = 0;
  for (const std::size_t place : out.places) {
    out.sql.append(sql.substr(from, place - from)).append(kInsertion);
    from = place;
  }
  out.sql.append(sql.substr(from));
  return out;
}

}  // namespace lakehouse::query
