#include "query/dataset_profile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "iceberg/type_mapping.h"
#include "query/leaf_columns.h"
#include "query/small_answer.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using iceberg::TypeKind;

/// Of the kept form: kept profiles of another one are made anew.
constexpr std::string_view kForm = "2";
constexpr std::size_t kColumnsMax = 2000;
/// Aggregated by one statement.
constexpr std::size_t kColumnsAtOnce = 40;
constexpr int kTopValues = 10;
/// Of so few values the most frequent are looked for in any case.
constexpr std::int64_t kTopOfAllMax = 100'000;
/// Fewer different values are counted; more are estimated (DuckDB's HyperLogLog is within 15 %).
constexpr std::int64_t kDistinctCountedMax = 10'000;
constexpr int kBins = 20;
constexpr int kValueChars = 120;
constexpr std::array<std::string_view, 5> kQuantiles = {"0.05", "0.25", "0.5", "0.75", "0.95"};
constexpr std::string_view kQuantileList = "[0.05, 0.25, 0.5, 0.75, 0.95]";

/// What can be said about a column.
enum class Scale : std::uint8_t {
  None,     ///< Counts only.
  Words,    ///< Ordered, without distances.
  Numbers,  ///< On a line.
  Days,     ///< On a line of time, in seconds since 1970.
  Moments,  ///< The same, with the time of day.
};

Scale scale_of(const iceberg::Type& type) {
  switch (type.kind) {
    case TypeKind::Int:
    case TypeKind::Long:
    case TypeKind::Float:
    case TypeKind::Double:
    case TypeKind::Decimal: return Scale::Numbers;
    case TypeKind::Date: return Scale::Days;
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: return Scale::Moments;
    case TypeKind::Boolean:
    case TypeKind::Time:
    case TypeKind::String:
    case TypeKind::Uuid: return Scale::Words;
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: return Scale::None;
  }
  return Scale::None;
}

/// One column on its way.
struct Column {
  LeafColumn leaf;
  Scale scale = Scale::None;
  std::optional<std::string> personal;  ///< The category.
  std::int64_t count = 0;
  std::int64_t distinct = 0;  ///< Estimated.
  std::optional<double> low;  ///< On its line, where there is one.
  std::optional<double> high;
  json::object out;

  [[nodiscard]] bool shows_values() const { return scale != Scale::None && !personal; }
  [[nodiscard]] bool has_line() const { return scale != Scale::None && scale != Scale::Words; }
  [[nodiscard]] bool counts_distinct() const {
    return distinct > 0 && distinct <= kDistinctCountedMax;
  }
  /// Where nearly all values are different, none is frequent.
  [[nodiscard]] bool shows_top() const {
    return shows_values() && count > 0 && (count <= kTopOfAllMax || distinct <= count / 2);
  }
  [[nodiscard]] bool shows_quantiles() const {
    return has_line() && (!personal || personal == to_string(catalog::PiiKind::Salary) ||
                          personal == to_string(catalog::PiiKind::BirthDate));
  }
  /// Its place on the line, as DOUBLE.
  [[nodiscard]] std::string place() const {
    return scale == Scale::Numbers ? fmt::format("CAST({} AS DOUBLE)", leaf.sql)
                                   : fmt::format("epoch({})", leaf.sql);
  }
  [[nodiscard]] std::string text() const {
    return fmt::format("left(CAST({} AS VARCHAR), {})", leaf.sql, kValueChars);
  }
};

std::optional<double> number_in(const json::value& value) {
  if (!value.is_number()) {
    return std::nullopt;
  }
  const auto number = value.to_number<double>();
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

/// A place on a column's line as its values are written.
json::value place_value(double place, Scale scale) {
  if (scale == Scale::Numbers) {
    return place;
  }
  constexpr double kSecondsMax = 253402300799.0;  // 9999-12-31
  constexpr double kSecondsMin = -62135596800.0;  // 0001-01-01
  const auto seconds =
      static_cast<std::time_t>(std::floor(std::clamp(place, kSecondsMin, kSecondsMax)));
  const std::tm at = fmt::gmtime(seconds);
  return json::string(scale == Scale::Days ? fmt::format("{:%F}", at)
                                           : fmt::format("{:%FT%T}Z", at));
}

/// SELECT of one row of aggregates.
class Select {
 public:
  void add(const std::string& expression) {
    sql_ += fmt::format("{}{} AS a{}", count_ == 0 ? "SELECT " : ", ", expression, count_);
    ++count_;
  }
  [[nodiscard]] bool is_empty() const { return count_ == 0; }
  [[nodiscard]] std::string from(const std::string& source) const {
    return sql_ + " FROM " + source;
  }

 private:
  std::string sql_;
  std::size_t count_ = 0;
};

/// The cells of an answer's one row, taken in the order in which they were asked for.
class Cells {
 public:
  explicit Cells(std::vector<json::array> rows) : rows_(std::move(rows)) {}
  const json::value& next() {
    static const json::value none;
    return !rows_.empty() && at_ < rows_.front().size() ? rows_.front()[at_++] : none;
  }

 private:
  std::vector<json::array> rows_;
  std::size_t at_ = 0;
};

void ask_first(const Column& column, Select& select) {
  select.add(fmt::format("count({})", column.leaf.sql));
  if (column.scale != Scale::None) {
    select.add(fmt::format("approx_count_distinct({})", column.leaf.sql));
  }
  if (column.shows_values()) {
    const bool words = column.scale == Scale::Words;
    select.add(fmt::format("min({})", words ? column.text() : column.leaf.sql));
    select.add(fmt::format("max({})", words ? column.text() : column.leaf.sql));
  }
  if (column.has_line()) {
    const std::string place = column.place();
    const std::string finite = fmt::format("FILTER (WHERE isfinite({}))", place);
    select.add(fmt::format("min({}) {}", place, finite));
    select.add(fmt::format("max({}) {}", place, finite));
    select.add(fmt::format("approx_quantile({}, {}) {}", place, kQuantileList, finite));
  }
}

void take_first(std::int64_t rows, Cells& cells, Column& column) {
  column.count = cells.next().to_number<std::int64_t>();
  column.out["name"] = column.leaf.path;
  column.out["id"] = column.leaf.field_id;
  column.out["type"] = iceberg::to_string(*column.leaf.type);
  column.out["count"] = column.count;
  column.out["nulls"] = rows - column.count;
  if (column.personal) {
    column.out["personal"] = *column.personal;
  }
  if (column.scale != Scale::None) {
    column.distinct = std::min(column.count, cells.next().to_number<std::int64_t>());
    column.out["distinct"] = column.distinct;
  }
  if (column.shows_values()) {
    column.out["min"] = cells.next();
    column.out["max"] = cells.next();
  }
  if (column.has_line()) {
    column.low = number_in(cells.next());
    column.high = number_in(cells.next());
    const json::value& quantiles = cells.next();
    if (quantiles.is_array() && column.shows_quantiles()) {
      json::object out;
      for (std::size_t i = 0; i < std::min(quantiles.get_array().size(), kQuantiles.size()); ++i) {
        if (const auto place = number_in(quantiles.get_array()[i])) {
          out[kQuantiles[i]] = place_value(*place, column.scale);
        }
      }
      column.out["quantiles"] = std::move(out);
    }
  }
}

bool wants_histogram(const Column& column) {
  return column.shows_values() && column.low && column.high && *column.low < *column.high;
}

double edge(const Column& column, int bin) {
  const double share = static_cast<double>(bin) / kBins;
  return bin == kBins ? *column.high : *column.low + (*column.high - *column.low) * share;
}

void ask_second(const Column& column, Select& select) {
  if (column.counts_distinct()) {
    select.add(fmt::format("count(DISTINCT {})", column.leaf.sql));
  }
  if (wants_histogram(column)) {
    std::vector<std::string> edges;
    for (int bin = 1; bin <= kBins; ++bin) {
      edges.push_back(fmt::format("{:.17e}", edge(column, bin)));
    }
    const std::string place = column.place();
    select.add(fmt::format("map_values(histogram({}, [{}]) FILTER (WHERE isfinite({})))", place,
                           fmt::join(edges, ", "), place));
  }
}

void take_second(Cells& cells, Column& column) {
  if (column.counts_distinct()) {
    column.out["distinct"] = cells.next();
  }
  if (wants_histogram(column)) {
    json::array bins;
    const json::value& counts = cells.next();
    for (int bin = 0; counts.is_array() && bin < kBins; ++bin) {
      const auto at = static_cast<std::size_t>(bin);
      const json::value count = at < counts.get_array().size() ? counts.get_array()[at] : 0;
      bins.push_back(json::object{{"from", place_value(edge(column, bin), column.scale)},
                                  {"to", place_value(edge(column, bin + 1), column.scale)},
                                  {"count", count}});
    }
    column.out["histogram"] = std::move(bins);
  }
}

/// Rows of (number of the column, value, count), ten of each column; empty if none is wanted.
std::string top_sql(std::span<const Column> columns, const std::string& source) {
  std::string sql;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].shows_top()) {
      sql += fmt::format(
          "{0}SELECT {1} AS c, left(CAST(v AS VARCHAR), {2}) AS t, n FROM (SELECT {3} AS v, "
          "count(*) AS n FROM {4} WHERE {3} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {5}) "
          "AS q{1}",
          sql.empty() ? "" : " UNION ALL ", i, kValueChars, columns[i].leaf.sql, source,
          kTopValues);
    }
  }
  return sql;
}

void take_top(const std::vector<json::array>& rows, std::span<Column> columns) {
  std::vector<json::array> top(columns.size());
  for (const json::array& row : rows) {
    const auto at = row.at(0).to_number<std::size_t>();
    if (at < columns.size() && row.at(1).is_string()) {
      top[at].push_back(json::object{{"value", row.at(1)}, {"count", row.at(2)}});
    }
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].shows_top()) {
      std::ranges::sort(top[i], [](const json::value& a, const json::value& b) {
        const auto count = [](const json::value& one) {
          return one.at("count").to_number<std::int64_t>();
        };
        return count(a) != count(b) ? count(a) > count(b)
                                    : a.at("value").as_string() < b.at("value").as_string();
      });
      columns[i].out["top_values"] = std::move(top[i]);
    }
  }
}

/// The columns as the caller sees them: none that is hidden, and masked ones of the masks' types.
Result<iceberg::Schema> seen_schema(iceberg::Schema schema, const SeenPart& seen) {
  std::int32_t next_id = schema.highest_field_id() + 1;
  std::vector<iceberg::NestedField> fields;
  for (const engine::Column& column : seen.columns) {
    const iceberg::NestedField* field = schema.find(column.name);
    if (field == nullptr) {
      continue;
    }
    fields.push_back(*field);
    if (iceberg::duckdb_type(*field->type) != column.type) {
      LH_ASSIGN_OR_RETURN(fields.back().type, iceberg::type_from_duckdb(column.type, next_id, 3));
    }
  }
  schema.fields = std::move(fields);
  return schema;
}

/// What else a snapshot's profile depends on.
std::string variant_of(const std::vector<LeafColumn>& leaves,
                       const std::map<std::int32_t, std::string>& personal, const SeenPart& seen) {
  std::string text(kForm);
  for (const LeafColumn& leaf : leaves) {
    text += fmt::format("\n{} {}", leaf.field_id, leaf.path);
  }
  for (const auto& [field_id, category] : personal) {
    text += fmt::format("\n{}={}", field_id, category);
  }
  if (!seen.is_whole) {
    text += "\nseen " + seen.digest;
  }
  return sha256_hex(text);
}

/// Fills `some` columns and tells how many rows there are.
Status compute_some(const RequestContext& context, QueryService& queries, const std::string& source,
                    std::span<Column> some, std::int64_t* rows) {
  const auto ask = [&](std::string sql) {
    SqlRequest request;
    request.sql = std::move(sql);
    return rows_of(context, queries, std::move(request));
  };
  Select first;
  first.add("count(*)");
  std::ranges::for_each(some, [&](const Column& column) { ask_first(column, first); });
  LH_ASSIGN_OR_RETURN(auto answer, ask(first.from(source)));
  Cells cells(std::move(answer));
  *rows = cells.next().to_number<std::int64_t>();
  std::ranges::for_each(some, [&](Column& column) { take_first(*rows, cells, column); });
  Select second;
  std::ranges::for_each(some, [&](const Column& column) { ask_second(column, second); });
  if (!second.is_empty()) {
    LH_ASSIGN_OR_RETURN(answer, ask(second.from(source)));
    cells = Cells(std::move(answer));
    std::ranges::for_each(some, [&](Column& column) { take_second(cells, column); });
  }
  if (std::string top = top_sql(some, source); !top.empty()) {
    LH_ASSIGN_OR_RETURN(answer, ask(std::move(top)));
    take_top(answer, some);
  }
  return {};
}

}  // namespace

/// One snapshot's profile to be made.
struct DatasetProfiler::Task {
  std::string source;  ///< After FROM.
  std::vector<LeafColumn> leaves;
  std::map<std::int32_t, std::string> personal;
  SeenPart seen;
  bool may_be_kept = true;
};

Result<json::object> DatasetProfiler::compute(const RequestContext& context, Task task) {
  std::vector<Column> columns;
  for (LeafColumn& leaf : task.leaves) {
    Column column;
    column.scale = scale_of(*leaf.type);
    if (const auto found = task.personal.find(leaf.field_id); found != task.personal.end()) {
      column.personal = found->second;
    }
    column.leaf = std::move(leaf);
    columns.push_back(std::move(column));
  }
  std::int64_t rows = 0;
  json::array out;
  for (std::size_t from = 0; from < columns.size(); from += kColumnsAtOnce) {
    const std::span some =
        std::span(columns).subspan(from, std::min(kColumnsAtOnce, columns.size() - from));
    LH_RETURN_IF_ERROR(compute_some(context, queries_, task.source, some, &rows));
    for (Column& column : some) {
      out.push_back(std::move(column.out));
    }
  }
  json::object body;
  body["rows"] = rows;
  body["computed_at_ms"] = catalog_.now_ms();
  body["columns"] = std::move(out);
  return body;
}

Result<DatasetProfiler::Task> DatasetProfiler::task_of(const RequestContext& context,
                                                       DatasetPii pii,
                                                       const iceberg::Snapshot* snapshot) {
  const iceberg::TableMetadata& metadata = *pii.table.metadata;
  Task task;
  task.source = quote_sql_identifier(to_string(pii.table.identifier));
  if (snapshot != nullptr) {
    task.source += fmt::format(" AT (VERSION => {})", snapshot->snapshot_id);
  }
  const iceberg::Schema& schema =
      snapshot == nullptr ? *metadata.current_schema() : metadata.schema_of(*snapshot);
  LH_ASSIGN_OR_RETURN(task.seen, queries_.seen_part(context, task.source));
  if (task.seen.is_whole) {
    task.leaves = leaf_columns(schema, Lists::Whole, kColumnsMax);
  } else {
    LH_ASSIGN_OR_RETURN(const iceberg::Schema seen, seen_schema(schema, task.seen));
    task.leaves = leaf_columns(seen, Lists::Whole, kColumnsMax);
  }
  for (LeafColumn& leaf : task.leaves) {
    // Under the names of today.
    if (std::string now = metadata.current_schema()->path_of(leaf.field_id); !now.empty()) {
      leaf.path = std::move(now);
    }
  }
  LH_RETURN_IF_ERROR(note_personal(context, std::move(pii), task));
  return task;
}

/// Personal values are not to be kept here.
Status DatasetProfiler::note_personal(const RequestContext& context, DatasetPii pii, Task& task) {
  LH_ASSIGN_OR_RETURN(const bool look_first, pii_.is_due(context, pii.table));
  if (look_first && task.seen.is_whole) {
    LH_ASSIGN_OR_RETURN(pii, pii_.find(context, pii.table, std::nullopt));
  }
  // What a part of the dataset looks like says nothing about all of it.
  task.may_be_kept = task.seen.is_whole || (!look_first && !task.seen.digest.empty());
  task.personal = PiiScanner::personal_columns(pii);
  return {};
}

Result<json::object> DatasetProfiler::find_or_compute(const RequestContext& context,
                                                      const std::string& table_uuid,
                                                      const iceberg::Snapshot* snapshot,
                                                      Task task) {
  if (snapshot == nullptr || !task.may_be_kept) {
    return compute(context, std::move(task));
  }
  const std::string variant = variant_of(task.leaves, task.personal, task.seen);
  LH_ASSIGN_OR_RETURN(const std::optional<std::string> kept,
                      kept_.find(context, table_uuid, snapshot->snapshot_id, variant));
  if (kept) {
    LH_ASSIGN_OR_RETURN(json::value parsed, parse_json(*kept, "a kept profile"));
    return std::move(parsed.as_object());
  }
  LH_ASSIGN_OR_RETURN(json::object body, compute(context, std::move(task)));
  LH_RETURN_IF_ERROR(kept_.put(context, table_uuid, snapshot->snapshot_id, variant,
                               catalog_.now_ms(), to_json(body)));
  return body;
}

Result<json::object> DatasetProfiler::profile(const RequestContext& context,
                                              const std::string& dataset,
                                              std::optional<std::int64_t> snapshot_id) {
  LH_ASSIGN_OR_RETURN(const DatasetPii pii, pii_.show(context, dataset));
  const iceberg::TableMetadata& metadata = *pii.table.metadata;
  const iceberg::Snapshot* snapshot =
      snapshot_id ? metadata.snapshot_by_id(*snapshot_id) : metadata.current_snapshot();
  const std::string name = to_string(pii.table.identifier);
  if (snapshot_id && snapshot == nullptr) {
    return fail(ErrorCode::NotFound, fmt::format("{} has no snapshot {}", name, *snapshot_id),
                "See the dataset's snapshots for those there are.");
  }
  const std::size_t stripe = std::hash<std::string>{}(metadata.table_uuid) % computing_.size();
  std::unique_lock lock(computing_.at(stripe), std::defer_lock);
  while (!lock.try_lock_for(std::chrono::milliseconds(50))) {
    LH_RETURN_IF_ERROR(context.check());
  }
  LH_ASSIGN_OR_RETURN(Task task, task_of(context, pii, snapshot));
  LH_ASSIGN_OR_RETURN(json::object body,
                      find_or_compute(context, metadata.table_uuid, snapshot, std::move(task)));
  body["dataset"] = name;
  body["snapshot_id"] = snapshot == nullptr ? json::value() : json::value(snapshot->snapshot_id);
  return body;
}

}  // namespace lakehouse::query
