#include "catalog/detail/folder_notes.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/json.h"
#include "catalog/detail/locations.h"

namespace lakehouse::catalog::detail {
namespace {

constexpr std::string_view kNoteName = "/_catalog.json";

std::string decoded(std::string_view segment) {
  std::string text;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    unsigned byte = 0;
    const char* const digits = segment.data() + i + 1;
    if (segment[i] == '%' && i + 2 < segment.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      text += static_cast<char>(byte);
      i += 2;
    } else {
      text += segment[i];
    }
  }
  return text;
}

void write_note(const storage::ResolvedLocation& at, const FolderNote& note) {
  boost::json::object text;
  text["kind"] = note.kind == Kind::View ? "view" : "table";
  boost::json::array levels;
  for (const std::string& level : note.identifier.name_space) {
    levels.emplace_back(level);
  }
  text["namespace"] = std::move(levels);
  text["name"] = note.identifier.name;
  if (note.dropped) {
    text["dropped"] = true;
  }
  const std::string json = to_json(text);
  [[maybe_unused]] const auto written =
      at.store->put_object(RequestContext(), at.key + std::string(kNoteName),
                           std::as_bytes(std::span(json)), storage::PutCondition());
}

}  // namespace

std::optional<TableIdentifier> identifier_of_key(std::string_view key, std::string_view uuid) {
  const std::size_t dash = key.rfind('-');
  TableIdentifier identifier;
  for (std::size_t begin = 0; dash != std::string_view::npos && begin <= dash;) {
    const std::size_t end = std::min(key.find('/', begin), dash);
    identifier.name_space.push_back(decoded(key.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (identifier.name_space.size() < 2) {
    return std::nullopt;
  }
  identifier.name = std::move(identifier.name_space.back());
  identifier.name_space.pop_back();
  // Long names are shortened, which cannot be reversed; and other catalogs have other rules.
  return check_identifier(identifier) && table_key(identifier, uuid) == key
             ? std::optional(identifier)
             : std::nullopt;
}

Result<FolderNote> read_note(const RequestContext& context, const storage::Buckets& buckets,
                             const std::string& location) {
  LH_ASSIGN_OR_RETURN(const storage::Bytes bytes,
                      buckets.read(context, location + std::string(kNoteName)));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): a text's bytes are its characters.
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  LH_ASSIGN_OR_RETURN(const auto json, parse_json(text, "_catalog.json"));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(json, "_catalog.json"));
  FolderNote note;
  LH_ASSIGN_OR_RETURN(const std::string kind, fields.require_string("kind"));
  note.kind = kind == "view" ? Kind::View : Kind::Table;
  LH_ASSIGN_OR_RETURN(note.identifier.name_space, fields.require_strings("namespace"));
  LH_ASSIGN_OR_RETURN(note.identifier.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(const auto dropped, fields.optional_bool("dropped"));
  note.dropped = dropped.value_or(false);
  LH_RETURN_IF_ERROR(check_identifier(note.identifier));
  return note;
}

void note_name(const storage::Buckets& buckets, const std::string& location, std::string_view uuid,
               Kind kind, const TableIdentifier& identifier) {
  const auto at = buckets.resolve(location);
  if (!at) {
    return;
  }
  if (identifier_of_key(at->key, uuid) == identifier) {
    [[maybe_unused]] const Status removed =
        at->store->delete_object(RequestContext(), at->key + std::string(kNoteName));
  } else {
    write_note(*at, {.kind = kind, .identifier = identifier, .dropped = false});
  }
}

void note_dropped(const storage::Buckets& buckets, const std::string& location, Kind kind,
                  const TableIdentifier& identifier) {
  if (const auto at = buckets.resolve(location)) {
    write_note(*at, {.kind = kind, .identifier = identifier, .dropped = true});
  }
}

}  // namespace lakehouse::catalog::detail
