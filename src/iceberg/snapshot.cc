#include "iceberg/snapshot.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/properties.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

template <class Int>
Status check_positive(const std::optional<Int>& value, std::string_view name) {
  if (value && *value < 1) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("'{}' of a snapshot reference must be at least 1, not {}", name, *value));
  }
  return {};
}

Result<SnapshotRef::Kind> ref_kind(std::string_view text) {
  const std::string lower = to_lower(text);
  if (lower != "branch" && lower != "tag") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a snapshot reference is a 'branch' or a 'tag', not '{}'", text));
  }
  return lower == "tag" ? SnapshotRef::Kind::Tag : SnapshotRef::Kind::Branch;
}

}  // namespace

namespace detail {

Result<Properties> properties_of(JsonFields& fields, std::string_view name) {
  LH_ASSIGN_OR_RETURN(auto members, fields.optional_string_map(name));
  Properties properties;
  for (auto& [key, value] : members) {
    properties.insert_or_assign(std::move(key), std::move(value));
  }
  return properties;
}

json::object properties_to_json(const Properties& properties) {
  json::object object;
  object.reserve(properties.size());
  for (const auto& [key, value] : properties) {
    object.emplace(key, value);
  }
  return object;
}

Status check_ref(const SnapshotRef& ref) {
  LH_RETURN_IF_ERROR(check_positive(ref.min_snapshots_to_keep, "min-snapshots-to-keep"));
  LH_RETURN_IF_ERROR(check_positive(ref.max_snapshot_age_ms, "max-snapshot-age-ms"));
  LH_RETURN_IF_ERROR(check_positive(ref.max_ref_age_ms, "max-ref-age-ms"));
  if (ref.kind == SnapshotRef::Kind::Tag &&
      (ref.min_snapshots_to_keep || ref.max_snapshot_age_ms)) {
    return fail(ErrorCode::InvalidArgument,
                "tags do not support 'min-snapshots-to-keep' or 'max-snapshot-age-ms'");
  }
  return {};
}

}  // namespace detail

std::string_view Snapshot::operation() const {
  const auto found = summary.find("operation");
  return found == summary.end() ? std::string_view() : std::string_view(found->second);
}

Result<Snapshot> snapshot_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "the snapshot"));
  Snapshot snapshot;
  LH_ASSIGN_OR_RETURN(snapshot.snapshot_id, fields.require_int64("snapshot-id"));
  LH_ASSIGN_OR_RETURN(snapshot.parent_snapshot_id, fields.optional_int64("parent-snapshot-id"));
  LH_ASSIGN_OR_RETURN(const auto sequence_number, fields.optional_int64("sequence-number"));
  snapshot.sequence_number = sequence_number.value_or(0);
  LH_ASSIGN_OR_RETURN(snapshot.timestamp_ms, fields.require_int64("timestamp-ms"));
  LH_ASSIGN_OR_RETURN(const auto manifest_list, fields.optional_string("manifest-list"));
  if (manifest_list) {
    snapshot.manifest_list = *manifest_list;
  } else {
    auto manifests = fields.require_strings("manifests");
    if (!manifests) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("snapshot {} has no 'manifest-list'", snapshot.snapshot_id));
    }
    snapshot.manifests = *std::move(manifests);
  }
  LH_ASSIGN_OR_RETURN(snapshot.summary, detail::properties_of(fields, "summary"));
  LH_ASSIGN_OR_RETURN(snapshot.schema_id, detail::optional_int32(fields, "schema-id"));
  LH_ASSIGN_OR_RETURN(snapshot.first_row_id, fields.optional_int64("first-row-id"));
  LH_ASSIGN_OR_RETURN(snapshot.added_rows, fields.optional_int64("added-rows"));
  LH_ASSIGN_OR_RETURN(snapshot.key_id, fields.optional_string("key-id"));
  snapshot.unknown = fields.unknown();
  return snapshot;
}

json::object snapshot_to_json(const Snapshot& snapshot, int format_version) {
  json::object object;
  if (format_version > 1) {
    object.emplace("sequence-number", snapshot.sequence_number);
  }
  object.emplace("snapshot-id", snapshot.snapshot_id);
  detail::put_if(object, "parent-snapshot-id", snapshot.parent_snapshot_id);
  object.emplace("timestamp-ms", snapshot.timestamp_ms);
  if (!snapshot.summary.empty()) {
    object.emplace("summary", detail::properties_to_json(snapshot.summary));
  }
  if (!snapshot.manifest_list.empty()) {
    object.emplace("manifest-list", snapshot.manifest_list);
  } else {
    object.emplace("manifests", json::array(snapshot.manifests.begin(), snapshot.manifests.end()));
  }
  detail::put_if(object, "schema-id", snapshot.schema_id);
  detail::put_if(object, "first-row-id", snapshot.first_row_id);
  detail::put_if(object, "added-rows", snapshot.added_rows);
  detail::put_if(object, "key-id", snapshot.key_id);
  detail::add_unknown(object, snapshot.unknown);
  return object;
}

Result<SnapshotRef> snapshot_ref_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "the snapshot reference"));
  SnapshotRef ref;
  LH_ASSIGN_OR_RETURN(ref.snapshot_id, fields.require_int64("snapshot-id"));
  LH_ASSIGN_OR_RETURN(const std::string kind, fields.require_string("type"));
  LH_ASSIGN_OR_RETURN(ref.kind, ref_kind(kind));
  LH_ASSIGN_OR_RETURN(ref.min_snapshots_to_keep,
                      detail::optional_int32(fields, "min-snapshots-to-keep"));
  LH_ASSIGN_OR_RETURN(ref.max_snapshot_age_ms, fields.optional_int64("max-snapshot-age-ms"));
  LH_ASSIGN_OR_RETURN(ref.max_ref_age_ms, fields.optional_int64("max-ref-age-ms"));
  LH_RETURN_IF_ERROR(detail::check_ref(ref));
  ref.unknown = fields.unknown();
  return ref;
}

json::object snapshot_ref_to_json(const SnapshotRef& ref) {
  json::object object;
  object.emplace("snapshot-id", ref.snapshot_id);
  object.emplace("type", ref.kind == SnapshotRef::Kind::Tag ? "tag" : "branch");
  detail::put_if(object, "min-snapshots-to-keep", ref.min_snapshots_to_keep);
  detail::put_if(object, "max-snapshot-age-ms", ref.max_snapshot_age_ms);
  detail::put_if(object, "max-ref-age-ms", ref.max_ref_age_ms);
  detail::add_unknown(object, ref.unknown);
  return object;
}

}  // namespace lakehouse::iceberg
