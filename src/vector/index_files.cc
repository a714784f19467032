#include "vector/index_files.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/id.h"
#include "query/staging.h"
#include "vector/index_vectors.h"
#include "vector/lance_vectors.h"
#include "vector/source_sql.h"
#include "vector/text_index.h"

namespace lakehouse::vector {
namespace {

constexpr std::string_view kVectors = "vectors.lhv";
constexpr std::string_view kLance = "vectors.lance";
constexpr std::string_view kChunks = "chunks.lhc";
constexpr std::string_view kWords = "words.lht";
constexpr std::string_view kFolder = "indexes";

/// All chunks of a snapshot, as files need them.
struct Contents {
  explicit Contents(bool has_text_keys) : chunks(has_text_keys) {}
  ChunkRows chunks;
  std::unique_ptr<IndexVectorsWriter> vectors;
  std::unique_ptr<TextIndex> words = TextIndex::make();
};

Status take_batch(const RequestContext& context, const engine::RawBatch& batch,
                  const IndexShape& shape, Contents& contents) {
  for (std::size_t i = 0; i < batch.rows; ++i) {
    const std::span<const float> vector = batch.columns[6].floats(i);
    if (vector.size() != shape.dimensions) {
      continue;
    }
    if (const Status added = contents.vectors->add(context, vector); !added) {
      if (added.error().code == ErrorCode::InvalidArgument) {
        continue;  // Without a direction.
      }
      return added;
    }
    ChunkView chunk;
    chunk.key = key_in(batch.columns[0], i, shape.has_text_keys);
    chunk.chunk = static_cast<std::uint32_t>(batch.columns[1].integer(i));
    chunk.start = static_cast<std::uint64_t>(batch.columns[2].integer(i));
    chunk.end = static_cast<std::uint64_t>(batch.columns[3].integer(i));
    chunk.row_hash = batch.columns[4].integer(i);
    chunk.text = batch.columns[5].text(i);
    contents.chunks.add(chunk);
    LH_RETURN_IF_ERROR(contents.words->add(contents.chunks.size() - 1, chunk.text));
  }
  return {};
}

}  // namespace

Result<IndexPaths> index_paths(const storage::Buckets& buckets, Backend backend,
                               const std::string& file) {
  LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation at, buckets.resolve(file));
  const auto path = [&](std::string_view name) {
    return at.store->local_path(fmt::format("{}/{}", at.key, name)).value_or("");
  };
  IndexPaths paths{path(backend == Backend::Lance ? kLance : kVectors), path(kChunks),
                   path(kWords)};
  if (paths.vectors.empty() || paths.chunks.empty() || paths.words.empty()) {
    return fail(ErrorCode::Unimplemented, "indexes are read from folders of this machine only");
  }
  return paths;
}

Result<std::string> write_index_files(const RequestContext& context,
                                      const storage::Buckets& buckets, query::QueryService& queries,
                                      const iceberg::TableMetadata& embeddings,
                                      const IndexShape& shape, const GraphSettings& graph,
                                      const std::string& note, LanceEngine* lance,
                                      const FileProgress& progress) {
  LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation table, buckets.resolve(embeddings.location));
  LH_ASSIGN_OR_RETURN(const query::StagingFolder staging,
                      query::StagingFolder::make(buckets, table.bucket));
  Contents contents(shape.has_text_keys);
  LH_ASSIGN_OR_RETURN(
      contents.vectors,
      shape.backend == Backend::Lance
          ? make_lance_writer(lance, shape.dimensions, staging.path(), std::string(kLance))
          : make_graph_writer(graph, shape.dimensions, staging.path(), std::string(kVectors)));
  query::SqlRequest request;
  request.sql =
      fmt::format("SELECT CAST(key AS {}), chunk, start, \"end\", row_hash, text, vector FROM {}",
                  shape.has_text_keys ? "VARCHAR" : "BIGINT",
                  table_sql(shape.embeddings, embeddings.current_snapshot_id.value_or(0)));
  LH_RETURN_IF_ERROR(
      read_raw(context, queries, std::move(request), [&](const engine::RawBatch& batch) {
        progress(contents.chunks.size(), 0, "reading the vectors");
        return take_batch(context, batch, shape, contents);
      }));
  LH_ASSIGN_OR_RETURN(std::vector<std::string> names,
                      contents.vectors->finish(context, note, progress));
  const auto staged = [&](std::string_view name) {
    return fmt::format("{}/{}", staging.path(), name);
  };
  progress(contents.chunks.size(), contents.chunks.size(), "writing the files");
  LH_RETURN_IF_ERROR(ChunkFile::write(contents.chunks, note, staged(kChunks)));
  LH_RETURN_IF_ERROR(contents.words->save(context, staged(kWords), note));
  const std::string id = new_uuid();
  names.insert(names.end(), {std::string(kChunks), std::string(kWords)});
  for (const std::string& name : names) {
    LH_RETURN_IF_ERROR(table.store->adopt_file(
        context, staged(name), fmt::format("{}/{}/{}/{}", table.key, kFolder, id, name)));
  }
  return fmt::format("{}/{}/{}", embeddings.location, kFolder, id);
}

void remove_index_files(const RequestContext& context, const storage::Buckets& buckets,
                        const std::string& table_location, const std::string& kept) {
  constexpr std::size_t kListedMax = 1'000;
  const auto table = buckets.resolve(table_location);
  if (!table) {
    return;
  }
  const std::string prefix = fmt::format("{}/{}/", table->key, kFolder);
  const auto listed = table->store->list_objects(context, prefix, "", "", kListedMax);
  if (!listed) {
    return;
  }
  const auto kept_at = buckets.resolve(kept);
  for (const auto& object : listed->objects) {
    const bool is_index = object.key.ends_with(kVectors) || object.key.ends_with(kChunks) ||
                          object.key.ends_with(kWords) ||
                          object.key.contains(fmt::format("/{}/", kLance));
    if (is_index && !(kept_at && object.key.starts_with(kept_at->key + "/"))) {
      (void)table->store->delete_object(context, object.key);
    }
  }
  (void)table->store->remove_empty_folders(context, prefix);
}

}  // namespace lakehouse::vector
