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
/// For lists by number, the highest first: the number that the page's are below. The token is the
/// last number of the page before.
Result<std::int64_t> number_of_token(std::string_view page_token);

Result<bool> namespace_is_there(metastore::Transaction& transaction, const Namespace& name_space);
/// Makes the namespace and its parents, those that are missing.
Status make_namespaces(metastore::Transaction& transaction, const Namespace& name_space,
                       std::int64_t now_ms);
std::unexpected<Error> no_namespace(const Namespace& name_space);
std::unexpected<Error> no_table(const TableIdentifier& table);
std::unexpected<Error> no_view(const TableIdentifier& view);

/// What has a name in a namespace: tables and views share them.
enum class Kind : std::uint8_t { Nothing, Table, View };
Result<Kind> kind_of(metastore::Transaction& transaction, const TableIdentifier& name);
/// AlreadyExists if there is anything of that name, in the words for who wants to make a `wanted`
/// of it; NotFound if there is no such namespace.
Status check_new_name(metastore::Transaction& transaction, const TableIdentifier& name,
                      Kind wanted);
/// The same for who renames.
Status check_rename(metastore::Transaction& transaction, const TableIdentifier& from,
                    const TableIdentifier& to);
/// The tables and views whose location is `location`, or lies within it or around it.
Result<std::vector<TableIdentifier>> datasets_at(metastore::Transaction& transaction,
                                                 const std::string& location);

/// A page of the names in a namespace. `sql` selects them by $1, the namespace's path, $2, the name
/// that the page begins after, and $3, its LIMIT.
Result<Page<TableIdentifier>> page_of_names(metastore::Transaction& transaction,
                                            std::string_view sql, const Namespace& name_space,
                                            const PageRequest& page);

/// A query's LIMIT for a page: one more than wanted, to know whether there is a next one.
[[nodiscard]] std::int64_t fetch_limit(const PageRequest& page);

}  // namespace detail
}  // namespace lakehouse::catalog
