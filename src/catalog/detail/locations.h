#pragma once

#include <string>
#include <string_view>

#include "catalog/identifier.h"

namespace lakehouse::catalog::detail {

/// The key of the folder that holds a namespace's tables, unless they were renamed or registered.
[[nodiscard]] std::string namespace_key(const Namespace& name_space);

/// The key of a new table's folder in its bucket: the names percent-encoded, shortened where a file
/// system would not take them, and the end of the UUID, which makes it unlike any other table's.
[[nodiscard]] std::string table_key(const TableIdentifier& table, std::string_view uuid);

/// True if one location is the other or lies below it. Both without a slash at their ends.
[[nodiscard]] bool overlap(std::string_view a, std::string_view b);

}  // namespace lakehouse::catalog::detail
