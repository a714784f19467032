#include "query/relations.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "query/planner.h"

namespace lakehouse::query {
namespace {

using catalog::TableIdentifier;
using Names = std::vector<std::string>;

std::string dotted(const Names& parts) {
  return fmt::format("{}", fmt::join(parts, "."));
}

/// What the parts may spell, the likeliest first.
std::vector<Names> spellings(const Names& parts, const NameScope& scope) {
  std::vector<Names> out;
  if (parts.size() == 1 && !scope.default_namespace.empty()) {
    Names full(scope.default_namespace.begin(), scope.default_namespace.end());
    full.push_back(parts.front());
    out.push_back(std::move(full));
  }
  out.push_back(parts);
  if (parts.size() > 1 && (to_lower(parts.front()) == "lake" ||
                           (!scope.default_catalog.empty() &&
                            to_lower(parts.front()) == to_lower(scope.default_catalog)))) {
    out.emplace_back(parts.begin() + 1, parts.end());
  }
  return out;
}

/// The identifiers that a name may be, taken exactly.
std::vector<TableIdentifier> identifiers(const Names& parts) {
  std::vector<TableIdentifier> out;
  if (parts.size() > 1 && parts.back().contains('.')) {
    // In quotes it is one name, dots and all, before it is anything else.
    out.push_back({.name_space = {parts.begin(), parts.end() - 1}, .name = parts.back()});
  }
  if (auto parsed = catalog::Catalog::parse_dataset(dotted(parts))) {
    out.push_back(*std::move(parsed));
  }
  return out;
}

/// The view whose name differs in case only.
Result<std::optional<TableIdentifier>> similar_view(const std::vector<TableIdentifier>& views,
                                                    const Names& parts) {
  std::vector<TableIdentifier> found;
  for (const TableIdentifier& wanted : identifiers(parts)) {
    const std::string name = to_lower(catalog::to_string(wanted));
    std::ranges::copy_if(views, std::back_inserter(found), [&name](const TableIdentifier& view) {
      return to_lower(catalog::to_string(view)) == name;
    });
  }
  if (found.size() > 1) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' may be {} or {}", dotted(parts), catalog::to_string(found[0]),
                            catalog::to_string(found[1])),
                "Write the name exactly.");
  }
  return found.empty() ? std::nullopt : std::optional(found.front());
}

}  // namespace

Result<Relation> find_relation(const RequestContext& context, catalog::Catalog& catalog,
                               const std::vector<std::string>& parts, const NameScope& scope) {
  const std::vector<Names> names = spellings(parts, scope);
  for (const Names& spelling : names) {
    for (TableIdentifier& one : identifiers(spelling)) {
      for (const bool is_view : {false, true}) {
        const auto is_there =
            is_view ? catalog.view_exists(context, one) : catalog.table_exists(context, one);
        if (is_there && *is_there) {
          return Relation{std::move(one), is_view};
        }
        if (!is_there && is_there.error().code != ErrorCode::InvalidArgument) {
          return std::unexpected(is_there.error());
        }
      }
    }
  }
  std::optional<Error> first;
  for (const Names& spelling : names) {
    auto table = resolve_table(context, catalog, spelling);
    if (table) {
      return Relation{*std::move(table), false};
    }
    if (table.error().code != ErrorCode::NotFound) {
      return std::unexpected(std::move(table).error());
    }
    // The name as it was written is the one to speak of.
    if (!first || spelling == parts) {
      first = std::move(table).error();
    }
  }
  LH_ASSIGN_OR_RETURN(const auto views, catalog.list_all_views(context));
  std::vector<std::string> known;
  for (const Names& spelling : names) {
    LH_ASSIGN_OR_RETURN(auto view, similar_view(views, spelling));
    if (view) {
      return Relation{*std::move(view), true};
    }
  }
  if (first->hint.empty()) {
    for (const TableIdentifier& view : views) {
      known.push_back(catalog::to_string(view));
    }
    first->hint = did_you_mean(dotted(parts), known);
  }
  return std::unexpected(*std::move(first));
}

}  // namespace lakehouse::query
