#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// Small things done to text: the one quoting function per language, and the nearest name.

namespace lakehouse {

/// `name` as a SQL identifier: always in double quotes, inner ones doubled.
std::string quote_sql_identifier(std::string_view name);

/// `text` as a SQL string literal: in single quotes, inner ones doubled.
std::string quote_sql_literal(std::string_view text);

/// `text` percent-encoded as one segment of a URI path: "a b/c" -> "a%20b%2Fc".
std::string encode_path_segment(std::string_view text);

/// At most `count_max` of `names` that `wanted` is likely a slip of, nearest first. Compares
/// without case; a name more than a third of its length away is not near.
std::vector<std::string> nearest_names(std::string_view wanted, std::span<const std::string> names,
                                       std::size_t count_max = 3);

/// A hint for an unknown name: "Did you mean 'a' or 'b'?", or empty if none is near.
std::string did_you_mean(std::string_view wanted, std::span<const std::string> names);

/// ASCII lower case; other bytes stay.
std::string to_lower(std::string_view text);

bool is_valid_utf8(std::string_view text);

/// `text` if it is UTF-8; else with \xNN for each byte above ASCII: for messages that quote what a
/// caller sent.
std::string as_utf8(std::string_view text);

}  // namespace lakehouse
