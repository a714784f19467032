#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/schema.h"
#include "iceberg/snapshot.h"
#include "iceberg/table_update.h"

/// \file
/// A view's metadata file as a value, and what a commit changes in it. Source: the Iceberg view
/// spec, format version 1, and the REST protocol.

namespace lakehouse::iceberg {

inline constexpr int kViewFormatVersionMax = 1;

/// One way to say what a view is. A type that is not "sql" is kept whole in `unknown`.
struct ViewRepresentation {
  std::string type = "sql";
  std::string sql;
  std::string dialect;
  boost::json::object unknown;

  friend bool operator==(const ViewRepresentation&, const ViewRepresentation&) = default;
};

/// A definition of the view. Never changes; a materialized view's storage-table is in `unknown`.
struct ViewVersion {
  std::int32_t version_id = 0;
  std::int32_t schema_id = 0;
  std::int64_t timestamp_ms = 0;
  Properties summary;
  std::vector<ViewRepresentation> representations;
  std::optional<std::string> default_catalog;
  std::vector<std::string> default_namespace;
  boost::json::object unknown;

  /// The SQL of that dialect, whatever its case, or null.
  [[nodiscard]] const std::string* sql_for(std::string_view dialect) const;

  friend bool operator==(const ViewVersion&, const ViewVersion&) = default;
};

/// When which version became the current one.
struct ViewHistoryEntry {
  std::int64_t timestamp_ms = 0;
  std::int32_t version_id = 0;
  boost::json::object unknown;

  friend bool operator==(const ViewHistoryEntry&, const ViewHistoryEntry&) = default;
};

struct ViewMetadata {
  int format_version = kViewFormatVersionMax;
  std::string view_uuid;
  std::string location;  ///< Without a slash at its end.
  std::vector<Schema> schemas;
  std::int32_t current_version_id = 0;
  std::vector<ViewVersion> versions;
  std::vector<ViewHistoryEntry> version_log;
  Properties properties;
  boost::json::object unknown;

  /// Null if there is none of that id.
  [[nodiscard]] const ViewVersion* version_by_id(std::int32_t id) const;
  [[nodiscard]] const Schema* schema_by_id(std::int32_t id) const;
  /// Never null in metadata that was parsed or built by this module.
  [[nodiscard]] const ViewVersion* current_version() const;
  [[nodiscard]] const Schema* current_schema() const;
  /// The value of a property, or null.
  [[nodiscard]] const std::string* property(std::string_view name) const;

  friend bool operator==(const ViewMetadata&, const ViewMetadata&) = default;
};

/// Reads a metadata file; ids that must exist do. InvalidArgument says what is wrong.
Result<ViewMetadata> view_metadata_from_json(const boost::json::value& json);
/// The same from text; gzipped text is taken too.
Result<ViewMetadata> view_metadata_from_text(std::string_view text);
boost::json::object view_metadata_to_json(const ViewMetadata& metadata);
std::string view_metadata_to_text(const ViewMetadata& metadata);

Result<ViewVersion> view_version_from_json(const boost::json::value& json);
boost::json::object view_version_to_json(const ViewVersion& version);

/// Its schema id may be -1: the schema that the same commit added last.
struct AddViewVersion {
  ViewVersion version;
};
/// -1: the version that the same commit added last.
struct SetCurrentViewVersion {
  std::int32_t version_id = -1;
};

using ViewUpdate =
    std::variant<AssignUuid, UpgradeFormatVersion, AddSchema, SetLocation, SetProperties,
                 RemoveProperties, AddViewVersion, SetCurrentViewVersion>;

/// InvalidArgument names the action that views do not have, or the member that is wrong.
Result<ViewUpdate> view_update_from_json(const boost::json::value& json);
boost::json::object view_update_to_json(const ViewUpdate& update);

/// assert-view-uuid, the only thing that a commit to a view may take for granted.
struct AssertViewUuid {
  std::string uuid;
};

Result<AssertViewUuid> view_requirement_from_json(const boost::json::value& json);
/// Aborted if one does not hold.
Status check_view_requirements(std::span<const AssertViewUuid> requirements,
                               const ViewMetadata& base);

/// The metadata after the updates, by the rules of the reference implementation: equal schemas and
/// versions are used again, ids count up from the highest, a dialect may be lost only if the
/// property replace.drop-dialect.allowed says so, and old versions go once there are more than
/// version.history.num-entries (10). The base itself if nothing changes. InvalidArgument if an
/// update does not fit the view.
Result<ViewMetadata> apply_view_updates(ViewMetadata base, std::span<const ViewUpdate> updates,
                                        std::int64_t now_ms);

struct NewView {
  Schema schema;
  ViewVersion version;  ///< Its ids are assigned anew.
  Properties properties;
  std::string location;
  std::string uuid;
};

/// The first metadata of a view: one version, which is current. InvalidArgument if parts do not
/// fit.
Result<ViewMetadata> new_view_metadata(const NewView& view);

}  // namespace lakehouse::iceberg
