#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lakehouse::ingest {

/// The fields, names and types, of DuckDB's STRUCT(a BIGINT, "b c" STRUCT(...)); empty if the type
/// is no struct itself (a list of structs is none).
std::vector<std::pair<std::string, std::string>> struct_fields(std::string_view type);

}  // namespace lakehouse::ingest
