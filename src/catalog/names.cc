#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "catalog/catalog.h"
#include "catalog/detail/rows.h"

// From what a person writes to the table that is meant.

namespace lakehouse::catalog {
namespace {

bool in_default_namespace(const TableIdentifier& table) {
  return table.name_space.size() == 1 && table.name_space[0] == kDefaultNamespace;
}

std::vector<TableIdentifier> matching(const std::vector<TableIdentifier>& tables,
                                      std::string_view wanted, bool ignore_case) {
  const auto form = [ignore_case](std::string_view name) {
    return ignore_case ? to_lower(name) : std::string(name);
  };
  const std::string name = form(wanted);
  std::vector<TableIdentifier> found;
  for (const TableIdentifier& table : tables) {
    const bool bare = in_default_namespace(table) && form(table.name) == name;
    if (bare || form(to_string(table)) == name) {
      found.push_back(table);
    }
  }
  return found;
}

std::unexpected<Error> ambiguous(std::string_view dataset,
                                 const std::vector<TableIdentifier>& tables) {
  std::vector<std::string> names;
  names.reserve(tables.size());
  for (const TableIdentifier& table : tables) {
    names.push_back(fmt::format("'{}'", to_string(table)));
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("'{}' may mean {}", dataset, fmt::join(names, " or ")),
              "Write the name exactly as it was created.");
}

}  // namespace

Result<TableIdentifier> Catalog::parse_dataset(std::string_view dataset) {
  TableIdentifier table;
  for (std::size_t begin = 0; begin <= dataset.size();) {
    const std::size_t end = std::min(dataset.find('.', begin), dataset.size());
    table.name_space.emplace_back(dataset.substr(begin, end - begin));
    begin = end + 1;
  }
  table.name = std::move(table.name_space.back());
  table.name_space.pop_back();
  if (table.name_space.empty()) {
    table.name_space.emplace_back(kDefaultNamespace);
  }
  if (Status checked = check_identifier(table); !checked) {
    return std::unexpected(std::move(checked).error().with_context(
        fmt::format("dataset '{}'", is_valid_utf8(dataset) ? dataset : "?")));
  }
  return table;
}

Result<TableIdentifier> Catalog::resolve_dataset(const RequestContext& context,
                                                 std::string_view dataset) {
  if (auto parsed = parse_dataset(dataset)) {
    LH_ASSIGN_OR_RETURN(const bool is_there, table_exists(context, *parsed));
    if (is_there) {
      return parsed;
    }
  }
  LH_ASSIGN_OR_RETURN(const auto tables, list_all_tables(context));
  for (const bool ignore_case : {false, true}) {
    auto found = matching(tables, dataset, ignore_case);
    if (found.size() == 1) {
      return std::move(found.front());
    }
    if (found.size() > 1) {
      return ambiguous(dataset, found);
    }
  }
  std::vector<std::string> names;
  names.reserve(tables.size());
  for (const TableIdentifier& table : tables) {
    names.push_back(in_default_namespace(table) && !dataset.contains('.') ? table.name
                                                                          : to_string(table));
  }
  return fail(ErrorCode::NotFound, fmt::format("there is no dataset '{}'", dataset),
              did_you_mean(dataset, names));
}

}  // namespace lakehouse::catalog
