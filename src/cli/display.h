#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// \file
/// Text made fit for a terminal.

namespace lakehouse::cli {

/// How many columns of a terminal `text` takes: 2 for wide characters, 0 for combining marks, 1
/// for each byte that is not UTF-8.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// At most `width` columns of `text`; if something is cut, the last one is an ellipsis.
[[nodiscard]] std::string fit(std::string_view text, std::size_t width);

/// Control characters become "\n", "\t" or "\x1b", so that data can neither break a table nor
/// command the terminal.
[[nodiscard]] std::string printable(std::string_view text);

/// "1,234,567".
[[nodiscard]] std::string with_thousands(std::uint64_t number);
/// "1.5 MB" of 1,000,000 bytes each.
[[nodiscard]] std::string human_bytes(double bytes);
/// "12 ms", "3.4 s", "2 min 05 s".
[[nodiscard]] std::string human_seconds(double seconds);

/// The columns of the terminal at `fd`; 0 if it is none.
[[nodiscard]] std::size_t terminal_width(int fd);

}  // namespace lakehouse::cli
