#include "query/copy_statement.h"

#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "iceberg/type_mapping.h"
#include "query/ddl.h"

namespace lakehouse::query {

namespace {

using iceberg::NestedField;
using iceberg::Transform;
using iceberg::TypeKind;

void append_field_id(const NestedField& field, std::string* out) {
  fmt::format_to(std::back_inserter(*out), "{}: ", quote_sql_literal(field.name));
  if (!is_nested(*field.type)) {
    fmt::format_to(std::back_inserter(*out), "{}", field.id);
    return;
  }
  fmt::format_to(std::back_inserter(*out), "{{__duckdb_field_id: {}", field.id);
  for (const NestedField& child : field.type->fields) {
    *out += ", ";
    append_field_id(child, out);
  }
  *out += "}";
}

/// A partition value's SQL, from the column's.
Result<std::string> transformed(const Transform& transform, const std::string& column,
                                const iceberg::Type& type) {
  // Years and hours of an instant are those of UTC, whatever the session's zone.
  const std::string at = type.kind == TypeKind::Timestamptz || type.kind == TypeKind::TimestamptzNs
                             ? fmt::format("({} AT TIME ZONE 'UTC')", column)
                             : column;
  switch (transform.kind) {
    case Transform::Kind::Identity: return column;
    case Transform::Kind::Year:
      return fmt::format("CAST(date_diff('year', DATE '1970-01-01', CAST({} AS DATE)) AS INTEGER)",
                         at);
    case Transform::Kind::Month:
      return fmt::format("CAST(date_diff('month', DATE '1970-01-01', CAST({} AS DATE)) AS INTEGER)",
                         at);
    case Transform::Kind::Day: return fmt::format("CAST({} AS DATE)", at);
    case Transform::Kind::Hour:
      return fmt::format(
          "CAST(date_diff('hour', TIMESTAMP '1970-01-01', CAST({} AS TIMESTAMP)) AS INTEGER)", at);
    case Transform::Kind::Bucket:
      return fmt::format("lh_iceberg_bucket({}, {})", transform.parameter, column);
    case Transform::Kind::Truncate: break;
    case Transform::Kind::Void:
    case Transform::Kind::Unknown:
      return fail(ErrorCode::Unimplemented,
                  fmt::format("rows cannot be partitioned by {}", to_string(transform)));
  }
  const std::int32_t width = transform.parameter;
  if (type.kind == TypeKind::Int || type.kind == TypeKind::Long) {
    return fmt::format("({0} - ((({0} % {1}) + {1}) % {1}))", column, width);
  }
  if (type.kind == TypeKind::Decimal) {
    // The width is in units of the last digit.
    return fmt::format("CAST({0} - ((({0} % {1}) + {1}) % {1}) AS {2})", column,
                       iceberg::decimal_to_string(width, type.scale), duckdb_type(type));
  }
  if (type.kind == TypeKind::String) {
    return fmt::format("left({}, {})", column, width);
  }
  if (type.kind == TypeKind::Binary) {
    return fmt::format("unhex(left(hex({}), {}))", column, 2 * width);
  }
  return fail(ErrorCode::Unimplemented,
              fmt::format("{} of {} cannot be written", to_string(transform), to_string(type)));
}

/// A column, or a struct's field, as SQL.
std::string path_sql(const iceberg::Schema& schema, std::int32_t id) {
  for (const NestedField& column : schema.fields) {
    if (column.id == id) {
      return quote_sql_identifier(column.name);
    }
    if (column.type->kind != TypeKind::Struct) {
      continue;
    }
    const iceberg::Schema inner{
        .schema_id = 0, .fields = column.type->fields, .identifier_field_ids = {}, .unknown = {}};
    if (const std::string rest = path_sql(inner, id); !rest.empty()) {
      return quote_sql_identifier(column.name) + "." + rest;
    }
  }
  return {};
}

/// For each of the schema's columns the source's column that goes to it.
Result<std::vector<std::optional<std::size_t>>> match_columns(
    const iceberg::Schema& schema, std::size_t source_count,
    const std::vector<std::string>& columns) {
  std::vector<std::optional<std::size_t>> from(schema.fields.size());
  const std::size_t wanted = columns.empty() ? schema.fields.size() : columns.size();
  if (wanted != source_count) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{} columns are to be written, but the rows have {}", wanted, source_count),
        columns.empty() ? "Name the columns that the values are for." : "");
  }
  for (std::size_t i = 0; i < wanted; ++i) {
    if (columns.empty()) {
      from[i] = i;
      continue;
    }
    const NestedField* field = find_column(schema.fields, columns[i]);
    if (field == nullptr) {
      std::vector<std::string> names;
      for (const NestedField& known : schema.fields) {
        names.push_back(known.name);
      }
      return fail(ErrorCode::InvalidArgument, fmt::format("there is no column {}", columns[i]),
                  did_you_mean(columns[i], names));
    }
    std::optional<std::size_t>& target =
        from[static_cast<std::size_t>(field - schema.fields.data())];
    if (target) {
      return fail(ErrorCode::InvalidArgument, fmt::format("column {} is named twice", columns[i]));
    }
    target = i;
  }
  return from;
}

Result<std::string> column_sql(const NestedField& field, std::optional<std::size_t> from,
                               const std::vector<engine::Column>& source_columns) {
  const std::string type = duckdb_type(*field.type);
  if (field.type->kind == TypeKind::Fixed) {
    return fail(ErrorCode::Unimplemented,
                fmt::format("column {} is {}, which cannot be written here", field.name,
                            to_string(*field.type)),
                "Write it by another Iceberg client.");
  }
  if (!from) {
    if (field.write_default && !field.write_default->is_null() && !is_nested(*field.type)) {
      LH_ASSIGN_OR_RETURN(const iceberg::Literal value,
                          iceberg::literal_from_json(*field.type, *field.write_default));
      return fmt::format("CAST({} AS {})", literal_to_sql(value), type);
    }
    if (field.required) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("column {} is required, but the rows lack it", field.name),
                  "Give a value for it.");
    }
    return fmt::format("CAST(NULL AS {})", type);
  }
  const std::string source = fmt::format("\"c{}\"", *from);
  std::string sql =
      source_columns[*from].type == type ? source : fmt::format("CAST({} AS {})", source, type);
  if (field.required && is_nested(*field.type)) {
    // Statistics tell of leaves only.
    sql = fmt::format("CASE WHEN {} IS NULL THEN error({}) ELSE {} END", source,
                      quote_sql_literal(fmt::format("column {} is required, but a row has NULL "
                                                    "there",
                                                    field.name)),
                      sql);
  }
  return sql;
}

struct PartitionSql {
  std::string columns;  ///< ", expression AS __lh_p0, ...".
  std::string option;   ///< ", PARTITION_BY (__lh_p0, ...)".
  std::vector<std::size_t> fields;
};

Result<PartitionSql> partition_sql(const iceberg::TableMetadata& table) {
  PartitionSql out;
  const iceberg::PartitionSpec& spec = *table.default_spec();
  const iceberg::Schema& schema = *table.current_schema();
  std::string names;
  for (std::size_t i = 0; i < spec.fields.size(); ++i) {
    const iceberg::PartitionField& field = spec.fields[i];
    if (field.transform.kind == Transform::Kind::Void) {
      continue;
    }
    const NestedField* source = schema.find_by_id(field.source_id);
    if (source == nullptr) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("the table is partitioned by {}, whose column is gone", field.name),
                  "Change its partitioning.");
    }
    LH_ASSIGN_OR_RETURN(const std::string sql,
                        transformed(field.transform, path_sql(schema, source->id), *source->type));
    const std::string name = fmt::format("__lh_p{}", out.fields.size());
    // Bytes that are no text cannot name a folder.
    const bool is_binary =
        source->type->kind == TypeKind::Binary && field.transform.kind != Transform::Kind::Bucket;
    out.columns += fmt::format(", {} AS {}", is_binary ? "hex(" + sql + ")" : sql, name);
    names += (names.empty() ? "" : ", ") + name;
    out.fields.push_back(i);
  }
  if (!names.empty()) {
    out.option = fmt::format(", PARTITION_BY ({})", names);
  }
  return out;
}

}  // namespace

std::string field_ids_option(const iceberg::Schema& schema) {
  std::string out = "{";
  for (const NestedField& field : schema.fields) {
    if (out.size() > 1) {
      out += ", ";
    }
    append_field_id(field, &out);
  }
  return out + "}";
}

Result<CopyPlan> plan_copy(const iceberg::TableMetadata& table, engine::Statement source,
                           const std::vector<engine::Column>& source_columns,
                           const std::vector<std::string>& columns, const CopyOptions& options) {
  const iceberg::Schema& schema = *table.current_schema();
  LH_ASSIGN_OR_RETURN(const auto from, match_columns(schema, source_columns.size(), columns));
  std::string names;
  for (std::size_t i = 0; i < source_columns.size(); ++i) {
    names += fmt::format("{}\"c{}\"", i == 0 ? "" : ", ", i);
  }
  std::string select;
  for (std::size_t i = 0; i < from.size(); ++i) {
    LH_ASSIGN_OR_RETURN(const std::string sql,
                        column_sql(schema.fields[i], from[i], source_columns));
    select += fmt::format("{}{} AS {}", i == 0 ? "" : ", ", sql,
                          quote_sql_identifier(schema.fields[i].name));
  }
  LH_ASSIGN_OR_RETURN(PartitionSql partitions, partition_sql(table));

  // The source stands first, so that no column's name can be taken for its place ("{}").
  const std::string place = source.is_tree && !source.around_tree.empty() ? source.around_tree
                            : source.is_tree                              ? "{}"
                                                                          : source.text;
  std::string sql =
      fmt::format("COPY (WITH __lh_source({}) AS NOT MATERIALIZED (\n{}\n) ", names, place);
  if (partitions.columns.empty()) {
    sql += fmt::format("SELECT {} FROM __lh_source", select);
  } else {
    sql += fmt::format("SELECT *{} FROM (SELECT {} FROM __lh_source)", partitions.columns, select);
  }
  const bool one_file = options.file_size_bytes == 0 && partitions.option.empty();
  // Level 1 takes a sixth less of the CPU than level 3, for files a twentieth larger.
  sql += fmt::format(
      ") TO {} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {}, "
      "FIELD_IDS {}",
      quote_sql_literal(options.folder + (one_file ? "/rows.parquet" : "/rows")),
      options.row_group_rows, field_ids_option(schema));
  sql += partitions.option;
  if (!one_file) {
    // Files of an attempt that came to nothing may lie there: what counts is what RETURN_STATS
    // says.
    sql += ", FILENAME_PATTERN 'part_{uuid}', OVERWRITE_OR_IGNORE";
    if (partitions.option.empty()) {
      sql += fmt::format(", FILE_SIZE_BYTES {}", options.file_size_bytes);
    }
  }
  sql += ", RETURN_STATS)";

  CopyPlan plan;
  plan.partition_fields = std::move(partitions.fields);
  plan.statement = std::move(source);
  (plan.statement.is_tree ? plan.statement.around_tree : plan.statement.text) = std::move(sql);
  plan.statement.encoding = engine::Encoding::Json;
  plan.statement.rows_max.reset();
  return plan;
}

}  // namespace lakehouse::query
