#include <cstddef>
#include <cstdint>
#include <span>

#include "iceberg/avro.h"
#include "iceberg/manifest.h"

/// Manifests and manifest lists come from other writers: whatever the bytes are, reading them must
/// end in entries or an error, in bounded time and memory.

namespace {

using lakehouse::iceberg::ManifestFile;
using lakehouse::iceberg::TableMetadata;

/// A table whose spec 0 has a partition field of the usual kind, so that its values are read too.
const TableMetadata& table() {
  static const TableMetadata kTable = [] {
    using namespace lakehouse::iceberg;
    TableMetadata out;
    out.location = "file:///t";
    Schema schema;
    NestedField column;
    column.id = 1;
    column.name = "at";
    column.type = primitive(TypeKind::Timestamp);
    schema.fields = {column};
    out.schemas = {schema};
    out.current_schema_id = 0;
    PartitionSpec spec;
    spec.fields.resize(1);
    spec.fields[0].source_id = 1;
    spec.fields[0].field_id = 1000;
    spec.fields[0].name = "day";
    spec.fields[0].transform = Transform::day();
    out.partition_specs = {spec};
    out.default_spec_id = 0;
    return out;
  }();
  return kTable;
}

void skip_all(std::span<const std::byte> bytes) {
  const auto reader =
      lakehouse::iceberg::avro::Reader::open(bytes, {.block_bytes_max = std::size_t{1} << 20U,
                                                     .total_bytes_max = std::size_t{4} << 20U,
                                                     .record_count_max = 100'000});
  while (reader) {
    const auto more = (*reader)->next();
    if (!more || !*more) {
      return;
    }
    (*reader)->decoder().skip((*reader)->schema());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  skip_all(bytes);
  ManifestFile manifest;
  manifest.manifest_path = "file:///t/metadata/m.avro";
  manifest.sequence_number = 1;
  manifest.first_row_id = 0;
  static_cast<void>(lakehouse::iceberg::decode_manifest(bytes, manifest, table()));
  manifest.content = lakehouse::iceberg::ManifestContent::Deletes;
  static_cast<void>(lakehouse::iceberg::decode_manifest(bytes, manifest, table()));
  static_cast<void>(lakehouse::iceberg::decode_manifest_list(bytes, "file:///t/metadata/l.avro"));
  return 0;
}
