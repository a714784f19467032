#include "query/ddl.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "iceberg/literal.h"
#include "iceberg/type_mapping.h"

namespace lakehouse::query {

namespace {

using iceberg::NestedField;
using iceberg::Schema;
using iceberg::TableMetadata;
using iceberg::TableUpdate;
using iceberg::Type;
using iceberg::TypeKind;
using iceberg::TypePtr;

std::string dotted(std::span<const std::string> path) {
  return fmt::format("{}", fmt::join(path, "."));
}

std::unexpected<Error> no_such_column(const std::vector<NestedField>& fields,
                                      std::string_view name) {
  std::vector<std::string> names;
  for (const NestedField& field : fields) {
    names.push_back(field.name);
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("there is no column {}", name),
              did_you_mean(name, names));
}

Status check_new_name(const std::vector<NestedField>& fields, std::string_view name,
                      const NestedField* except = nullptr) {
  if (name.empty()) {
    return fail(ErrorCode::InvalidArgument, "a column's name must not be empty");
  }
  if (name.size() > 255 || !is_valid_utf8(name) || name.contains('\0')) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' cannot name a column", name.substr(0, 80)),
                "A name is valid UTF-8 of at most 255 bytes.");
  }
  for (const NestedField& field : fields) {
    if (&field != except && to_lower(field.name) == to_lower(name)) {
      return fail(ErrorCode::InvalidArgument, fmt::format("column {} is there already", field.name),
                  "Column names must differ in more than case.");
    }
  }
  return {};
}

constexpr std::string_view kFormatVersion = "format-version";
constexpr int kDefaultsSince = 3;

/// A default as metadata keeps it.
Result<std::optional<boost::json::value>> default_of(const NestedField& field,
                                                     const std::optional<std::string>& text,
                                                     int format_version) {
  if (!text) {
    return std::nullopt;
  }
  if (format_version < kDefaultsSince) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("DEFAULT: tables of format version {} keep no default values", format_version),
        "Version 3 does: CREATE TABLE ... WITH ('format-version' = '3'), or ALTER TABLE ... SET "
        "('format-version' = '3').");
  }
  const auto value = iceberg::literal_from_text(*field.type, *text);
  if (!value) {
    return std::unexpected(
        Error(value.error()).with_context(fmt::format("the default of column {}", field.name)));
  }
  return iceberg::literal_to_json(*value);
}

/// Properties without the format version, which is none.
iceberg::Properties without_version(
    std::span<const std::pair<std::string, std::string>> properties) {
  iceberg::Properties out(properties.begin(), properties.end());
  if (const auto version = out.find(kFormatVersion); version != out.end()) {
    out.erase(version);
  }
  return out;
}

/// A field and those that hold it belong to immutable types: an edit copies the way down to it.
using Edit = std::function<Status(std::vector<NestedField>& fields, std::size_t at)>;

Status edit_field(std::vector<NestedField>& fields, std::span<const std::string> path,
                  const Edit& edit) {
  if (path.empty()) {
    return fail(ErrorCode::InvalidArgument, "a column's name is missing");
  }
  const NestedField* found = find_column(fields, path.front());
  if (found == nullptr) {
    return no_such_column(fields, path.front());
  }
  const auto at = static_cast<std::size_t>(found - fields.data());
  if (path.size() == 1) {
    return edit(fields, at);
  }
  if (!is_nested(*found->type)) {
    return fail(ErrorCode::InvalidArgument, fmt::format("column {} has no fields: it is {}",
                                                        found->name, to_string(*found->type)));
  }
  Type copy = *found->type;
  LH_RETURN_IF_ERROR(edit_field(copy.fields, path.subspan(1), edit));
  fields[at].type = std::make_shared<const Type>(std::move(copy));
  return {};
}

/// The schema while the actions change it.
struct Altering {
  const TableMetadata& metadata;
  Schema schema;
  std::int32_t next_id = 0;
  std::vector<TableUpdate> after;  ///< What follows the schema's own updates.
};

Status check_not_used(const Altering& altering, const NestedField& field) {
  std::set<std::int32_t> ids;
  const std::function<void(const NestedField&)> collect = [&](const NestedField& of) {
    ids.insert(of.id);
    std::ranges::for_each(of.type->fields, collect);
  };
  collect(field);
  const iceberg::PartitionSpec* spec = altering.metadata.default_spec();
  for (const iceberg::PartitionField& used : spec->fields) {
    if (used.transform.kind != iceberg::Transform::Kind::Void && ids.contains(used.source_id)) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("the table is partitioned by column {}", field.name),
                  "Change its partitioning first.");
    }
  }
  for (const iceberg::SortField& used : altering.metadata.default_sort_order()->fields) {
    if (ids.contains(used.source_id)) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("the table is sorted by column {}", field.name));
    }
  }
  for (const std::int32_t used : altering.schema.identifier_field_ids) {
    if (ids.contains(used)) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("column {} identifies the table's rows", field.name));
    }
  }
  return {};
}

bool is_identifier(const Schema& schema, std::int32_t id) {
  return std::ranges::find(schema.identifier_field_ids, id) != schema.identifier_field_ids.end();
}

bool has_rows(const TableMetadata& metadata) {
  const iceberg::Snapshot* snapshot = metadata.current_snapshot();
  if (snapshot == nullptr) {
    return false;
  }
  const auto total = snapshot->summary.find("total-records");
  return total == snapshot->summary.end() || total->second != "0";
}

Status act(Altering& altering, const AddColumn& action) {
  const auto add = [&](std::vector<NestedField>& fields) -> Status {
    if (action.if_not_exists && find_column(fields, action.column.name) != nullptr) {
      return {};
    }
    LH_RETURN_IF_ERROR(check_new_name(fields, action.column.name));
    if (action.column.required && !action.column.default_value && has_rows(altering.metadata)) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("column {} cannot be NOT NULL: the table's rows lack it", action.column.name),
          "Add it without NOT NULL, or with a DEFAULT.");
    }
    NestedField field;
    field.id = altering.next_id++;
    field.name = action.column.name;
    field.required = action.column.required;
    field.doc = action.column.doc;
    LH_ASSIGN_OR_RETURN(field.type, iceberg::type_from_duckdb(action.column.type, altering.next_id,
                                                              altering.metadata.format_version));
    LH_ASSIGN_OR_RETURN(field.initial_default, default_of(field, action.column.default_value,
                                                          altering.metadata.format_version));
    field.write_default = field.initial_default;
    fields.push_back(std::move(field));
    return {};
  };
  if (action.parent.empty()) {
    return add(altering.schema.fields);
  }
  return edit_field(altering.schema.fields, action.parent,
                    [&](std::vector<NestedField>& fields, std::size_t at) -> Status {
                      // A list of structs is meant to grow in its elements.
                      Type type = *fields[at].type;
                      if (type.kind != TypeKind::Struct) {
                        return fail(ErrorCode::InvalidArgument,
                                    fmt::format("column {} is no struct, but {}",
                                                dotted(action.parent), to_string(type)));
                      }
                      LH_RETURN_IF_ERROR(add(type.fields));
                      fields[at].type = std::make_shared<const Type>(std::move(type));
                      return {};
                    });
}

Status act(Altering& altering, const DropColumn& action) {
  if (action.if_exists && action.path.size() == 1 &&
      find_column(altering.schema.fields, action.path.front()) == nullptr) {
    return {};
  }
  return edit_field(altering.schema.fields, action.path,
                    [&](std::vector<NestedField>& fields, std::size_t at) -> Status {
                      if (fields.size() == 1) {
                        return fail(ErrorCode::InvalidArgument,
                                    fmt::format("column {} is the last one", fields[at].name),
                                    "Drop the table instead.");
                      }
                      LH_RETURN_IF_ERROR(check_not_used(altering, fields[at]));
                      fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(at));
                      return {};
                    });
}

Status act(Altering& altering, const RenameColumn& action) {
  return edit_field(altering.schema.fields, action.path,
                    [&](std::vector<NestedField>& fields, std::size_t at) -> Status {
                      LH_RETURN_IF_ERROR(check_new_name(fields, action.new_name, &fields[at]));
                      fields[at].name = action.new_name;
                      return {};
                    });
}

Status act(Altering& altering, const ChangeColumnType& action) {
  return edit_field(
      altering.schema.fields, action.path,
      [&](std::vector<NestedField>& fields, std::size_t at) -> Status {
        std::int32_t unused_id = altering.next_id;
        LH_ASSIGN_OR_RETURN(
            const TypePtr wanted,
            iceberg::type_from_duckdb(action.type, unused_id, altering.metadata.format_version));
        const Type& is = *fields[at].type;
        if (!is_nested(is) && is == *wanted) {
          return {};
        }
        if (is_nested(is) || !can_promote(is, *wanted, altering.metadata.format_version)) {
          return fail(ErrorCode::InvalidArgument,
                      fmt::format("column {} cannot change from {} to {}", dotted(action.path),
                                  duckdb_type(is), action.type),
                      "Open tables allow INTEGER to BIGINT, FLOAT to DOUBLE, and DECIMAL to one "
                      "with more digits before the point. Else make a new table with CREATE TABLE "
                      "AS.");
        }
        fields[at].type = wanted;
        return {};
      });
}

Status act(Altering& altering, const SetNotNull& action) {
  // That no row holds NULL was checked by the writer, which can see the files.
  return edit_field(altering.schema.fields, action.path,
                    [](std::vector<NestedField>& fields, std::size_t at) -> Status {
                      fields[at].required = true;
                      return {};
                    });
}

Status act(Altering& altering, const DropNotNull& action) {
  return edit_field(altering.schema.fields, action.path,
                    [&](std::vector<NestedField>& fields, std::size_t at) -> Status {
                      if (is_identifier(altering.schema, fields[at].id)) {
                        return fail(
                            ErrorCode::FailedPrecondition,
                            fmt::format("column {} identifies the table's rows", fields[at].name));
                      }
                      fields[at].required = false;
                      return {};
                    });
}

Status act(Altering& altering, const SetColumnDoc& action) {
  return edit_field(altering.schema.fields, action.path,
                    [&](std::vector<NestedField>& fields, std::size_t at) -> Status {
                      fields[at].doc = action.doc;
                      return {};
                    });
}

Status act(Altering& altering, const SetColumnDefault& action) {
  return edit_field(altering.schema.fields, action.path,
                    [&](std::vector<NestedField>& fields, std::size_t at) -> Status {
                      LH_ASSIGN_OR_RETURN(
                          fields[at].write_default,
                          default_of(fields[at], action.value, altering.metadata.format_version));
                      return {};
                    });
}

Status act(Altering& /*altering*/, const RenameTable& /*action*/) {
  return fail(ErrorCode::InvalidArgument, "a table is renamed by a statement of its own");
}

Status act(Altering& altering, const SetProperties& action) {
  const int is = altering.metadata.format_version;
  LH_ASSIGN_OR_RETURN(const int wanted, format_version_of(action.set, is));
  if (wanted != is) {
    altering.after.emplace_back(iceberg::UpgradeFormatVersion{wanted});
  }
  if (iceberg::SetProperties update{without_version(action.set)}; !update.updates.empty()) {
    altering.after.emplace_back(std::move(update));
  }
  if (!action.remove.empty()) {
    altering.after.emplace_back(iceberg::RemoveProperties{action.remove});
  }
  return {};
}

Status act(Altering& altering, const SetPartitioning& action) {
  LH_ASSIGN_OR_RETURN(iceberg::PartitionSpec spec,
                      spec_from_definitions(action.partition_by, altering.schema));
  altering.after.emplace_back(iceberg::AddPartitionSpec{std::move(spec)});
  altering.after.emplace_back(iceberg::SetDefaultSpec{-1});
  return {};
}

std::string customary_name(const PartitionDefinition& definition,
                           const iceberg::Transform& transform) {
  std::string base = definition.column;
  std::ranges::replace(base, '.', '_');
  switch (transform.kind) {
    case iceberg::Transform::Kind::Identity: return base;
    case iceberg::Transform::Kind::Bucket: return base + "_bucket";
    case iceberg::Transform::Kind::Truncate: return base + "_trunc";
    case iceberg::Transform::Kind::Year: return base + "_year";
    case iceberg::Transform::Kind::Month: return base + "_month";
    case iceberg::Transform::Kind::Day: return base + "_day";
    case iceberg::Transform::Kind::Hour: return base + "_hour";
    case iceberg::Transform::Kind::Void: return base + "_null";
    case iceberg::Transform::Kind::Unknown: break;
  }
  return base;
}

/// A column by name, or a struct's field by its dotted path.
const NestedField* find_dotted(const std::vector<NestedField>& fields, std::string_view path) {
  if (const NestedField* whole = find_column(fields, path)) {
    return whole;
  }
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos;
       dot = path.find('.', dot + 1)) {
    const NestedField* parent = find_column(fields, path.substr(0, dot));
    if (parent != nullptr && parent->type->kind == TypeKind::Struct) {
      if (const NestedField* found = find_dotted(parent->type->fields, path.substr(dot + 1))) {
        return found;
      }
    }
  }
  return nullptr;
}

}  // namespace

const NestedField* find_column(const std::vector<NestedField>& in, std::string_view name) {
  const auto exact = std::ranges::find(in, name, &NestedField::name);
  if (exact != in.end()) {
    return &*exact;
  }
  const std::string lower = to_lower(name);
  const NestedField* found = nullptr;
  for (const NestedField& field : in) {
    if (to_lower(field.name) == lower) {
      if (found != nullptr) {
        return nullptr;
      }
      found = &field;
    }
  }
  return found;
}

Result<int> format_version_of(std::span<const std::pair<std::string, std::string>> properties,
                              int otherwise) {
  for (const auto& [name, value] : properties) {
    if (name != kFormatVersion) {
      continue;
    }
    if (value.size() != 1 || value[0] < '1' || value[0] > '0' + iceberg::kFormatVersionMax) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' is no format version", value.substr(0, 20)),
                  fmt::format("There are 1 to {}.", iceberg::kFormatVersionMax));
    }
    otherwise = value[0] - '0';
  }
  return otherwise;
}

Result<Schema> schema_from_columns(std::span<const ColumnDefinition> columns, int format_version,
                                   std::int32_t first_id) {
  if (columns.empty()) {
    return fail(ErrorCode::InvalidArgument, "a table needs at least one column");
  }
  Schema schema;
  std::set<std::string> names;
  std::int32_t next_id = first_id + static_cast<std::int32_t>(columns.size());
  for (const ColumnDefinition& column : columns) {
    LH_RETURN_IF_ERROR(check_new_name({}, column.name));
    if (!names.insert(to_lower(column.name)).second) {
      return fail(ErrorCode::InvalidArgument, fmt::format("column {} is there twice", column.name),
                  "Column names must differ in more than case.");
    }
    NestedField field;
    field.id = first_id++;
    field.name = column.name;
    field.required = column.required;
    field.doc = column.doc;
    auto type = iceberg::type_from_duckdb(column.type, next_id, format_version);
    if (!type) {
      return std::unexpected(
          std::move(type).error().with_context(fmt::format("column {}", column.name)));
    }
    field.type = *std::move(type);
    // There are no rows yet that an initial default could be of.
    LH_ASSIGN_OR_RETURN(field.write_default,
                        default_of(field, column.default_value, format_version));
    schema.fields.push_back(std::move(field));
  }
  return schema;
}

Result<iceberg::PartitionSpec> spec_from_definitions(
    std::span<const PartitionDefinition> definitions, const Schema& schema) {
  iceberg::PartitionSpec spec;
  for (const PartitionDefinition& definition : definitions) {
    const NestedField* source = find_dotted(schema.fields, definition.column);
    if (source == nullptr) {
      return no_such_column(schema.fields, definition.column);
    }
    iceberg::PartitionField field;
    field.source_id = source->id;
    LH_ASSIGN_OR_RETURN(field.transform, iceberg::transform_from_string(definition.transform));
    if (field.transform.kind == iceberg::Transform::Kind::Unknown) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' is no partition transform", definition.transform),
                  "Use identity, year, month, day, hour, bucket[N] or truncate[W].");
    }
    LH_RETURN_IF_ERROR(iceberg::result_type(field.transform, *source->type));
    PartitionDefinition canonical = definition;
    canonical.column = schema.path_of(source->id);
    field.name =
        definition.name.empty() ? customary_name(canonical, field.transform) : definition.name;
    spec.fields.push_back(std::move(field));
  }
  LH_RETURN_IF_ERROR(iceberg::validate_spec(spec, schema));
  return spec;
}

Result<std::vector<TableUpdate>> plan_alter(const TableMetadata& metadata,
                                            std::span<const AlterAction> actions) {
  Altering altering{.metadata = metadata,
                    .schema = *metadata.current_schema(),
                    .next_id = metadata.last_column_id + 1,
                    .after = {}};
  for (const AlterAction& action : actions) {
    LH_RETURN_IF_ERROR(std::visit([&](const auto& one) { return act(altering, one); }, action));
  }
  std::vector<TableUpdate> updates;
  if (!same_fields(altering.schema, *metadata.current_schema())) {
    updates.emplace_back(iceberg::AddSchema{std::move(altering.schema), altering.next_id - 1});
    updates.emplace_back(iceberg::SetCurrentSchema{-1});
  }
  std::ranges::move(altering.after, std::back_inserter(updates));
  return updates;
}

Result<std::vector<TableUpdate>> plan_replace(const TableMetadata& metadata,
                                              const TableDefinition& definition) {
  LH_ASSIGN_OR_RETURN(const int format_version,
                      format_version_of(definition.properties, metadata.format_version));
  LH_ASSIGN_OR_RETURN(Schema schema, schema_from_columns(definition.columns, format_version,
                                                         metadata.last_column_id + 1));
  LH_ASSIGN_OR_RETURN(iceberg::PartitionSpec spec,
                      spec_from_definitions(definition.partition_by, schema));
  std::vector<TableUpdate> updates;
  const std::int32_t last_id = schema.highest_field_id();
  if (format_version != metadata.format_version) {
    updates.emplace_back(iceberg::UpgradeFormatVersion{format_version});
  }
  // A sort order names columns that are about to go.
  updates.emplace_back(iceberg::AddSortOrder{});
  updates.emplace_back(iceberg::SetDefaultSortOrder{-1});
  updates.emplace_back(iceberg::AddSchema{std::move(schema), last_id});
  updates.emplace_back(iceberg::SetCurrentSchema{-1});
  updates.emplace_back(iceberg::AddPartitionSpec{std::move(spec)});
  updates.emplace_back(iceberg::SetDefaultSpec{-1});
  if (iceberg::SetProperties set{without_version(definition.properties)}; !set.updates.empty()) {
    updates.emplace_back(std::move(set));
  }
  return updates;
}

std::vector<TableUpdate> updates_of_staged(const TableMetadata& staged) {
  std::vector<TableUpdate> updates;
  updates.emplace_back(iceberg::AssignUuid{staged.table_uuid});
  updates.emplace_back(iceberg::UpgradeFormatVersion{staged.format_version});
  updates.emplace_back(iceberg::SetLocation{staged.location});
  updates.emplace_back(iceberg::AddSchema{*staged.current_schema(), staged.last_column_id});
  updates.emplace_back(iceberg::SetCurrentSchema{-1});
  updates.emplace_back(iceberg::AddPartitionSpec{*staged.default_spec()});
  updates.emplace_back(iceberg::SetDefaultSpec{-1});
  updates.emplace_back(iceberg::AddSortOrder{*staged.default_sort_order()});
  updates.emplace_back(iceberg::SetDefaultSortOrder{-1});
  if (!staged.properties.empty()) {
    updates.emplace_back(iceberg::SetProperties{staged.properties});
  }
  return updates;
}

}  // namespace lakehouse::query
