#pragma once

#include <string>
#include <string_view>

namespace lakehouse::query {

/// What is kept of a statement beside what it did: its first 2,000 bytes, whole characters only.
std::string sql_excerpt(std::string_view sql);

}  // namespace lakehouse::query
