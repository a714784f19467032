#include "catalog/detail/metadata_files.h"

#include <charconv>
#include <cstddef>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "base/id.h"

namespace lakehouse::catalog {
namespace {

// Parsed metadata takes about twice its text.
constexpr std::size_t kBytesPerTextByte = 3;

constexpr std::ptrdiff_t kReferencedLogEntriesMax = 32;

std::string_view text_of(const storage::Bytes& bytes) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a text are its
  // characters.
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

iceberg::TableMetadata with_referenced_snapshots_only(const iceberg::TableMetadata& metadata) {
  std::set<std::int64_t> referenced;
  for (const auto& [name, ref] : metadata.refs) {
    referenced.insert(ref.snapshot_id);
  }
  iceberg::TableMetadata lean = metadata;
  std::erase_if(lean.snapshots, [&](const iceberg::SnapshotPtr& snapshot) {
    return !referenced.contains(snapshot->snapshot_id);
  });
  // The end of the log and not the referenced ones of it: with gaps, a client that looks for the
  // snapshot of a past moment would find a wrong one; before the end it finds none and says so.
  if (std::ssize(lean.snapshot_log) > kReferencedLogEntriesMax) {
    lean.snapshot_log.erase(lean.snapshot_log.begin(),
                            lean.snapshot_log.end() - kReferencedLogEntriesMax);
  }
  return lean;
}

}  // namespace

Result<Catalog::MetadataFiles::Content> Catalog::MetadataFiles::read(const RequestContext& context,
                                                                     const std::string& location) {
  if (auto cached = find(location)) {
    // A table whose files were taken away must not look sound because we remember it.
    LH_ASSIGN_OR_RETURN(const auto at, buckets_.resolve(location));
    LH_RETURN_IF_ERROR(at.store->head_object(context, at.key));
    return *std::move(cached);
  }
  LH_ASSIGN_OR_RETURN(const storage::Bytes bytes, buckets_.read(context, location));
  const std::string_view text = text_of(bytes);
  auto metadata = iceberg::table_metadata_from_text(text);
  if (!metadata) {
    return fail(ErrorCode::DataLoss, fmt::format("metadata file '{}' is damaged: {}", location,
                                                 metadata.error().message));
  }
  Content content;
  const bool is_gzip = text.starts_with("\x1F\x8B");
  content.json = std::make_shared<const std::string>(
      is_gzip ? iceberg::table_metadata_to_text(*metadata) : std::string(text));
  content.metadata = std::make_shared<const iceberg::TableMetadata>(*std::move(metadata));
  remember(location, content);
  return content;
}

std::optional<Catalog::MetadataFiles::Content> Catalog::MetadataFiles::find(
    const std::string& location) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_location_.find(location);
  if (found == by_location_.end()) {
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->content;
}

std::optional<Catalog::MetadataFiles::Content> Catalog::MetadataFiles::find_sound(
    const std::string& location) {
  auto cached = find(location);
  const auto at = cached ? buckets_.resolve(location) : fail(ErrorCode::NotFound, "not cached");
  const auto path = at ? at->store->local_path(at->key) : std::nullopt;
  return path && ::access(path->c_str(), R_OK) == 0 ? std::move(cached) : std::nullopt;
}

Status Catalog::MetadataFiles::write(const RequestContext& context, const std::string& location,
                                     const Content& content) {
  return buckets_.write_new(context, location, std::as_bytes(std::span(*content.json)));
}

void Catalog::MetadataFiles::remember(const std::string& location, const Content& content) {
  const std::size_t bytes = content.json->size() * kBytesPerTextByte + location.size();
  const std::scoped_lock lock(mutex_);
  if (bytes > bytes_max_ || by_location_.contains(location)) {
    return;
  }
  entries_.push_front(
      {.location = location, .content = content, .referenced_json = {}, .bytes = bytes});
  by_location_.emplace(location, entries_.begin());
  bytes_ += bytes;
  shrink();
}

std::shared_ptr<const std::string> Catalog::MetadataFiles::referenced_json(
    const std::string& location, const iceberg::TableMetadata& metadata) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = by_location_.find(location);
    if (found != by_location_.end() && found->second->referenced_json) {
      return found->second->referenced_json;
    }
  }
  auto text = std::make_shared<const std::string>(
      iceberg::table_metadata_to_text(with_referenced_snapshots_only(metadata)));
  const std::scoped_lock lock(mutex_);
  const auto found = by_location_.find(location);
  if (found != by_location_.end() && !found->second->referenced_json) {
    found->second->referenced_json = text;
    found->second->bytes += text->size();
    bytes_ += text->size();
    shrink();
  }
  return text;
}

void Catalog::MetadataFiles::shrink() {
  while (bytes_ > bytes_max_) {
    bytes_ -= entries_.back().bytes;
    by_location_.erase(entries_.back().location);
    entries_.pop_back();
  }
}

void Catalog::MetadataFiles::remove(const RequestContext& context, const std::string& location) {
  [[maybe_unused]] const Status removed = buckets_.remove(context, location);
}

Catalog::MetadataFiles::Content Catalog::MetadataFiles::render(iceberg::TableMetadata metadata) {
  Content content;
  content.json = std::make_shared<const std::string>(iceberg::table_metadata_to_text(metadata));
  content.metadata = std::make_shared<const iceberg::TableMetadata>(std::move(metadata));
  return content;
}

std::string Catalog::MetadataFiles::next_name(std::string_view table_location,
                                              std::string_view previous) {
  std::uint32_t number = 0;
  if (!previous.empty()) {
    // Names that do not begin with a number are of another catalog, whose table was registered.
    const std::string_view name = previous.substr(previous.rfind('/') + 1);
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    number = error == std::errc() && end != name.data() + name.size() && *end == '-' &&
                     number < 1'000'000'000
                 ? number + 1
                 : 0;
  }
  return fmt::format("{}/metadata/{:05}-{}.metadata.json", table_location, number, new_uuid());
}

}  // namespace lakehouse::catalog
