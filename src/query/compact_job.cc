#include "query/compact_job.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <boost/json/array.hpp>

#include "base/json.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

struct Counter {
  std::string_view name;
  std::int64_t Compacted::* count;
};
constexpr Counter kCounters[] = {{"commits", &Compacted::commits},
                                 {"files_total", &Compacted::files_total},
                                 {"files_removed", &Compacted::files_removed},
                                 {"files_added", &Compacted::files_added},
                                 {"delete_files_removed", &Compacted::delete_files_removed},
                                 {"rows", &Compacted::rows}};

json::object counts_of(const Compacted& done) {
  json::object out{
      {"snapshot_id", done.snapshot_id ? json::value(*done.snapshot_id) : json::value()}};
  for (const Counter& one : kCounters) {
    out[one.name] = done.*one.count;
  }
  out["bytes_removed"] = done.bytes_removed;
  out["bytes_added"] = done.bytes_added;
  return out;
}

/// What an earlier attempt had done; nothing of a null.
Result<Compacted> counts_from(const json::value& kept) {
  Compacted out;
  if (kept.is_null()) {
    return out;
  }
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(kept, "a compaction's checkpoint"));
  LH_ASSIGN_OR_RETURN(out.snapshot_id, fields.optional_int64("snapshot_id"));
  for (const Counter& one : kCounters) {
    LH_ASSIGN_OR_RETURN(const auto count, fields.optional_int64(one.name));
    out.*one.count = count.value_or(0);
  }
  LH_ASSIGN_OR_RETURN(const auto removed, fields.optional_int64("bytes_removed"));
  LH_ASSIGN_OR_RETURN(const auto added, fields.optional_int64("bytes_added"));
  out.bytes_removed = static_cast<std::uint64_t>(removed.value_or(0));
  out.bytes_added = static_cast<std::uint64_t>(added.value_or(0));
  return out;
}

/// `before` and, on top, what this attempt has done.
Compacted sum(const Compacted& before, const Compacted& now) {
  Compacted out = before;
  if (now.snapshot_id) {
    out.snapshot_id = now.snapshot_id;
  }
  for (const Counter& one : kCounters) {
    out.*one.count += now.*one.count;
  }
  out.files_total = std::max(before.files_total, now.files_total);
  out.bytes_removed += now.bytes_removed;
  out.bytes_added += now.bytes_added;
  return out;
}

json::object spec_of(const CompactRequest& request) {
  const auto& levels = request.table.name_space;
  return {{"namespace", json::array(levels.begin(), levels.end())},
          {"table", request.table.name},
          {"file_size_bytes", request.file_size_bytes_target}};
}

Result<CompactRequest> request_of(const json::value& spec) {
  CompactRequest out;
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(spec, "a compaction's specification"));
  LH_ASSIGN_OR_RETURN(out.table.name_space, fields.require_strings("namespace"));
  LH_ASSIGN_OR_RETURN(out.table.name, fields.require_string("table"));
  LH_ASSIGN_OR_RETURN(const auto target, fields.optional_int64("file_size_bytes"));
  out.file_size_bytes_target = static_cast<std::uint64_t>(target.value_or(0));
  return out;
}

Result<json::value> run_job(const Compactor& compactor, jobs::JobContext& job) {
  LH_ASSIGN_OR_RETURN(const CompactRequest request, request_of(job.spec()));
  LH_ASSIGN_OR_RETURN(const Compacted before, counts_from(job.last_checkpoint()));
  Compactor own = compactor;
  LH_ASSIGN_OR_RETURN(const CompactWork work, own.work(job.request(), request));
  const std::int64_t total = before.files_removed + work.files;
  job.progress(before.files_removed, total, "writing files anew");
  const auto note = [&](const Compacted& now) {
    const Compacted all = sum(before, now);
    job.progress(all.files_removed, std::max(total, all.files_removed));
    return job.checkpoint(counts_of(all));
  };
  LH_ASSIGN_OR_RETURN(const Compacted done, own.compact(job.request(), request, note));
  return json::value(to_json(request.table, sum(before, done)));
}

}  // namespace

json::object to_json(const catalog::TableIdentifier& table, const Compacted& done) {
  json::object out = counts_of(done);
  out["dataset"] = catalog::to_string(table);
  return out;
}

void register_compact_job(jobs::JobService& jobs, const Compactor& compactor) {
  jobs.register_kind(std::string(kCompactJob), {},
                     [compactor](jobs::JobContext& job) { return run_job(compactor, job); });
}

Result<jobs::Started> start_compact_job(const RequestContext& context, jobs::JobService& jobs,
                                        const CompactRequest& request) {
  return jobs.start(context, kCompactJob, spec_of(request),
                    {.subject = catalog::to_string(request.table)});
}

}  // namespace lakehouse::query
