#include "iceberg/deletion_vector.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/id.h"
#include "iceberg/detail/compression.h"
#include "iceberg/puffin.h"

namespace lakehouse::iceberg {
namespace {

constexpr std::string_view kMagic = "\xD1\xD3\x39\x64";
constexpr std::size_t kFrameBytes = 12;  ///< Length, magic, checksum.
constexpr std::int64_t kVectorBytesMax = std::int64_t{128} << 20;

// The frame's numbers are big-endian, as in Delta's vectors.
void put_big_endian(std::string& out, std::uint32_t value) {
  for (unsigned shift = 32; shift > 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> (shift - 8) & 0xFFU));
  }
}

std::uint32_t big_endian(std::string_view four_bytes) {
  std::uint32_t out = 0;
  for (const char byte : four_bytes.substr(0, 4)) {
    out = out << 8U | static_cast<unsigned char>(byte);
  }
  return out;
}

std::unexpected<Error> bad(std::string_view why) {
  return fail(ErrorCode::DataLoss, fmt::format("a deletion vector {}", why));
}

Result<std::string> read_blob(const RequestContext& context, const storage::Buckets& buckets,
                              const DataFile& vector) {
  const std::int64_t offset = vector.content_offset.value_or(-1);
  const std::int64_t size = vector.content_size_in_bytes.value_or(-1);
  if (offset < 0 || size < 0) {
    return bad("does not say where it starts and ends");
  }
  if (size > kVectorBytesMax) {
    return fail(ErrorCode::ResourceExhausted, fmt::format("a deletion vector of {} bytes", size));
  }
  LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place, buckets.resolve(vector.file_path));
  auto bytes =
      place.store->get_object(context, place.key,
                              storage::ByteRange{.offset_bytes = static_cast<std::uint64_t>(offset),
                                                 .length_bytes = static_cast<std::uint64_t>(size)});
  if (!bytes &&
      (bytes.error().code == ErrorCode::NotFound || bytes.error().code == ErrorCode::OutOfRange)) {
    return bad("is not there");
  }
  if (!bytes) {
    return std::unexpected(std::move(bytes).error());
  }
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

/// The rows that the file's vector deletes already, and the vector itself.
Result<RoaringSet> rows_before(const RequestContext& context, const storage::Buckets& buckets,
                               const TableMetadata& metadata, const ScanTask& task,
                               SnapshotChange& change) {
  RoaringSet rows;
  for (const AttachedDelete& each : task.deletes) {
    const DataFile& file = *each.file;
    if (file.is_deletion_vector()) {
      LH_ASSIGN_OR_RETURN(const std::string bitmap,
                          read_deletion_vector(context, buckets, metadata, file));
      LH_ASSIGN_OR_RETURN(rows, RoaringSet::parse(bitmap));
      auto& removed = change.removed_delete_files;
      if (std::ranges::find(removed, file.file_path) == removed.end()) {
        removed.push_back(file.file_path);
      }
    } else if (file.content == FileContent::PositionDeletes) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("data file '{}' has position deletes, which a deletion vector hides",
                              task.file->file_path));
    }
  }
  return rows;
}

DataFile entry_of(const DataFile& data, const PuffinBlob& blob, std::uint64_t cardinality) {
  DataFile out;
  out.content = FileContent::PositionDeletes;
  out.file_format = FileFormat::Puffin;
  out.spec_id = data.spec_id;
  out.partition = data.partition;
  out.record_count = static_cast<std::int64_t>(cardinality);
  out.referenced_data_file = data.file_path;
  out.content_offset = blob.offset;
  out.content_size_in_bytes = blob.length;
  return out;
}

}  // namespace

std::string encode_deletion_vector(const RoaringSet& rows) {
  const std::string content = std::string(kMagic) + rows.serialize();
  std::string out;
  put_big_endian(out, static_cast<std::uint32_t>(content.size()));
  out += content;
  put_big_endian(out, detail::crc32_of(content));
  return out;
}

Result<std::string_view> bitmap_of_deletion_vector(std::string_view blob) {
  if (blob.size() < kFrameBytes || big_endian(blob) != blob.size() - 8) {
    return bad("has another length than it says");
  }
  const std::string_view content = blob.substr(4, blob.size() - 8);
  if (!content.starts_with(kMagic)) {
    return bad("does not begin as one");
  }
  if (detail::crc32_of(content) != big_endian(blob.substr(blob.size() - 4))) {
    return bad("has a wrong checksum");
  }
  const std::string_view bitmap = content.substr(kMagic.size());
  LH_ASSIGN_OR_RETURN(const RoaringView view, RoaringView::open(bitmap));
  LH_RETURN_IF_ERROR(view.check());
  return bitmap;
}

Result<std::string> read_deletion_vector(const RequestContext& context,
                                         const storage::Buckets& buckets,
                                         const TableMetadata& metadata, const DataFile& vector) {
  LH_RETURN_IF_ERROR(check_inside_table(metadata, vector.file_path, "delete file"));
  const auto read = [&]() -> Result<std::string> {
    LH_ASSIGN_OR_RETURN(const std::string blob, read_blob(context, buckets, vector));
    LH_ASSIGN_OR_RETURN(const std::string_view bitmap, bitmap_of_deletion_vector(blob));
    LH_ASSIGN_OR_RETURN(const RoaringView view, RoaringView::open(bitmap));
    if (view.cardinality() != static_cast<std::uint64_t>(vector.record_count)) {
      return bad(fmt::format("has {} rows, but its manifest says {}", view.cardinality(),
                             vector.record_count));
    }
    return std::string(bitmap);
  };
  auto bitmap = read();
  if (!bitmap) {
    return std::unexpected(
        std::move(bitmap).error().with_context(fmt::format("file '{}'", vector.file_path)));
  }
  return bitmap;
}

Result<SnapshotChange> write_deletion_vectors(const RequestContext& context,
                                              const storage::Buckets& buckets,
                                              const TableMetadata& metadata,
                                              std::span<const DeletedRows> deleted) {
  if (metadata.format_version < 3) {
    return fail(ErrorCode::FailedPrecondition, "deletion vectors need format version 3",
                "Upgrade the table's format version.");
  }
  SnapshotChange change;
  PuffinWriter puffin(Properties{{"created-by", "lakehouse"}});
  for (const DeletedRows& each : deleted) {
    const DataFile& data = *each.task.file;
    LH_ASSIGN_OR_RETURN(RoaringSet rows,
                        rows_before(context, buckets, metadata, each.task, change));
    rows.merge(each.rows);
    if (rows.empty()) {
      continue;
    }
    const std::string blob = encode_deletion_vector(rows);
    LH_ASSIGN_OR_RETURN(const RoaringView view,
                        RoaringView::open(std::string_view(blob).substr(8, blob.size() - 12)));
    if (view.highest().value_or(0) >= static_cast<std::uint64_t>(data.record_count)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("data file '{}' has no row {}", data.file_path, *view.highest()));
    }
    PuffinBlob described;
    described.type = kDeletionVectorBlob;
    described.fields = {kRowPositionId};
    described.properties = {{"referenced-data-file", data.file_path},
                            {"cardinality", std::to_string(rows.cardinality())}};
    LH_ASSIGN_OR_RETURN(described, puffin.add(std::move(described), blob));
    change.added_delete_files.push_back(entry_of(data, described, rows.cardinality()));
    change.required_data_files.push_back(data.file_path);
  }
  if (change.added_delete_files.empty()) {
    return SnapshotChange();
  }
  const std::vector<std::byte> bytes = puffin.finish();
  const std::string location =
      fmt::format("{}/data/{}-deletes.puffin", metadata.location, new_uuid());
  for (DataFile& file : change.added_delete_files) {
    file.file_path = location;
    file.file_size_in_bytes = static_cast<std::int64_t>(bytes.size());
  }
  LH_RETURN_IF_ERROR(buckets.write_new(context, location, bytes));
  return change;
}

}  // namespace lakehouse::iceberg
