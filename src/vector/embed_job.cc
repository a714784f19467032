#include "vector/embed_job.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/json.h"
#include "base/text.h"
#include "catalog/registry.h"
#include "query/staging.h"
#include "vector/chunking.h"
#include "vector/index_cache.h"
#include "vector/index_files.h"
#include "vector/source_diff.h"
#include "vector/source_sql.h"

namespace lakehouse::vector {
namespace {

namespace json = boost::json;

/// Whose embeddings a dataset is, in its properties.
constexpr std::string_view kOwnerProperty = "lakehouse.vector-index";
constexpr std::size_t kPageRows = 4'096;
constexpr std::size_t kPageBytesMax = std::size_t{64} << 20U;
constexpr std::size_t kQueuedBatches = 2;
constexpr std::size_t kKeysAtOnce = 20'000;
/// Of rows that have changed: more are embedded anew.
constexpr std::size_t kReusedChunksMax = 100'000;
constexpr int kEmbedTries = 5;
constexpr std::chrono::milliseconds kRetryAfter{500};
constexpr std::size_t kBadRowsKept = 100'000;
constexpr std::int64_t kFilesCompacted = 8;
/// Chunks that may be in no file before it is made anew, at least; and as a part of all.
constexpr std::uint64_t kTailMin = 4'096;
constexpr std::uint64_t kTailPart = 10;
constexpr std::size_t kTextHashDigits = 32;

/// One row of the source on its way.
struct Row {
  SourceKey key;
  std::int64_t hash = 0;
  std::string text;
  std::vector<ChunkSpan> chunks;
  std::vector<std::string> text_hashes;
  std::vector<std::vector<float>> vectors;
  std::string bad;  ///< Why it cannot be embedded.
};

using Batch = std::vector<Row>;

std::string text_of(std::string_view text, const ChunkSpan& span) {
  return std::string(text.substr(span.start, span.end - span.start));
}

/// Takes batches from one thread to another; few at a time.
class BatchQueue {
 public:
  /// False if the other side has given up.
  bool push(const RequestContext& context, Batch batch) {
    std::unique_lock lock(mutex_);
    while (queue_.size() >= kQueuedBatches && !closed_) {
      if (!context.check()) {
        return false;
      }
      changed_.wait_for(lock, std::chrono::milliseconds(50));
    }
    if (closed_) {
      return false;
    }
    queue_.push_back(std::move(batch));
    changed_.notify_all();
    return true;
  }
  /// All that waits, at least one; empty at the end.
  std::vector<Batch> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !queue_.empty() || closed_; });
    std::vector<Batch> out(std::make_move_iterator(queue_.begin()),
                           std::make_move_iterator(queue_.end()));
    queue_.clear();
    changed_.notify_all();
    return out;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> queue_;
  bool closed_ = false;
};

class EmbedRun {
 public:
  EmbedRun(const EmbedParts& parts, jobs::JobContext& job)
      : all_(parts), parts_(parts.parts), job_(job), context_(job.request()) {}

  Result<json::value> run() {
    LH_RETURN_IF_ERROR(open());
    LH_RETURN_IF_ERROR(open_embeddings());
    auto done = refresh();
    if (!done) {
      note_failure(done.error());
      return done;
    }
    return done;
  }

 private:
  Status open();
  Status open_embeddings();
  Status note_begin();
  Result<json::value> refresh();
  Result<SourceDiff> diff();
  Status remember_vectors(const std::vector<SourceKey>& keys);
  Status remove(const std::vector<SourceKey>& keys);
  Status embed_all(const std::vector<SourceKey>& keys);
  Status embed_pages(const std::vector<SourceKey>& keys, BatchQueue& queue);
  Result<std::size_t> read_page(std::span<const SourceKey> keys, std::vector<Row>* rows);
  void chunk(Row& row) const;
  Status embed_rows(std::span<Row> rows);
  Result<ai::Embeddings> embed_texts(std::span<const std::string_view> texts);
  Status write_all(BatchQueue& queue);
  Status write_batches(std::vector<Batch> batches);
  Status write_batch_file(const std::vector<Batch>& batches, const std::string& path,
                          std::int64_t* rows, std::int64_t* chunks);
  Status finish();
  Status compact();
  Result<bool> files_are_due();
  Status build_files();
  Status write_bad_rows(Generation& generation);
  void note_failure(const Error& error);
  void progress(std::string_view message) { job_.progress(done_, total_, message); }
  Result<catalog::LoadedTable> load_embeddings() {
    return parts_.catalog.load_table(context_, embeddings_);
  }
  [[nodiscard]] const Generation& generation() const { return *info_.generation(number_); }
  [[nodiscard]] bool is_text() const { return has_text_keys(info_.key_type); }
  [[nodiscard]] std::string_view raw_key_type() const { return is_text() ? "VARCHAR" : "BIGINT"; }
  /// For IN: the keys as one parameter.
  [[nodiscard]] json::value parameter(std::span<const SourceKey> keys) const {
    json::array list;
    for (const SourceKey& key : keys) {
      list.push_back(key_json(key.view(), is_text()));
    }
    return json::array{json::value(std::move(list))};
  }
  void set_aside(json::value key, std::string reason) {
    const std::lock_guard lock(bad_mutex_);
    ++bad_count_;
    ++refused_;
    if (bad_.size() < kBadRowsKept) {
      bad_.push_back({std::move(key), std::move(reason)});
    }
  }

  const EmbedParts& all_;
  const VectorService::Parts& parts_;
  jobs::JobContext& job_;
  RequestContext context_;
  IndexInfo info_;
  std::int64_t number_ = 0;
  bool rebuild_ = false;
  std::shared_ptr<ai::Embedder> embedder_;
  catalog::LoadedTable source_;
  std::int64_t source_snapshot_ = 0;
  std::string text_sql_;
  catalog::TableIdentifier embeddings_;
  /// Vectors of chunks that may come again, by the text's hash.
  std::unordered_map<std::string, std::vector<float>> known_;
  std::int64_t done_ = 0;
  std::int64_t total_ = 0;
  std::int64_t rows_embedded_ = 0;
  std::int64_t chunks_embedded_ = 0;
  std::int64_t chunks_reused_ = 0;
  std::int64_t rows_removed_ = 0;
  std::mutex bad_mutex_;
  std::vector<BadRow> bad_;
  std::int64_t bad_count_ = 0;
  std::int64_t refused_ = 0;     ///< Of these, rows that were to be embedded.
  std::int64_t rows_total_ = 0;  ///< Of the source.
};

// --- What there is.

Status EmbedRun::open() {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(job_.spec(), "the job"));
  LH_ASSIGN_OR_RETURN(const std::string id, fields.require_string("id"));
  LH_ASSIGN_OR_RETURN(number_, fields.require_int64("generation"));
  LH_ASSIGN_OR_RETURN(const auto rebuild, fields.optional_bool("rebuild"));
  rebuild_ = rebuild.value_or(false);
  LH_ASSIGN_OR_RETURN(info_, all_.registry.find_by_id(context_, id));
  if (info_.generation(number_) == nullptr) {
    return fail(ErrorCode::NotFound,
                fmt::format("index '{}' has no generation {} any more", info_.name, number_));
  }
  // Whoever asks for a refresh, the index has what its owner may see.
  context_.principal = info_.principal;
  LH_ASSIGN_OR_RETURN(embedder_, parts_.models.embedder(context_, generation().recipe.model));
  const ai::ModelInfo& model = embedder_->info();
  if (!generation().model_version.empty() && (generation().model_version != model.version ||
                                              generation().dimensions != model.dimensions)) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("the model '{}' is not what index '{}' was made with: its version was "
                            "{}, and is {}",
                            model.name, info_.name, generation().model_version, model.version),
                "Build another generation beside it, which has the new model.");
  }
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier source,
                      parts_.catalog.resolve_dataset(context_, info_.dataset));
  LH_ASSIGN_OR_RETURN(source_, parts_.catalog.load_table(context_, source));
  if (source_.metadata->table_uuid != info_.dataset_uuid) {
    return fail(
        ErrorCode::FailedPrecondition,
        fmt::format("{} is another table than index '{}' was made for", info_.dataset, info_.name),
        "Drop the index and create it anew.");
  }
  source_snapshot_ = source_.metadata->current_snapshot_id.value_or(0);
  LH_ASSIGN_OR_RETURN(text_sql_,
                      text_sql(*source_.metadata->current_schema(), generation().recipe));
  return {};
}

Status EmbedRun::open_embeddings() {
  LH_ASSIGN_OR_RETURN(embeddings_, catalog::Catalog::parse_dataset(generation().embeddings));
  const auto made =
      parts_.catalog.create_namespace(context_, embeddings_.name_space, catalog::Properties{});
  if (!made && made.error().code != ErrorCode::AlreadyExists) {
    return std::unexpected(made.error());
  }
  std::string key_type = "VARCHAR";
  switch (info_.key_type) {
    case KeyType::String: break;
    case KeyType::Int32: key_type = "INTEGER"; break;
    case KeyType::Int64: key_type = "BIGINT"; break;
    case KeyType::Uuid: key_type = "UUID"; break;
  }
  LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation source,
                      parts_.buckets.resolve(source_.metadata->location));
  query::TableDefinition definition;
  definition.columns = {{"key", key_type, true},        {"chunk", "INTEGER", true},
                        {"start", "BIGINT", true},      {"end", "BIGINT", true},
                        {"row_hash", "BIGINT", true},   {"text_hash", "VARCHAR", true},
                        {"text", "VARCHAR", true},      {"vector", "FLOAT[]", true},
                        {"model", "VARCHAR", true},     {"model_version", "VARCHAR", true},
                        {"dimensions", "INTEGER", true}};
  definition.bucket = source.bucket;
  definition.properties = {{std::string(kOwnerProperty), info_.id},
                           {"comment", fmt::format("Chunks of {} and their embeddings: index {}",
                                                   info_.dataset, info_.name)}};
  LH_ASSIGN_OR_RETURN(
      const catalog::LoadedTable table,
      parts_.writer.create_table(context_, embeddings_, definition, query::IfExists::Keep));
  const std::string* owner = table.metadata->property(kOwnerProperty);
  if (owner == nullptr || *owner != info_.id) {
    return fail(
        ErrorCode::FailedPrecondition,
        fmt::format("there is a dataset {} that is not this index's", generation().embeddings),
        "Rename or drop it, or give the index another name.");
  }
  return note_begin();
}

Status EmbedRun::note_begin() {
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, load_embeddings());
  const auto change = [&](IndexInfo& info) -> Status {
    Generation* generation = info.generation(number_);
    if (generation == nullptr) {
      return fail(ErrorCode::NotFound, "the generation was dropped");
    }
    generation->embeddings_uuid = table.metadata->table_uuid;
    generation->model_version = embedder_->info().version;
    generation->dimensions = embedder_->info().dimensions;
    generation->recipe.model = embedder_->info().name;
    generation->job_id = job_.id();
    generation->error.clear();
    if (!generation->floor_snapshot_id) {
      generation->floor_snapshot_id = source_snapshot_;
    }
    if (generation->state == GenerationState::Failed) {
      generation->state =
          generation->source_snapshot_id ? GenerationState::Ready : GenerationState::Building;
    }
    return {};
  };
  LH_ASSIGN_OR_RETURN(info_, all_.registry.update(context_, info_.id, change));
  return {};
}

Result<SourceDiff> EmbedRun::diff() {
  if (source_snapshot_ == 0) {
    return SourceDiff{};
  }
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, load_embeddings());
  DiffRequest request;
  request.source = table_sql(info_.dataset, source_snapshot_);
  request.key = key_sql(info_.key, info_.key_type);
  request.hash = row_hash_sql(text_sql_);
  request.has_text_keys = is_text();
  if (const auto snapshot = table.metadata->current_snapshot_id) {
    request.embeddings = table_sql(generation().embeddings, *snapshot);
  }
  return diff_source(context_, parts_.query, request);
}

Result<json::value> EmbedRun::refresh() {
  progress("comparing");
  LH_ASSIGN_OR_RETURN(SourceDiff diff, this->diff());
  bad_count_ = static_cast<std::int64_t>(diff.bad.size());
  diff.bad.resize(std::min(diff.bad.size(), kBadRowsKept));
  bad_ = std::move(diff.bad);
  rows_total_ = diff.rows;
  done_ = diff.embedded;
  total_ = diff.embedded + static_cast<std::int64_t>(diff.to_embed.size());
  LH_RETURN_IF_ERROR(remember_vectors(diff.changed));
  LH_RETURN_IF_ERROR(remove(diff.gone));
  LH_RETURN_IF_ERROR(embed_all(diff.to_embed));
  LH_RETURN_IF_ERROR(finish());
  return json::object{{"index", info_.name},
                      {"generation", number_},
                      {"source_snapshot_id", source_snapshot_},
                      {"rows", diff.rows},
                      {"rows_embedded", rows_embedded_},
                      {"rows_removed", rows_removed_},
                      {"chunks_embedded", chunks_embedded_},
                      {"chunks_reused", chunks_reused_},
                      {"chunks", generation().chunks},
                      {"bad_rows", bad_count_}};
}

// --- Out with the old.

Status EmbedRun::remember_vectors(const std::vector<SourceKey>& keys) {
  if (keys.empty() || keys.size() > kKeysAtOnce) {
    return {};
  }
  query::SqlRequest request;
  request.sql = fmt::format(
      "SELECT text_hash, vector FROM {0} WHERE CAST(key AS {1}) IN "
      "(SELECT unnest(CAST($1 AS {1}[]))) LIMIT {2}",
      table_sql(generation().embeddings), raw_key_type(), kReusedChunksMax);
  request.params = parameter(keys);
  const auto take = [&](const engine::RawBatch& batch) -> Status {
    for (std::size_t i = 0; i < batch.rows; ++i) {
      const auto vector = batch.columns[1].floats(i);
      if (vector.size() == generation().dimensions) {
        known_.try_emplace(std::string(batch.columns[0].text(i)), vector.begin(), vector.end());
      }
    }
    return {};
  };
  const auto read = read_raw(context_, parts_.query, std::move(request), take);
  return read ? Status() : std::unexpected(read.error());
}

Status EmbedRun::remove(const std::vector<SourceKey>& keys) {
  for (std::size_t from = 0; from < keys.size(); from += kKeysAtOnce) {
    progress("removing what is gone");
    const std::size_t count = std::min(kKeysAtOnce, keys.size() - from);
    query::SqlRequest request;
    request.sql =
        fmt::format("DELETE FROM {0} WHERE CAST(key AS {1}) IN (SELECT unnest(CAST($1 AS {1}[])))",
                    table_sql(generation().embeddings), raw_key_type());
    request.params = parameter(std::span(keys).subspan(from, count));
    request.is_own = true;
    LH_ASSIGN_OR_RETURN(query::QueryAnswer answer, parts_.query.run(context_, request));
    while (true) {
      LH_ASSIGN_OR_RETURN(const auto bytes, answer.stream->next(answer.context));
      if (!bytes) {
        break;
      }
    }
    rows_removed_ += static_cast<std::int64_t>(count);
  }
  return {};
}

// --- In with the new: this thread reads and embeds, another one writes.

Status EmbedRun::embed_all(const std::vector<SourceKey>& keys) {
  if (keys.empty()) {
    return {};
  }
  BatchQueue queue;
  Status written;
  std::jthread writer([&] {
    written = write_all(queue);
    queue.close();
  });
  Status embedded = embed_pages(keys, queue);
  queue.close();
  writer.join();
  // What the writer failed with is why the other side could not go on.
  return written ? embedded : written;
}

Status EmbedRun::embed_pages(const std::vector<SourceKey>& keys, BatchQueue& queue) {
  const std::span<const SourceKey> all(keys);
  for (std::size_t at = 0; at < all.size();) {
    std::vector<Row> page;
    LH_ASSIGN_OR_RETURN(const std::size_t taken,
                        read_page(all.subspan(at, std::min(kPageRows, all.size() - at)), &page));
    at += taken;
    std::size_t from = 0;
    std::size_t chunks = 0;
    for (std::size_t i = 0; i < page.size(); ++i) {
      LH_RETURN_IF_ERROR(context_.check());
      chunk(page[i]);
      chunks += page[i].chunks.size();
      if (chunks < all_.batch_chunks && i + 1 < page.size()) {
        continue;
      }
      const std::span<Row> rows = std::span(page).subspan(from, i + 1 - from);
      LH_RETURN_IF_ERROR(embed_rows(rows));
      Batch batch(std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
      if (!queue.push(context_, std::move(batch))) {
        return fail(ErrorCode::Cancelled, "the run was stopped");
      }
      from = i + 1;
      chunks = 0;
    }
  }
  return {};
}

/// How many of the keys were looked at: fewer than given if their texts are long.
Result<std::size_t> EmbedRun::read_page(std::span<const SourceKey> keys, std::vector<Row>* rows) {
  std::size_t bytes = 0;
  std::size_t asked = keys.size();
  while (true) {
    query::SqlRequest request;
    request.sql =
        fmt::format("SELECT {0}, {1}, {2} FROM {3} WHERE {0} IN (SELECT unnest(CAST($1 AS {4}[])))",
                    key_sql(info_.key, info_.key_type), row_hash_sql(text_sql_), text_sql_,
                    table_sql(info_.dataset, source_snapshot_), raw_key_type());
    request.params = parameter(keys.subspan(0, asked));
    rows->clear();
    bytes = 0;
    const auto take = [&](const engine::RawBatch& batch) -> Status {
      for (std::size_t i = 0; i < batch.rows; ++i) {
        const KeyView key = key_in(batch.columns[0], i, is_text());
        Row& row = rows->emplace_back();
        row.key = {key.number, std::string(key.text)};
        row.hash = batch.columns[1].integer(i);
        row.text = batch.columns[2].text(i);
        bytes += row.text.size();
      }
      return bytes <= kPageBytesMax || rows->size() == 1
                 ? Status()
                 : fail(ErrorCode::ResourceExhausted, "a page of texts is too large");
    };
    const auto read = read_raw(context_, parts_.query, std::move(request), take);
    if (read) {
      return asked;
    }
    if (read.error().code != ErrorCode::ResourceExhausted || asked == 1) {
      return std::unexpected(read.error());
    }
    asked = std::max<std::size_t>(1, asked / 8);
  }
}

void EmbedRun::chunk(Row& row) const {
  const ChunkOptions& options = generation().recipe.chunk;
  row.chunks = chunk_text(row.text, options);
  if (row.chunks.empty()) {
    row.bad = "there is no text";
  } else if (row.chunks.size() > options.chunks_max) {
    row.bad = fmt::format("its text makes {} chunks, more than {}", row.chunks.size(),
                          options.chunks_max);
    row.chunks.clear();
  }
  for (const ChunkSpan& span : row.chunks) {
    row.text_hashes.push_back(sha256_hex(text_of(row.text, span)).substr(0, kTextHashDigits));
  }
}

/// Gives each row its vectors. A row that the model refuses is set aside, and nothing else.
Status EmbedRun::embed_rows(std::span<Row> rows) {
  std::vector<std::string_view> texts;
  for (Row& row : rows) {
    row.vectors.assign(row.chunks.size(), {});
    for (std::size_t i = 0; i < row.chunks.size(); ++i) {
      if (const auto known = known_.find(row.text_hashes[i]); known != known_.end()) {
        row.vectors[i] = known->second;
      } else {
        texts.push_back(std::string_view(row.text).substr(row.chunks[i].start,
                                                          row.chunks[i].end - row.chunks[i].start));
      }
    }
  }
  ai::Embeddings embedded;
  if (!texts.empty()) {
    auto answer = embed_texts(texts);
    if (!answer && answer.error().code == ErrorCode::InvalidArgument) {
      if (rows.size() == 1) {
        rows.front().bad = "the model refuses it: " + answer.error().message;
        rows.front().chunks.clear();
        return {};
      }
      LH_RETURN_IF_ERROR(embed_rows(rows.subspan(0, rows.size() / 2)));
      return embed_rows(rows.subspan(rows.size() / 2));
    }
    if (!answer) {
      return std::unexpected(answer.error());
    }
    embedded = *std::move(answer);
  }
  std::size_t next = 0;
  for (Row& row : rows) {
    for (std::vector<float>& vector : row.vectors) {
      if (!vector.empty()) {
        ++chunks_reused_;
        continue;
      }
      const auto values = embedded.row(next++);
      vector.assign(values.begin(), values.end());
      if (!std::ranges::all_of(vector, [](float value) { return std::isfinite(value); })) {
        row.bad = "the model gave no numbers for it";
      }
    }
    if (!row.bad.empty()) {
      row.chunks.clear();
    }
  }
  return {};
}

/// Again and again while the model cannot be reached, in parts of what one call takes.
Result<ai::Embeddings> EmbedRun::embed_texts(std::span<const std::string_view> texts) {
  ai::Embeddings all;
  all.dimensions = generation().dimensions;
  for (std::size_t from = 0; from < texts.size();) {
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (from + count < texts.size() && count < ai::Embedder::kTextsMax &&
           (count == 0 || bytes + texts[from + count].size() <= ai::Embedder::kBytesMax)) {
      bytes += texts[from + count++].size();
    }
    auto wait = kRetryAfter;
    for (int tries = 1;; ++tries, wait *= 2) {
      auto part = embedder_->embed(context_, texts.subspan(from, count), ai::EmbedPriority::Bulk);
      if (part && (part->size() != count || part->dimensions != all.dimensions)) {
        return fail(ErrorCode::Unavailable,
                    fmt::format("the model '{}' gave {} vectors of {} dimensions for {} texts",
                                embedder_->info().name, part->size(), part->dimensions, count));
      }
      if (part) {
        all.values.insert(all.values.end(), part->values.begin(), part->values.end());
        break;
      }
      if (!is_retryable(part.error().code) || tries == kEmbedTries) {
        return std::unexpected(std::move(part).error().with_context("embed"));
      }
      const auto until = std::chrono::steady_clock::now() + wait;
      while (std::chrono::steady_clock::now() < until) {
        LH_RETURN_IF_ERROR(context_.check());
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
    from += count;
  }
  return all;
}

Status EmbedRun::write_all(BatchQueue& queue) {
  while (true) {
    std::vector<Batch> batches = queue.pop();
    if (batches.empty()) {
      return {};
    }
    LH_RETURN_IF_ERROR(write_batches(std::move(batches)));
  }
}

Status EmbedRun::write_batches(std::vector<Batch> batches) {
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, load_embeddings());
  LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation at,
                      parts_.buckets.resolve(table.metadata->location));
  LH_ASSIGN_OR_RETURN(const query::StagingFolder staging,
                      query::StagingFolder::make(parts_.buckets, at.bucket));
  const std::string path = staging.path() + "/batch.ndjson";
  std::int64_t rows = 0;
  std::int64_t chunks = 0;
  LH_RETURN_IF_ERROR(write_batch_file(batches, path, &rows, &chunks));
  if (chunks > 0) {
    query::AppendRequest append;
    append.table = embeddings_;
    append.columns = {"key",  "chunk",  "start", "end",           "row_hash",  "text_hash",
                      "text", "vector", "model", "model_version", "dimensions"};
    append.source.text = fmt::format(
        "SELECT key, chunk, start, \"end\", row_hash, text_hash, text, vector, {}, {}, {} FROM "
        "read_json({}, format='newline_delimited', maximum_object_size=4194304, columns="
        "{{'key': '{}', 'chunk': 'INTEGER', 'start': 'BIGINT', 'end': 'BIGINT', 'row_hash': "
        "'BIGINT', 'text_hash': 'VARCHAR', 'text': 'VARCHAR', 'vector': 'FLOAT[]'}})",
        quote_sql_literal(embedder_->info().name), quote_sql_literal(generation().model_version),
        generation().dimensions, quote_sql_literal(path), raw_key_type());
    append.source_bytes = 1;  // One file a batch.
    append.summary = {{"lakehouse.vector-source-snapshot", std::to_string(source_snapshot_)}};
    catalog::LineageRun lineage;
    lineage.job = "embed";
    lineage.inputs = {{catalog::LineageNodeKind::Dataset, info_.dataset_uuid, info_.dataset}};
    lineage.detail_json =
        json::serialize(json::object{{"index", info_.name}, {"generation", number_}});
    append.lineage = std::move(lineage);
    LH_RETURN_IF_ERROR(parts_.writer.append(context_, std::move(append)));
  }
  rows_embedded_ += rows;
  chunks_embedded_ += chunks;
  for (const Batch& batch : batches) {
    done_ += static_cast<std::int64_t>(batch.size());
  }
  progress("embedding");
  // What is done is in the embeddings: this only says that there was progress.
  return job_.checkpoint(json::object{{"rows", done_}});
}

Status EmbedRun::write_batch_file(const std::vector<Batch>& batches, const std::string& path,
                                  std::int64_t* rows, std::int64_t* chunks) {
  std::string out;
  for (const Batch& batch : batches) {
    for (const Row& row : batch) {
      if (!row.bad.empty()) {
        set_aside(key_json(row.key.view(), is_text()), row.bad);
        continue;
      }
      ++*rows;
      const std::string key = json::serialize(key_json(row.key.view(), is_text()));
      for (std::size_t i = 0; i < row.chunks.size(); ++i) {
        ++*chunks;
        const ChunkSpan& span = row.chunks[i];
        fmt::format_to(std::back_inserter(out),
                       R"({{"key":{},"chunk":{},"start":{},"end":{},"row_hash":{},)"
                       R"("text_hash":"{}","text":{},"vector":[)",
                       key, i, span.start, span.end, row.hash, row.text_hashes[i],
                       json::serialize(json::string(text_of(row.text, span))));
        for (std::size_t d = 0; d < row.vectors[i].size(); ++d) {
          fmt::format_to(std::back_inserter(out), "{}{}", d == 0 ? "" : ",", row.vectors[i][d]);
        }
        out += "]}\n";
      }
    }
  }
  std::ofstream file(path, std::ios::binary);
  file << out;
  file.close();
  return file ? Status() : fail(ErrorCode::Unavailable, "write " + path);
}

// --- The end.

Status EmbedRun::finish() {
  LH_RETURN_IF_ERROR(compact());
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, load_embeddings());
  const catalog::DatasetSize size = catalog::dataset_size(*table.metadata);
  Generation counted = generation();
  LH_RETURN_IF_ERROR(write_bad_rows(counted));
  const auto change = [&](IndexInfo& info) -> Status {
    Generation* generation = info.generation(number_);
    if (generation == nullptr) {
      return fail(ErrorCode::NotFound, "the generation was dropped");
    }
    generation->source_snapshot_id = source_snapshot_;
    generation->floor_snapshot_id = source_snapshot_;
    generation->embeddings_snapshot_id = table.metadata->current_snapshot_id;
    generation->state = GenerationState::Ready;
    generation->bad_rows = bad_count_;
    generation->bad_rows_file = counted.bad_rows_file;
    generation->rows = total_ - refused_;
    generation->rows_total = rows_total_;
    generation->chunks = size.rows;
    generation->updated_at_ms = parts_.catalog.now_ms();
    return {};
  };
  LH_ASSIGN_OR_RETURN(info_, all_.registry.update(context_, info_.id, change));
  LH_ASSIGN_OR_RETURN(const bool is_due, files_are_due());
  return is_due ? build_files() : Status();
}

Status EmbedRun::compact() {
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, load_embeddings());
  if (catalog::dataset_size(*table.metadata).files < kFilesCompacted) {
    return {};
  }
  progress("putting files together");
  const auto done = parts_.compactor.compact(context_, {.table = embeddings_});
  // Many files are slower and nothing else.
  return done || !is_retryable(done.error().code) ? Status() : std::unexpected(done.error());
}

Result<bool> EmbedRun::files_are_due() {
  const Generation& now = generation();
  if (now.chunks == 0) {
    return false;
  }
  if (now.file.empty() || !now.file_snapshot_id || rebuild_) {
    return true;
  }
  const auto differs = static_cast<std::uint64_t>(chunks_embedded_ + rows_removed_);
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, load_embeddings());
  std::uint64_t since = differs;
  // What earlier runs left in the tail counts as well.
  for (const auto* at = table.metadata->current_snapshot();
       at != nullptr && at->snapshot_id != *now.file_snapshot_id;
       at = at->parent_snapshot_id ? table.metadata->snapshot_by_id(*at->parent_snapshot_id)
                                   : nullptr) {
    const auto added = at->summary.find("added-records");
    if (at->operation() == "append" && added != at->summary.end()) {
      since += std::strtoull(added->second.c_str(), nullptr, 10);
    }
  }
  return since > std::max(kTailMin, static_cast<std::uint64_t>(now.chunks) / kTailPart);
}

Status EmbedRun::build_files() {
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, load_embeddings());
  const IndexShape shape = shape_of(info_, generation());
  const std::string note = json::serialize(
      json::object{{"index", info_.id},
                   {"generation", number_},
                   {"embeddings_snapshot_id", table.metadata->current_snapshot_id.value_or(0)},
                   {"source_snapshot_id", source_snapshot_},
                   {"model", generation().recipe.model},
                   {"model_version", generation().model_version},
                   {"id", new_uuid()}});
  LH_ASSIGN_OR_RETURN(const std::string file,
                      write_index_files(context_, parts_.buckets, parts_.query, *table.metadata,
                                        shape, generation().graph, note, parts_.lance,
                                        [&](std::uint64_t, std::uint64_t, std::string_view what) {
                                          progress(what);
                                        }));
  const auto change = [&](IndexInfo& info) -> Status {
    Generation* generation = info.generation(number_);
    if (generation == nullptr) {
      return fail(ErrorCode::NotFound, "the generation was dropped");
    }
    generation->file = file;
    generation->file_snapshot_id = table.metadata->current_snapshot_id;
    generation->updated_at_ms = parts_.catalog.now_ms();
    return {};
  };
  auto updated = all_.registry.update(context_, info_.id, change);
  if (!updated) {
    return std::unexpected(updated.error());
  }
  info_ = *std::move(updated);
  if (all_.on_files) {
    all_.on_files(info_, generation());
  }
  remove_index_files(context_, parts_.buckets, table.metadata->location, file);
  return {};
}

Status EmbedRun::write_bad_rows(Generation& generation) {
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, load_embeddings());
  const std::string location = table.metadata->location + "/indexes/bad-rows.ndjson";
  LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation at, parts_.buckets.resolve(location));
  generation.bad_rows_file.clear();
  if (bad_.empty()) {
    return at.store->delete_object(context_, at.key);
  }
  std::string out;
  for (const BadRow& row : bad_) {
    out += json::serialize(json::object{{"key", row.key}, {"reason", row.reason}}) + "\n";
  }
  LH_RETURN_IF_ERROR(at.store->put_object(context_, at.key, std::as_bytes(std::span(out)),
                                          storage::PutCondition{}));
  generation.bad_rows_file = location;
  return {};
}

void EmbedRun::note_failure(const Error& error) {
  // Stopped by somebody, or to be tried again: that is no failure of the index.
  if (error.code == ErrorCode::Cancelled || is_retryable(error.code)) {
    return;
  }
  RequestContext context;
  context.principal = info_.principal;
  (void)all_.registry.update(context, info_.id, [&](IndexInfo& info) -> Status {
    if (Generation* generation = info.generation(number_); generation != nullptr) {
      generation->state = GenerationState::Failed;
      generation->error = error.message;
    }
    return {};
  });
}

}  // namespace

Result<json::value> run_embed_job(const EmbedParts& parts, jobs::JobContext& job) {
  return EmbedRun(parts, job).run();
}

}  // namespace lakehouse::vector
