#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "catalog/detail/registry_properties.h"
#include "catalog/registry.h"

// An entry in a table's properties: read, and changed.

namespace lakehouse::catalog {
namespace {

namespace json = boost::json;
using iceberg::TableMetadata;

/// What Spark and Trino show and set as a table's comment.
constexpr std::string_view kDescription = "comment";
constexpr std::string_view kOwner = "lakehouse.owner";
constexpr std::string_view kSensitivity = "lakehouse.sensitivity";
constexpr std::string_view kTags = "lakehouse.tags";
constexpr std::string_view kFreshnessSla = "lakehouse.freshness-sla-s";
constexpr std::string_view kColumn = "lakehouse.column.";

constexpr std::size_t kDescriptionBytesMax = 16'384;
constexpr std::size_t kNoteBytesMax = 4'096;
constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kTagsMax = 100;
constexpr std::int64_t kSlaSecondsMax = std::int64_t{10} * 366 * 86'400;
/// Of all that columns' properties say: each metadata file carries it.
constexpr std::size_t kColumnsBytesMax = std::size_t{1} << 20U;
constexpr int kRewritesSkippedMax = 1000;

constexpr std::array<std::string_view, 4> kLevels = {"public", "internal", "confidential",
                                                     "restricted"};

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && stop == text.data() + text.size() ? std::optional(number)
                                                                     : std::nullopt;
}

std::optional<std::string> text_of(const TableMetadata& metadata, std::string_view property) {
  const std::string* value = metadata.property(property);
  return value == nullptr || value->empty() ? std::nullopt : std::optional(*value);
}

std::optional<Sensitivity> level_of(const std::optional<std::string>& name) {
  const auto level = name ? sensitivity_from(*name) : Result<Sensitivity>(fail({}, ""));
  return level ? std::optional(*level) : std::nullopt;
}

std::vector<std::string> tags_of(const TableMetadata& metadata) {
  std::set<std::string> tags;
  const std::string* value = metadata.property(kTags);
  const auto parsed =
      value == nullptr ? Result<json::value>(json::value()) : parse_json(*value, "a table's tags");
  if (const json::array* list = parsed ? parsed->if_array() : nullptr) {
    for (const json::value& tag : *list) {
      if (tag.is_string() && tags.size() < kTagsMax) {
        tags.emplace(tag.get_string());
      }
    }
  }
  return {tags.begin(), tags.end()};
}

std::optional<std::string> member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::optional<std::string>(value->get_string())
                                                : std::nullopt;
}

/// What a column's property says; the name is the one that it had then.
std::optional<ColumnEntry> column_of(std::string_view property, const std::string& value) {
  const auto id = number_in(property.substr(kColumn.size()));
  const auto parsed = parse_json(value, "a column's entry");
  if (!id || *id < 1 || *id > INT32_MAX || !parsed || !parsed->is_object()) {
    return std::nullopt;
  }
  const json::object& object = parsed->get_object();
  ColumnEntry column;
  column.field_id = static_cast<std::int32_t>(*id);
  column.name = member(object, "name").value_or("");
  column.note = member(object, "note");
  column.sensitivity = level_of(member(object, "sensitivity"));
  column.category = member(object, "category");
  column.by = member(object, "by") == "detector" ? DecidedBy::Detector : DecidedBy::Person;
  return column;
}

bool says_nothing(const ColumnEntry& column) {
  return !column.note && !column.sensitivity && !column.category;
}

void add_fields(const iceberg::Type& type, const std::string& prefix,
                std::vector<detail::FieldPath>& out) {
  for (const iceberg::NestedField& field : type.fields) {
    out.push_back({.path = prefix + field.name, .id = field.id});
    add_fields(*field.type, prefix + field.name + ".", out);
  }
}

}  // namespace

std::string_view to_string(Sensitivity level) {
  return kLevels.at(static_cast<std::size_t>(level));
}

Result<Sensitivity> sensitivity_from(std::string_view name) {
  const auto found = std::ranges::find(kLevels, name);
  if (found == kLevels.end()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("sensitivity is '{}'", as_utf8(name.substr(0, 40))),
                "Give public, internal, confidential or restricted.");
  }
  return static_cast<Sensitivity>(found - kLevels.begin());
}

std::string_view to_string(DecidedBy by) {
  return by == DecidedBy::Person ? "person" : "detector";
}

std::optional<Sensitivity> RegistryEntry::sensitivity() const {
  std::optional<Sensitivity> highest = decided_sensitivity;
  if (!highest) {
    for (const ColumnEntry& column : columns) {
      highest = std::max(highest, column.sensitivity);
    }
  }
  return highest;
}

const ColumnEntry* RegistryEntry::column(std::string_view name) const {
  const auto found = std::ranges::find(columns, name, &ColumnEntry::name);
  return found == columns.end() ? nullptr : &*found;
}

RegistryEntry registry_entry(const TableMetadata& metadata) {
  RegistryEntry entry;
  entry.description = text_of(metadata, kDescription);
  entry.owner = text_of(metadata, kOwner);
  entry.decided_sensitivity = level_of(text_of(metadata, kSensitivity));
  entry.tags = tags_of(metadata);
  if (const auto sla = text_of(metadata, kFreshnessSla)) {
    const auto seconds = number_in(*sla);
    entry.freshness_sla_s =
        seconds && *seconds >= 1 && *seconds <= kSlaSecondsMax ? seconds : std::nullopt;
  }
  std::map<std::int32_t, ColumnEntry> by_id;
  for (auto at = metadata.properties.lower_bound(kColumn);
       at != metadata.properties.end() && at->first.starts_with(kColumn); ++at) {
    if (auto column = column_of(at->first, at->second); column && !says_nothing(*column)) {
      by_id.emplace(column->field_id, *std::move(column));
    }
  }
  if (by_id.empty()) {
    return entry;
  }
  // A table that was made anew has other ids: then the name tells which column was meant.
  std::map<std::string, ColumnEntry> by_name;
  const auto fields = detail::field_paths(*metadata.current_schema());
  std::set<std::int32_t> ids;
  for (const detail::FieldPath& field : fields) {
    ids.insert(field.id);
  }
  for (const auto& [id, column] : by_id) {
    if (!ids.contains(id)) {
      by_name.emplace(column.name, column);
    }
  }
  for (const detail::FieldPath& field : fields) {
    const auto same_id = by_id.find(field.id);
    const auto same_name = by_name.find(field.path);
    if (same_id == by_id.end() && same_name == by_name.end()) {
      continue;
    }
    ColumnEntry column = same_id != by_id.end() ? same_id->second : same_name->second;
    column.field_id = field.id;
    column.name = field.path;
    entry.columns.push_back(std::move(column));
  }
  return entry;
}

DatasetSize dataset_size(const TableMetadata& metadata) {
  const iceberg::Snapshot* snapshot = metadata.current_snapshot();
  if (snapshot == nullptr) {
    return {};
  }
  const auto total = [&](std::string_view name) {
    const auto found = snapshot->summary.find(name);
    const auto number = found == snapshot->summary.end() ? std::nullopt : number_in(found->second);
    return std::clamp<std::int64_t>(number.value_or(0), 0, INT64_MAX / 2);
  };
  return {
      .rows = std::max<std::int64_t>(0, total("total-records") - total("total-position-deletes")),
      .files = total("total-data-files"),
      .bytes = total("total-files-size")};
}

Freshness freshness(const TableMetadata& metadata, const RegistryEntry& entry,
                    std::int64_t now_ms) {
  Freshness out;
  out.sla_s = entry.freshness_sla_s;
  const iceberg::Snapshot* snapshot = metadata.current_snapshot();
  for (int i = 0; snapshot != nullptr && i < kRewritesSkippedMax; ++i) {
    const iceberg::Snapshot* parent =
        snapshot->operation() == "replace" && snapshot->parent_snapshot_id
            ? metadata.snapshot_by_id(*snapshot->parent_snapshot_id)
            : nullptr;
    out.last_write_ms = snapshot->timestamp_ms;
    snapshot = parent;
  }
  if (out.sla_s && out.last_write_ms) {
    // The clamp is for times that other clients have made up.
    const std::int64_t due_ms =
        std::clamp(*out.last_write_ms, std::int64_t{0}, INT64_MAX / 2) + *out.sla_s * 1000;
    out.is_stale = now_ms > due_ms;
    out.stale_since_ms = out.is_stale ? std::optional(due_ms) : std::nullopt;
  } else {
    out.is_stale = out.sla_s.has_value();
  }
  return out;
}

namespace detail {
namespace {

json::value json_of(const std::optional<std::string>& value) {
  return value ? json::value(*value) : json::value();
}
json::value json_of(const std::optional<Sensitivity>& value) {
  return value ? json::value(to_string(*value)) : json::value();
}
json::value json_of(const std::optional<std::int64_t>& value) {
  return value ? json::value(*value) : json::value();
}
json::value json_of(const std::optional<std::vector<std::string>>& value) {
  return value ? json::value(json::array(value->begin(), value->end())) : json::value();
}

Status check_text(std::string_view what, const std::optional<std::string>& text,
                  std::size_t bytes_max, bool may_have_lines) {
  if (!text) {
    return {};
  }
  if (text->empty() || text->size() > bytes_max) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{} has {} bytes, and must have 1 to {}", what, text->size(), bytes_max),
        text->empty() ? "null removes it." : "");
  }
  const bool has_control = std::ranges::any_of(*text, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && !(may_have_lines && (c == '\n' || c == '\t' || c == '\r'))) ||
           byte == 0x7F;
  });
  if (has_control || !is_valid_utf8(*text)) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} has control characters", what));
  }
  return {};
}

/// Collects what differs.
class Editor {
 public:
  explicit Editor(const TableMetadata& metadata) : metadata_(metadata) {}

  template <class T>
  void note(const std::string& what, const std::optional<T>& from, const std::optional<T>& to) {
    if (from != to) {
      edit_.changes[what] = json::object{{"from", json_of(from)}, {"to", json_of(to)}};
    }
  }

  /// Sets the property if its value differs, or removes it.
  void put(std::string_view property, const std::optional<std::string>& value) {
    const std::string* now = metadata_.property(property);
    if (!value && now != nullptr) {
      edit_.removed.emplace_back(property);
    } else if (value && (now == nullptr || *now != *value)) {
      edit_.set[std::string(property)] = *value;
    }
  }

  void column(const ColumnEntry* before, const ColumnEntry& after) {
    const ColumnEntry nothing;
    const ColumnEntry& from = before == nullptr ? nothing : *before;
    const std::string what = "columns." + after.name;
    note(what + ".note", from.note, after.note);
    note(what + ".sensitivity", from.sensitivity, after.sensitivity);
    note(what + ".category", from.category, after.category);
    if (from.note == after.note && from.sensitivity == after.sensitivity &&
        from.category == after.category && from.by == after.by) {
      return;
    }
    // Whatever the column's older property was called: by another id, before the table was remade.
    for (auto at = metadata_.properties.lower_bound(kColumn);
         at != metadata_.properties.end() && at->first.starts_with(kColumn); ++at) {
      const auto old = column_of(at->first, at->second);
      if (old && before != nullptr && old->field_id != after.field_id &&
          old->name == before->name &&
          metadata_.current_schema()->find_by_id(old->field_id) == nullptr) {
        edit_.removed.push_back(at->first);
      }
    }
    json::object value{{"name", after.name}};
    for (const auto& [name, text] :
         {std::pair<const char*, json::value>{"note", json_of(after.note)},
          {"sensitivity", json_of(after.sensitivity)},
          {"category", json_of(after.category)}}) {
      if (!text.is_null()) {
        value[name] = text;
      }
    }
    value["by"] = to_string(after.by);
    put(fmt::format("{}{}", kColumn, after.field_id),
        says_nothing(after) ? std::nullopt : std::optional(to_json(value)));
  }

  RegistryEdit finish() && { return std::move(edit_); }

 private:
  const TableMetadata& metadata_;
  RegistryEdit edit_;
};

Status patch_columns(const TableMetadata& metadata, const RegistryEntry& entry,
                     const RegistryPatch& patch, Editor& editor) {
  const auto fields = field_paths(*metadata.current_schema());
  for (const auto& [name, change] : patch.columns) {
    const auto field = std::ranges::find(fields, name, &FieldPath::path);
    if (field == fields.end()) {
      std::vector<std::string> names;
      names.reserve(fields.size());
      for (const FieldPath& known : fields) {
        names.push_back(known.path);
      }
      return fail(ErrorCode::InvalidArgument, fmt::format("the dataset has no column '{}'", name),
                  did_you_mean(name, names));
    }
    const ColumnEntry* before = entry.column(field->path);
    ColumnEntry after = before == nullptr ? ColumnEntry() : *before;
    after.field_id = field->id;
    after.name = field->path;
    const ColumnPatch forget{.note = std::optional<std::string>(),
                             .sensitivity = std::optional<Sensitivity>(),
                             .category = std::optional<std::string>()};
    const ColumnPatch& to = change ? *change : forget;
    after.note = to.note.value_or(after.note);
    if (to.sensitivity || to.category) {
      // A person's word: what a detector said beside it is not the person's.
      const bool was_detector = after.by == DecidedBy::Detector;
      after.sensitivity = to.sensitivity.value_or(was_detector ? std::nullopt : after.sensitivity);
      after.category = to.category.value_or(was_detector ? std::nullopt : after.category);
      after.by = DecidedBy::Person;
    }
    LH_RETURN_IF_ERROR(
        check_text(fmt::format("the note of {}", name), after.note, kNoteBytesMax, true));
    LH_RETURN_IF_ERROR(
        check_text(fmt::format("the category of {}", name), after.category, kNameBytesMax, false));
    editor.column(before, after);
  }
  return {};
}

Status check_tags(const std::vector<std::string>& tags) {
  if (tags.size() > kTagsMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("there are {} tags, and may be {}", tags.size(), kTagsMax));
  }
  for (const std::string& tag : tags) {
    LH_RETURN_IF_ERROR(check_text("a tag", tag, kNameBytesMax, false));
  }
  return {};
}

Status check_size(const TableMetadata& metadata, const RegistryEdit& edit) {
  std::size_t bytes = 0;
  for (auto at = metadata.properties.lower_bound(kColumn);
       at != metadata.properties.end() && at->first.starts_with(kColumn); ++at) {
    const bool stays = !edit.set.contains(at->first) &&
                       std::ranges::find(edit.removed, at->first) == edit.removed.end();
    bytes += stays ? at->second.size() : 0;
  }
  for (const auto& [name, value] : edit.set) {
    bytes += name.starts_with(kColumn) ? value.size() : 0;
  }
  if (bytes <= kColumnsBytesMax) {
    return {};
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("what is known about the columns would take more than {} bytes",
                          kColumnsBytesMax),
              "Write shorter notes.");
}

}  // namespace

std::vector<iceberg::TableUpdate> RegistryEdit::updates() const {
  std::vector<iceberg::TableUpdate> out;
  if (!removed.empty()) {
    out.emplace_back(iceberg::RemoveProperties{removed});
  }
  if (!set.empty()) {
    out.emplace_back(iceberg::SetProperties{set});
  }
  return out;
}

std::vector<FieldPath> field_paths(const iceberg::Schema& schema) {
  std::vector<FieldPath> out;
  for (const iceberg::NestedField& field : schema.fields) {
    out.push_back({.path = field.name, .id = field.id});
  }
  for (const iceberg::NestedField& field : schema.fields) {
    add_fields(*field.type, field.name + ".", out);
  }
  return out;
}

Result<RegistryEdit> plan_patch(const TableMetadata& metadata, const RegistryPatch& patch) {
  const RegistryEntry entry = registry_entry(metadata);
  Editor editor(metadata);
  if (patch.description) {
    LH_RETURN_IF_ERROR(
        check_text("the description", *patch.description, kDescriptionBytesMax, true));
    editor.note("description", entry.description, *patch.description);
    editor.put(kDescription, *patch.description);
  }
  if (patch.owner) {
    LH_RETURN_IF_ERROR(check_text("the owner", *patch.owner, kNameBytesMax, false));
    editor.note("owner", entry.owner, *patch.owner);
    editor.put(kOwner, *patch.owner);
  }
  if (patch.sensitivity) {
    const std::optional<Sensitivity>& level = *patch.sensitivity;
    editor.note("sensitivity", entry.decided_sensitivity, level);
    editor.put(kSensitivity, level ? std::optional<std::string>(to_string(*level)) : std::nullopt);
  }
  if (patch.tags) {
    std::vector<std::string> tags = patch.tags->value_or(std::vector<std::string>());
    std::ranges::sort(tags);
    tags.erase(std::ranges::unique(tags).begin(), tags.end());
    LH_RETURN_IF_ERROR(check_tags(tags));
    editor.note("tags", std::optional(entry.tags), std::optional(tags));
    editor.put(kTags, tags.empty() ? std::nullopt
                                   : std::optional(to_json(json::array(tags.begin(), tags.end()))));
  }
  if (patch.freshness_sla_s) {
    const std::optional<std::int64_t>& sla = *patch.freshness_sla_s;
    if (sla && (*sla < 1 || *sla > kSlaSecondsMax)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("freshness_sla_s is {}, and must be 1 to {}", *sla, kSlaSecondsMax),
                  "null removes it.");
    }
    editor.note("freshness_sla_s", entry.freshness_sla_s, sla);
    editor.put(kFreshnessSla, sla ? std::optional(std::to_string(*sla)) : std::nullopt);
  }
  LH_RETURN_IF_ERROR(patch_columns(metadata, entry, patch, editor));
  RegistryEdit edit = std::move(editor).finish();
  LH_RETURN_IF_ERROR(check_size(metadata, edit));
  return edit;
}

RegistryEdit plan_proposals(const TableMetadata& metadata,
                            std::span<const ColumnProposal> proposals) {
  const RegistryEntry entry = registry_entry(metadata);
  const auto fields = field_paths(*metadata.current_schema());
  Editor editor(metadata);
  for (const ColumnProposal& proposal : proposals) {
    const auto field = std::ranges::find(fields, proposal.column, &FieldPath::path);
    if (field == fields.end()) {
      continue;
    }
    const ColumnEntry* before = entry.column(field->path);
    ColumnEntry after = before == nullptr ? ColumnEntry() : *before;
    const bool has_decision = after.sensitivity.has_value() || after.category.has_value();
    if (has_decision && after.by == DecidedBy::Person) {
      continue;
    }
    after.field_id = field->id;
    after.name = field->path;
    after.sensitivity = proposal.sensitivity;
    after.category = proposal.category;
    after.by = DecidedBy::Detector;
    if (check_text("the category", after.category, kNameBytesMax, false)) {
      editor.column(before, after);
    }
  }
  return std::move(editor).finish();
}

}  // namespace detail
}  // namespace lakehouse::catalog
