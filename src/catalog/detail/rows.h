#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "metastore/metastore.h"

/// \file
/// What the catalog's rows in the metastore mean.

namespace lakehouse::catalog {

/// Where a table's current metadata is.
struct Catalog::Pointer {
  std::string uuid;
  std::string metadata_location;
  std::string location;
};

namespace detail {

/// A namespace's key in the metastore. Reversible: no level may contain the separator.
[[nodiscard]] std::string path_of(const Namespace& name_space);
[[nodiscard]] Namespace namespace_of(std::string_view path);

/// Page tokens: the last item of the page before, in a form that shows nothing of it.
[[nodiscard]] std::string page_token(std::string_view last);
Result<std::string> last_of(std::string_view page_token);

Result<bool> namespace_is_there(metastore::Transaction& transaction, const Namespace& name_space);
std::unexpected<Error> no_namespace(const Namespace& name_space);
std::unexpected<Error> no_table(const TableIdentifier& table);
std::unexpected<Error> table_exists(const TableIdentifier& table);

/// A query's LIMIT for a page: one more than wanted, to know whether there is a next one.
[[nodiscard]] std::int64_t fetch_limit(const PageRequest& page);

}  // namespace detail
}  // namespace lakehouse::catalog
