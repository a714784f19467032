#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "metastore/detail/connection.h"

namespace lakehouse::metastore::detail {

/// What a kind of store does in its own way when its tables are made.
struct SchemaDialect {
  std::string store;  ///< What messages call it.
  /// One row for each table that there is.
  std::string_view tables_sql;
  std::string hint;  ///< What to do about tables that are not ours.
  std::string (*adapt)(std::string_view statement) = nullptr;
};

/// Brings the tables to the newest version, in the transaction that is open. FailedPrecondition if
/// they are of a newer version of this program, or of another one.
Status migrate(Connection& connection, const SchemaDialect& dialect);

}  // namespace lakehouse::metastore::detail
