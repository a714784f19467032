#include "gateway/http/registry_json.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/json.h"

namespace lakehouse::gateway::http {

namespace json = boost::json;
using catalog::Change;
using catalog::ColumnEntry;
using catalog::Freshness;
using catalog::RegistryEntry;

const std::string_view kRegistryMembers = R"(
  "description":{"type":["string","null"]},
  "owner":{"type":["string","null"]},
  "sensitivity":{"enum":["public","internal","confidential","restricted",null],
    "description":"As decided, else that of its most sensitive column."},
  "sensitivity_from":{"enum":["person","columns",null]},
  "tags":{"type":"array","items":{"type":"string"}},
  "freshness":{"type":"object","required":["last_write_at","sla_s","stale","stale_since"],
    "properties":{
    "last_write_at":{"type":["string","null"],"format":"date-time",
      "description":"Rewrites of the same rows do not count."},
    "sla_s":{"type":["integer","null"],"description":"How old the last write may be."},
    "stale":{"type":"boolean"},
    "stale_since":{"type":["string","null"],"format":"date-time"}}})";

const std::string_view kColumnMembers = R"(
  "note":{"type":"string"},
  "sensitivity":{"enum":["public","internal","confidential","restricted"]},
  "category":{"type":"string","description":"What kind of personal data, such as email."},
  "decided_by":{"enum":["person","detector"],"description":"Of sensitivity and category."})";

const std::string_view kPatchSchema = R"({
  "type":"object","additionalProperties":false,"properties":{
  "description":{"type":["string","null"],"minLength":1,"maxLength":16384},
  "owner":{"type":["string","null"],"minLength":1,"maxLength":255},
  "sensitivity":{"enum":["public","internal","confidential","restricted",null]},
  "tags":{"type":["array","null"],"maxItems":100,
    "items":{"type":"string","minLength":1,"maxLength":255}},
  "freshness_sla_s":{"type":["integer","null"],"minimum":1,"maximum":316224000,
    "description":"How old the last write may be, in seconds."},
  "columns":{"type":["object","null"],
    "description":"By name, or by path in a struct. Null forgets what is known about one.",
    "additionalProperties":{"type":["object","null"],"additionalProperties":false,"properties":{
      "note":{"type":["string","null"],"minLength":1,"maxLength":4096},
      "sensitivity":{"enum":["public","internal","confidential","restricted",null]},
      "category":{"type":["string","null"],"minLength":1,"maxLength":255}}}}},
  "example":{"owner":"sales","tags":["gold"],"freshness_sla_s":86400,
    "columns":{"email":{"sensitivity":"confidential"}}}})";

const std::string_view kChangeSchema = R"({
  "type":"object","required":["version","at","principal","by","changes"],"properties":{
  "version":{"type":"integer"},"at":{"type":"string","format":"date-time"},
  "principal":{"type":"string"},"by":{"enum":["person","detector"]},
  "changes":{"type":"object","additionalProperties":{"type":"object",
    "required":["from","to"],"properties":{"from":{},"to":{}}}}}})";

const std::string_view kGraphSchema = R"({
  "type":"object","required":["root","nodes","edges","truncated"],"properties":{
  "root":{"type":"string","description":"The id of the node that was asked for."},
  "truncated":{"type":"boolean"},
  "nodes":{"type":"array","items":{"type":"object","required":["id","kind","name"],"properties":{
    "id":{"type":"string"},"kind":{"enum":["source","dataset","view","index","job"]},
    "name":{"type":"string"},
    "gone":{"type":"boolean","description":"Of datasets and views: it was dropped."},
    "runs":{"type":"integer","description":"Of jobs: how often it ran."},
    "first_run_at":{"type":"string","format":"date-time"},
    "last_run_at":{"type":"string","format":"date-time"},
    "last_run":{"type":"object","description":"What is known of it: file, sha256, sql."}}}},
  "edges":{"type":"array","items":{"type":"object","required":["from","to"],"properties":{
    "from":{"type":"string"},"to":{"type":"string"}}}}}})";

const std::string_view kRunSchema = R"({
  "type":"object","required":["job","at","principal","snapshot_id","rows","inputs","detail"],
  "properties":{"job":{"type":"string"},"at":{"type":"string","format":"date-time"},
  "principal":{"type":"string"},"snapshot_id":{"type":["integer","null"]},
  "rows":{"type":["integer","null"]},
  "inputs":{"type":"array","items":{"type":"object","required":["kind","id","name"],"properties":{
    "kind":{"enum":["source","dataset","view","index","job"]},"id":{"type":"string"},
    "name":{"type":"string"}}}},
  "detail":{"type":"object","description":"What is known of it: file, sha256, sql."}}})";

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value();
}

json::value level_or_null(const std::optional<catalog::Sensitivity>& level) {
  return level ? json::value(to_string(*level)) : json::value();
}

/// What we have written ourselves; an empty object should it not be readable.
json::value parsed_object(const std::string& text) {
  auto value = parse_json(text, "a kept object");
  return value && value->is_object() ? *std::move(value) : json::value(json::object());
}

/// Whether the member is there, be it null: then it is a change.
template <class T>
Change<T> change_of(const json::object& object, std::string_view name, std::optional<T> value) {
  return object.contains(name) ? Change<T>(std::move(value)) : Change<T>();
}

Result<Change<catalog::Sensitivity>> level_change(const json::object& object, JsonFields& fields) {
  LH_ASSIGN_OR_RETURN(const auto name, fields.optional_string("sensitivity"));
  std::optional<catalog::Sensitivity> level;
  if (name) {
    LH_ASSIGN_OR_RETURN(level, catalog::sensitivity_from(*name));
  }
  return change_of(object, "sensitivity", level);
}

Result<catalog::ColumnPatch> column_patch(const json::object& object, const std::string& name) {
  JsonFields fields(object, fmt::format("column {}", name));
  catalog::ColumnPatch patch;
  LH_ASSIGN_OR_RETURN(auto note, fields.optional_string("note"));
  patch.note = change_of(object, "note", std::move(note));
  LH_ASSIGN_OR_RETURN(patch.sensitivity, level_change(object, fields));
  LH_ASSIGN_OR_RETURN(auto category, fields.optional_string("category"));
  patch.category = change_of(object, "category", std::move(category));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return patch;
}

Result<Change<std::vector<std::string>>> tags_change(const json::object& object,
                                                     JsonFields& fields) {
  LH_ASSIGN_OR_RETURN(const json::array* list, fields.optional_array("tags"));
  if (list == nullptr) {
    return change_of(object, "tags", std::optional<std::vector<std::string>>());
  }
  LH_ASSIGN_OR_RETURN(auto tags, fields.require_strings("tags"));
  return Change<std::vector<std::string>>(std::move(tags));
}

}  // namespace

std::string time_text(std::int64_t at_ms) {
  // Clients write times, too, and a calendar ends.
  constexpr std::int64_t kYear9999EndMs = 253'402'300'799'999;
  at_ms = std::clamp(at_ms, std::int64_t{0}, kYear9999EndMs);
  const std::int64_t seconds = at_ms / 1000;
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds)),
                     at_ms % 1000);
}

json::value time_or_null(const std::optional<std::int64_t>& at_ms) {
  return at_ms ? json::value(time_text(*at_ms)) : json::value();
}

void put_registry(json::object& dataset, const RegistryEntry& entry, const Freshness& freshness) {
  dataset["description"] = or_null(entry.description);
  dataset["owner"] = or_null(entry.owner);
  const auto level = entry.sensitivity();
  dataset["sensitivity"] = level_or_null(level);
  dataset["sensitivity_from"] =
      level ? json::value(entry.decided_sensitivity ? "person" : "columns") : json::value();
  dataset["tags"] = json::array(entry.tags.begin(), entry.tags.end());
  dataset["freshness"] = json::object{{"last_write_at", time_or_null(freshness.last_write_ms)},
                                      {"sla_s", or_null(freshness.sla_s)},
                                      {"stale", freshness.is_stale},
                                      {"stale_since", time_or_null(freshness.stale_since_ms)}};
}

void put_column(json::object& object, const ColumnEntry& column) {
  if (column.note) {
    object["note"] = *column.note;
  }
  if (column.sensitivity) {
    object["sensitivity"] = to_string(*column.sensitivity);
  }
  if (column.category) {
    object["category"] = *column.category;
  }
  if (column.sensitivity || column.category) {
    object["decided_by"] = to_string(column.by);
  }
}

json::object metadata_to_json(const std::string& dataset, const RegistryEntry& entry,
                              const Freshness& freshness) {
  json::object out;
  out["dataset"] = dataset;
  put_registry(out, entry, freshness);
  json::object columns;
  for (const ColumnEntry& column : entry.columns) {
    json::object one;
    put_column(one, column);
    columns[column.name] = std::move(one);
  }
  out["columns"] = std::move(columns);
  return out;
}

std::string metadata_schema() {
  return fmt::format(R"({{"type":"object","required":["dataset","description","owner",)"
                     R"("sensitivity","sensitivity_from","tags","freshness","columns"],)"
                     R"("properties":{{"dataset":{{"type":"string"}},{},)"
                     R"("columns":{{"type":"object","additionalProperties":{{"type":"object",)"
                     R"("properties":{{{}}}}}}}}}}})",
                     kRegistryMembers, kColumnMembers);
}

Result<catalog::RegistryPatch> patch_from_json(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  const json::object& object = body.get_object();
  catalog::RegistryPatch patch;
  LH_ASSIGN_OR_RETURN(auto description, fields.optional_string("description"));
  patch.description = change_of(object, "description", std::move(description));
  LH_ASSIGN_OR_RETURN(auto owner, fields.optional_string("owner"));
  patch.owner = change_of(object, "owner", std::move(owner));
  LH_ASSIGN_OR_RETURN(patch.sensitivity, level_change(object, fields));
  LH_ASSIGN_OR_RETURN(patch.tags, tags_change(object, fields));
  LH_ASSIGN_OR_RETURN(const auto sla, fields.optional_int64("freshness_sla_s"));
  patch.freshness_sla_s = change_of(object, "freshness_sla_s", sla);
  LH_ASSIGN_OR_RETURN(const json::object* columns, fields.optional_object("columns"));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  if (columns == nullptr) {
    return patch;
  }
  for (const auto& [key, value] : *columns) {
    const std::string name(key);
    if (value.is_null()) {
      patch.columns[name] = std::nullopt;
      continue;
    }
    if (!value.is_object()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("column {} must be an object or null", name));
    }
    LH_ASSIGN_OR_RETURN(patch.columns[name], column_patch(value.get_object(), name));
  }
  return patch;
}

json::object change_to_json(const catalog::RegistryChange& change) {
  return {{"version", change.version},
          {"at", time_text(change.at_ms)},
          {"principal", change.principal},
          {"by", to_string(change.by)},
          {"changes", parsed_object(change.changes_json)}};
}

json::object graph_to_json(const catalog::LineageGraph& graph) {
  json::array nodes;
  for (const catalog::LineageNode& node : graph.nodes) {
    json::object one{{"id", node.id}, {"kind", to_string(node.kind)}, {"name", node.name}};
    if (node.is_gone) {
      one["gone"] = true;
    }
    if (node.kind == catalog::LineageNodeKind::Job) {
      one["runs"] = node.runs;
      one["first_run_at"] = time_text(node.first_at_ms);
      one["last_run_at"] = time_text(node.last_at_ms);
      one["last_run"] = parsed_object(node.last_detail_json);
    }
    nodes.push_back(std::move(one));
  }
  json::array edges;
  for (const catalog::LineageEdge& edge : graph.edges) {
    edges.push_back(json::object{{"from", edge.from}, {"to", edge.to}});
  }
  json::object out;
  out["root"] = graph.root;
  out["nodes"] = std::move(nodes);
  out["edges"] = std::move(edges);
  out["truncated"] = graph.truncated;
  return out;
}

json::object run_to_json(const catalog::LineageRun& run) {
  json::array inputs;
  for (const catalog::LineageInput& input : run.inputs) {
    inputs.push_back(
        json::object{{"kind", to_string(input.kind)}, {"id", input.id}, {"name", input.name}});
  }
  json::object out;
  out["job"] = run.job;
  out["at"] = time_text(run.at_ms);
  out["principal"] = run.principal;
  out["snapshot_id"] = or_null(run.snapshot_id);
  out["rows"] = or_null(run.rows);
  out["inputs"] = std::move(inputs);
  out["detail"] = parsed_object(run.detail_json);
  return out;
}

}  // namespace lakehouse::gateway::http
