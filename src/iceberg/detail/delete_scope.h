#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "iceberg/manifest.h"

namespace lakehouse::iceberg::detail {

/// The reserved column of position delete files: the data file that a row is deleted from.
inline constexpr std::int32_t kDeleteFilePathId = 2147483546;

/// The one data file that position deletes or a deletion vector are about, or nothing.
inline std::optional<std::string_view> referenced_file(const DataFile& deletes) {
  if (deletes.referenced_data_file) {
    return *deletes.referenced_data_file;
  }
  const std::string* lower = deletes.lower_bounds.find(kDeleteFilePathId);
  const std::string* upper = deletes.upper_bounds.find(kDeleteFilePathId);
  // A truncated upper bound is greater than what it was cut from, so equal bounds are whole.
  if (lower != nullptr && upper != nullptr && *lower == *upper) {
    return *lower;
  }
  return std::nullopt;
}

/// False if position deletes certainly have no row of the data file.
inline bool may_reference(const DataFile& deletes, std::string_view path) {
  if (deletes.referenced_data_file) {
    return *deletes.referenced_data_file == path;
  }
  const std::string* lower = deletes.lower_bounds.find(kDeleteFilePathId);
  const std::string* upper = deletes.upper_bounds.find(kDeleteFilePathId);
  return (lower == nullptr || std::string_view(*lower) <= path) &&
         (upper == nullptr || path <= std::string_view(*upper));
}

}  // namespace lakehouse::iceberg::detail
