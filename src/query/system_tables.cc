#include "query/system_tables.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/text.h"
#include "catalog/registry.h"
#include "iceberg/type_mapping.h"
#include "query/kept_trees.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

using catalog::Catalog;
using catalog::TableIdentifier;
using iceberg::TypeKind;

struct ColumnType {
  std::string name;
  TypeKind kind = TypeKind::String;
  bool is_list = false;
};

/// VALUES with typed columns; a SELECT of no row when there is none.
tree::object table_of(std::vector<tree::array> rows, const std::vector<ColumnType>& columns) {
  const auto type_of = [](const ColumnType& column) {
    iceberg::TypePtr type = iceberg::primitive(column.kind);
    return column.is_list ? iceberg::list_of(1, std::move(type), false) : type;
  };
  tree::array list;
  if (rows.empty()) {
    for (const ColumnType& column : columns) {
      list.push_back(tree::aliased(tree::null_of(*type_of(column)), column.name));
    }
    return tree::select(std::move(list), tree::empty_table(), tree::boolean(false));
  }
  std::vector<std::string> names;
  for (const ColumnType& column : columns) {
    list.push_back(
        tree::aliased(tree::cast(tree::column({column.name}), *type_of(column)), column.name));
    names.push_back(column.name);
  }
  return tree::select(std::move(list), tree::values(std::move(rows), names));
}

std::vector<ColumnType> texts(std::initializer_list<const char*> names) {
  std::vector<ColumnType> columns;
  for (const char* name : names) {
    columns.push_back({name, TypeKind::String, false});
  }
  return columns;
}

bool is_default(const TableIdentifier& table) {
  return table.name_space.size() == 1 && table.name_space[0] == catalog::kDefaultNamespace;
}

/// All namespaces, nested ones too, in order.
Result<std::vector<catalog::Namespace>> all_namespaces(const RequestContext& context,
                                                       Catalog& catalog) {
  std::vector<catalog::Namespace> out;
  std::vector<catalog::Namespace> parents{{}};
  while (!parents.empty()) {
    const catalog::Namespace parent = std::move(parents.back());
    parents.pop_back();
    LH_ASSIGN_OR_RETURN(const auto page, catalog.list_namespaces(context, parent, {}));
    for (const catalog::Namespace& child : page.items) {
      out.push_back(child);
      parents.push_back(child);
    }
  }
  std::ranges::sort(out);
  return out;
}

/// A table that the principal may see something of.
struct VisibleTable {
  catalog::LoadedTable table;
  governance::TablePolicy policy;
};

/// They are as they are one after the other. One that cannot be read, or whose policy does not say
/// what may be seen of it, is left out: the others are there all the same.
Result<std::vector<VisibleTable>> visible_tables(const RequestContext& context, Catalog& catalog,
                                                 governance::TablePolicies* policies) {
  LH_ASSIGN_OR_RETURN(const auto all, catalog.list_all_tables(context));
  std::vector<VisibleTable> out;
  for (const TableIdentifier& identifier : all) {
    LH_RETURN_IF_ERROR(context.check());
    auto loaded = catalog.load_table(context, identifier);
    if (!loaded) {
      continue;
    }
    VisibleTable& one = out.emplace_back(VisibleTable{*std::move(loaded), {}});
    if (policies == nullptr) {
      continue;
    }
    auto policy = policies->policy_for(
        context, {.uuid = one.table.metadata->table_uuid, .name = catalog::to_string(identifier)});
    if (policy) {
      one.policy = *std::move(policy);
    } else {
      out.pop_back();
    }
  }
  LH_RETURN_IF_ERROR(context.check());
  return out;
}

/// Without policies they need not be read.
Result<std::vector<TableIdentifier>> visible_names(const RequestContext& context, Catalog& catalog,
                                                   governance::TablePolicies* policies) {
  if (policies == nullptr) {
    return catalog.list_all_tables(context);
  }
  LH_ASSIGN_OR_RETURN(const auto all, visible_tables(context, catalog, policies));
  std::vector<TableIdentifier> out;
  for (const VisibleTable& one : all) {
    out.push_back(one.table.identifier);
  }
  return out;
}

/// SHOW TABLES: the default namespace's by their names, the others' with their namespaces, as they
/// would be written.
Result<tree::object> tables(const RequestContext& context, Catalog& catalog,
                            governance::TablePolicies* policies, const ShowReference& show) {
  LH_ASSIGN_OR_RETURN(auto all, visible_names(context, catalog, policies));
  std::string wanted;
  for (const std::string& level : show.name_space) {
    wanted.append(wanted.empty() ? "" : ".").append(level);
  }
  LH_ASSIGN_OR_RETURN(const auto views, catalog.list_all_views(context));
  all.insert(all.end(), views.begin(), views.end());
  std::ranges::sort(all);
  std::vector<tree::array> rows;
  for (const TableIdentifier& table : all) {
    const std::string name_space = catalog::to_string(table.name_space);
    if (!wanted.empty() && to_lower(name_space) != to_lower(wanted)) {
      continue;
    }
    const bool bare = !wanted.empty() || is_default(table);
    rows.push_back({tree::string(bare ? table.name : catalog::to_string(table))});
  }
  if (rows.empty() && !wanted.empty()) {
    LH_ASSIGN_OR_RETURN(const auto name_spaces, all_namespaces(context, catalog));
    std::vector<std::string> names;
    names.reserve(name_spaces.size());
    for (const auto& name_space : name_spaces) {
      names.push_back(catalog::to_string(name_space));
    }
    const auto same = [&wanted](const std::string& name) {
      return to_lower(name) == to_lower(wanted);
    };
    if (std::ranges::none_of(names, same)) {
      return fail(ErrorCode::NotFound, "there is no schema " + wanted, did_you_mean(wanted, names));
    }
  }
  return table_of(std::move(rows), texts({"name"}));
}

tree::object text_list(const std::vector<std::string>& values) {
  tree::array list;
  for (const std::string& value : values) {
    list.push_back(tree::string(value));
  }
  return tree::list(std::move(list));
}

tree::object or_null(const std::optional<std::string>& text) {
  return text ? tree::string(*text) : tree::null_of(*iceberg::primitive(TypeKind::String));
}

/// A table's or a view's columns that may be seen.
struct Columns {
  TableIdentifier identifier;
  bool is_view = false;
  std::vector<iceberg::NestedField> fields;
};

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

Result<std::vector<Columns>> all_columns(const RequestContext& context, Catalog& catalog,
                                         governance::TablePolicies* policies) {
  LH_ASSIGN_OR_RETURN(const auto tables, visible_tables(context, catalog, policies));
  std::vector<Columns> out;
  for (const auto& [table, policy] : tables) {
    Columns& one = out.emplace_back(Columns{table.identifier, false, {}});
    std::ranges::copy_if(table.metadata->current_schema()->fields, std::back_inserter(one.fields),
                         [&hidden = policy.hidden_columns](const iceberg::NestedField& field) {
                           return !holds(hidden, field.name);
                         });
  }
  LH_ASSIGN_OR_RETURN(const auto views, catalog.list_all_views(context));
  for (const TableIdentifier& identifier : views) {
    const auto view = catalog.load_view(context, identifier);
    const iceberg::Schema* schema = view ? view->metadata->current_schema() : nullptr;
    if (schema != nullptr) {  // Else it is gone, or cannot be read.
      out.push_back({identifier, true, schema->fields});
    }
  }
  std::ranges::sort(out, {}, &Columns::identifier);
  return out;
}

Result<tree::object> all_tables(const RequestContext& context, Catalog& catalog,
                                governance::TablePolicies* policies) {
  LH_ASSIGN_OR_RETURN(const auto all, all_columns(context, catalog, policies));
  std::vector<tree::array> rows;
  for (const Columns& one : all) {
    std::vector<std::string> names;
    std::vector<std::string> types;
    for (const iceberg::NestedField& field : one.fields) {
      names.push_back(field.name);
      types.push_back(iceberg::duckdb_type(*field.type));
    }
    rows.push_back({tree::string("lake"),
                    tree::string(catalog::to_string(one.identifier.name_space)),
                    tree::string(one.identifier.name), text_list(names), text_list(types),
                    tree::boolean(false)});
  }
  std::vector<ColumnType> columns = texts({"database", "schema", "name"});
  columns.push_back({"column_names", TypeKind::String, true});
  columns.push_back({"column_types", TypeKind::String, true});
  columns.push_back({"temporary", TypeKind::Boolean, false});
  return table_of(std::move(rows), columns);
}

Result<tree::object> schemata(const RequestContext& context, Catalog& catalog) {
  LH_ASSIGN_OR_RETURN(const auto all, all_namespaces(context, catalog));
  std::vector<tree::array> rows;
  rows.reserve(all.size());
  for (const auto& name_space : all) {
    rows.push_back(
        {tree::string("lake"), tree::string(catalog::to_string(name_space)), tree::string("lake")});
  }
  return table_of(std::move(rows), texts({"catalog_name", "schema_name", "schema_owner"}));
}

Result<tree::object> information_tables(const RequestContext& context, Catalog& catalog,
                                        governance::TablePolicies* policies) {
  LH_ASSIGN_OR_RETURN(const auto all, visible_names(context, catalog, policies));
  std::vector<tree::array> rows;
  rows.reserve(all.size());
  for (const TableIdentifier& table : all) {
    rows.push_back({tree::string("lake"), tree::string(catalog::to_string(table.name_space)),
                    tree::string(table.name), tree::string("BASE TABLE"), tree::string("YES")});
  }
  LH_ASSIGN_OR_RETURN(const auto views, catalog.list_all_views(context));
  for (const TableIdentifier& view : views) {
    rows.push_back({tree::string("lake"), tree::string(catalog::to_string(view.name_space)),
                    tree::string(view.name), tree::string("VIEW"), tree::string("NO")});
  }
  return table_of(std::move(rows), texts({"table_catalog", "table_schema", "table_name",
                                          "table_type", "is_insertable_into"}));
}

Result<tree::object> information_views(const RequestContext& context, Catalog& catalog) {
  LH_ASSIGN_OR_RETURN(const auto views, catalog.list_all_views(context));
  std::vector<tree::array> rows;
  for (const TableIdentifier& identifier : views) {
    const auto view = catalog.load_view(context, identifier);
    const iceberg::ViewVersion* version = view ? view->metadata->current_version() : nullptr;
    const auto* definition = version == nullptr ? nullptr : definition_of(*version);
    rows.push_back(
        {tree::string("lake"), tree::string(catalog::to_string(identifier.name_space)),
         tree::string(identifier.name),
         or_null(definition == nullptr ? std::nullopt : std::optional(definition->sql)),
         or_null(definition == nullptr ? std::nullopt : std::optional(definition->dialect))});
  }
  return table_of(std::move(rows), texts({"table_catalog", "table_schema", "table_name",
                                          "view_definition", "dialect"}));
}

Result<tree::object> information_columns(const RequestContext& context, Catalog& catalog,
                                         governance::TablePolicies* policies) {
  LH_ASSIGN_OR_RETURN(const auto all, all_columns(context, catalog, policies));
  std::vector<tree::array> rows;
  for (const Columns& one : all) {
    const TableIdentifier& table = one.identifier;
    std::int64_t position = 0;
    for (const iceberg::NestedField& field : one.fields) {
      rows.push_back({tree::string("lake"), tree::string(catalog::to_string(table.name_space)),
                      tree::string(table.name), tree::string(field.name), tree::integer(++position),
                      tree::string(field.required ? "NO" : "YES"),
                      tree::string(iceberg::duckdb_type(*field.type)),
                      tree::string(field.doc.value_or(""))});
    }
  }
  std::vector<ColumnType> columns =
      texts({"table_catalog", "table_schema", "table_name", "column_name"});
  columns.push_back({"ordinal_position", TypeKind::Int, false});
  for (const char* name : {"is_nullable", "data_type", "column_comment"}) {
    columns.push_back({name, TypeKind::String, false});
  }
  return table_of(std::move(rows), columns);
}

tree::object time_or_null(const std::optional<std::int64_t>& at_ms) {
  // Text, since the engine reads it as the time that it is cast to.
  constexpr std::int64_t kYear9999EndMs = 253'402'300'799'999;
  return at_ms && *at_ms >= 0 && *at_ms <= kYear9999EndMs
             ? tree::string(
                   fmt::format("{:%F %T}.{:03}+00", fmt::gmtime(*at_ms / 1000), *at_ms % 1000))
             : tree::null_of(*iceberg::primitive(TypeKind::String));
}

std::optional<std::string> name_of(const std::optional<catalog::Sensitivity>& level) {
  return level ? std::optional(std::string(to_string(*level))) : std::nullopt;
}

/// What the registry knows about each dataset. How large one is tells of rows that are not shown.
Result<tree::object> information_datasets(const RequestContext& context, Catalog& catalog,
                                          governance::TablePolicies* policies) {
  LH_ASSIGN_OR_RETURN(const auto all, visible_tables(context, catalog, policies));
  std::vector<tree::array> rows;
  for (const auto& [table, policy] : all) {
    const auto counted = [&filter = policy.row_filter](std::int64_t count) {
      return filter.empty() ? tree::integer(count)
                            : tree::null_of(*iceberg::primitive(TypeKind::Long));
    };
    const catalog::RegistryEntry entry = catalog::registry_entry(*table.metadata);
    const catalog::DatasetSize size = catalog::dataset_size(*table.metadata);
    const catalog::Freshness fresh = freshness(*table.metadata, entry, catalog.now_ms());
    rows.push_back(
        {tree::string("lake"), tree::string(catalog::to_string(table.identifier.name_space)),
         tree::string(table.identifier.name), or_null(entry.description), or_null(entry.owner),
         or_null(name_of(entry.sensitivity())), text_list(entry.tags), counted(size.rows),
         counted(size.files), counted(size.bytes), time_or_null(fresh.last_write_ms),
         tree::boolean(fresh.is_stale), time_or_null(fresh.stale_since_ms)});
  }
  std::vector<ColumnType> columns =
      texts({"table_catalog", "table_schema", "table_name", "description", "owner", "sensitivity"});
  columns.push_back({"tags", TypeKind::String, true});
  for (const char* name : {"row_count", "file_count", "size_bytes"}) {
    columns.push_back({name, TypeKind::Long, false});
  }
  columns.push_back({"last_write_at", TypeKind::Timestamptz, false});
  columns.push_back({"is_stale", TypeKind::Boolean, false});
  columns.push_back({"stale_since", TypeKind::Timestamptz, false});
  return table_of(std::move(rows), columns);
}

/// What the registry knows about columns: a row for each that it knows something about.
Result<tree::object> information_column_notes(const RequestContext& context, Catalog& catalog,
                                              governance::TablePolicies* policies) {
  LH_ASSIGN_OR_RETURN(const auto all, visible_tables(context, catalog, policies));
  std::vector<tree::array> rows;
  for (const auto& [table, policy] : all) {
    for (const catalog::ColumnEntry& column : catalog::registry_entry(*table.metadata).columns) {
      if (holds(policy.hidden_columns, column.name.substr(0, column.name.find('.')))) {
        continue;
      }
      rows.push_back({tree::string("lake"),
                      tree::string(catalog::to_string(table.identifier.name_space)),
                      tree::string(table.identifier.name), tree::string(column.name),
                      or_null(name_of(column.sensitivity)), or_null(column.category),
                      tree::string(std::string(to_string(column.by))), or_null(column.note)});
    }
  }
  return table_of(std::move(rows),
                  texts({"table_catalog", "table_schema", "table_name", "column_name",
                         "sensitivity", "category", "decided_by", "note"}));
}

}  // namespace

Result<boost::json::object> show_source(const RequestContext& context, catalog::Catalog& catalog,
                                        governance::TablePolicies* policies,
                                        const ShowReference& show) {
  if (show.what == "tables") {
    return tables(context, catalog, policies, show);
  }
  if (show.what == "all tables") {
    return all_tables(context, catalog, policies);
  }
  if (show.what == "databases") {
    return table_of({{tree::string("lake")}}, texts({"database_name"}));
  }
  return schemata(context, catalog);
}

Result<std::optional<boost::json::object>> system_table_source(
    const RequestContext& context, catalog::Catalog& catalog, governance::TablePolicies* policies,
    const std::vector<std::string>& parts) {
  const std::size_t size = parts.size();
  if (size < 2 || to_lower(parts[size - 2]) != "information_schema") {
    return std::nullopt;
  }
  const std::string name = to_lower(parts.back());
  Result<tree::object> found =
      fail(ErrorCode::NotFound, "there is no information_schema." + name,
           "There are information_schema.schemata, tables, views, columns, datasets and "
           "column_notes.");
  if (name == "schemata") {
    found = schemata(context, catalog);
  } else if (name == "tables") {
    found = information_tables(context, catalog, policies);
  } else if (name == "columns") {
    found = information_columns(context, catalog, policies);
  } else if (name == "views") {
    found = information_views(context, catalog);
  } else if (name == "datasets") {
    found = information_datasets(context, catalog, policies);
  } else if (name == "column_notes") {
    found = information_column_notes(context, catalog, policies);
  }
  if (!found) {
    return std::unexpected(std::move(found).error());
  }
  return std::optional(*std::move(found));
}

}  // namespace lakehouse::query
