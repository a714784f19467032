#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/metadata_checks.h"
#include "iceberg/view_metadata.h"

// What a commit changes in a view.

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

constexpr std::int32_t kLastAdded = -1;
constexpr std::int32_t kFirstVersionId = 1;
// Each is compared with all that the view has.
constexpr std::size_t kUpdatesMax = 1000;
constexpr std::int32_t kVersionsKeptDefault = 10;
constexpr std::string_view kVersionsKept = "version.history.num-entries";
constexpr std::string_view kDropDialectAllowed = "replace.drop-dialect.allowed";

std::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::InvalidArgument, std::move(message));
}

bool same_definition(const ViewVersion& a, const ViewVersion& b) {
  return a.summary == b.summary && a.representations == b.representations &&
         a.default_catalog == b.default_catalog && a.default_namespace == b.default_namespace &&
         a.schema_id == b.schema_id && a.unknown == b.unknown;
}

std::set<std::string> dialects_of(const ViewVersion& version) {
  std::set<std::string> dialects;
  for (const ViewRepresentation& representation : version.representations) {
    if (representation.type == "sql") {
      dialects.insert(to_lower(representation.dialect));
    }
  }
  return dialects;
}

Status check_representations(const ViewVersion& version) {
  if (version.representations.empty()) {
    return refuse("Invalid view version: it has no representation");
  }
  std::set<std::string> dialects;
  for (const ViewRepresentation& representation : version.representations) {
    const std::string dialect = to_lower(representation.dialect);
    if (representation.type == "sql" && !dialects.insert(dialect).second) {
      return refuse(
          fmt::format("Invalid view version: Cannot add multiple queries for dialect {}", dialect));
    }
  }
  return {};
}

Result<std::size_t> versions_to_keep(const ViewMetadata& metadata) {
  std::int32_t count = kVersionsKeptDefault;
  if (const std::string* given = metadata.property(kVersionsKept)) {
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), count);
    if (error != std::errc() || end != given->data() + given->size() || count < 1) {
      return refuse(
          fmt::format("{} must be a positive number, and is '{}'", kVersionsKept, *given));
    }
  }
  return static_cast<std::size_t>(count);
}

/// Applies one commit's updates to a view's metadata.
class Builder {
 public:
  Builder(ViewMetadata base, std::int64_t now_ms)
      : metadata_(std::move(base)), now_ms_(now_ms), version_before_(metadata_.current_version_id) {
    if (const ViewVersion* before = metadata_.current_version()) {
      dialects_before_ = dialects_of(*before);
    }
  }

  Status apply(const ViewUpdate& update) {
    return std::visit([&](const auto& one) { return apply_one(one); }, update);
  }

  Result<ViewMetadata> build() {
    if (metadata_.current_version_id != version_before_) {
      metadata_.version_log.push_back({.timestamp_ms = current_since_ms_,
                                       .version_id = metadata_.current_version_id,
                                       .unknown = {}});
      LH_RETURN_IF_ERROR(check_dialects());
    }
    LH_RETURN_IF_ERROR(expire_versions());
    return std::move(metadata_);
  }

 private:
  Status apply_one(const AssignUuid& update);
  Status apply_one(const UpgradeFormatVersion& update);
  Status apply_one(const AddSchema& update);
  Status apply_one(const SetLocation& update);
  Status apply_one(const SetProperties& update);
  Status apply_one(const RemoveProperties& update);
  Status apply_one(const AddViewVersion& update);
  Status apply_one(const SetCurrentViewVersion& update);
  Status check_dialects() const;
  Status expire_versions();

  ViewMetadata metadata_;
  std::int64_t now_ms_;
  std::int32_t version_before_;
  std::set<std::string> dialects_before_;
  std::optional<std::int32_t> last_schema_id_;
  std::optional<std::int32_t> last_version_id_;
  std::set<std::int32_t> added_versions_;
  std::int64_t current_since_ms_ = 0;
};

Status Builder::apply_one(const AssignUuid& update) {
  if (!metadata_.view_uuid.empty() && to_lower(update.uuid) != to_lower(metadata_.view_uuid)) {
    return refuse(fmt::format("Cannot reassign uuid: the view's is {}", metadata_.view_uuid));
  }
  if (metadata_.view_uuid.empty()) {
    metadata_.view_uuid = update.uuid;
  }
  return {};
}

Status Builder::apply_one(const UpgradeFormatVersion& update) {
  if (update.format_version != metadata_.format_version) {
    return refuse(fmt::format("a view of format version {} cannot become one of version {}",
                              metadata_.format_version, update.format_version));
  }
  return {};
}

Status Builder::apply_one(const AddSchema& update) {
  LH_RETURN_IF_ERROR(validate_schema(update.schema, kFormatVersionMax));
  std::int32_t new_id = 0;
  for (const Schema& schema : metadata_.schemas) {
    if (same_fields(schema, update.schema)) {
      last_schema_id_ = schema.schema_id;
      return {};
    }
    if (schema.schema_id == std::numeric_limits<std::int32_t>::max()) {
      return refuse("the view's schema ids are used up");
    }
    new_id = std::max(new_id, schema.schema_id + 1);
  }
  metadata_.schemas.push_back(update.schema);
  metadata_.schemas.back().schema_id = new_id;
  last_schema_id_ = new_id;
  return {};
}

Status Builder::apply_one(const SetLocation& update) {
  metadata_.location = update.location;
  detail::strip_trailing_slashes(metadata_.location);
  return {};
}

Status Builder::apply_one(const SetProperties& update) {
  for (const auto& [name, value] : update.updates) {
    metadata_.properties.insert_or_assign(name, value);
  }
  return {};
}

Status Builder::apply_one(const RemoveProperties& update) {
  for (const std::string& name : update.removals) {
    metadata_.properties.erase(name);
  }
  return {};
}

Status Builder::apply_one(const AddViewVersion& update) {
  ViewVersion version = update.version;
  if (version.schema_id == kLastAdded) {
    if (!last_schema_id_) {
      return refuse("Cannot set last added schema: no schema has been added");
    }
    version.schema_id = *last_schema_id_;
  }
  if (metadata_.schema_by_id(version.schema_id) == nullptr) {
    return refuse(fmt::format("Cannot add version with unknown schema: {}", version.schema_id));
  }
  LH_RETURN_IF_ERROR(check_representations(version));
  std::int32_t new_id = std::max(version.version_id, kFirstVersionId);
  for (const ViewVersion& known : metadata_.versions) {
    if (same_definition(known, version)) {
      last_version_id_ = known.version_id;
      return {};
    }
    if (known.version_id >= new_id) {
      if (known.version_id == std::numeric_limits<std::int32_t>::max()) {
        return refuse("the view's version ids are used up");
      }
      new_id = known.version_id + 1;
    }
  }
  version.version_id = new_id;
  metadata_.versions.push_back(std::move(version));
  added_versions_.insert(new_id);
  last_version_id_ = new_id;
  return {};
}

Status Builder::apply_one(const SetCurrentViewVersion& update) {
  if (update.version_id == kLastAdded && !last_version_id_) {
    return refuse("Cannot set last version id: no current version id has been set");
  }
  const std::int32_t id = update.version_id == kLastAdded ? *last_version_id_ : update.version_id;
  const ViewVersion* version = metadata_.version_by_id(id);
  if (version == nullptr) {
    return refuse(fmt::format("Cannot set current version to unknown version: {}", id));
  }
  metadata_.current_version_id = id;
  // An old version that is taken up again was not made now, but is current from now on.
  current_since_ms_ = added_versions_.contains(id) ? version->timestamp_ms : now_ms_;
  return {};
}

// Engines read the SQL of their own dialect: that it vanishes must be meant.
Status Builder::check_dialects() const {
  const std::string* allowed = metadata_.property(kDropDialectAllowed);
  if (allowed != nullptr && to_lower(*allowed) == "true") {
    return {};
  }
  const std::set<std::string> dialects = dialects_of(*metadata_.current_version());
  if (!std::ranges::includes(dialects, dialects_before_)) {
    return refuse(
        fmt::format("Cannot replace view due to loss of view dialects ({}=false): "
                    "Previous dialects: {}, New dialects: {}",
                    kDropDialectAllowed, dialects_before_, dialects));
  }
  return {};
}

// The newest by id stay, and the current one and those just added in any case. The log then begins
// after the last entry that names a version which is gone.
Status Builder::expire_versions() {
  LH_ASSIGN_OR_RETURN(std::size_t kept, versions_to_keep(metadata_));
  std::set<std::int32_t> needed = added_versions_;
  needed.insert(metadata_.current_version_id);
  kept = std::max(kept, needed.size());
  if (metadata_.versions.size() <= kept) {
    return {};
  }
  std::set<std::int32_t, std::greater<>> ids;
  for (const ViewVersion& version : metadata_.versions) {
    ids.insert(version.version_id);
  }
  for (const std::int32_t id : ids) {
    if (needed.size() == kept) {
      break;
    }
    needed.insert(id);
  }
  std::erase_if(metadata_.versions,
                [&](const ViewVersion& version) { return !needed.contains(version.version_id); });
  auto& log = metadata_.version_log;
  const auto last_gone = std::ranges::find_if(
      log.rbegin(), log.rend(),
      [&](const ViewHistoryEntry& entry) { return !needed.contains(entry.version_id); });
  log.erase(log.begin(), last_gone.base());
  return {};
}

/// An update that tables have, too, as one of a view.
template <class Update>
Result<ViewUpdate> as_view_update(Update&& update) {
  if constexpr (std::is_constructible_v<ViewUpdate, Update>) {
    return ViewUpdate(std::forward<Update>(update));
  } else {
    return refuse(
        fmt::format("a view has no update '{}'", action_of(std::forward<Update>(update))));
  }
}

}  // namespace

Result<ViewUpdate> view_update_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "an update"));
  LH_ASSIGN_OR_RETURN(const std::string action, fields.require_string("action"));
  if (action == "add-view-version") {
    LH_ASSIGN_OR_RETURN(const json::object* object, fields.require_object("view-version"));
    auto version = view_version_from_json(*object);
    if (!version) {
      return std::unexpected(std::move(version).error().with_context(action));
    }
    return AddViewVersion{.version = *std::move(version)};
  }
  if (action == "set-current-view-version") {
    LH_ASSIGN_OR_RETURN(const std::int32_t id, detail::require_int32(fields, "view-version-id"));
    return SetCurrentViewVersion{.version_id = id};
  }
  LH_ASSIGN_OR_RETURN(TableUpdate shared, update_from_json(value));
  return std::visit([](auto&& one) { return as_view_update(std::move(one)); }, std::move(shared));
}

json::object view_update_to_json(const ViewUpdate& update) {
  if (const auto* add = std::get_if<AddViewVersion>(&update)) {
    return {{"action", "add-view-version"}, {"view-version", view_version_to_json(add->version)}};
  }
  if (const auto* current = std::get_if<SetCurrentViewVersion>(&update)) {
    return {{"action", "set-current-view-version"}, {"view-version-id", current->version_id}};
  }
  return std::visit(
      [](const auto& one) -> json::object {
        if constexpr (std::is_constructible_v<TableUpdate, decltype(one)>) {
          return update_to_json(one);
        } else {
          return {};  // Written above.
        }
      },
      update);
}

Result<AssertViewUuid> view_requirement_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a requirement"));
  LH_ASSIGN_OR_RETURN(const std::string type, fields.require_string("type"));
  if (type != "assert-view-uuid") {
    return refuse(fmt::format("a view has no requirement '{}', only 'assert-view-uuid'", type));
  }
  AssertViewUuid requirement;
  LH_ASSIGN_OR_RETURN(requirement.uuid, fields.require_string("uuid"));
  return requirement;
}

Status check_view_requirements(std::span<const AssertViewUuid> requirements,
                               const ViewMetadata& base) {
  for (const AssertViewUuid& requirement : requirements) {
    if (to_lower(requirement.uuid) != to_lower(base.view_uuid)) {
      return fail(ErrorCode::Aborted,
                  fmt::format("Requirement failed: view UUID does not match: expected {} != {}",
                              requirement.uuid, base.view_uuid));
    }
  }
  return {};
}

Result<ViewMetadata> apply_view_updates(ViewMetadata base, std::span<const ViewUpdate> updates,
                                        std::int64_t now_ms) {
  if (updates.size() > kUpdatesMax) {
    return refuse(fmt::format("a commit to a view may hold {} updates, and this one has {}",
                              kUpdatesMax, updates.size()));
  }
  Builder builder(std::move(base), now_ms);
  for (const ViewUpdate& update : updates) {
    LH_RETURN_IF_ERROR(builder.apply(update));
  }
  return builder.build();
}

Result<ViewMetadata> new_view_metadata(const NewView& view) {
  ViewMetadata empty;
  empty.view_uuid = view.uuid;
  AddViewVersion add{.version = view.version};
  add.version.version_id = kFirstVersionId;
  add.version.schema_id = kLastAdded;
  const std::vector<ViewUpdate> updates = {
      SetLocation{.location = view.location}, SetProperties{.updates = view.properties},
      AddSchema{.schema = view.schema, .last_column_id = {}}, add, SetCurrentViewVersion{}};
  return apply_view_updates(std::move(empty), updates, add.version.timestamp_ms);
}

}  // namespace lakehouse::iceberg
