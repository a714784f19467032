#include "catalog/table_names.h"

#include <string>

#include "catalog/detail/rows.h"

namespace lakehouse::catalog {

Result<std::optional<TableIdentifier>> table_of_uuid(const RequestContext& context,
                                                     metastore::Metastore& metastore,
                                                     std::string_view uuid) {
  std::optional<TableIdentifier> table;
  LH_RETURN_IF_ERROR(metastore.read(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT namespace, name FROM tables WHERE uuid = $1",
                                          {std::string(uuid)}));
    if (!rows.empty()) {
      table = TableIdentifier{.name_space = detail::namespace_of(metastore::text(rows[0][0])),
                              .name = metastore::text(rows[0][1])};
    }
    return {};
  }));
  return table;
}

}  // namespace lakehouse::catalog
