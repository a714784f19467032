#include <array>
#include <cmath>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "iceberg/avro.h"
#include "iceberg/detail/manifest_types.h"
#include "iceberg/manifest.h"

namespace lakehouse::iceberg {
namespace {

using avro::Encoder;

bool is_nan(const Literal& value) {
  return (value.kind == TypeKind::Float && std::isnan(value.as_float())) ||
         (value.kind == TypeKind::Double && std::isnan(value.as_double()));
}

/// Collects what one field of the spec has over a manifest's files.
class FieldSummarizer {
 public:
  void add(const std::optional<Literal>& value) {
    if (!value) {
      summary_.contains_null = true;
    } else if (is_nan(*value)) {
      contains_nan_ = true;
    } else {
      if (!lower_ || compare(*value, *lower_) < 0) {
        lower_ = value;
      }
      if (!upper_ || compare(*value, *upper_) > 0) {
        upper_ = value;
      }
    }
  }
  FieldSummary finish() {
    summary_.contains_nan = contains_nan_;
    if (lower_) {
      summary_.lower_bound = literal_to_bytes(*lower_);
      summary_.upper_bound = literal_to_bytes(*upper_);
    }
    return summary_;
  }

 private:
  FieldSummary summary_;
  bool contains_nan_ = false;
  std::optional<Literal> lower_;
  std::optional<Literal> upper_;
};

void put_optional_long(Encoder& out, const std::optional<std::int64_t>& value) {
  out.put_present(value.has_value());
  if (value) {
    out.put_long(*value);
  }
}

void put_optional_bytes(Encoder& out, const std::optional<std::string>& value) {
  out.put_present(value.has_value());
  if (value) {
    out.put_bytes(*value);
  }
}

void put_value(Encoder& out, std::int64_t value) {
  out.put_long(value);
}
void put_value(Encoder& out, const std::string& value) {
  out.put_bytes(value);
}

template <class V>
void put_by_id(Encoder& out, const ById<V>& values) {
  out.put_present(!values.empty());
  if (values.empty()) {
    return;
  }
  out.begin_array(values.size());
  for (const auto& [id, value] : values) {
    out.put_long(id);
    put_value(out, value);
  }
  out.end_array();
}

template <class V>
void put_list(Encoder& out, const std::vector<V>& values) {
  out.put_present(!values.empty());
  if (values.empty()) {
    return;
  }
  out.begin_array(values.size());
  for (const V value : values) {
    out.put_long(value);
  }
  out.end_array();
}

/// Avro's fixed decimals have all the bytes that their precision may need.
std::size_t decimal_bytes(std::int32_t precision) {
  std::size_t size = 1;
  Int128 limit = 1;
  for (std::int32_t i = 0; i < precision; ++i) {
    limit *= 10;
  }
  while (size < 16 && (static_cast<Int128>(1) << (8 * size - 1)) < limit) {
    ++size;
  }
  return size;
}

std::string sign_extended(const std::string& bytes, std::size_t size) {
  const bool negative = !bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0x80U) != 0;
  return std::string(size - bytes.size(), negative ? '\xFF' : '\0') + bytes;
}

/// A partition value that its field can hold.
bool fits(const Literal& value, const Type& type) {
  if (value.kind != type.kind) {
    return false;
  }
  if (type.kind == TypeKind::Decimal) {
    return value.scale == type.scale &&
           decimal_to_bytes(value.as_int128()).size() <= decimal_bytes(type.precision);
  }
  return type.kind != TypeKind::Fixed ||
         value.as_string().size() == static_cast<std::size_t>(type.length);
}

/// Puts a value whose kind was checked.
void put_literal(Encoder& out, const Literal& value) {
  switch (value.kind) {
    case TypeKind::Boolean: out.put_boolean(value.as_bool()); return;
    case TypeKind::Int:
    case TypeKind::Date: out.put_long(value.as_int32()); return;
    case TypeKind::Long:
    case TypeKind::Time:
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: out.put_long(value.as_int64()); return;
    case TypeKind::Float: out.put_float(value.as_float()); return;
    case TypeKind::Double: out.put_double(value.as_double()); return;
    case TypeKind::Decimal:
      out.put_raw(
          sign_extended(decimal_to_bytes(value.as_int128()), decimal_bytes(value.precision)));
      return;
    case TypeKind::Uuid:
    case TypeKind::Fixed: out.put_raw(value.as_string()); return;
    case TypeKind::String:
    case TypeKind::Binary:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography: out.put_bytes(value.as_string()); return;
    case TypeKind::Unknown:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: return;  // No literal is of these kinds.
  }
}

/// Writes the entries of one manifest.
class ManifestEncoder {
 public:
  ManifestEncoder(const TableMetadata& metadata, const PartitionSpec& spec, ManifestContent content)
      : metadata_(metadata), spec_(spec), content_(content), version_(metadata.format_version) {}

  Result<EncodedManifest> encode(std::int64_t snapshot_id, std::span<const ManifestEntry> entries) {
    LH_ASSIGN_OR_RETURN(types_, partition_types(metadata_, spec_));
    learn_unknown_types(entries);
    summaries_.resize(types_.size());
    file_.partition_spec_id = spec_.spec_id;
    file_.content = content_;
    file_.sequence_number = version_ == 1 ? 0 : kUnassignedSequenceNumber;
    file_.added_snapshot_id = snapshot_id;
    avro::Writer writer(avro::schema_of(*entry_type(), "manifest_entry"), header());
    for (const ManifestEntry& entry : entries) {
      LH_RETURN_IF_ERROR(check(entry));
      put_entry(writer.record(), entry);
      LH_RETURN_IF_ERROR(writer.end_record());
      count(entry);
    }
    EncodedManifest out;
    LH_ASSIGN_OR_RETURN(out.bytes, writer.finish());
    out.file = finish_file(out.bytes.size());
    return out;
  }

 private:
  /// Where the source column is gone from every schema, the values know their type.
  void learn_unknown_types(std::span<const ManifestEntry> entries) {
    for (std::size_t i = 0; i < types_.size(); ++i) {
      for (const ManifestEntry& entry : entries) {
        if (types_[i]->kind == TypeKind::Unknown && i < entry.file->partition.size() &&
            entry.file->partition[i]) {
          types_[i] = entry.file->partition[i]->type();
        }
      }
    }
  }

  [[nodiscard]] TypePtr entry_type() const {
    std::vector<NestedField> fields;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      NestedField field;
      field.id = spec_.fields[i].field_id;
      field.name = spec_.fields[i].name;
      field.type = types_[i];
      fields.push_back(std::move(field));
    }
    return detail::manifest_entry_type(version_, struct_of(std::move(fields)));
  }

  [[nodiscard]] std::map<std::string, std::string, std::less<>> header() const {
    std::map<std::string, std::string, std::less<>> out;
    const Schema& schema = *metadata_.current_schema();
    out["schema"] = boost::json::serialize(schema_to_json(schema));
    out["schema-id"] = std::to_string(schema.schema_id);
    out["partition-spec"] = boost::json::serialize(partition_fields_to_json(spec_));
    out["partition-spec-id"] = std::to_string(spec_.spec_id);
    out["format-version"] = std::to_string(version_);
    if (version_ >= 2) {
      out["content"] = content_ == ManifestContent::Data ? "data" : "deletes";
    }
    return out;
  }

  [[nodiscard]] Status check(const ManifestEntry& entry) const {
    const DataFile& file = *entry.file;
    const auto refuse = [&](std::string_view why) {
      return fail(ErrorCode::InvalidArgument, fmt::format("file '{}': {}", file.file_path, why));
    };
    if (file.spec_id != spec_.spec_id || file.partition.size() != types_.size()) {
      return refuse("its partition is not of the manifest's spec");
    }
    for (std::size_t i = 0; i < types_.size(); ++i) {
      if (file.partition[i] && !fits(*file.partition[i], *types_[i])) {
        return refuse(fmt::format("its partition value '{}' is not of type {}",
                                  spec_.fields[i].name, to_string(*types_[i])));
      }
    }
    if ((file.content == FileContent::Data) != (content_ == ManifestContent::Data)) {
      return refuse("its content is not the manifest's");
    }
    if (version_ == 1 && content_ != ManifestContent::Data) {
      return refuse("tables of format version 1 have no delete files");
    }
    if (entry.status != EntryStatus::Added && version_ >= 2 &&
        (!entry.sequence_number || !entry.file_sequence_number)) {
      return refuse("it is not new, but has no sequence number");
    }
    if (!entry.snapshot_id && (version_ == 1 || entry.status != EntryStatus::Added)) {
      return refuse("it has no snapshot id");
    }
    return {};
  }

  void put_entry(Encoder& out, const ManifestEntry& entry) const {
    out.put_long(static_cast<std::int64_t>(entry.status));
    if (version_ == 1) {
      out.put_long(*entry.snapshot_id);
    } else {
      put_optional_long(out, entry.snapshot_id);
      put_optional_long(out, entry.sequence_number);
      put_optional_long(out, entry.file_sequence_number);
    }
    put_file(out, *entry.file);
  }

  void put_file(Encoder& out, const DataFile& file) const {
    if (version_ >= 2) {
      out.put_long(static_cast<std::int64_t>(file.content));
    }
    out.put_bytes(file.file_path);
    out.put_bytes(to_string(file.file_format));
    for (std::size_t i = 0; i < file.partition.size(); ++i) {
      if (types_[i]->kind == TypeKind::Unknown) {
        continue;  // Avro's null takes no bytes.
      }
      out.put_present(file.partition[i].has_value());
      if (file.partition[i]) {
        put_literal(out, typed(*file.partition[i], *types_[i]));
      }
    }
    out.put_long(file.record_count);
    out.put_long(file.file_size_in_bytes);
    if (version_ == 1) {
      out.put_long(64 << 20);  // The block size: required, and of no use.
    }
    put_by_id(out, file.column_sizes);
    put_by_id(out, file.value_counts);
    put_by_id(out, file.null_value_counts);
    put_by_id(out, file.nan_value_counts);
    put_by_id(out, file.lower_bounds);
    put_by_id(out, file.upper_bounds);
    put_optional_bytes(out, file.key_metadata);
    put_list(out, file.split_offsets);
    if (version_ >= 2) {
      put_list(out, file.equality_ids);
    }
    put_optional_long(out, file.sort_order_id);
    if (version_ >= 3) {
      put_optional_long(out, file.first_row_id);
    }
    if (version_ >= 2) {
      put_optional_bytes(out, file.referenced_data_file);
    }
    if (version_ >= 3) {
      put_optional_long(out, file.content_offset);
      put_optional_long(out, file.content_size_in_bytes);
    }
  }

  /// A decimal of the same scale takes the precision, and so the width, of the field.
  static Literal typed(Literal value, const Type& type) {
    value.precision = type.precision;
    return value;
  }

  void count(const ManifestEntry& entry) {
    const auto index = static_cast<std::size_t>(entry.status);
    ++files_[index];
    rows_[index] += entry.file->record_count;
    for (std::size_t i = 0; i < summaries_.size(); ++i) {
      summaries_[i].add(entry.file->partition[i]);
    }
    if (entry.is_live() && entry.sequence_number &&
        (!min_sequence_number_ || *entry.sequence_number < *min_sequence_number_)) {
      min_sequence_number_ = entry.sequence_number;
    }
  }

  ManifestFile finish_file(std::size_t size_bytes) {
    const auto status = [](EntryStatus each) { return static_cast<std::size_t>(each); };
    file_.manifest_length = static_cast<std::int64_t>(size_bytes);
    file_.min_sequence_number =
        version_ == 1 ? 0 : min_sequence_number_.value_or(kUnassignedSequenceNumber);
    file_.added_files_count = files_[status(EntryStatus::Added)];
    file_.existing_files_count = files_[status(EntryStatus::Existing)];
    file_.deleted_files_count = files_[status(EntryStatus::Deleted)];
    file_.added_rows_count = rows_[status(EntryStatus::Added)];
    file_.existing_rows_count = rows_[status(EntryStatus::Existing)];
    file_.deleted_rows_count = rows_[status(EntryStatus::Deleted)];
    for (FieldSummarizer& each : summaries_) {
      file_.partitions.push_back(each.finish());
    }
    return file_;
  }

  const TableMetadata& metadata_;
  const PartitionSpec& spec_;
  ManifestContent content_;
  int version_;
  std::vector<TypePtr> types_;
  std::vector<FieldSummarizer> summaries_;
  std::array<std::int32_t, 3> files_{};
  std::array<std::int64_t, 3> rows_{};
  std::optional<std::int64_t> min_sequence_number_;
  ManifestFile file_;
};

void put_summary(Encoder& out, const FieldSummary& summary) {
  out.put_boolean(summary.contains_null);
  out.put_present(summary.contains_nan.has_value());
  if (summary.contains_nan) {
    out.put_boolean(*summary.contains_nan);
  }
  put_optional_bytes(out, summary.lower_bound);
  put_optional_bytes(out, summary.upper_bound);
}

void put_manifest_file(Encoder& out, int format_version, const ManifestFile& file) {
  out.put_bytes(file.manifest_path);
  out.put_long(file.manifest_length);
  out.put_long(file.partition_spec_id);
  if (format_version >= 2) {
    out.put_long(static_cast<std::int64_t>(file.content));
    out.put_long(file.sequence_number);
    out.put_long(file.min_sequence_number);
  }
  out.put_long(file.added_snapshot_id);
  const auto put_count = [&](const auto& count) {
    // Required from version 2 on; a v1 manifest that never said how many counts as one that has
    // some.
    if (format_version == 1) {
      out.put_present(count.has_value());
      if (!count) {
        return;
      }
    }
    out.put_long(count.value_or(1));
  };
  put_count(file.added_files_count);
  put_count(file.existing_files_count);
  put_count(file.deleted_files_count);
  put_count(file.added_rows_count);
  put_count(file.existing_rows_count);
  put_count(file.deleted_rows_count);
  out.put_present(true);
  out.begin_array(file.partitions.size());
  for (const FieldSummary& each : file.partitions) {
    put_summary(out, each);
  }
  out.end_array();
  put_optional_bytes(out, file.key_metadata);
  if (format_version >= 3) {
    put_optional_long(out, file.first_row_id);
  }
}

}  // namespace

Result<EncodedManifest> encode_manifest(const TableMetadata& metadata, std::int32_t spec_id,
                                        ManifestContent content, std::int64_t snapshot_id,
                                        std::span<const ManifestEntry> entries) {
  const PartitionSpec* spec = metadata.spec_by_id(spec_id);
  if (spec == nullptr) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the table has no partition spec {}", spec_id));
  }
  return ManifestEncoder(metadata, *spec, content).encode(snapshot_id, entries);
}

Result<std::vector<std::byte>> encode_manifest_list(int format_version, const Snapshot& snapshot,
                                                    std::span<const ManifestFile> manifests) {
  std::map<std::string, std::string, std::less<>> header;
  header["snapshot-id"] = std::to_string(snapshot.snapshot_id);
  header["parent-snapshot-id"] =
      snapshot.parent_snapshot_id ? std::to_string(*snapshot.parent_snapshot_id) : "null";
  header["format-version"] = std::to_string(format_version);
  if (format_version >= 2) {
    header["sequence-number"] = std::to_string(snapshot.sequence_number);
  }
  if (format_version >= 3 && snapshot.first_row_id) {
    header["first-row-id"] = std::to_string(*snapshot.first_row_id);
  }
  avro::Writer writer(avro::schema_of(*detail::manifest_file_type(format_version), "manifest_file"),
                      header);
  for (const ManifestFile& file : manifests) {
    if (format_version == 1 && file.content != ManifestContent::Data) {
      return fail(ErrorCode::InvalidArgument, "a v1 manifest list cannot hold delete manifests");
    }
    put_manifest_file(writer.record(), format_version, file);
    LH_RETURN_IF_ERROR(writer.end_record());
  }
  return writer.finish();
}

}  // namespace lakehouse::iceberg
