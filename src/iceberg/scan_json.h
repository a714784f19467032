#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "iceberg/scan.h"
#include "iceberg/schema.h"

/// \file
/// Planned files in the JSON of the REST protocol. Source: the REST catalog spec, "ScanTasks".

namespace lakehouse::iceberg {

/// Appends the members "file-scan-tasks" and, if there are any, "delete-files" of an object,
/// without braces. Each task has its residual, said with the names of `schema`. Column metrics are
/// sent for the fields of `stats` (ascending), with bounds in the binary form as hexadecimal: that
/// is what the reference implementation's clients read. Linear, and without a document in between.
void append_scan_tasks(std::string& out, const ScanPlan& plan, const Filter& filter,
                       const Schema& schema, std::span<const std::int32_t> stats);

}  // namespace lakehouse::iceberg
