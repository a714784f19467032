#include "query/definitions.h"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "iceberg/type_mapping.h"
#include "query/error_position.h"
#include "query/functions_allowed.h"
#include "query/relations.h"
#include "query/rewrite.h"
#include "query/select_tree.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

constexpr std::string_view kDialect = "duckdb";

catalog::ViewCommitOptions view_options(const Definitions::Hook& also) {
  catalog::ViewCommitOptions options;
  if (also) {
    options.also = [also](metastore::Transaction& transaction, const catalog::LoadedView&) {
      return also(transaction);
    };
  }
  return options;
}

catalog::CommitOptions commit_options(const Definitions::Hook& also) {
  catalog::CommitOptions options;
  if (also) {
    options.also = [also](metastore::Transaction& transaction,
                          const std::vector<catalog::LoadedTable>&) { return also(transaction); };
  }
  return options;
}

iceberg::ViewVersion version_of(const CreateViewStatement& statement) {
  iceberg::ViewVersion version;
  version.default_namespace = {std::string(catalog::kDefaultNamespace)};
  version.representations.push_back(
      {.type = "sql", .sql = statement.sql, .dialect = std::string(kDialect), .unknown = {}});
  if (!statement.columns.empty()) {
    version.summary["lakehouse.column-names"] = "schema";
  }
  return version;
}

/// A macro's name: its namespace and itself.
Result<std::pair<std::string, std::string>> macro_name(const NamePath& name) {
  const std::size_t skip = name.parts.size() == 3 && to_lower(name.parts.front()) == "lake" ? 1 : 0;
  if (name.parts.size() - skip > 2) {
    return at_position(Error{.code = ErrorCode::InvalidArgument,
                             .message = fmt::format("'{}' is no macro's name", name.dotted()),
                             .hint = "Write name, or namespace.name.",
                             .position_bytes = {},
                             .details_json = {}},
                       name.position);
  }
  return std::pair(
      name.parts.size() - skip == 2 ? name.parts[skip] : std::string(catalog::kDefaultNamespace),
      name.parts.back());
}

}  // namespace

bool Definitions::takes(const SqlStatement& statement) {
  return std::holds_alternative<CreateViewStatement>(statement) ||
         std::holds_alternative<DropViewStatement>(statement) ||
         std::holds_alternative<RenameViewStatement>(statement) ||
         std::holds_alternative<CreateMacroStatement>(statement) ||
         std::holds_alternative<DropMacroStatement>(statement);
}

Result<bool> Definitions::run(const RequestContext& context,
                              const std::shared_ptr<const ParsedStatement>& parsed,
                              const SqlRequest& request, const Hook& also) {
  if (const auto* view = std::get_if<CreateViewStatement>(&parsed->statement)) {
    return create_view(context, *view, parsed, request, also);
  }
  if (const auto* drop = std::get_if<DropViewStatement>(&parsed->statement)) {
    return drop_view(context, *drop, also);
  }
  if (const auto* rename = std::get_if<RenameViewStatement>(&parsed->statement)) {
    return rename_view(context, *rename, also);
  }
  if (const auto* macro = std::get_if<CreateMacroStatement>(&parsed->statement)) {
    return create_macro(context, *macro, also);
  }
  if (const auto* gone = std::get_if<DropMacroStatement>(&parsed->statement)) {
    return drop_macro(context, *gone, also);
  }
  return fail(ErrorCode::Internal, "a statement has no one to run it");
}

Result<bool> Definitions::create_view(const RequestContext& context,
                                      const CreateViewStatement& statement,
                                      const std::shared_ptr<const ParsedStatement>& parsed,
                                      const SqlRequest& request, const Hook& also) {
  auto view = new_table(statement.view.parts);
  if (!view) {
    return at_position(std::move(view).error(), statement.view.position);
  }
  LH_ASSIGN_OR_RETURN(const bool exists, catalog_.view_exists(context, *view));
  if (exists && statement.if_exists == IfExists::Keep) {
    return false;
  }
  SqlRequest plain = request;
  plain.params = nullptr;
  LH_ASSIGN_OR_RETURN(StatementPlan planned, plan_statement(context, planner_, parsed, plain));
  if (planned.basis.views.contains(*view)) {
    return at_position(
        Error{.code = ErrorCode::InvalidArgument,
              .message = fmt::format("the view {} would read itself", catalog::to_string(*view)),
              .hint = {},
              .position_bytes = {},
              .details_json = {}},
        statement.view.position);
  }
  auto schema = schema_of(context, statement, planned.statement);
  if (!schema) {
    if (!schema.error().position_bytes) {
      schema.error().position_bytes = find_position(parsed->tree, schema.error().message);
    }
    return std::unexpected(std::move(schema).error());
  }
  iceberg::Properties properties;
  if (!statement.comment.empty()) {
    properties["comment"] = statement.comment;
  }
  if (exists && statement.if_exists == IfExists::Replace) {
    iceberg::ViewVersion version = version_of(statement);
    version.schema_id = -1;
    std::vector<iceberg::ViewUpdate> updates{iceberg::AddSchema{*std::move(schema), {}},
                                             iceberg::AddViewVersion{std::move(version)},
                                             iceberg::SetCurrentViewVersion{-1}};
    if (!properties.empty()) {
      updates.emplace_back(iceberg::SetProperties{std::move(properties)});
    }
    LH_RETURN_IF_ERROR(catalog_.replace_view(context, *view, {}, updates, view_options(also)));
    return true;
  }
  LH_RETURN_IF_ERROR(catalog_.create_view(context,
                                          {.identifier = *view,
                                           .schema = *std::move(schema),
                                           .version = version_of(statement),
                                           .properties = std::move(properties),
                                           .bucket = {}},
                                          view_options(also)));
  return true;
}

Result<iceberg::Schema> Definitions::schema_of(const RequestContext& context,
                                               const CreateViewStatement& statement,
                                               const engine::Statement& select) {
  LH_ASSIGN_OR_RETURN(const auto columns, engine_.describe(context, select));
  if (!statement.columns.empty() && statement.columns.size() != columns.size()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the view names {} columns, and its SELECT gives {}",
                            statement.columns.size(), columns.size()));
  }
  iceberg::Schema schema;
  std::set<std::string> names;
  std::int32_t next_id = static_cast<std::int32_t>(columns.size()) + 1;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    iceberg::NestedField& field = schema.fields.emplace_back();
    field.id = static_cast<std::int32_t>(i) + 1;
    field.name = statement.columns.empty() ? columns[i].name : statement.columns[i];
    LH_ASSIGN_OR_RETURN(field.type, iceberg::type_from_duckdb(columns[i].type, next_id));
    if (!names.insert(to_lower(field.name)).second) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("two columns of the view are called {}", field.name),
                  "Name them: SELECT a AS x, b AS y.");
    }
  }
  return schema;
}

Result<catalog::TableIdentifier> Definitions::existing_view(const RequestContext& context,
                                                            const NamePath& name) {
  auto found = find_relation(context, catalog_, name.parts, {});
  if (!found) {
    return at_position(std::move(found).error(), name.position);
  }
  if (!found->is_view) {
    return at_position(Error{.code = ErrorCode::NotFound,
                             .message = fmt::format("{} is a table, and no view",
                                                    catalog::to_string(found->identifier)),
                             .hint = {},
                             .position_bytes = {},
                             .details_json = {}},
                       name.position);
  }
  return std::move(found->identifier);
}

Result<bool> Definitions::drop_view(const RequestContext& context,
                                    const DropViewStatement& statement, const Hook& also) {
  auto view = existing_view(context, statement.view);
  if (!view && statement.if_exists && view.error().code == ErrorCode::NotFound) {
    return false;
  }
  if (!view) {
    return std::unexpected(std::move(view).error());
  }
  LH_RETURN_IF_ERROR(catalog_.drop_view(context, *view, commit_options(also)));
  return true;
}

Result<bool> Definitions::rename_view(const RequestContext& context,
                                      const RenameViewStatement& statement, const Hook& also) {
  auto view = existing_view(context, statement.view);
  if (!view && statement.if_exists && view.error().code == ErrorCode::NotFound) {
    return false;
  }
  if (!view) {
    return std::unexpected(std::move(view).error());
  }
  catalog::TableIdentifier to = *view;
  to.name = statement.to;
  LH_RETURN_IF_ERROR(catalog::check_identifier(to));
  LH_RETURN_IF_ERROR(catalog_.rename_view(context, *view, to, commit_options(also)));
  return true;
}

Result<MacroStore*> Definitions::macros() const {
  if (macros_ == nullptr) {
    return fail(ErrorCode::Unimplemented, "macros are not kept here");
  }
  return macros_;
}

Result<bool> Definitions::create_macro(const RequestContext& context,
                                       const CreateMacroStatement& statement, const Hook& also) {
  LH_ASSIGN_OR_RETURN(MacroStore* const store, macros());
  LH_ASSIGN_OR_RETURN(auto name, macro_name(statement.macro));
  const bool is_table = statement.definitions.front().is_table;
  if (is_table ? is_known_table_function(name.second) : is_known_function(name.second)) {
    return at_position(Error{.code = ErrorCode::AlreadyExists,
                             .message = fmt::format("there is a function {} already", name.second),
                             .hint = "Choose another name for the macro.",
                             .position_bytes = {},
                             .details_json = {}},
                       statement.macro.position);
  }
  LH_ASSIGN_OR_RETURN(const bool in_namespace, catalog_.namespace_exists(context, {name.first}));
  if (!in_namespace && name.first != catalog::kDefaultNamespace) {
    return at_position(Error{.code = ErrorCode::NotFound,
                             .message = fmt::format("there is no namespace {}", name.first),
                             .hint = {},
                             .position_bytes = {},
                             .details_json = {}},
                       statement.macro.position);
  }
  for (const MacroDefinition& definition : statement.definitions) {
    // What it calls and reads is looked at when it is called.
    const auto tree =
        definition.is_table
            ? parse_select(context, engine_, definition.sql)
            : Result<boost::json::value>(parse_expression(context, engine_, definition.sql));
    if (!tree) {
      return at_position(Error(tree.error()).with_context("the macro's definition"),
                         statement.macro.position);
    }
    for (const MacroParameter& parameter : definition.parameters) {
      if (parameter.default_sql) {
        LH_RETURN_IF_ERROR(parse_expression(context, engine_, *parameter.default_sql));
      }
    }
  }
  LH_RETURN_IF_ERROR(store->create(context, {name.first, name.second, statement.definitions},
                                   statement.if_exists, catalog_.now_ms(), also));
  return true;
}

Result<bool> Definitions::drop_macro(const RequestContext& context,
                                     const DropMacroStatement& statement, const Hook& also) {
  LH_ASSIGN_OR_RETURN(MacroStore* const store, macros());
  LH_ASSIGN_OR_RETURN(const auto name, macro_name(statement.macro));
  Status done = store->drop(context, name.first, name.second, statement.if_exists, also);
  if (!done) {
    return at_position(std::move(done).error(), statement.macro.position);
  }
  return true;
}

}  // namespace lakehouse::query
