#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "catalog/catalog.h"
#include "catalog/detail/rows.h"

namespace lakehouse::catalog {

/// Tables' pointers as they were at a version of the metastore: good as long as it has that one.
/// Thread-safe.
class Catalog::PointerCache {
 public:
  using Version = std::optional<std::int64_t>;

  /// `now` is the metastore's version, asked for after the caller was called.
  std::optional<Pointer> find(const TableIdentifier& table, Version now);
  /// `version` is from before the pointer was read.
  void remember(const TableIdentifier& table, Version version, const Pointer& pointer);

 private:
  std::mutex mutex_;  // Guards what follows.
  Version version_;   // All entries are of this one.
  std::unordered_map<std::string, Pointer> pointers_;
};

}  // namespace lakehouse::catalog
