#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "query/query_service.h"

namespace lakehouse::query::fuzz {

/// Rows that a statement may have before it is cut, and with it any comparison.
inline constexpr std::uint64_t kRowsMax = 2000;

/// What a statement came to, in a form that can be compared.
struct Answer {
  bool is_ok = false;
  bool is_cut = false;  ///< By kRowsMax.
  ErrorCode code = ErrorCode::Internal;
  std::string message;             ///< And hint, if it failed.
  std::vector<std::string> names;  ///< Of the columns: lower case, without quotes and blanks.
  std::vector<std::string> types;
  /// Sorted; numbers with nine digits, so that the order of a sum does not show.
  std::vector<std::string> rows;
  std::string raw;  ///< As it came.
};

/// Of a lake's service, as `principal`.
Answer ask(QueryService& service, const std::string& principal, const std::string& sql);

/// Of an engine as it is.
Answer ask(engine::Engine& engine, const std::string& sql);

/// The texts and numbers worth hiding (tables.h) in a text.
std::vector<std::string> secrets_in(const std::string& text);

}  // namespace lakehouse::query::fuzz
