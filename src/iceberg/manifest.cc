#include "iceberg/manifest.h"

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::iceberg {
namespace {

/// The path in a location of this machine: file:///x, file:/x and /x are one place.
std::string_view local_part(std::string_view location) {
  if (location.starts_with("file:")) {
    location.remove_prefix(5);
    if (location.starts_with("//")) {
      location.remove_prefix(2);
      if (location.starts_with("localhost/")) {
        location.remove_prefix(9);
      }
    }
  }
  return location;
}

/// True if a segment is "..", also when its dots or the slashes around it are percent-encoded.
bool climbs(std::string_view path) {
  if (!path.contains("..") && !path.contains('%')) {
    return false;
  }
  const std::string lower = to_lower(path);
  std::string plain;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    const std::string_view rest = std::string_view(lower).substr(i);
    if (rest.starts_with("%2e") || rest.starts_with("%2f")) {
      plain.push_back(rest[2] == 'e' ? '.' : '/');
      i += 2;
    } else {
      plain.push_back(lower[i]);
    }
  }
  return ("/" + plain + "/").contains("/../");
}

const NestedField* find_source(const TableMetadata& metadata, std::int32_t id) {
  if (const Schema* current = metadata.current_schema(); current != nullptr) {
    if (const NestedField* field = current->find_by_id(id); field != nullptr) {
      return field;
    }
  }
  for (auto schema = metadata.schemas.rbegin(); schema != metadata.schemas.rend(); ++schema) {
    if (const NestedField* field = schema->find_by_id(id); field != nullptr) {
      return field;
    }
  }
  return nullptr;
}

}  // namespace

std::string_view to_string(FileFormat format) {
  switch (format) {
    case FileFormat::Avro: return "AVRO";
    case FileFormat::Orc: return "ORC";
    case FileFormat::Parquet: return "PARQUET";
    case FileFormat::Puffin: return "PUFFIN";
  }
  return "PARQUET";
}

Result<std::vector<TypePtr>> partition_types(const TableMetadata& metadata,
                                             const PartitionSpec& spec) {
  std::vector<TypePtr> types;
  types.reserve(spec.fields.size());
  for (const PartitionField& field : spec.fields) {
    const NestedField* source = find_source(metadata, field.source_id);
    if (source == nullptr) {
      // Its column is in no schema any more: what the manifests say decides.
      types.push_back(primitive(TypeKind::Unknown));
      continue;
    }
    auto type = result_type(field.transform, *source->type);
    if (!type) {
      return fail(ErrorCode::DataLoss,
                  fmt::format("partition field '{}': {}", field.name, type.error().message));
    }
    types.push_back(*std::move(type));
  }
  return types;
}

bool same_partition(const PartitionValues& a, const PartitionValues& b) {
  return a == b;
}

std::string partition_key(std::int32_t spec_id, const PartitionValues& partition) {
  std::string key = std::to_string(spec_id);
  for (const std::optional<Literal>& value : partition) {
    if (!value) {
      key += "|-";
      continue;
    }
    // The length keeps values apart whatever bytes they have.
    const std::string bytes = literal_to_bytes(*value);
    key += fmt::format("|{}:{}:", static_cast<int>(value->kind), bytes.size());
    key += bytes;
  }
  return key;
}

Status check_inside_table(const TableMetadata& metadata, std::string_view location,
                          std::string_view what) {
  std::string_view folder = metadata.location;
  std::string_view path = location;
  if (!path.starts_with(folder)) {
    folder = local_part(folder);
    path = local_part(path);
  }
  while (folder.ends_with('/')) {
    folder.remove_suffix(1);
  }
  const bool inside = !folder.empty() && path.starts_with(folder) &&
                      path.size() > folder.size() + 1 && path[folder.size()] == '/' &&
                      !climbs(path.substr(folder.size()));
  if (!inside) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("{} '{}' is outside the table's location '{}'", what, location,
                            metadata.location),
                "Files of a table must lie in its own folder; copy them into it.");
  }
  return {};
}

}  // namespace lakehouse::iceberg
