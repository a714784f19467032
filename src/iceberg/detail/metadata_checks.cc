#include "iceberg/detail/metadata_checks.h"

#include <unordered_set>

#include <fmt/format.h>

namespace lakehouse::iceberg::detail {

namespace {

// Commits come from several machines, whose clocks differ a little.
constexpr std::int64_t kClockSkewMaxMs = 60'000;

template <class... Args>
std::unexpected<Error> wrong(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorCode::InvalidArgument,
              "table metadata: " + fmt::format(format, std::forward<Args>(args)...));
}

template <class T>
Status check_ids(const std::vector<T>& items, std::int32_t T::* id, std::string_view what) {
  std::unordered_set<std::int32_t> seen;
  for (const T& item : items) {
    if (!seen.insert(item.*id).second) {
      return wrong("two {} have the id {}", what, item.*id);
    }
  }
  return {};
}

Status check_parts(const TableMetadata& metadata) {
  LH_RETURN_IF_ERROR(check_ids(metadata.schemas, &Schema::schema_id, "schemas"));
  LH_RETURN_IF_ERROR(
      check_ids(metadata.partition_specs, &PartitionSpec::spec_id, "partition specs"));
  LH_RETURN_IF_ERROR(check_ids(metadata.sort_orders, &SortOrder::order_id, "sort orders"));
  if (metadata.current_schema() == nullptr) {
    return wrong("there is no schema with the current schema id {}", metadata.current_schema_id);
  }
  if (metadata.default_spec() == nullptr) {
    return wrong("there is no partition spec with the default id {}", metadata.default_spec_id);
  }
  if (metadata.default_sort_order() == nullptr) {
    return wrong("there is no sort order with the default id {}", metadata.default_sort_order_id);
  }
  return {};
}

Status check_snapshots(const TableMetadata& metadata) {
  std::unordered_set<std::int64_t> ids;
  ids.reserve(metadata.snapshots.size());
  for (const SnapshotPtr& snapshot : metadata.snapshots) {
    if (!ids.insert(snapshot->snapshot_id).second) {
      return wrong("two snapshots have the id {}", snapshot->snapshot_id);
    }
    if (snapshot->sequence_number > metadata.last_sequence_number) {
      return wrong("snapshot {} has sequence number {}, which is above the last one, {}",
                   snapshot->snapshot_id, snapshot->sequence_number, metadata.last_sequence_number);
    }
  }
  if (metadata.current_snapshot_id && !ids.contains(*metadata.current_snapshot_id)) {
    return wrong("the current snapshot {} does not exist", *metadata.current_snapshot_id);
  }
  for (const auto& [name, ref] : metadata.refs) {
    if (!ids.contains(ref.snapshot_id)) {
      return wrong("reference '{}' names snapshot {}, which does not exist", name, ref.snapshot_id);
    }
  }
  const auto main = metadata.refs.find(kMainBranch);
  if (main != metadata.refs.end() && metadata.current_snapshot_id != main->second.snapshot_id) {
    return wrong("the current snapshot is not that of branch 'main', {}", main->second.snapshot_id);
  }
  return {};
}

template <class Entry>
Status check_log(const std::vector<Entry>& log, std::int64_t last_updated_ms,
                 std::string_view what) {
  for (std::size_t i = 0; i < log.size(); ++i) {
    const std::int64_t next = i + 1 < log.size() ? log[i + 1].timestamp_ms : last_updated_ms;
    if (Int128{next} < Int128{log[i].timestamp_ms} - kClockSkewMaxMs) {
      return wrong("the {} has an entry of {}, and {} comes behind it", what, log[i].timestamp_ms,
                   next);
    }
  }
  return {};
}

}  // namespace

Status check_metadata(const TableMetadata& metadata) {
  if (metadata.format_version == 1 && metadata.last_sequence_number != 0) {
    return wrong("version 1 has no sequence numbers");
  }
  LH_RETURN_IF_ERROR(check_parts(metadata));
  LH_RETURN_IF_ERROR(check_snapshots(metadata));
  LH_RETURN_IF_ERROR(check_log(metadata.snapshot_log, metadata.last_updated_ms, "snapshot log"));
  return check_log(metadata.metadata_log, metadata.last_updated_ms, "metadata log");
}

}  // namespace lakehouse::iceberg::detail
