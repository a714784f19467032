#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "catalog/lineage.h"

/// \file
/// How lineage is written down.

namespace lakehouse::catalog::detail {

/// Of a name that `to_string` gave; a source for any other.
[[nodiscard]] LineageNodeKind node_kind_from(std::string_view name);

/// The same for each run of one kind from the same inputs.
[[nodiscard]] std::string job_key(const LineageRun& run);

boost::json::array inputs_to_json(const std::vector<LineageInput>& inputs);
/// What is malformed is left out.
std::vector<LineageInput> inputs_from_json(const boost::json::value& value);

}  // namespace lakehouse::catalog::detail
