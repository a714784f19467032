#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "base/roaring.h"
#include "iceberg/manifest.h"
#include "iceberg/scan.h"
#include "iceberg/snapshot_producer.h"
#include "iceberg/table_metadata.h"
#include "storage/buckets.h"

/// \file
/// Deletion vectors: which rows of one data file are deleted, as a bitmap in a Puffin file. Source:
/// the Iceberg table spec, "Deletion Vectors" (format version 3), and the Puffin specification,
/// "deletion-vector-v1".

namespace lakehouse::iceberg {

/// The blob with `rows`: length, magic, bitmap, checksum.
std::string encode_deletion_vector(const RoaringSet& rows);

/// The bitmap in a blob, as RoaringView reads it; a view of `blob`. DataLoss if length, magic,
/// checksum or the bitmap itself is wrong.
Result<std::string_view> bitmap_of_deletion_vector(std::string_view blob);

/// Reads the bitmap of a manifest's deletion vector. DataLoss, naming the file, if it is broken or
/// has another number of rows than the manifest says; FailedPrecondition if the file lies outside
/// the table; ResourceExhausted past 128 MiB.
Result<std::string> read_deletion_vector(const RequestContext& context,
                                         const storage::Buckets& buckets,
                                         const TableMetadata& metadata, const DataFile& vector);

/// Rows to delete from a data file.
struct DeletedRows {
  /// The file with the deletes that it has, of a scan without filter. A caller who has put the rows
  /// of position delete files into `rows` takes these files out of it.
  ScanTask task;
  RoaringSet rows;
};

/// The reserved column of a row's position in its data file ("_pos").
inline constexpr std::int32_t kRowPositionId = 2147483645;

/// Writes the vectors of several data files into one new Puffin file, each with the rows that an
/// earlier vector of its file deletes, and returns the change that commits them: the new vectors,
/// those that they replace, and the data files that must still be there.
///
/// FailedPrecondition below format version 3; InvalidArgument for a row that the file does not
/// have, or a file with position deletes, which a vector would hide. The Puffin file is the only
/// one written: remove it if the commit fails.
Result<SnapshotChange> write_deletion_vectors(const RequestContext& context,
                                              const storage::Buckets& buckets,
                                              const TableMetadata& metadata,
                                              std::span<const DeletedRows> deleted);

}  // namespace lakehouse::iceberg
