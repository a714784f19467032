#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"

/// \file
/// Snapshots, the names that refer to them, and the two logs. Source: the Iceberg table spec,
/// "Snapshots", "Snapshot References" and appendix C.

namespace lakehouse::iceberg {

/// Table properties, snapshot summaries: text to text, sorted by key.
using Properties = std::map<std::string, std::string, std::less<>>;

struct Snapshot {
  std::int64_t snapshot_id = 0;
  std::optional<std::int64_t> parent_snapshot_id;
  std::int64_t sequence_number = 0;  ///< 0 in v1.
  std::int64_t timestamp_ms = 0;
  std::string manifest_list;           ///< Location; empty if `manifests` is used.
  std::vector<std::string> manifests;  ///< v1 only: manifest locations where there is no list.
  Properties summary;                  ///< "operation" and the rest; may be empty in v1.
  std::optional<std::int32_t> schema_id;
  std::optional<std::int64_t> first_row_id;  ///< v3.
  std::optional<std::int64_t> added_rows;    ///< v3.
  std::optional<std::string> key_id;         ///< v3: the key of the manifest list.
  boost::json::object unknown;

  /// "append", "replace", "overwrite" or "delete"; empty if the summary has none.
  [[nodiscard]] std::string_view operation() const;

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

/// Snapshots never change once added, so metadata versions share them: a copy of the metadata of a
/// table with many snapshots stays cheap.
using SnapshotPtr = std::shared_ptr<const Snapshot>;

Result<Snapshot> snapshot_from_json(const boost::json::value& json);
/// `format_version` decides whether the sequence number is written.
boost::json::object snapshot_to_json(const Snapshot& snapshot, int format_version);

struct SnapshotRef {
  enum class Kind : std::uint8_t { Branch, Tag };

  std::int64_t snapshot_id = 0;
  Kind kind = Kind::Branch;
  std::optional<std::int32_t> min_snapshots_to_keep;  ///< Branches.
  std::optional<std::int64_t> max_snapshot_age_ms;    ///< Branches.
  std::optional<std::int64_t> max_ref_age_ms;
  boost::json::object unknown;

  friend bool operator==(const SnapshotRef&, const SnapshotRef&) = default;
};

/// The branch that `current-snapshot-id` follows.
inline constexpr std::string_view kMainBranch = "main";

/// InvalidArgument for a retention value below 1, or one that tags do not have.
Result<SnapshotRef> snapshot_ref_from_json(const boost::json::value& json);
boost::json::object snapshot_ref_to_json(const SnapshotRef& ref);

struct SnapshotLogEntry {
  std::int64_t timestamp_ms = 0;
  std::int64_t snapshot_id = 0;

  friend bool operator==(const SnapshotLogEntry&, const SnapshotLogEntry&) = default;
};

struct MetadataLogEntry {
  std::int64_t timestamp_ms = 0;
  std::string metadata_file;

  friend bool operator==(const MetadataLogEntry&, const MetadataLogEntry&) = default;
};

}  // namespace lakehouse::iceberg
