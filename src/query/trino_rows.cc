#include "query/trino_rows.h"

#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/type_mapping.h"
#include "query/trino_types.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

/// The end of an Arrow stream: a continuation mark and a length of zero.
constexpr std::size_t kArrowEndBytes = 8;

/// Trino writes structs as arrays; DuckDB casts objects.
json::value with_names(json::value value, const iceberg::Type& type) {
  json::array* list = value.if_array();
  if (type.kind == iceberg::TypeKind::Struct && list != nullptr) {
    json::object named;
    for (std::size_t i = 0; i < list->size() && i < type.fields.size(); ++i) {
      named[type.fields[i].name] = with_names(std::move((*list)[i]), *type.fields[i].type);
    }
    return named;
  }
  if (type.kind == iceberg::TypeKind::List && list != nullptr) {
    for (json::value& element : *list) {
      element = with_names(std::move(element), *type.fields[0].type);
    }
  }
  if (json::object* map = value.if_object(); type.kind == iceberg::TypeKind::Map && map) {
    for (auto& entry : *map) {
      entry.value() = with_names(std::move(entry.value()), *type.fields[1].type);
    }
  }
  return value;
}

/// The text that a cell's cast reads; null stays.
json::value text_of(json::value cell, const iceberg::TypePtr& nested) {
  if (cell.is_null() || (cell.is_string() && nested == nullptr)) {
    return cell;
  }
  return json::value(to_json(nested == nullptr ? cell : with_names(std::move(cell), *nested)));
}

}  // namespace

Result<TrinoRows> TrinoRows::open(const RequestContext& context, engine::Engine& engine,
                                  const std::vector<engine::Column>& columns,
                                  const std::vector<TrinoColumn>& given,
                                  engine::Encoding encoding) {
  if (columns.size() != given.size()) {
    return fail(ErrorCode::Unimplemented,
                fmt::format("the cluster gives {} columns where there should be {}", given.size(),
                            columns.size()));
  }
  TrinoRows out(engine, encoding);
  std::vector<std::string> outer;
  std::vector<std::string> inner;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string& type = columns[i].type;
    if (!trino::is_faithful(given[i].type, type)) {
      return fail(ErrorCode::Unimplemented,
                  fmt::format("the cluster gives the column '{}' as {}, which is no {}",
                              columns[i].name, given[i].type, type));
    }
    Column column{.variable = fmt::format("lh_c{}", i),
                  .sql = fmt::format("CAST(c{} AS {})", i, type),
                  .nested = nullptr};
    if (type == "BLOB") {
      column.sql = fmt::format("from_base64(c{})", i);
    } else if (type.ends_with("[]") || type.starts_with("STRUCT(") || type.starts_with("MAP(")) {
      std::int32_t next_id = 1;
      LH_ASSIGN_OR_RETURN(column.nested, iceberg::type_from_duckdb(type, next_id, 2));
      column.sql = fmt::format("CAST(CAST(c{} AS JSON) AS {})", i, type);
    }
    outer.push_back(fmt::format("{} AS {}", column.sql, quote_sql_identifier(columns[i].name)));
    inner.push_back(fmt::format("unnest(getvariable('{}')) AS c{}", column.variable, i));
    out.columns_.push_back(std::move(column));
  }
  out.statement_ =
      fmt::format("SELECT {} FROM (SELECT {})", fmt::join(outer, ", "), fmt::join(inner, ", "));
  LH_ASSIGN_OR_RETURN(out.frame_, out.run(context, {}));
  out.tail_bytes_ = encoding == engine::Encoding::ArrowStream ? kArrowEndBytes : 0;
  if (out.frame_.size() < out.tail_bytes_) {
    return fail(ErrorCode::Internal, "an Arrow stream without an end");
  }
  return out;
}

Result<std::string> TrinoRows::encode(const RequestContext& context, json::array rows) {
  if (rows.empty()) {
    return std::string();
  }
  LH_ASSIGN_OR_RETURN(std::string bytes, run(context, std::move(rows)));
  if (!bytes.starts_with(prefix()) || !bytes.ends_with(suffix())) {
    return fail(ErrorCode::Internal, "a batch of rows does not begin and end as the first one");
  }
  bytes.resize(bytes.size() - tail_bytes_);
  bytes.erase(0, frame_.size() - tail_bytes_);
  if (encoding_ == engine::Encoding::Json && has_rows_) {
    bytes.insert(0, ",\n");
  }
  has_rows_ = true;
  return bytes;
}

Result<std::string> TrinoRows::run(const RequestContext& context, json::array rows) {
  engine::Statement statement;
  statement.text = statement_;
  statement.encoding = encoding_;
  statement.lane = engine::Lane::Light;
  std::vector<json::array> cells(columns_.size());
  for (json::value& row : rows) {
    if (!row.is_array() || row.get_array().size() != columns_.size()) {
      return fail(ErrorCode::Unavailable, "the cluster: a row with another number of columns");
    }
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      cells[i].push_back(text_of(std::move(row.get_array()[i]), columns_[i].nested));
    }
    row = nullptr;
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    statement.variables.push_back({columns_[i].variable, std::move(cells[i])});
  }
  LH_ASSIGN_OR_RETURN(const auto stream, engine_->execute(context, std::move(statement)));
  std::string out;
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, stream->next(context));
    if (!bytes) {
      return out;
    }
    out += *bytes;
  }
}

}  // namespace lakehouse::query
