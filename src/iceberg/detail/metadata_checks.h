#pragma once

#include <string>

#include "base/error.h"
#include "iceberg/table_metadata.h"

namespace lakehouse::iceberg::detail {

/// What must hold in any table metadata, read or built: ids name things that exist and are unique,
/// refs and snapshots fit, logs are in order. InvalidArgument says what does not.
Status check_metadata(const TableMetadata& metadata);

void strip_trailing_slashes(std::string& location);

}  // namespace lakehouse::iceberg::detail
