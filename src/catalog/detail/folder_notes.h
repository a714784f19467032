#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/detail/rows.h"
#include "catalog/identifier.h"
#include "storage/buckets.h"

/// \file
/// Which name a dataset's folder belongs to, for the day when the metastore is lost. The folder of
/// a new dataset says it by its own name; where that is not enough or not true any more, an object
/// `_catalog.json` in the folder says it. Clients that look for orphans pass such names over.

namespace lakehouse::catalog::detail {

struct FolderNote {
  Kind kind = Kind::Nothing;
  TableIdentifier identifier;
  bool dropped = false;  ///< The files were left when the dataset was dropped.
};

/// The name that `table_key` made this key of; nothing if it made it of none.
[[nodiscard]] std::optional<TableIdentifier> identifier_of_key(std::string_view key,
                                                               std::string_view uuid);

/// NotFound if the folder has none.
Result<FolderNote> read_note(const RequestContext& context, const storage::Buckets& buckets,
                             const std::string& location);

/// Makes the folder say the dataset's name, after it got that name. Best effort: the metastore is
/// what counts.
void note_name(const storage::Buckets& buckets, const std::string& location, std::string_view uuid,
               Kind kind, const TableIdentifier& identifier);
/// Makes the folder say that the dataset was dropped and its files were left.
void note_dropped(const storage::Buckets& buckets, const std::string& location, Kind kind,
                  const TableIdentifier& identifier);

}  // namespace lakehouse::catalog::detail
