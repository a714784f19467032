#pragma once

#include <string_view>

namespace lakehouse::engine {

/// The node of a VARCHAR constant in a tree, U+001F: what lists of paths in variables are split by.
/// DuckDB plans a statement with getvariable() twice, but once where a table function's argument is
/// a parameter: the child takes this constant for one where it can.
inline constexpr std::string_view kSeparatorNode =
    R"({"class":"CONSTANT","type":"VALUE_CONSTANT","value":)"
    R"({"type":{"id":"VARCHAR"},"is_null":false,"value":"\u001F"}})";

}  // namespace lakehouse::engine
