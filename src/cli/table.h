#pragma once

#include <cstddef>
#include <string>

#include "cli/answer.h"

namespace lakehouse::cli {

/// The answer as an aligned table with a header, numbers to the right. With `width_max` (columns
/// of a terminal; 0 for any) long values are cut with an ellipsis, and if that is not enough,
/// columns in the middle are left out; the last line says so.
///
///  trade     | people
/// -----------+--------
///  warehouse |  13492
[[nodiscard]] std::string render_table(const Answer& answer, std::size_t width_max);

/// One line per value, for rows too wide to stand beside each other.
[[nodiscard]] std::string render_lines(const Answer& answer);

/// "(3 rows, 12 ms)", and what was cut.
[[nodiscard]] std::string render_summary(const Answer& answer, bool with_time);

}  // namespace lakehouse::cli
