#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "storage/object_store.h"

namespace lakehouse::storage {

/// Folders of this machine that are in no bucket, and in which small files may be put all the same
/// when a client names a place there. Thread-safe: immutable.
class OutsideFolders {
 public:
  /// Absolute paths; others are ignored.
  explicit OutsideFolders(std::vector<std::string> folders);

  /// True if the location ("file:///x/y", "/x/y") is of a file below one of the folders, with
  /// nothing in it that could lead elsewhere.
  [[nodiscard]] bool allows(std::string_view location) const;

  /// InvalidArgument unless `allows`. Else as those of Buckets; folders are made as needed.
  Result<Bytes> read(const RequestContext& context, std::string_view location) const;
  Status write_new(const RequestContext& context, std::string_view location,
                   std::span<const std::byte> bytes) const;
  Status remove(const RequestContext& context, std::string_view location) const;

 private:
  std::vector<std::string> folders_;  // Each with a slash at its end.
};

}  // namespace lakehouse::storage
