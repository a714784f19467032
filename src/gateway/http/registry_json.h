#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "catalog/lineage.h"
#include "catalog/registry.h"

/// \file
/// The dataset registry as JSON, for the doors that show it. Schemas stand beside what they
/// describe; they are texts of JSON Schema.

namespace lakehouse::gateway::http {

/// "2024-01-31T12:00:00.000Z".
std::string time_text(std::int64_t at_ms);
/// The same, or null.
boost::json::value time_or_null(const std::optional<std::int64_t>& at_ms);

/// The members of a dataset in a list that are known to the registry: description, owner,
/// sensitivity, tags, freshness. `kRegistryMembers` are their schemas, without braces.
void put_registry(boost::json::object& dataset, const catalog::RegistryEntry& entry,
                  const catalog::Freshness& freshness);
extern const std::string_view kRegistryMembers;

/// The members of a column: note, sensitivity, category, decided_by; none where nothing is known.
void put_column(boost::json::object& object, const catalog::ColumnEntry& column);
extern const std::string_view kColumnMembers;

/// The whole entry of a dataset; its schema is "DatasetMetadata".
boost::json::object metadata_to_json(const std::string& dataset,
                                     const catalog::RegistryEntry& entry,
                                     const catalog::Freshness& freshness);
std::string metadata_schema();

/// InvalidArgument names an unknown member, or one of another type.
Result<catalog::RegistryPatch> patch_from_json(const boost::json::value& body);
extern const std::string_view kPatchSchema;

boost::json::object change_to_json(const catalog::RegistryChange& change);
extern const std::string_view kChangeSchema;

boost::json::object graph_to_json(const catalog::LineageGraph& graph);
extern const std::string_view kGraphSchema;

boost::json::object run_to_json(const catalog::LineageRun& run);
extern const std::string_view kRunSchema;

}  // namespace lakehouse::gateway::http
