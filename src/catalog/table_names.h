#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/identifier.h"
#include "metastore/metastore.h"

namespace lakehouse::catalog {

/// What the table is called now, wherever it was renamed to; nothing if it is gone.
Result<std::optional<TableIdentifier>> table_of_uuid(const RequestContext& context,
                                                     metastore::Metastore& metastore,
                                                     std::string_view uuid);

}  // namespace lakehouse::catalog
