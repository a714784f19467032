#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "catalog/catalog.h"
#include "iceberg/table_metadata.h"

/// \file
/// A SELECT as DuckDB parsed it, as Trino's SQL.

namespace lakehouse::query {

/// A table of a statement, and the state of it that the statement reads.
struct PinnedTable {
  catalog::TableIdentifier identifier;
  std::shared_ptr<const iceberg::TableMetadata> metadata;
  const iceberg::Snapshot* snapshot = nullptr;  ///< In `metadata`; null: the table has no rows.
  const iceberg::Schema* schema = nullptr;      ///< In `metadata`: what the statement sees.
};

/// The member that marks a table reference in a tree with its place in a list of PinnedTables.
inline constexpr std::string_view kPinnedMember = "lh_table";

/// The statement for Trino, where `catalog` is this server's name. Each table is read at its
/// snapshot. `document` holds one SELECT whose tables are marked with `kPinnedMember`; what is not
/// marked is a CTE's name. Parameters become literals.
///
/// Only what is known to mean the same in both is translated, with the types that DuckDB gives to
/// expressions: an average of decimals is a DOUBLE, 1 / 2 is 0.5, NULLs are last. All else is
/// Unimplemented, by name.
Result<std::string> translate_to_trino(const boost::json::object& document,
                                       std::span<const PinnedTable> tables,
                                       const boost::json::value& parameters,
                                       std::string_view catalog);

}  // namespace lakehouse::query
