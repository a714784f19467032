#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "governance/table_policy.h"
#include "query/rewrite.h"

/// \file
/// What the catalog shows of itself as tables: SHOW TABLES, information_schema.

namespace lakehouse::query {

/// A SELECT of constants with the columns that DuckDB gives for the statement. What a policy hides
/// is left out, here and below: columns, and tables of which nothing may be seen. Without policies
/// there is nothing hidden. A table that cannot be read does not keep others from being shown.
Result<boost::json::object> show_source(const RequestContext& context, catalog::Catalog& catalog,
                                        governance::TablePolicies* policies,
                                        const ShowReference& show);

/// The same for information_schema.schemata, .tables, .views, .columns, and the dataset registry's
/// .datasets and .column_notes; nothing if the name is none of them.
Result<std::optional<boost::json::object>> system_table_source(
    const RequestContext& context, catalog::Catalog& catalog, governance::TablePolicies* policies,
    const std::vector<std::string>& parts);

}  // namespace lakehouse::query
