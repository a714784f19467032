#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace lakehouse::metastore {

/// One step of the schema: statements in the SQL that SQLite and PostgreSQL share. A step that was
/// released never changes; the next change is a new step at the end.
struct Migration {
  std::int64_t version = 0;
  std::span<const std::string_view> statements;
};

/// All of them, oldest first, versions 1, 2, 3...
std::span<const Migration> migrations();

}  // namespace lakehouse::metastore
