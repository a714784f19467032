#pragma once

#include <cstddef>

#include "iceberg/manifest.h"

namespace lakehouse::iceberg::detail {

/// What the value takes in memory, about.
std::size_t estimated_bytes(const DataFile& file);
std::size_t estimated_bytes(const ManifestFile& file);

}  // namespace lakehouse::iceberg::detail
