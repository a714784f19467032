#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/http_client.h"

namespace lakehouse::cli {

/// "error: ...", "hint: ..." and, for SQL with a position, the line with a caret under the place:
///
///   error: Referenced column "nothing" not found
///     2 |   nothing FROM numbers
///       |   ^
///   hint: Did you mean 'number'?
[[nodiscard]] std::string describe(const Problem& problem, std::string_view sql = {});
[[nodiscard]] std::string describe(const Error& error);

/// Prints what kept a request from being answered, and returns the exit code for it.
int report_no_answer(const Error& error);
/// Prints what the server refused, and returns the exit code for it.
int report(const Problem& problem, std::string_view sql = {});

}  // namespace lakehouse::cli
