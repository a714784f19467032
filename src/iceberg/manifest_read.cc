#include <limits>

#include <fmt/format.h>

#include "base/text.h"
#include "iceberg/avro.h"
#include "iceberg/detail/manifest_size.h"
#include "iceberg/manifest.h"

namespace lakehouse::iceberg {
namespace {

using avro::Decoder;
using avro::Field;

constexpr std::size_t kEntriesBytesMax = std::size_t{1} << 30U;

/// The schema of a field's values behind its union with null.
const avro::Schema& value_schema(const avro::Schema& schema) {
  if (schema.kind == avro::Kind::Union) {
    for (const avro::SchemaPtr& branch : schema.branches) {
      if (branch->kind != avro::Kind::Null) {
        return *branch;
      }
    }
  }
  return schema;
}

/// What an Avro type stands for, where the table no longer knows the column.
Type type_of_avro(const avro::Schema& schema) {
  Type type;
  const auto attribute = [&](std::string_view name) {
    const boost::json::value* value = schema.attributes.if_contains(name);
    return value != nullptr && value->is_int64() ? static_cast<std::int32_t>(value->get_int64())
                                                 : 0;
  };
  switch (schema.kind) {
    case avro::Kind::Boolean: type.kind = TypeKind::Boolean; break;
    case avro::Kind::Int:
      type.kind = schema.logical_type == "date" ? TypeKind::Date : TypeKind::Int;
      break;
    case avro::Kind::Long: type.kind = TypeKind::Long; break;
    case avro::Kind::Float: type.kind = TypeKind::Float; break;
    case avro::Kind::Double: type.kind = TypeKind::Double; break;
    case avro::Kind::String: type.kind = TypeKind::String; break;
    case avro::Kind::Bytes: type.kind = TypeKind::Binary; break;
    case avro::Kind::Fixed:
      type.kind = TypeKind::Fixed;
      type.length = static_cast<std::int32_t>(schema.size);
      break;
    case avro::Kind::Null:
    case avro::Kind::Enum:
    case avro::Kind::Record:
    case avro::Kind::Array:
    case avro::Kind::Map:
    case avro::Kind::Union: return type;
  }
  if (schema.logical_type == "decimal") {
    type.kind = TypeKind::Decimal;
    type.precision = attribute("precision");
    type.scale = attribute("scale");
  }
  return type;
}

bool holds_64_bits(TypeKind kind) {
  return kind == TypeKind::Long || kind == TypeKind::Time || kind == TypeKind::Timestamp ||
         kind == TypeKind::Timestamptz || kind == TypeKind::TimestampNs ||
         kind == TypeKind::TimestamptzNs;
}

/// A date that became a timestamp by promotion.
std::int64_t from_days(std::int64_t days, TypeKind kind) {
  const bool nanos = kind == TypeKind::TimestampNs || kind == TypeKind::TimestamptzNs;
  const std::int64_t units = nanos ? 86'400'000'000'000 : 86'400'000'000;
  std::int64_t out = 0;
  return __builtin_mul_overflow(days, units, &out) ? std::numeric_limits<std::int64_t>::max() : out;
}

std::optional<Literal> read_literal(Decoder& in, const avro::Schema& schema, const Type& type) {
  Literal out{.kind = type.kind, .precision = type.precision, .scale = type.scale, .value = false};
  if (type.kind == TypeKind::Boolean) {
    const auto value = in.read_boolean(schema);
    out.value = value.value_or(false);
    return value ? std::optional(std::move(out)) : std::nullopt;
  }
  if (type.kind == TypeKind::Int || type.kind == TypeKind::Date) {
    const auto value = in.read_int(schema);
    out.value = value.value_or(0);
    return value ? std::optional(std::move(out)) : std::nullopt;
  }
  if (holds_64_bits(type.kind)) {
    const auto value = in.read_long(schema);
    const bool days = type.kind != TypeKind::Long && value_schema(schema).logical_type == "date";
    out.value = days ? from_days(value.value_or(0), type.kind) : value.value_or(0);
    return value ? std::optional(std::move(out)) : std::nullopt;
  }
  if (type.kind == TypeKind::Float || type.kind == TypeKind::Double) {
    const auto value = in.read_double(schema);
    if (type.kind == TypeKind::Float) {
      out.value = static_cast<float>(value.value_or(0));
    } else {
      out.value = value.value_or(0);
    }
    return value ? std::optional(std::move(out)) : std::nullopt;
  }
  const auto bytes = in.read_bytes(schema);
  if (!bytes) {
    return std::nullopt;
  }
  if (type.kind == TypeKind::Decimal) {
    const auto value = decimal_from_bytes(*bytes);
    if (!value) {
      in.fail("a partition value is no decimal");
      return std::nullopt;
    }
    out.value = *value;
  } else {
    out.value = std::string(*bytes);
  }
  return out;
}

std::optional<FileFormat> format_from(std::string_view name) {
  for (const FileFormat format :
       {FileFormat::Parquet, FileFormat::Avro, FileFormat::Orc, FileFormat::Puffin}) {
    if (to_lower(name) == to_lower(to_string(format))) {
      return format;
    }
  }
  return std::nullopt;
}

void read_longs(Decoder& in, const avro::Schema& schema, ById<std::int64_t>& out) {
  std::vector<ById<std::int64_t>::value_type> values;
  in.read_pairs(schema, [&](const avro::Schema& key, const avro::Schema& value) {
    const auto id = in.read_int(key);
    const auto number = in.read_long(value);
    if (id && number) {
      values.emplace_back(*id, *number);
    }
  });
  out = ById<std::int64_t>::of(std::move(values));
}

void read_blobs(Decoder& in, const avro::Schema& schema, ById<std::string>& out) {
  std::vector<ById<std::string>::value_type> values;
  in.read_pairs(schema, [&](const avro::Schema& key, const avro::Schema& value) {
    const auto id = in.read_int(key);
    const auto bytes = in.read_bytes(value);
    if (id && bytes) {
      values.emplace_back(*id, std::string(*bytes));
    }
  });
  out = ById<std::string>::of(std::move(values));
}

std::optional<std::string> read_text(Decoder& in, const avro::Schema& schema) {
  const auto bytes = in.read_bytes(schema);
  return bytes ? std::optional<std::string>(*bytes) : std::nullopt;
}

/// Reads the entries of one manifest, and fills in what they inherit from its place in the list.
class ManifestDecoder {
 public:
  ManifestDecoder(const ManifestFile& manifest, const PartitionSpec& spec,
                  std::vector<TypePtr> types)
      : manifest_(manifest),
        spec_(spec),
        types_(std::move(types)),
        next_row_id_(manifest.first_row_id) {}

  Result<std::vector<ManifestEntry>> decode(std::span<const std::byte> bytes) {
    LH_ASSIGN_OR_RETURN(const auto reader, avro::Reader::open(bytes));
    if (reader->schema().kind != avro::Kind::Record) {
      return fail(ErrorCode::DataLoss, "its records are none");
    }
    learn_unknown_types(reader->schema());
    std::vector<ManifestEntry> entries;
    std::size_t size_bytes = 0;
    while (true) {
      LH_ASSIGN_OR_RETURN(const bool more, reader->next());
      if (!more) {
        return entries;
      }
      LH_ASSIGN_OR_RETURN(ManifestEntry entry, read_entry(reader->decoder(), reader->schema()));
      // A small compressed file may hold entries without end.
      size_bytes += detail::estimated_bytes(*entry.file);
      if (size_bytes > kEntriesBytesMax) {
        return fail(ErrorCode::DataLoss, "its entries take too much memory");
      }
      entries.push_back(std::move(entry));
    }
  }

 private:
  void learn_unknown_types(const avro::Schema& entry) {
    for (const Field& outer : entry.fields) {
      for (const Field& inner : value_schema(*outer.schema).fields) {
        for (const Field& each : value_schema(*inner.schema).fields) {
          const auto index = outer.id == 2 && inner.id == 102 ? index_of(each.id) : std::nullopt;
          if (index && types_[*index]->kind == TypeKind::Unknown) {
            types_[*index] = std::make_shared<const Type>(type_of_avro(value_schema(*each.schema)));
          }
        }
      }
    }
  }

  [[nodiscard]] std::optional<std::size_t> index_of(std::int32_t field_id) const {
    for (std::size_t i = 0; i < spec_.fields.size(); ++i) {
      if (spec_.fields[i].field_id == field_id) {
        return i;
      }
    }
    return std::nullopt;
  }

  Result<ManifestEntry> read_entry(Decoder& in, const avro::Schema& schema) {
    ManifestEntry entry;
    DataFile file;
    file.spec_id = spec_.spec_id;
    std::optional<std::int32_t> status;
    in.read_record(schema, [&](const Field& field) {
      switch (field.id) {
        case 0: status = in.read_int(*field.schema); break;
        case 1: entry.snapshot_id = in.read_long(*field.schema); break;
        case 3: entry.sequence_number = in.read_long(*field.schema); break;
        case 4: entry.file_sequence_number = in.read_long(*field.schema); break;
        case 2: read_file(in, *field.schema, file); break;
        default: in.skip(*field.schema);
      }
    });
    if (!status || *status < 0 || *status > 2) {
      in.fail("an entry has no status");
    } else {
      entry.status = static_cast<EntryStatus>(*status);
    }
    check_file(in, file);
    LH_RETURN_IF_ERROR(in.status());
    LH_RETURN_IF_ERROR(inherit(entry, file));
    entry.file = std::make_shared<const DataFile>(std::move(file));
    return entry;
  }

  void read_file(Decoder& in, const avro::Schema& schema, DataFile& file) {
    file.partition.assign(types_.size(), std::nullopt);
    format_.reset();
    content_ = 0;
    file.record_count = -1;
    file.file_size_in_bytes = -1;
    in.read_record(schema, [&](const Field& field) {
      const avro::Schema& type = *field.schema;
      switch (field.id) {
        case 134: content_ = in.read_int(type).value_or(0); break;
        case 100: file.file_path = in.read_bytes(type).value_or(""); break;
        case 101: format_ = format_from(in.read_bytes(type).value_or("")); break;
        case 102: read_partition(in, type, file); break;
        case 103: file.record_count = in.read_long(type).value_or(-1); break;
        case 104: file.file_size_in_bytes = in.read_long(type).value_or(-1); break;
        case 108: read_longs(in, type, file.column_sizes); break;
        case 109: read_longs(in, type, file.value_counts); break;
        case 110: read_longs(in, type, file.null_value_counts); break;
        case 137: read_longs(in, type, file.nan_value_counts); break;
        case 125: read_blobs(in, type, file.lower_bounds); break;
        case 128: read_blobs(in, type, file.upper_bounds); break;
        default: read_rest(in, field, file);
      }
    });
  }

  static void read_rest(Decoder& in, const Field& field, DataFile& file) {
    const avro::Schema& type = *field.schema;
    switch (field.id) {
      case 131: file.key_metadata = read_text(in, type); break;
      case 132:
        in.read_array(type, [&](const avro::Schema& element) {
          file.split_offsets.push_back(in.read_long(element).value_or(0));
        });
        break;
      case 135:
        in.read_array(type, [&](const avro::Schema& element) {
          file.equality_ids.push_back(in.read_int(element).value_or(0));
        });
        break;
      case 140: file.sort_order_id = in.read_int(type); break;
      case 142: file.first_row_id = in.read_long(type); break;
      case 143: file.referenced_data_file = read_text(in, type); break;
      case 144: file.content_offset = in.read_long(type); break;
      case 145: file.content_size_in_bytes = in.read_long(type); break;
      default: in.skip(type);
    }
  }

  void read_partition(Decoder& in, const avro::Schema& schema, DataFile& file) const {
    in.read_record(schema, [&](const Field& field) {
      const auto index = index_of(field.id);
      if (!index || types_[*index]->kind == TypeKind::Unknown) {
        in.skip(*field.schema);
        return;
      }
      file.partition[*index] = read_literal(in, *field.schema, *types_[*index]);
    });
  }

  void check_file(Decoder& in, DataFile& file) const {
    if (file.file_path.empty()) {
      in.fail("an entry has no file path");
    }
    if (!format_) {
      in.fail("an entry has an unknown file format");
    }
    if (file.record_count < 0 || file.file_size_in_bytes < 0) {
      in.fail("an entry has no record count or no size");
    }
    const bool is_data = content_ == 0;
    if (content_ < 0 || content_ > 2 || is_data != (manifest_.content == ManifestContent::Data)) {
      in.fail("an entry's content does not fit the manifest");
    }
    if (!in.ok()) {
      return;
    }
    file.file_format = *format_;
    file.content = static_cast<FileContent>(content_);
    if (file.is_deletion_vector() && !file.referenced_data_file) {
      in.fail("a deletion vector names no data file");
    }
    if (file.content == FileContent::EqualityDeletes && file.equality_ids.empty()) {
      in.fail("an equality delete file names no columns");
    }
  }

  Status inherit(ManifestEntry& entry, DataFile& file) {
    if (!entry.snapshot_id) {
      entry.snapshot_id = manifest_.added_snapshot_id;
    }
    // Manifests of version 1 have no sequence numbers, and theirs is 0.
    const bool inherits = manifest_.sequence_number == 0 || entry.status == EntryStatus::Added;
    for (std::optional<std::int64_t>* number :
         {&entry.sequence_number, &entry.file_sequence_number}) {
      if (!*number && inherits) {
        *number = manifest_.sequence_number;
      }
      if (!*number && entry.is_live()) {
        return fail(
            ErrorCode::DataLoss,
            fmt::format("file '{}' is not new, but has no sequence number", file.file_path));
      }
    }
    if (next_row_id_ && !file.first_row_id && entry.is_live() &&
        file.content == FileContent::Data) {
      file.first_row_id = next_row_id_;
      if (__builtin_add_overflow(*next_row_id_, file.record_count, &*next_row_id_)) {
        return fail(ErrorCode::DataLoss, "more rows than there are row ids");
      }
    }
    return {};
  }

  const ManifestFile& manifest_;
  const PartitionSpec& spec_;
  std::vector<TypePtr> types_;
  std::optional<std::int64_t> next_row_id_;
  std::optional<FileFormat> format_;
  std::int32_t content_ = 0;
};

FieldSummary read_summary(Decoder& in, const avro::Schema& schema) {
  FieldSummary out;
  in.read_record(schema, [&](const Field& field) {
    switch (field.id) {
      case 509: out.contains_null = in.read_boolean(*field.schema).value_or(true); break;
      case 518: out.contains_nan = in.read_boolean(*field.schema); break;
      case 510: out.lower_bound = read_text(in, *field.schema); break;
      case 511: out.upper_bound = read_text(in, *field.schema); break;
      default: in.skip(*field.schema);
    }
  });
  return out;
}

ManifestFile read_manifest_file(Decoder& in, const avro::Schema& schema) {
  ManifestFile out;
  std::int32_t content = 0;
  in.read_record(schema, [&](const Field& field) {
    const avro::Schema& type = *field.schema;
    switch (field.id) {
      case 500: out.manifest_path = in.read_bytes(type).value_or(""); break;
      case 501: out.manifest_length = in.read_long(type).value_or(0); break;
      case 502: out.partition_spec_id = in.read_int(type).value_or(0); break;
      case 517: content = in.read_int(type).value_or(0); break;
      case 515: out.sequence_number = in.read_long(type).value_or(0); break;
      case 516: out.min_sequence_number = in.read_long(type).value_or(0); break;
      case 503: out.added_snapshot_id = in.read_long(type).value_or(0); break;
      case 504: out.added_files_count = in.read_int(type); break;
      case 505: out.existing_files_count = in.read_int(type); break;
      case 506: out.deleted_files_count = in.read_int(type); break;
      case 512: out.added_rows_count = in.read_long(type); break;
      case 513: out.existing_rows_count = in.read_long(type); break;
      case 514: out.deleted_rows_count = in.read_long(type); break;
      case 507:
        in.read_array(type, [&](const avro::Schema& element) {
          out.partitions.push_back(read_summary(in, element));
        });
        break;
      case 519: out.key_metadata = read_text(in, type); break;
      case 520: out.first_row_id = in.read_long(type); break;
      default: in.skip(type);
    }
  });
  if (out.manifest_path.empty() || content < 0 || content > 1) {
    in.fail("an entry names no manifest");
  }
  out.content = content == 1 ? ManifestContent::Deletes : ManifestContent::Data;
  return out;
}

}  // namespace

Result<std::vector<ManifestEntry>> decode_manifest(std::span<const std::byte> bytes,
                                                   const ManifestFile& file,
                                                   const TableMetadata& metadata) {
  const auto doing = [&] { return fmt::format("manifest '{}'", file.manifest_path); };
  if (file.key_metadata) {
    return fail(ErrorCode::Unimplemented, doing() + " is encrypted",
                "Encrypted tables are not supported.");
  }
  const PartitionSpec* spec = metadata.spec_by_id(file.partition_spec_id);
  if (spec == nullptr) {
    return fail(ErrorCode::DataLoss, fmt::format("{}: the table has no partition spec {}", doing(),
                                                 file.partition_spec_id));
  }
  LH_ASSIGN_OR_RETURN(std::vector<TypePtr> types, partition_types(metadata, *spec));
  auto entries = ManifestDecoder(file, *spec, std::move(types)).decode(bytes);
  if (!entries) {
    return std::unexpected(std::move(entries).error().with_context(doing()));
  }
  return entries;
}

Result<std::vector<std::string>> live_file_paths(std::span<const std::byte> bytes,
                                                 std::string_view location) {
  const auto damaged = [&](Error error) {
    return fail(ErrorCode::DataLoss,
                fmt::format("manifest '{}' is damaged: {}", location, error.message));
  };
  auto reader = avro::Reader::open(bytes);
  if (!reader) {
    return damaged(std::move(reader).error());
  }
  std::vector<std::string> paths;
  std::size_t size_bytes = 0;
  while (true) {
    const auto more = (*reader)->next();
    if (!more) {
      return damaged(more.error());
    }
    if (!*more) {
      return paths;
    }
    Decoder& in = (*reader)->decoder();
    std::string path;
    std::optional<std::int32_t> status;
    in.read_record((*reader)->schema(), [&](const Field& field) {
      if (field.id == 0) {
        status = in.read_int(*field.schema);
      } else if (field.id == 2) {
        in.read_record(*field.schema, [&](const Field& inner) {
          if (inner.id == 100) {
            path = in.read_bytes(*inner.schema).value_or("");
          } else {
            in.skip(*inner.schema);
          }
        });
      } else {
        in.skip(*field.schema);
      }
    });
    if (!status || path.empty()) {
      in.fail("an entry has no status or no file path");
    }
    if (const Status read = in.status(); !read) {
      return damaged(read.error());
    }
    size_bytes += path.size() + sizeof(path);
    if (size_bytes > kEntriesBytesMax) {
      return fail(ErrorCode::DataLoss,
                  fmt::format("manifest '{}': its entries take too much memory", location));
    }
    if (*status != static_cast<int>(EntryStatus::Deleted)) {
      paths.push_back(std::move(path));
    }
  }
}

Result<std::vector<ManifestFile>> decode_manifest_list(std::span<const std::byte> bytes,
                                                       std::string_view location) {
  const auto decode = [&]() -> Result<std::vector<ManifestFile>> {
    LH_ASSIGN_OR_RETURN(const auto reader, avro::Reader::open(bytes));
    if (reader->schema().kind != avro::Kind::Record) {
      return fail(ErrorCode::DataLoss, "its records are none");
    }
    std::vector<ManifestFile> files;
    while (true) {
      LH_ASSIGN_OR_RETURN(const bool more, reader->next());
      if (!more) {
        return files;
      }
      files.push_back(read_manifest_file(reader->decoder(), reader->schema()));
      LH_RETURN_IF_ERROR(reader->decoder().status());
    }
  };
  auto files = decode();
  if (!files) {
    return std::unexpected(
        std::move(files).error().with_context(fmt::format("manifest list '{}'", location)));
  }
  return files;
}

}  // namespace lakehouse::iceberg
