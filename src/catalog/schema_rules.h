#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/schema_diff.h"
#include "metastore/metastore.h"

namespace lakehouse::catalog {

/// What was decided about a column of a source's files, for the next one.
///
///   Rename   a column headed `header` is the table's field
///   Cast     its values are converted to the field's type, even if that may lose something
///   Default  the field is `value` where a file has no column headed so
///   Drop     a column headed `header` is not read
struct SchemaRule {
  std::string source = {};  ///< Where the files are from; empty: wherever.
  MigrationRule::Kind kind = MigrationRule::Kind::Rename;
  std::string header = {};    ///< As a name of the table: "order_id" for "Order ID".
  std::int32_t field_id = 0;  ///< Stays when the table's column is renamed; 0 for Drop.
  std::optional<std::string> value = {};
  std::string principal = {};
  std::int64_t created_at_ms = 0;
  friend bool operator==(const SchemaRule&, const SchemaRule&) = default;
};

/// Rules by table, kept in the metastore. Thread-safe; outlived by the metastore.
class SchemaRules {
 public:
  explicit SchemaRules(metastore::Metastore& metastore) : metastore_(metastore) {}

  /// In the transaction that changes the table. Replaces an earlier rule of the same source, kind
  /// and header.
  static Status remember(metastore::Transaction& transaction, std::string_view table_uuid,
                         const SchemaRule& rule);

  /// All of them in a transaction of their own, in which `also` runs, too.
  Status remember_all(const RequestContext& context, std::string_view table_uuid,
                      std::span<const SchemaRule> rules,
                      const std::function<Status(metastore::Transaction&)>& also);

  /// By source, kind and header.
  Result<std::vector<SchemaRule>> list(const RequestContext& context, std::string_view table_uuid);

  /// Those for a source: its own, and for headers that it has none for those of all sources.
  Result<std::vector<SchemaRule>> rules_for(const RequestContext& context,
                                            std::string_view table_uuid, std::string_view source);

  /// Of one source (empty: those of all sources). How many there were.
  Result<std::int64_t> forget(const RequestContext& context, std::string_view table_uuid,
                              std::string_view source);

 private:
  metastore::Metastore& metastore_;
};

}  // namespace lakehouse::catalog
