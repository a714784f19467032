#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"

/// \file
/// What a vector index is to be, and what is known about one. Values.

namespace lakehouse::vector {

/// What tells the rows of a dataset apart.
enum class KeyType : std::uint8_t { String, Int32, Int64, Uuid };
std::string_view to_string(KeyType type);  ///< "string".
Result<KeyType> key_type_from(std::string_view name);

/// How a row's text is cut. In characters (code points): none is ever split.
struct ChunkOptions {
  std::uint32_t size = 1200;    ///< At most so many in a chunk: 50 to 100,000.
  std::uint32_t overlap = 150;  ///< At most so many of the last chunk's begin the next; < size / 2.
  bool sentences = true;        ///< Ends where a paragraph, sentence or word ends, if it can.
  std::uint32_t chunks_max = 1000;  ///< Of one row: what is longer is a bad row.
  friend bool operator==(const ChunkOptions&, const ChunkOptions&) = default;
};

/// When the index follows its dataset.
enum class RefreshPolicy : std::uint8_t {
  Manual,     ///< When it is told to.
  OnAppend,   ///< Soon after each commit that changes rows.
  Scheduled,  ///< Every so often, if something changed.
};
std::string_view to_string(RefreshPolicy policy);  ///< "manual", "on_append", "scheduled".
Result<RefreshPolicy> refresh_policy_from(std::string_view name);

struct Refresh {
  RefreshPolicy policy = RefreshPolicy::Manual;
  std::chrono::seconds every{0};  ///< Of Scheduled: 10 s to a year.
  friend bool operator==(const Refresh&, const Refresh&) = default;
};

/// The graph's settings, as trials vary them.
struct GraphSettings {
  std::uint32_t m = 16;                 ///< 2 to 128.
  std::uint32_t ef_construction = 200;  ///< 4 to 4,096.
  std::uint32_t ef_search = 64;         ///< 1 to 4,096; never less than k.
  std::string quantization = "int8";    ///< As vector_index.h names it: "int8", "none".
  std::uint64_t seed = 1;
  friend bool operator==(const GraphSettings&, const GraphSettings&) = default;
};

enum class Backend : std::uint8_t { Hnsw, Lance };
std::string_view to_string(Backend backend);  ///< "hnsw".
Result<Backend> backend_from(std::string_view name);

/// What decides the chunks and their vectors: with another recipe all of them are made anew.
struct Recipe {
  std::vector<std::string> text_columns = {};  ///< Joined by newlines, NULLs left out; or else:
  std::string text_template = {};  ///< "{title}: {body}"; "{{" is a brace; a NULL is nothing.
  ChunkOptions chunk = {};
  std::string model = {};  ///< As ModelService names it; empty when asked for: the default one.
  friend bool operator==(const Recipe&, const Recipe&) = default;
};

/// What POST /vectors/index asks for.
struct IndexSpec {
  std::string name;     ///< [a-z0-9_-], 1 to 64; its embeddings are the dataset vectors.<name>.
  std::string dataset;  ///< "namespace.table".
  std::string key;      ///< A column whose values differ from row to row.
  Recipe recipe = {};
  Backend backend = Backend::Hnsw;
  Refresh refresh = {};
  GraphSettings graph = {};
};

enum class GenerationState : std::uint8_t {
  Building,  ///< Its first run has not ended: what is embedded so far is searched.
  Ready,
  Failed,  ///< Its last run failed; what it has is searched still.
};
std::string_view to_string(GenerationState state);

/// One making of an index: a recipe carried out. An index has one that answers; while another model
/// or chunking is tried there is a second beside it, and after the switch the first is kept to go
/// back to.
struct Generation {
  std::int64_t number = 1;
  Recipe recipe;
  GraphSettings graph;
  GenerationState state = GenerationState::Building;
  std::string embeddings;       ///< The dataset that holds the chunks: "vectors.docs".
  std::string embeddings_uuid;  ///< The same table, whatever its name. Empty before it is made.
  std::string model_version;    ///< Hash of the model's content.
  std::uint32_t dimensions = 0;
  /// What of the source is embedded whole; nothing before the first run has ended.
  std::optional<std::int64_t> source_snapshot_id;
  /// Every chunk there is was one of the source at this snapshot or at a later one.
  std::optional<std::int64_t> floor_snapshot_id;
  std::optional<std::int64_t> embeddings_snapshot_id;  ///< That of the last run's end.
  std::string file;                                    ///< The index file's location, or empty.
  std::optional<std::int64_t> file_snapshot_id;        ///< The embeddings' snapshot that it covers.
  std::int64_t rows = 0;                               ///< Of the source, with at least one chunk.
  std::int64_t rows_total = 0;  ///< Of the source, when last looked at: coverage is rows of these.
  std::int64_t chunks = 0;
  std::int64_t bad_rows = 0;
  std::string bad_rows_file;  ///< Their keys and reasons, one JSON object a line; or empty.
  std::int64_t updated_at_ms = 0;
  std::string job_id;  ///< The last run's.
  std::string error;   ///< Why it failed.
  /// On the eval set, when it was last measured; nothing if there is none.
  std::optional<double> quality;
};

/// What is known about an index.
struct IndexInfo {
  std::string id;  ///< For life; names may be given again after a drop.
  std::string name;
  std::string dataset;  ///< As it is called now.
  std::string dataset_uuid;
  std::string key;
  KeyType key_type = KeyType::String;
  Backend backend = Backend::Hnsw;
  Refresh refresh;
  std::string principal;  ///< Who made it: its runs read the source as they may.
  std::int64_t created_at_ms = 0;
  std::int64_t version = 0;             ///< Grows with every change of what is here.
  std::int64_t active = 1;              ///< The number of the generation that answers.
  std::vector<Generation> generations;  ///< Ascending; at least one.
  /// The number of a generation that takes over once it is complete and not worse; 0: none.
  std::int64_t next = 0;

  [[nodiscard]] const Generation* generation(std::int64_t number) const;
  Generation* generation(std::int64_t number);
  [[nodiscard]] const Generation& current() const;
};

/// For the metastore and HTTP; `info_from_json` reads what `to_json` wrote.
boost::json::object to_json(const Generation& generation);
boost::json::object to_json(const IndexInfo& info);
Result<IndexInfo> info_from_json(const boost::json::object& json);

/// InvalidArgument, naming what is wrong.
Status check(const Recipe& recipe);
Status check(const Refresh& refresh);
Status check(const GraphSettings& graph);
Status check(const IndexSpec& spec);

}  // namespace lakehouse::vector
