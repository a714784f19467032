#include "vector/loaded_index.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "vector/lance_vectors.h"
#include "vector/source_sql.h"

namespace lakehouse::vector {
namespace {

namespace json = boost::json;

/// So many new chunks are asked for by their keys; for more, all are read.
constexpr std::size_t kAskedByKeyMax = 20'000;
constexpr std::chrono::milliseconds kLookEvery{50};

/// A chunk as embeddings tell it from others.
std::uint64_t identity_of(const KeyView& key, std::uint32_t chunk, std::int64_t row_hash) {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
  return ChunkRows::hash_of(key) ^ (static_cast<std::uint64_t>(row_hash) * kOdd) ^
         (std::uint64_t{chunk} + 1) * 0xD6E8FEB86659FD93;
}

std::uint64_t next_epoch() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

}  // namespace

bool only_rewritten_since(const iceberg::TableMetadata& metadata, std::int64_t from) {
  const iceberg::Snapshot* at = metadata.current_snapshot();
  while (at != nullptr && at->snapshot_id != from) {
    if (at->operation() != "replace" || !at->parent_snapshot_id) {
      return false;
    }
    at = metadata.snapshot_by_id(*at->parent_snapshot_id);
  }
  return at != nullptr;
}

struct LoadedIndex::Missing {
  RowSet seen;
  std::unordered_map<std::uint64_t, std::uint32_t> wanted;  ///< Identities, and how often.
  std::uint64_t count = 0;
  std::uint64_t total = 0;  ///< Chunks that the embeddings have.
  std::unordered_set<std::string> text_keys;
  std::unordered_set<std::int64_t> number_keys;
  ChunkRows rows{false};
  std::vector<float> vectors;
};

LoadedIndex::LoadedIndex(IndexShape shape)
    : shape_(std::move(shape)),
      tail_(shape_.dimensions),
      tail_rows_(shape_.has_text_keys),
      words_(TextIndex::make()),
      epoch_(next_epoch()) {}

LoadedIndex::~LoadedIndex() = default;

Result<std::unique_ptr<LoadedIndex>> LoadedIndex::open(const RequestContext& context,
                                                       IndexShape shape, const IndexPaths& paths,
                                                       std::string file, std::int64_t snapshot_id,
                                                       LanceEngine* lance) {
  auto out = std::make_unique<LoadedIndex>(std::move(shape));
  LH_ASSIGN_OR_RETURN(out->base_rows_, ChunkFile::open(paths.chunks));
  const std::uint32_t dimensions = out->shape_.dimensions;
  const std::string_view note = out->base_rows_->note();
  LH_ASSIGN_OR_RETURN(out->base_,
                      out->shape_.backend == Backend::Lance
                          ? open_lance_vectors(context, lance, paths.vectors, dimensions, note)
                          : open_graph_vectors(paths.vectors, dimensions, note));
  LH_ASSIGN_OR_RETURN(out->words_, TextIndex::load(context, paths.words));
  if (out->base_->size() != out->base_rows_->size()) {
    return fail(ErrorCode::DataLoss, "an index's files are not of one index");
  }
  out->file_ = std::move(file);
  out->base_size_ = out->base_->size();
  out->alive_ = RowSet::all(out->base_size_);
  out->snapshot_id_ = snapshot_id;
  out->note_memory();
  return out;
}

void LoadedIndex::note_memory() {
  std::uint64_t bytes = tail_.memory_bytes() + tail_rows_.memory_bytes() + alive_.memory_bytes();
  if (base_ != nullptr) {
    bytes += base_->memory_bytes() + base_rows_->file_bytes();
  }
  const TextIndexStats words = words_->stats();
  memory_bytes_ = bytes + words.file_bytes + words.memory_bytes;
}

Status LoadedIndex::sync(const RequestContext& context, query::QueryService& queries,
                         const iceberg::TableMetadata& embeddings) {
  const iceberg::Snapshot* current = embeddings.current_snapshot();
  const std::int64_t wanted = current == nullptr ? 0 : current->snapshot_id;
  {
    const std::shared_lock lock(mutex_);
    if (snapshot_id_ == wanted) {
      return {};
    }
  }
  std::unique_lock turn(sync_mutex_, std::defer_lock);
  while (!turn.try_lock_for(kLookEvery)) {
    LH_RETURN_IF_ERROR(context.check());
  }
  if (snapshot_id_ == wanted) {
    return {};
  }
  if (current == nullptr || (snapshot_id_ && only_rewritten_since(embeddings, *snapshot_id_))) {
    const std::unique_lock lock(mutex_);
    if (current == nullptr) {
      alive_ = RowSet(size());
      epoch_ = next_epoch();
    }
    snapshot_id_ = wanted;
    return {};
  }
  RequestContext own = context;
  own.principal = shape_.principal;
  LH_ASSIGN_OR_RETURN(Missing missing, compare(own, queries, wanted));
  if (missing.count > 0) {
    LH_RETURN_IF_ERROR(fetch(own, queries, wanted, missing));
  }
  return apply(missing, wanted);
}

Result<LoadedIndex::Missing> LoadedIndex::compare(const RequestContext& context,
                                                  query::QueryService& queries,
                                                  std::int64_t snapshot_id) const {
  Missing missing;
  missing.seen = RowSet(size());
  missing.rows = ChunkRows(shape_.has_text_keys);
  query::SqlRequest request;
  request.sql = fmt::format("SELECT CAST(key AS {}), chunk, row_hash FROM {}",
                            shape_.has_text_keys ? "VARCHAR" : "BIGINT",
                            table_sql(shape_.embeddings, snapshot_id));
  const auto take = [&](const engine::RawBatch& batch) -> Status {
    missing.total += batch.rows;
    for (std::size_t i = 0; i < batch.rows; ++i) {
      const KeyView key = key_in(batch.columns[0], i, shape_.has_text_keys);
      const auto chunk = static_cast<std::uint32_t>(batch.columns[1].integer(i));
      const std::int64_t hash = batch.columns[2].integer(i);
      bool found = false;
      each_of(key, [&](Row row) {
        if (found || missing.seen.contains(row)) {
          return;
        }
        const ChunkView view = at(row);
        if (view.chunk == chunk && view.row_hash == hash) {
          missing.seen.add(row);
          found = true;
        }
      });
      if (found) {
        continue;
      }
      ++missing.wanted[identity_of(key, chunk, hash)];
      ++missing.count;
      if (missing.count <= kAskedByKeyMax) {
        if (shape_.has_text_keys) {
          missing.text_keys.emplace(key.text);
        } else {
          missing.number_keys.insert(key.number);
        }
      }
    }
    return {};
  };
  LH_RETURN_IF_ERROR(read_raw(context, queries, std::move(request), take));
  return missing;
}

Status LoadedIndex::fetch(const RequestContext& context, query::QueryService& queries,
                          std::int64_t snapshot_id, Missing& missing) const {
  const std::string_view key_type = shape_.has_text_keys ? "VARCHAR" : "BIGINT";
  query::SqlRequest request;
  request.sql =
      fmt::format("SELECT CAST(key AS {}), chunk, start, \"end\", row_hash, text, vector FROM {}",
                  key_type, table_sql(shape_.embeddings, snapshot_id));
  if (missing.count <= kAskedByKeyMax && missing.count < missing.total / 2) {
    json::array keys(missing.text_keys.begin(), missing.text_keys.end());
    keys.insert(keys.end(), missing.number_keys.begin(), missing.number_keys.end());
    request.sql +=
        fmt::format(" WHERE CAST(key AS {0}) IN (SELECT unnest(CAST($1 AS {0}[])))", key_type);
    request.params = json::array{json::value(std::move(keys))};
  }
  const auto take = [&](const engine::RawBatch& batch) -> Status {
    for (std::size_t i = 0; i < batch.rows; ++i) {
      ChunkView chunk;
      chunk.key = key_in(batch.columns[0], i, shape_.has_text_keys);
      chunk.chunk = static_cast<std::uint32_t>(batch.columns[1].integer(i));
      chunk.start = static_cast<std::uint64_t>(batch.columns[2].integer(i));
      chunk.end = static_cast<std::uint64_t>(batch.columns[3].integer(i));
      chunk.row_hash = batch.columns[4].integer(i);
      const auto wanted = missing.wanted.find(identity_of(chunk.key, chunk.chunk, chunk.row_hash));
      const std::span<const float> vector = batch.columns[6].floats(i);
      // Vectors of other lengths were not written by us: whoever did cannot expect to find them.
      if (wanted == missing.wanted.end() || wanted->second == 0 ||
          vector.size() != shape_.dimensions) {
        continue;
      }
      --wanted->second;
      chunk.text = batch.columns[5].text(i);
      missing.rows.add(chunk);
      missing.vectors.insert(missing.vectors.end(), vector.begin(), vector.end());
    }
    return {};
  };
  const auto read = read_raw(context, queries, std::move(request), take);
  return read ? Status() : std::unexpected(read.error());
}

Status LoadedIndex::apply(Missing& missing, std::int64_t snapshot_id) {
  const std::unique_lock lock(mutex_);
  alive_ = std::move(missing.seen);
  for (Row i = 0; i < missing.rows.size(); ++i) {
    const auto vector =
        std::span(missing.vectors).subspan(std::size_t{i} * shape_.dimensions, shape_.dimensions);
    const Status added = tail_.add(vector);
    if (!added && added.error().code == ErrorCode::InvalidArgument) {
      continue;  // Without a direction it is near to nothing.
    }
    LH_RETURN_IF_ERROR(added);
    const ChunkView chunk = missing.rows.at(i);
    tail_rows_.add(chunk);
    alive_.grow(size());
    alive_.add(size() - 1);
    LH_RETURN_IF_ERROR(words_->add(size() - 1, chunk.text));
  }
  epoch_ = next_epoch();
  snapshot_id_ = snapshot_id;
  note_memory();
  return {};
}

Status LoadedIndex::read_vectors(const RequestContext& context, std::span<const Row> rows,
                                 std::span<float> out) const {
  const std::size_t dimensions = shape_.dimensions;
  std::vector<Row> in_base;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < base_size_) {
      in_base.push_back(rows[i]);
      places.push_back(i);
    } else {
      std::ranges::copy(tail_.vector(rows[i] - base_size_), out.subspan(i * dimensions).begin());
    }
  }
  if (in_base.size() == rows.size()) {
    return in_base.empty() ? Status() : base_->read(context, in_base, out);
  }
  std::vector<float> read(in_base.size() * dimensions);
  LH_RETURN_IF_ERROR(in_base.empty() ? Status() : base_->read(context, in_base, read));
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::ranges::copy(std::span(read).subspan(i * dimensions, dimensions),
                      out.subspan(places[i] * dimensions).begin());
  }
  return {};
}

std::span<const float> LoadedIndex::mapped_vectors() const {
  return base_ == nullptr || tail_.size() > 0 ? std::span<const float>() : base_->mapped();
}

Result<LoadedIndex::Nearest> LoadedIndex::nearest(const RequestContext& context,
                                                  std::span<const float> query, std::uint32_t k,
                                                  const RowSet* allowed, bool exact,
                                                  std::uint32_t ef) const {
  const RowSet* rows = allowed;
  if (rows == nullptr && alive_.count() < size()) {
    rows = &alive_;
  }
  Nearest out;
  if (base_ != nullptr && base_size_ > 0) {
    LH_ASSIGN_OR_RETURN(out, base_->nearest(context, query, k, rows, exact, ef));
  }
  if (tail_.size() > 0) {
    RowSet slice;
    ScanQuery scan{.vector = query, .k = k, .filter = nullptr};
    if (rows != nullptr) {
      slice = RowSet(tail_.size());
      for (Row row = 0; row < tail_.size(); ++row) {
        if (rows->contains(row + base_size_)) {
          slice.add(row);
        }
      }
      scan.filter = &slice;
    }
    LH_ASSIGN_OR_RETURN(std::vector<Hit> more, tail_.search(context, scan));
    for (Hit& hit : more) {
      hit.row += base_size_;
    }
    out.hits.insert(out.hits.end(), more.begin(), more.end());
    std::ranges::sort(out.hits, better);
    out.hits.resize(std::min<std::size_t>(out.hits.size(), k));
    out.method += out.method.empty() ? "scan" : "+scan";
  }
  if (out.method.empty()) {
    out.method = "scan";
  }
  return out;
}

Result<std::vector<Hit>> LoadedIndex::by_words(const RequestContext& context,
                                               const TextQuery& query) const {
  LH_RETURN_IF_ERROR(context.check());
  TextQuery asked = query;
  if (asked.allowed == nullptr && alive_.count() < size()) {
    asked.allowed = &alive_;
  }
  return words_->search(context, asked);
}

}  // namespace lakehouse::vector
