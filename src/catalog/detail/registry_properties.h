#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "catalog/registry.h"
#include "iceberg/schema.h"
#include "iceberg/table_metadata.h"
#include "iceberg/table_update.h"

/// \file
/// How an entry is written into a table's properties, and what changes it. Pure.

namespace lakehouse::catalog::detail {

/// The changes that take a table's entry to another state.
struct RegistryEdit {
  iceberg::Properties set;
  std::vector<std::string> removed;
  boost::json::object changes;  ///< As RegistryChange::changes_json.

  [[nodiscard]] bool is_empty() const { return set.empty() && removed.empty(); }
  [[nodiscard]] std::vector<iceberg::TableUpdate> updates() const;
};

/// InvalidArgument as Registry::patch.
Result<RegistryEdit> plan_patch(const iceberg::TableMetadata& metadata, const RegistryPatch& patch);

RegistryEdit plan_proposals(const iceberg::TableMetadata& metadata,
                            std::span<const ColumnProposal> proposals);

/// A field of a schema, nested ones included, and its dotted path.
struct FieldPath {
  std::string path;
  std::int32_t id = 0;
};
/// Columns first, then what they hold, so that an exact name of a column wins.
std::vector<FieldPath> field_paths(const iceberg::Schema& schema);

}  // namespace lakehouse::catalog::detail
