#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "query/rewrite.h"

/// \file
/// What the catalog shows of itself as tables: SHOW TABLES, information_schema.

namespace lakehouse::query {

/// A SELECT of constants with the columns that DuckDB gives for the statement.
Result<boost::json::object> show_source(const RequestContext& context, catalog::Catalog& catalog,
                                        const ShowReference& show);

/// The same for information_schema.schemata, .tables, .columns, and the dataset registry's
/// .datasets and .column_notes; nothing if the name is none of them.
Result<std::optional<boost::json::object>> system_table_source(
    const RequestContext& context, catalog::Catalog& catalog,
    const std::vector<std::string>& parts);

}  // namespace lakehouse::query
