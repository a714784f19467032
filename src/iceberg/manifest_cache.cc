#include <list>
#include <mutex>
#include <unordered_map>
#include <variant>

#include <fmt/format.h>

#include "iceberg/avro.h"
#include "iceberg/detail/manifest_size.h"
#include "iceberg/manifest.h"

namespace lakehouse::iceberg {
namespace detail {
namespace {

std::size_t heap_bytes(const std::string& text) {
  return text.capacity() < sizeof(std::string) / 2 ? 0 : text.capacity() + 1;
}
std::size_t heap_bytes(const std::optional<std::string>& text) {
  return text ? heap_bytes(*text) : 0;
}
std::size_t heap_bytes(const ById<std::int64_t>& values) {
  return values.size() * sizeof(ById<std::int64_t>::value_type);
}
std::size_t heap_bytes(const ById<std::string>& values) {
  std::size_t out = values.size() * sizeof(ById<std::string>::value_type);
  for (const auto& [id, value] : values) {
    out += heap_bytes(value);
  }
  return out;
}

}  // namespace

std::size_t estimated_bytes(const DataFile& file) {
  std::size_t out = sizeof(ManifestEntry) + sizeof(DataFile) + heap_bytes(file.file_path) +
                    heap_bytes(file.column_sizes) + heap_bytes(file.value_counts) +
                    heap_bytes(file.null_value_counts) + heap_bytes(file.nan_value_counts) +
                    heap_bytes(file.lower_bounds) + heap_bytes(file.upper_bounds) +
                    heap_bytes(file.key_metadata) + heap_bytes(file.referenced_data_file) +
                    file.split_offsets.size() * sizeof(std::int64_t) +
                    file.equality_ids.size() * sizeof(std::int32_t);
  for (const std::optional<Literal>& value : file.partition) {
    out += sizeof(std::optional<Literal>);
    if (value && std::holds_alternative<std::string>(value->value)) {
      out += heap_bytes(value->as_string());
    }
  }
  return out;
}

std::size_t estimated_bytes(const ManifestFile& file) {
  std::size_t out = sizeof(ManifestFile) + heap_bytes(file.manifest_path);
  for (const FieldSummary& each : file.partitions) {
    out += sizeof(FieldSummary) + heap_bytes(each.lower_bound) + heap_bytes(each.upper_bound);
  }
  return out;
}

}  // namespace detail

namespace {

using Manifests = std::shared_ptr<const std::vector<ManifestFile>>;

/// What the entries depend on beside the file's bytes: what they inherit, and the types that their
/// partition values are read with, which promotions change.
Result<std::string> entries_key(const TableMetadata& metadata, const ManifestFile& manifest) {
  std::string key = fmt::format("{}|{}|{}|{}|{}", manifest.manifest_path, manifest.sequence_number,
                                manifest.added_snapshot_id, manifest.first_row_id.value_or(-1),
                                manifest.partition_spec_id);
  if (const PartitionSpec* spec = metadata.spec_by_id(manifest.partition_spec_id);
      spec != nullptr && !spec->fields.empty()) {
    LH_ASSIGN_OR_RETURN(const std::vector<TypePtr> types, partition_types(metadata, *spec));
    for (const TypePtr& type : types) {
      key += '|';
      key += to_string(*type);
    }
  }
  return key;
}

/// The description of a manifest that a v1 snapshot names without a list: most of it is unknown.
Result<ManifestFile> describe(std::string location, std::span<const std::byte> bytes,
                              const Snapshot& snapshot) {
  LH_ASSIGN_OR_RETURN(const auto reader, avro::Reader::open(bytes));
  ManifestFile file;
  file.manifest_path = std::move(location);
  file.manifest_length = static_cast<std::int64_t>(bytes.size());
  file.added_snapshot_id = snapshot.snapshot_id;
  if (const std::string* spec_id = reader->metadata("partition-spec-id"); spec_id != nullptr) {
    int value = 0;
    for (const char c : spec_id->substr(0, 9)) {
      if (c < '0' || c > '9') {
        return fail(ErrorCode::DataLoss,
                    fmt::format("manifest '{}' has no partition spec id", file.manifest_path));
      }
      value = value * 10 + (c - '0');
    }
    file.partition_spec_id = value;
  }
  return file;
}

/// DataLoss where a file that metadata names is missing: nobody asked for it by name.
Result<storage::Bytes> read_file(const RequestContext& context, const storage::Buckets& buckets,
                                 std::string_view location, std::string_view what) {
  auto bytes = buckets.read(context, location);
  if (!bytes) {
    Error error = std::move(bytes).error().with_context(fmt::format("{} '{}'", what, location));
    if (error.code == ErrorCode::NotFound) {
      error.code = ErrorCode::DataLoss;
    }
    return std::unexpected(std::move(error));
  }
  return bytes;
}

}  // namespace

struct ManifestCache::State {
  using Value = std::variant<Manifests, ManifestEntries>;
  struct Item {
    std::string key;
    Value value;
    std::size_t size_bytes = 0;
  };

  explicit State(std::size_t limit) : bytes_max(limit) {}

  template <class T>
  T find(const std::string& key) {
    const std::lock_guard lock(mutex);
    const auto found = index.find(key);
    if (found == index.end() || !std::holds_alternative<T>(found->second->value)) {
      return nullptr;
    }
    items.splice(items.begin(), items, found->second);
    return std::get<T>(found->second->value);
  }

  void put(std::string key, Value value, std::size_t value_bytes) {
    const std::size_t bytes = value_bytes + 2 * key.size() + sizeof(Item) + 64;
    const std::lock_guard lock(mutex);
    if (bytes > bytes_max || index.contains(key)) {
      return;
    }
    items.push_front(Item{.key = key, .value = std::move(value), .size_bytes = bytes});
    index.emplace(std::move(key), items.begin());
    size_bytes += bytes;
    while (size_bytes > bytes_max) {
      size_bytes -= items.back().size_bytes;
      index.erase(items.back().key);
      items.pop_back();
    }
  }

  const std::size_t bytes_max;
  mutable std::mutex mutex;
  std::list<Item> items;  // The most recently used in front.
  std::unordered_map<std::string, std::list<Item>::iterator> index;
  std::size_t size_bytes = 0;
};

ManifestCache::ManifestCache(std::size_t bytes_max) : state_(std::make_unique<State>(bytes_max)) {}

ManifestCache::~ManifestCache() = default;

std::size_t ManifestCache::size_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->size_bytes;
}

Result<Manifests> ManifestCache::manifests(const RequestContext& context,
                                           const storage::Buckets& buckets,
                                           const TableMetadata& metadata,
                                           const Snapshot& snapshot) {
  // Snapshots without a list have nothing of a name but their id.
  const std::string key =
      snapshot.manifest_list.empty()
          ? fmt::format("{}|{}|inline", metadata.table_uuid, snapshot.snapshot_id)
          : "list|" + snapshot.manifest_list;
  // Checked on every call: what is kept may have been read for a table that lies elsewhere.
  if (!snapshot.manifest_list.empty()) {
    LH_RETURN_IF_ERROR(check_inside_table(metadata, snapshot.manifest_list, "manifest list"));
  }
  if (Manifests known = state_->find<Manifests>(key)) {
    return known;
  }
  LH_RETURN_IF_ERROR(context.check());
  std::vector<ManifestFile> files;
  if (snapshot.manifest_list.empty()) {
    for (const std::string& location : snapshot.manifests) {
      LH_RETURN_IF_ERROR(check_inside_table(metadata, location, "manifest"));
      LH_ASSIGN_OR_RETURN(const storage::Bytes bytes,
                          read_file(context, buckets, location, "manifest"));
      LH_ASSIGN_OR_RETURN(ManifestFile file, describe(location, bytes, snapshot));
      files.push_back(std::move(file));
    }
  } else {
    LH_ASSIGN_OR_RETURN(const storage::Bytes bytes,
                        read_file(context, buckets, snapshot.manifest_list, "manifest list"));
    LH_ASSIGN_OR_RETURN(files, decode_manifest_list(bytes, snapshot.manifest_list));
  }
  std::size_t size_bytes = 0;
  for (const ManifestFile& file : files) {
    size_bytes += detail::estimated_bytes(file);
  }
  auto shared = std::make_shared<const std::vector<ManifestFile>>(std::move(files));
  state_->put(key, shared, size_bytes);
  return shared;
}

Result<ManifestEntries> ManifestCache::entries(const RequestContext& context,
                                               const storage::Buckets& buckets,
                                               const TableMetadata& metadata,
                                               const ManifestFile& manifest) {
  LH_ASSIGN_OR_RETURN(std::string key, entries_key(metadata, manifest));
  LH_RETURN_IF_ERROR(check_inside_table(metadata, manifest.manifest_path, "manifest"));
  if (ManifestEntries known = state_->find<ManifestEntries>(key)) {
    return known;
  }
  LH_RETURN_IF_ERROR(context.check());
  LH_ASSIGN_OR_RETURN(const storage::Bytes bytes,
                      read_file(context, buckets, manifest.manifest_path, "manifest"));
  LH_ASSIGN_OR_RETURN(std::vector<ManifestEntry> entries,
                      decode_manifest(bytes, manifest, metadata));
  std::size_t size_bytes = 0;
  for (const ManifestEntry& entry : entries) {
    size_bytes += detail::estimated_bytes(*entry.file);
  }
  auto shared = std::make_shared<const std::vector<ManifestEntry>>(std::move(entries));
  state_->put(std::move(key), shared, size_bytes);
  return shared;
}

}  // namespace lakehouse::iceberg
