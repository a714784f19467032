#include "gateway/http/iceberg_planning.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "base/json.h"
#include "catalog/commit_policy.h"
#include "gateway/http/iceberg_call.h"
#include "iceberg/expression.h"
#include "iceberg/scan.h"
#include "iceberg/scan_json.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using catalog::LoadedTable;
using iceberg::ScanPosition;
using iceberg::TableMetadata;

constexpr std::size_t kBodyMax = std::size_t{8} << 20U;
constexpr std::size_t kFilterBytesMax = std::size_t{1} << 20U;
// What one answer holds, about: by what a file takes in it.
constexpr std::size_t kAnswerBytes = std::size_t{16} << 20U;
constexpr std::size_t kTaskBytes = 512;
constexpr std::size_t kStatsBytes = 160;
constexpr std::size_t kTasksMax = 10'000;
constexpr std::size_t kEntriesMax = 200'000;
constexpr std::size_t kEntriesMin = 1000;
constexpr std::size_t kChecksMax = 20'000'000;  // Predicates times entries.
constexpr std::size_t kDeletesMax = 1'000'000;
constexpr std::size_t kPartsMax = 1000;
constexpr std::size_t kPartBytes = std::size_t{1} << 20U;
constexpr std::size_t kPlanIdLength = 20;

std::unexpected<Error> no_plan() {
  return fail(ErrorCode::NotFound, "Plan id does not exist",
              "Plans are forgotten after a while and at a restart; plan the scan again.");
}

std::unexpected<Error> no_plan_task(std::string_view why) {
  return fail(ErrorCode::NotFound, fmt::format("Plan task does not exist: {}", why),
              "Plan the scan again.");
}

json::array position_json(const ScanPosition& position) {
  return {position.manifest, position.entry};
}

Result<ScanPosition> position_from(const json::array& array) {
  if (array.size() != 2) {
    return no_plan_task("it is not one of this server's");
  }
  boost::system::error_code error;
  ScanPosition position;
  position.manifest = array[0].to_number<std::size_t>(error);
  if (!error) {
    position.entry = array[1].to_number<std::size_t>(error);
  }
  return error ? Result<ScanPosition>(no_plan_task("it is not one of this server's")) : position;
}

std::size_t predicates_of(const iceberg::Expression& expression) {
  std::size_t count = expression.kind() == iceberg::Expression::Kind::Is ? 1 : 0;
  for (const iceberg::Expression& part : expression.parts()) {
    count += predicates_of(part);
  }
  return count;
}

/// A column and the columns in it.
void add_ids(const iceberg::NestedField& field, std::set<std::int32_t>& out) {
  out.insert(field.id);
  for (const iceberg::NestedField& inner : field.type->fields) {
    add_ids(inner, out);
  }
}

void find_stats(const std::vector<iceberg::NestedField>& fields, const std::string& prefix,
                const std::set<std::string, std::less<>>& names, std::set<std::int32_t>& out) {
  for (const iceberg::NestedField& field : fields) {
    const std::string path = prefix + field.name;
    if (names.contains(path)) {
      add_ids(field, out);
    } else {
      find_stats(field.type->fields, path + '.', names, out);
    }
  }
}

}  // namespace

// ---- plans

std::string PlanStore::add(Plan plan) {
  std::string id = new_token(kPlanIdLength);
  const std::scoped_lock lock(mutex_);
  bytes_ += plan.request.size();
  plans_.emplace(id, std::move(plan));
  oldest_.push_back(id);
  trim();
  return id;
}

void PlanStore::trim() {
  while (oldest_.size() > 1 && (oldest_.size() > plans_max_ || bytes_ > bytes_max_)) {
    const auto oldest = plans_.find(oldest_.front());
    bytes_ -= oldest->second.request.size();
    plans_.erase(oldest);
    oldest_.pop_front();
  }
}

Result<PlanStore::Plan> PlanStore::find(std::string_view id, std::string_view principal,
                                        std::string_view table_uuid) const {
  const std::scoped_lock lock(mutex_);
  const auto found = plans_.find(id);
  if (found == plans_.end() || found->second.principal != principal ||
      found->second.table_uuid != table_uuid) {
    return no_plan();
  }
  return found->second;
}

Status PlanStore::cancel(std::string_view id, std::string_view principal,
                         std::string_view table_uuid) {
  const std::scoped_lock lock(mutex_);
  const auto found = plans_.find(id);
  if (found == plans_.end() || found->second.principal != principal ||
      found->second.table_uuid != table_uuid) {
    return no_plan();
  }
  bytes_ -= found->second.request.size();
  found->second.request.clear();
  return {};
}

// ---- scans

struct PlanningHandlers::Call {
  const Request& request;
  std::string body;

  [[nodiscard]] const RequestContext& context() const { return request.context; }
  [[nodiscard]] catalog::TableIdentifier table() const {
    return {.name_space = split_namespace(request.path_param("namespace")),
            .name = request.path_param("table")};
  }
  [[nodiscard]] Result<json::value> json() const {
    const std::string type = request.content_type();
    if (!type.empty() && type != "application/json" && !type.ends_with("+json")) {
      Error error{.code = ErrorCode::InvalidArgument,
                  .message = fmt::format("the request body must be JSON, not {}", type),
                  .hint = {},
                  .position_bytes = std::nullopt,
                  .details_json = {}};
      return std::unexpected(with_http_status(std::move(error), 415));
    }
    return parse_json(body, "the request body");
  }
};

/// A scan with everything settled: what a plan task stands for.
struct PlanningHandlers::Scan {
  bool is_empty = false;  ///< The table has no snapshot.
  const iceberg::Schema* schema = nullptr;
  std::vector<std::int32_t> stats;  ///< Ascending.
  json::value filter_json = true;
  iceberg::ScanRequest request;

  /// Of a client's request.
  static Result<Scan> from_request(const json::value& body, const TableMetadata& metadata);
  /// Of a plan task.
  static Result<Scan> from_task(std::string_view text, const TableMetadata& metadata);
  [[nodiscard]] std::string task(const TableMetadata& metadata,
                                 const iceberg::ScanRange& range) const;

 private:
  Status choose_snapshot(JsonFields& fields, const TableMetadata& metadata);
  Status choose_schema(JsonFields& fields, const TableMetadata& metadata);
};

Status PlanningHandlers::Scan::choose_snapshot(JsonFields& fields, const TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const auto at, fields.optional_int64("snapshot-id"));
  LH_ASSIGN_OR_RETURN(const auto start, fields.optional_int64("start-snapshot-id"));
  LH_ASSIGN_OR_RETURN(const auto end, fields.optional_int64("end-snapshot-id"));
  if (start.has_value() != end.has_value() || (at && start)) {
    return fail(ErrorCode::InvalidArgument,
                "a scan has either a snapshot-id, or a start-snapshot-id and an end-snapshot-id");
  }
  const auto wanted = at ? at : end;
  if (!wanted && metadata.current_snapshot() == nullptr) {
    is_empty = true;
    return {};
  }
  request.snapshot_id = wanted ? *wanted : metadata.current_snapshot()->snapshot_id;
  request.appended_after = start;
  if (metadata.snapshot_by_id(request.snapshot_id) == nullptr) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the table has no snapshot {}", request.snapshot_id),
                "It may have been expired; the table's metadata lists those there are.");
  }
  return {};
}

Status PlanningHandlers::Scan::choose_schema(JsonFields& fields, const TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const auto of_snapshot, fields.optional_bool("use-snapshot-schema"));
  schema = of_snapshot.value_or(false) && !is_empty
               ? &metadata.schema_of(*metadata.snapshot_by_id(request.snapshot_id))
               : metadata.current_schema();
  return {};
}

Result<PlanningHandlers::Scan> PlanningHandlers::Scan::from_request(const json::value& body,
                                                                    const TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  Scan scan;
  LH_RETURN_IF_ERROR(scan.choose_snapshot(fields, metadata));
  LH_RETURN_IF_ERROR(scan.choose_schema(fields, metadata));
  LH_ASSIGN_OR_RETURN(const auto case_sensitive, fields.optional_bool("case-sensitive"));
  const json::value* filter = fields.optional_value("filter");
  if (filter != nullptr && !filter->is_null()) {
    LH_ASSIGN_OR_RETURN(
        scan.request.filter,
        iceberg::expression_from_json(*filter, *scan.schema, case_sensitive.value_or(true)));
  }
  scan.filter_json = iceberg::expression_to_json(scan.request.filter, *scan.schema);
  if (fields.optional_value("select") != nullptr) {
    LH_RETURN_IF_ERROR(fields.require_strings("select"));  // Files hold all columns.
  }
  if (fields.optional_value("stats-fields") != nullptr) {
    LH_ASSIGN_OR_RETURN(const auto names, fields.require_strings("stats-fields"));
    std::set<std::int32_t> ids;
    find_stats(scan.schema->fields, "", {names.begin(), names.end()}, ids);
    scan.stats.assign(ids.begin(), ids.end());
  }
  LH_ASSIGN_OR_RETURN(const auto rows, fields.optional_int64("min-rows-requested"));
  if (rows && *rows > 0) {
    scan.request.rows_enough = *rows;
  }
  return scan;
}

std::string PlanningHandlers::Scan::task(const TableMetadata& metadata,
                                         const iceberg::ScanRange& range) const {
  json::object out{{"table", metadata.table_uuid},
                   {"schema", schema->schema_id},
                   {"filter", filter_json},
                   {"rows", request.rows_enough},
                   {"from", position_json(range.from)}};
  if (!is_empty) {
    out["snapshot"] = request.snapshot_id;
  }
  if (request.appended_after) {
    out["after"] = *request.appended_after;
  }
  if (!stats.empty()) {
    out["stats"] = json::array(stats.begin(), stats.end());
  }
  if (range.to) {
    out["to"] = position_json(*range.to);
  }
  return to_json(out);
}

Result<PlanningHandlers::Scan> PlanningHandlers::Scan::from_task(std::string_view text,
                                                                 const TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const json::value value, parse_json(text, "the plan task"));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "the plan task"));
  LH_ASSIGN_OR_RETURN(const std::string uuid, fields.require_string("table"));
  if (uuid != metadata.table_uuid) {
    return no_plan_task("it is of another table");
  }
  Scan scan;
  LH_ASSIGN_OR_RETURN(const std::int64_t schema_id, fields.require_int64("schema"));
  scan.schema = schema_id < INT32_MIN || schema_id > INT32_MAX
                    ? nullptr
                    : metadata.schema_by_id(static_cast<std::int32_t>(schema_id));
  LH_ASSIGN_OR_RETURN(const auto snapshot, fields.optional_int64("snapshot"));
  scan.is_empty = !snapshot;
  scan.request.snapshot_id = snapshot.value_or(-1);
  if (scan.schema == nullptr || (snapshot && metadata.snapshot_by_id(*snapshot) == nullptr)) {
    return no_plan_task("its snapshot was expired");
  }
  LH_ASSIGN_OR_RETURN(scan.request.appended_after, fields.optional_int64("after"));
  if (const json::value* filter = fields.optional_value("filter")) {
    LH_ASSIGN_OR_RETURN(scan.request.filter, iceberg::expression_from_json(*filter, *scan.schema));
    scan.filter_json = *filter;
  }
  LH_ASSIGN_OR_RETURN(scan.request.rows_enough, fields.require_int64("rows"));
  LH_ASSIGN_OR_RETURN(const json::array* from, fields.require_array("from"));
  LH_ASSIGN_OR_RETURN(scan.request.range.from, position_from(*from));
  LH_ASSIGN_OR_RETURN(const json::array* to, fields.optional_array("to"));
  if (to != nullptr) {
    LH_ASSIGN_OR_RETURN(scan.request.range.to, position_from(*to));
  }
  LH_ASSIGN_OR_RETURN(const json::array* stats, fields.optional_array("stats"));
  for (std::size_t i = 0; stats != nullptr && i < stats->size(); ++i) {
    boost::system::error_code error;
    scan.stats.push_back((*stats)[i].to_number<std::int32_t>(error));
    if (error) {
      return no_plan_task("it is not one of this server's");
    }
  }
  return scan;
}

// ---- operations

net::awaitable<Result<Response>> PlanningHandlers::run(Request request, Operation operation) {
  std::string body;
  if (request.method == Method::Post) {
    LH_ASSIGN_OR_CO_RETURN(body, co_await request.read_body(kBodyMax));
  }
  const Call call{.request = request, .body = std::move(body)};
  auto work = [this, &call, operation] { return (this->*operation)(call); };
  Result<Response> answer = co_await run_on(pools_.storage, std::move(work));
  co_return answer;
}

Result<std::string> PlanningHandlers::tasks_json(const Call& call, const LoadedTable& table,
                                                 const Scan& scan) {
  const TableMetadata& metadata = *table.metadata;
  iceberg::ScanPlan plan;
  if (!scan.is_empty) {
    iceberg::ScanRequest request = scan.request;
    const std::string task = scan.task(metadata, request.range);
    const std::size_t task_bytes = kTaskBytes + kStatsBytes * scan.stats.size() + task.size();
    request.with_residuals = true;
    request.tasks_max = std::clamp<std::size_t>(kAnswerBytes / task_bytes, 1, kTasksMax);
    request.entries_max =
        std::clamp(kChecksMax / (predicates_of(request.filter) + 1), kEntriesMin, kEntriesMax);
    request.deletes_max = kDeletesMax;
    request.parts_max = std::clamp<std::size_t>(kPartBytes / task.size(), 1, kPartsMax);
    LH_ASSIGN_OR_RETURN(
        plan, iceberg::plan_scan(call.context(), buckets_, manifests_, metadata, request));
  }
  std::string out;
  out.reserve(plan.tasks.size() * kTaskBytes);
  iceberg::append_scan_tasks(out, plan, scan.request.filter, *scan.schema, scan.stats);
  if (!plan.rest.empty()) {
    json::array tasks;
    for (const iceberg::ScanRange& range : plan.rest) {
      tasks.emplace_back(scan.task(metadata, range));
    }
    out += R"(,"plan-tasks":)" + to_json(tasks);
  }
  return out;
}

Result<Response> PlanningHandlers::completed(const Call& call, const LoadedTable& table,
                                             const Scan& scan, const std::string& plan_id) {
  LH_ASSIGN_OR_RETURN(const std::string tasks, tasks_json(call, table, scan));
  return json_text_response(
      200, fmt::format(R"({{"status":"completed","plan-id":"{}",{}}})", plan_id, tasks));
}

Result<LoadedTable> PlanningHandlers::load_table(const Call& call) {
  LH_ASSIGN_OR_RETURN(LoadedTable table, catalog_.load_table(call.context(), call.table()));
  LH_RETURN_IF_ERROR(catalog::check_may_see_files(call.context(), policies_, table));
  return table;
}

Result<Response> PlanningHandlers::plan_table_scan(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(const LoadedTable table, load_table(call));
  LH_ASSIGN_OR_RETURN(const Scan scan, Scan::from_request(body, *table.metadata));
  std::string first = scan.task(*table.metadata, {});
  if (first.size() > kFilterBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the filter is longer than {} bytes", kFilterBytesMax),
                "Plan with a part of it: the client filters the rows anyway.");
  }
  const std::string plan_id = plans_.add({.principal = call.context().principal,
                                          .table_uuid = table.metadata->table_uuid,
                                          .request = std::move(first)});
  return completed(call, table, scan, plan_id);
}

Result<Response> PlanningHandlers::fetch_planning_result(const Call& call) {
  LH_ASSIGN_OR_RETURN(const LoadedTable table, load_table(call));
  const std::string& plan_id = call.request.path_param("plan-id");
  LH_ASSIGN_OR_RETURN(const PlanStore::Plan plan,
                      plans_.find(plan_id, call.context().principal, table.metadata->table_uuid));
  if (plan.request.empty()) {
    return json_response(200, {{"status", "cancelled"}});
  }
  const auto scan = Scan::from_task(plan.request, *table.metadata);
  return scan ? completed(call, table, *scan, plan_id) : no_plan();
}

Result<Response> PlanningHandlers::cancel_planning(const Call& call) {
  LH_ASSIGN_OR_RETURN(const LoadedTable table, load_table(call));
  LH_RETURN_IF_ERROR(plans_.cancel(call.request.path_param("plan-id"), call.context().principal,
                                   table.metadata->table_uuid));
  return empty_response();
}

Result<Response> PlanningHandlers::fetch_scan_tasks(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_RETURN(const std::string task, fields.require_string("plan-task"));
  LH_ASSIGN_OR_RETURN(const LoadedTable table, load_table(call));
  const auto scan = Scan::from_task(task, *table.metadata);
  if (!scan) {
    return scan.error().code == ErrorCode::NotFound
               ? std::unexpected(scan.error())
               : no_plan_task("it is not one of this server's");
  }
  LH_ASSIGN_OR_RETURN(const std::string tasks, tasks_json(call, table, *scan));
  return json_text_response(200, "{" + tasks + "}");
}

}  // namespace lakehouse::gateway::http
