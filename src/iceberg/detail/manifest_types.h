#pragma once

#include "iceberg/manifest.h"
#include "iceberg/schema.h"

namespace lakehouse::iceberg::detail {

/// The struct of a manifest's entries in a format version, fields in the order that they are
/// written in. `partition` is the struct type of the spec's tuples.
TypePtr manifest_entry_type(int format_version, TypePtr partition);

/// The struct of a manifest list's records.
TypePtr manifest_file_type(int format_version);

}  // namespace lakehouse::iceberg::detail
