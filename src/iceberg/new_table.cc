#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "iceberg/detail/fresh_ids.h"
#include "iceberg/detail/metadata_checks.h"
#include "iceberg/table_metadata.h"

namespace lakehouse::iceberg {

namespace {

constexpr std::string_view kFormatVersionProperty = "format-version";
constexpr std::string_view kColumnMetricsPrefix = "write.metadata.metrics.column.";

std::optional<std::int32_t> whole_number(std::string_view text) {
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

Result<int> format_version_of(const NewTable& table) {
  int version = table.format_version;
  const auto given = table.properties.find(kFormatVersionProperty);
  if (given != table.properties.end()) {
    const auto number = whole_number(given->second);
    if (!number) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("property 'format-version' must be a whole number, not '{}'", given->second));
    }
    version = *number;
  }
  if (version < 1 || version > kFormatVersionMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("format version {} is not known", version),
                fmt::format("Take one of 1 to {}.", kFormatVersionMax));
  }
  return version;
}

bool has_column(const std::vector<NestedField>& fields, std::string_view path) {
  return std::ranges::any_of(fields, [&](const NestedField& field) {
    if (field.name == path) {
      return true;
    }
    return path.starts_with(field.name) && path.substr(field.name.size()).starts_with('.') &&
           has_column(field.type->fields, path.substr(field.name.size() + 1));
  });
}

/// Checked at creation only, so that it breaks no table that exists.
Status check_properties(const Properties& properties, const Schema& schema) {
  for (const auto& [name, value] : properties) {
    if (name.starts_with(kColumnMetricsPrefix) &&
        !has_column(schema.fields, std::string_view(name).substr(kColumnMetricsPrefix.size()))) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("property '{}' names a column that is not in the schema", name));
    }
  }
  for (const std::string_view name :
       {"commit.retry.num-retries", "commit.retry.min-wait-ms", "commit.retry.max-wait-ms",
        "commit.retry.total-timeout-ms"}) {
    const auto found = properties.find(name);
    if (found == properties.end()) {
      continue;
    }
    const auto number = whole_number(found->second);
    if (!number || *number < 0) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("property '{}' must be a whole number of at least 0, not '{}'", name,
                              found->second));
    }
  }
  return {};
}

using IdMap = std::map<std::int32_t, std::int32_t>;

Status renumber_sources(std::int32_t& id, std::vector<std::int32_t>& ids, const IdMap& fresh_ids) {
  std::vector<std::int32_t*> all = {&id};
  for (std::int32_t& one : ids) {
    all.push_back(&one);
  }
  for (std::int32_t* one : all) {
    const auto found = fresh_ids.find(*one);
    if (found == fresh_ids.end()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("source column {} is not in the schema", *one));
    }
    *one = found->second;
  }
  return {};
}

Status set_schema(const NewTable& table, TableMetadata& metadata, IdMap& fresh_ids) {
  LH_RETURN_IF_ERROR(validate_schema(table.schema, metadata.format_version));
  Schema schema = table.schema;
  std::int32_t next_id = 1;
  schema.schema_id = 0;
  schema.fields = detail::with_fresh_ids(
      table.schema.fields, next_id,
      [&](std::int32_t old_id, std::int32_t new_id) { fresh_ids.emplace(old_id, new_id); });
  for (std::int32_t& id : schema.identifier_field_ids) {
    id = fresh_ids.at(id);  // Checked with the schema.
  }
  metadata.last_column_id = next_id - 1;
  metadata.current_schema_id = 0;
  metadata.schemas.push_back(std::move(schema));
  return {};
}

Status set_spec_and_order(const NewTable& table, TableMetadata& metadata, const IdMap& fresh_ids) {
  PartitionSpec spec = table.spec;
  spec.spec_id = 0;
  std::int32_t next_id = kFirstPartitionFieldId;
  for (PartitionField& field : spec.fields) {
    LH_RETURN_IF_ERROR(renumber_sources(field.source_id, field.source_ids, fresh_ids));
    field.field_id = next_id++;
  }
  LH_RETURN_IF_ERROR(validate_spec(spec, metadata.schemas.front()));
  SortOrder order = table.order;
  order.order_id = order.is_unsorted() ? 0 : 1;
  for (SortField& field : order.fields) {
    LH_RETURN_IF_ERROR(renumber_sources(field.source_id, field.source_ids, fresh_ids));
  }
  LH_RETURN_IF_ERROR(validate_sort_order(order, metadata.schemas.front()));
  metadata.last_partition_id = spec.highest_field_id();
  metadata.default_spec_id = spec.spec_id;
  metadata.partition_specs.push_back(std::move(spec));
  metadata.default_sort_order_id = order.order_id;
  metadata.sort_orders.push_back(std::move(order));
  return {};
}

}  // namespace

Result<TableMetadata> new_table_metadata(const NewTable& table) {
  TableMetadata metadata;
  LH_ASSIGN_OR_RETURN(metadata.format_version, format_version_of(table));
  if (table.location.empty() || table.uuid.empty()) {
    return fail(ErrorCode::InvalidArgument, "a new table must have a location and a UUID");
  }
  metadata.table_uuid = table.uuid;
  metadata.location = table.location;
  detail::strip_trailing_slashes(metadata.location);
  metadata.last_updated_ms = table.now_ms;
  IdMap fresh_ids;
  LH_RETURN_IF_ERROR(set_schema(table, metadata, fresh_ids));
  LH_RETURN_IF_ERROR(set_spec_and_order(table, metadata, fresh_ids));
  LH_RETURN_IF_ERROR(check_properties(table.properties, table.schema));
  metadata.properties = table.properties;
  const auto version_property = metadata.properties.find(kFormatVersionProperty);
  if (version_property != metadata.properties.end()) {
    metadata.properties.erase(version_property);
  }
  return metadata;
}

}  // namespace lakehouse::iceberg
