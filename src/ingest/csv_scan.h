#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace lakehouse::ingest {

struct CsvScan {
  char delimiter = ',';
  char quote = '"';  ///< '\0': none.
  /// For each column the character that its values must not hold ('.' for whole numbers, ':' for
  /// dates), or '\0'.
  std::vector<char> forbidden;
};

/// The columns, by index, in which some value holds what it must not: values that a cast would
/// silently round or cut. Only the first line may be a header; it is skipped if `header`. About a
/// gigabyte a second. Unavailable if the file cannot be read.
Result<std::vector<std::size_t>> find_lossy_columns(const std::string& path, const CsvScan& scan,
                                                    std::int64_t lines_to_skip);

}  // namespace lakehouse::ingest
