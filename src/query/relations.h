#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"

namespace lakehouse::query {

/// What names in a statement, or in a view's definition, are looked up by.
struct NameScope {
  catalog::Namespace default_namespace;  ///< Of single names; empty: the catalog's default.
  std::string default_catalog;           ///< Stands for this catalog, whatever it is called.
};

struct Relation {
  catalog::TableIdentifier identifier;
  bool is_view = false;
};

/// The table or view that a statement names: exactly, else as the only one that differs in case.
/// NotFound, with the nearest names; InvalidArgument if several may be meant.
Result<Relation> find_relation(const RequestContext& context, catalog::Catalog& catalog,
                               const std::vector<std::string>& parts, const NameScope& scope);

}  // namespace lakehouse::query
