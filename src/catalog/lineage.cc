#include "catalog/lineage.h"

#include <algorithm>
#include <array>
#include <tuple>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "catalog/detail/lineage_rows.h"

namespace lakehouse::catalog {
namespace {

namespace json = boost::json;
using metastore::integer;
using metastore::Transaction;
using metastore::Value;

constexpr std::string_view kProperty = "lakehouse.lineage.";
constexpr std::int64_t kRunsKept = 1000;
constexpr std::int64_t kJobsInProperties = 100;
constexpr std::size_t kKeyDigits = 16;
constexpr std::size_t kInputsMax = 1000;

constexpr std::array<std::pair<LineageNodeKind, std::string_view>, 5> kKinds = {
    {{LineageNodeKind::Source, "source"},
     {LineageNodeKind::Dataset, "dataset"},
     {LineageNodeKind::View, "view"},
     {LineageNodeKind::Index, "index"},
     {LineageNodeKind::Job, "job"}}};

Value nullable(const std::optional<std::int64_t>& value) {
  return value ? Value(*value) : Value();
}

bool is_lineage_property(std::string_view name) {
  return name.starts_with(kProperty);
}

/// In one order, each once, and not more than can be shown.
std::vector<LineageInput> normal(std::vector<LineageInput> inputs) {
  std::ranges::sort(inputs);
  const auto rest = std::ranges::unique(
      inputs, [](const auto& a, const auto& b) { return a.kind == b.kind && a.id == b.id; });
  inputs.erase(rest.begin(), rest.end());
  inputs.resize(std::min(inputs.size(), kInputsMax));
  return inputs;
}

Status insert_job(Transaction& transaction, const LineageRun& run, const std::string& key,
                  std::int64_t runs) {
  LH_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO lineage_jobs (output_id, job_key, output_kind, output_name, job, runs, "
      "first_at_ms, last_at_ms, last_detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
      {run.output_id, key, std::string(to_string(run.output_kind)), run.output_name, run.job, runs,
       run.at_ms, run.detail_json}));
  for (const LineageInput& input : normal(run.inputs)) {
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO lineage_inputs (output_id, job_key, input_kind, input_id, input_name) "
        "VALUES ($1, $2, $3, $4, $5)",
        {run.output_id, key, std::string(to_string(input.kind)), input.id, input.name}));
  }
  return {};
}

Status insert_run(Transaction& transaction, const LineageRun& run, const std::string& key) {
  LH_ASSIGN_OR_RETURN(
      const auto last,
      transaction.query("SELECT COALESCE(MAX(run), 0) FROM lineage_runs WHERE output_id = $1",
                        {run.output_id}));
  const std::int64_t number = integer(last.front()[0]) + 1;
  LH_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO lineage_runs (output_id, run, job_key, job, at_ms, principal, snapshot_id, "
      "row_count, inputs, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      {run.output_id, number, key, run.job, run.at_ms, run.principal, nullable(run.snapshot_id),
       nullable(run.rows), to_json(detail::inputs_to_json(normal(run.inputs))), run.detail_json}));
  LH_RETURN_IF_ERROR(
      transaction.execute("DELETE FROM lineage_runs WHERE output_id = $1 AND run <= $2",
                          {run.output_id, number - kRunsKept}));
  return {};
}

/// A job as a property tells of it; nothing if it is malformed.
std::optional<LineageRun> run_of_property(const std::string& value) {
  const auto parsed = parse_json(value, "a lineage property");
  const json::object* object = parsed ? parsed->if_object() : nullptr;
  const json::value* job = object != nullptr ? object->if_contains("job") : nullptr;
  const json::value* inputs = object != nullptr ? object->if_contains("inputs") : nullptr;
  const json::value* at = object != nullptr ? object->if_contains("first_at_ms") : nullptr;
  if (job == nullptr || !job->is_string() || inputs == nullptr) {
    return std::nullopt;
  }
  LineageRun run;
  run.job = job->get_string();
  run.inputs = detail::inputs_from_json(*inputs);
  run.at_ms = at != nullptr && at->is_int64() ? at->get_int64() : 0;
  return run;
}

}  // namespace

std::string_view to_string(LineageNodeKind kind) {
  const auto found = std::ranges::find(kKinds, kind, &decltype(kKinds)::value_type::first);
  return found->second;
}

namespace detail {

LineageNodeKind node_kind_from(std::string_view name) {
  const auto found = std::ranges::find(kKinds, name, &decltype(kKinds)::value_type::second);
  return found == kKinds.end() ? LineageNodeKind::Source : found->first;
}

std::string job_key(const LineageRun& run) {
  std::string text = run.job;
  for (const LineageInput& input : normal(run.inputs)) {
    text += fmt::format("\n{} {}:{}", to_string(input.kind), input.id.size(), input.id);
  }
  return sha256_hex(text).substr(0, kKeyDigits);
}

json::array inputs_to_json(const std::vector<LineageInput>& inputs) {
  json::array out;
  for (const LineageInput& input : inputs) {
    out.push_back(
        json::object{{"kind", to_string(input.kind)}, {"id", input.id}, {"name", input.name}});
  }
  return out;
}

std::vector<LineageInput> inputs_from_json(const json::value& value) {
  std::vector<LineageInput> inputs;
  const json::array* list = value.if_array();
  for (std::size_t i = 0; list != nullptr && i < std::min(list->size(), kInputsMax); ++i) {
    const json::object* object = list->at(i).if_object();
    std::array<std::string, 3> texts;
    bool is_whole = object != nullptr;
    for (std::size_t part = 0; is_whole && part < texts.size(); ++part) {
      constexpr std::array<std::string_view, 3> kNames = {"kind", "id", "name"};
      const json::value* text = object->if_contains(kNames.at(part));
      is_whole = text != nullptr && text->is_string();
      texts.at(part) = is_whole ? std::string(text->get_string()) : std::string();
    }
    if (is_whole) {
      inputs.push_back({.kind = node_kind_from(texts[0]), .id = texts[1], .name = texts[2]});
    }
  }
  return inputs;
}

}  // namespace detail

Status record_lineage(Transaction& transaction, const LineageRun& run) {
  const std::string key = detail::job_key(run);
  if (run.replaces) {
    for (const std::string_view sql :
         {"DELETE FROM lineage_inputs WHERE output_id = $1 AND job_key <> $2",
          "DELETE FROM lineage_jobs WHERE output_id = $1 AND job_key <> $2"}) {
      LH_RETURN_IF_ERROR(transaction.execute(sql, {run.output_id, key}));
    }
  }
  LH_ASSIGN_OR_RETURN(
      const std::int64_t known,
      transaction.execute("UPDATE lineage_jobs SET runs = runs + 1, last_at_ms = $1, "
                          "last_detail = $2, output_name = $3 "
                          "WHERE output_id = $4 AND job_key = $5",
                          {run.at_ms, run.detail_json, run.output_name, run.output_id, key}));
  if (known == 0) {
    LH_RETURN_IF_ERROR(insert_job(transaction, run, key, 1));
  }
  return insert_run(transaction, run, key);
}

std::vector<iceberg::TableUpdate> lineage_updates(const iceberg::TableMetadata* base,
                                                  const LineageRun& run) {
  const std::string name = std::string(kProperty) + detail::job_key(run);
  std::vector<iceberg::TableUpdate> updates;
  std::int64_t named = 0;
  if (base != nullptr) {
    std::vector<std::string> old;
    for (const auto& [property, value] : base->properties) {
      if (is_lineage_property(property) && property != name) {
        old.push_back(property);
      }
    }
    named = static_cast<std::int64_t>(old.size());
    if (run.replaces && !old.empty()) {
      updates.emplace_back(iceberg::RemoveProperties{std::move(old)});
      named = 0;
    }
    if (base->property(name) != nullptr || named >= kJobsInProperties) {
      return updates;
    }
  }
  const json::object job{{"job", run.job},
                         {"inputs", detail::inputs_to_json(normal(run.inputs))},
                         {"first_at_ms", run.at_ms}};
  updates.emplace_back(iceberg::SetProperties{.updates = {{name, to_json(job)}}});
  return updates;
}

Status restore_lineage(Transaction& transaction, const TableIdentifier& table,
                       const std::string& uuid, const Properties& properties) {
  for (const auto& [name, value] : properties) {
    auto run = is_lineage_property(name) ? run_of_property(value) : std::nullopt;
    if (!run) {
      continue;
    }
    run->output_id = uuid;
    run->output_name = to_string(table);
    const std::string key = detail::job_key(*run);
    LH_ASSIGN_OR_RETURN(const auto known,
                        transaction.query("SELECT 1 FROM lineage_jobs WHERE output_id = $1 "
                                          "AND job_key = $2",
                                          {run->output_id, key}));
    if (known.empty()) {
      LH_RETURN_IF_ERROR(insert_job(transaction, *run, key, 0));
    }
  }
  return {};
}

Status forget_runs(Transaction& transaction, std::string_view table_uuid) {
  for (const std::string_view sql : {"DELETE FROM lineage_runs WHERE output_id = $1",
                                     "DELETE FROM registry_history WHERE table_uuid = $1"}) {
    LH_RETURN_IF_ERROR(transaction.execute(sql, {std::string(table_uuid)}));
  }
  return {};
}

}  // namespace lakehouse::catalog
