#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lakehouse::ingest {

/// A file's column name as a table's: lower snake_case. "Order ID" -> "order_id", "unitPrice" ->
/// "unit_price", "Größe" -> "groesse", "%" -> "percent", "" -> "column_3" (`index` counts from 0).
/// Letters of other scripts stay. With `keep_dots`, dots (levels of nested JSON) stay.
std::string normalise_name(std::string_view name, std::size_t index, bool keep_dots);

/// All of them, made different where they are not: "a", "a" -> "a", "a_2".
std::vector<std::string> normalise_names(const std::vector<std::string>& names, bool keep_dots);

}  // namespace lakehouse::ingest
