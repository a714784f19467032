#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lakehouse::catalog {

/// A namespace's levels, outermost first. Empty is the root, which holds namespaces only.
using Namespace = std::vector<std::string>;

/// A table by name. Names are kept and compared byte for byte; `resolve_dataset` is more lenient.
struct TableIdentifier {
  Namespace name_space;
  std::string name;

  friend bool operator==(const TableIdentifier&, const TableIdentifier&) = default;
  friend auto operator<=>(const TableIdentifier&, const TableIdentifier&) = default;
};

/// "a.b", for people. Not reversible: a level may hold a dot.
[[nodiscard]] std::string to_string(const Namespace& name_space);
/// "a.b.t": what the rest of the API calls a dataset.
[[nodiscard]] std::string to_string(const TableIdentifier& table);

/// InvalidArgument unless `name` can name a table or one level of a namespace at every door: valid
/// UTF-8, 1 to 255 bytes, no control characters, and neither "." nor "..". Quotes, slashes, dots,
/// spaces and percent signs are allowed: locations hold them percent-encoded. `what` names it in
/// the message: "the table's name".
Status check_name(std::string_view name, std::string_view what);
/// The same for every level; the root, and more than 16 levels, are InvalidArgument too.
Status check_namespace(const Namespace& name_space);
Status check_identifier(const TableIdentifier& table);

}  // namespace lakehouse::catalog
