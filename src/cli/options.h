#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/server_address.h"

namespace lakehouse::cli {

// What the process ends with; docs/cli.md says the same.
constexpr int kExitOk = 0;
/// The server answered with a failure, or a local file could not be used.
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;        ///< The command line makes no sense.
constexpr int kExitUnreachable = 3;  ///< No server there, or the connection broke.
constexpr int kExitPartly = 4;       ///< Some of several files or statements were done.
constexpr int kExitInterrupted = 130;

struct ServeOptions {
  std::string config;  ///< Empty: ./lakehouse.toml if there is one.
  std::optional<std::string> data;
  std::optional<std::string> listen;
  bool insecure = false;
};

struct EngineOptions {
  std::vector<std::string> arguments;  ///< As they stand: the engine's own affair.
};

/// The process that runs models.
struct ModelProcessOptions {
  std::vector<std::string> arguments;  ///< As they stand: its own affair.
};

/// Models of this machine, without a server.
struct ModelOptions {
  enum class Action : std::uint8_t { List, Pull, Add, Remove };
  Action action = Action::List;
  ServeOptions serve;  ///< Which configuration, and so which folder.
  std::string name;
  std::string path;  ///< Of add.
  std::string url;   ///< Of pull: where from; empty: what is known by the name.
  std::string sha256;
  std::string kind = "generation";
  std::string pooling = "mean";
  std::uint32_t max_tokens = 0;
  bool json = false;
};

struct IngestOptions {
  ServerAddress server;
  std::vector<std::string> files;
  std::string dataset;  ///< Empty: from each file's name.
  std::string mode;     ///< The following are left to the server if they are empty.
  std::string max_bad_rows;
  std::string nested;
  std::string bucket;
  std::string source;
  bool json = false;
};

enum class OutputFormat : std::uint8_t { Table, Lines, Csv, Json, Ndjson, Arrow, Parquet };

struct SqlOptions {
  ServerAddress server;
  std::string statement;
  std::string file;
  OutputFormat format = OutputFormat::Table;
  bool format_given = false;
  std::string output;  ///< Empty: the standard output.
  std::optional<std::uint64_t> limit;
  std::optional<std::uint64_t> timeout_ms;
  std::string engine;                                      ///< Empty: the server decides.
  std::vector<std::string> positional;                     ///< --arg
  std::vector<std::pair<std::string, std::string>> named;  ///< --param NAME=VALUE
  bool interactive = false;
};

struct DatasetsOptions {
  enum class Action : std::uint8_t {
    List,
    Show,
    Drop,
    Describe,
    Lineage,
    History,
    Snapshots,
    Rollback,
    Profile,
    Pii,
    Diff,
    Migrate,
  };
  Action action = Action::List;
  ServerAddress server;
  std::string name;
  bool purge = false;
  bool yes = false;
  bool json = false;
  // Filters of list, and what describe sets. Of the latter "-" removes.
  std::string owner;
  std::string tag;
  std::string sensitivity;
  bool stale = false;
  std::string description;
  std::vector<std::string> tags;
  std::string freshness_sla_s;
  std::string column;  ///< Whose sensitivity, category and note are set; empty: the dataset's.
  std::string category;
  std::string note;
  std::int64_t snapshot_id = 0;
  bool scan = false;  ///< Of pii: look first.
  // Of diff and migrate.
  std::string file;
  std::string source;
  double confidence_min = 0.8;
  bool drops = false;
  bool casts = false;
  bool dry_run = false;
  bool prompt = false;
};

struct QueriesOptions {
  enum class Action : std::uint8_t { List, Log, Show, Cancel };
  Action action = Action::List;
  ServerAddress server;
  std::string id;
  std::string principal;
  bool failed = false;
  bool plan = false;
  std::int64_t limit = 20;
  bool json = false;
};

struct JobsOptions {
  enum class Action : std::uint8_t { List, Show, Watch, Cancel };
  Action action = Action::List;
  ServerAddress server;
  std::string id;
  std::string state;
  std::string kind;
  std::int64_t limit = 20;
  bool json = false;
};

struct SearchOptions {
  ServerAddress server;
  std::string index;
  std::string text;
  std::int64_t k = 10;
  std::string filter;
  std::string mode = "hybrid";
  bool rerank = false;
  bool exact = false;
  bool one_per_row = false;
  bool json = false;
};

struct AskOptions {
  ServerAddress server;
  std::string question;
  std::string hint;
  std::vector<std::string> datasets;
  std::string model;
  std::int64_t row_limit = 100;
  bool json = false;
};

struct RagOptions {
  ServerAddress server;
  std::string index;
  std::string question;
  std::int64_t k = 8;
  std::string filter;
  std::string model;
  bool json = false;
};

struct IndexOptions {
  enum class Action : std::uint8_t { List, Show, Create, Refresh, Stale, Drop };
  Action action = Action::List;
  ServerAddress server;
  std::string name;  ///< Of Refresh: an index or a dataset.
  std::string dataset;
  std::string key;
  std::vector<std::string> text;
  std::string text_template;
  std::string model;
  std::string backend;
  std::string refresh;
  std::int64_t every_s = 0;
  std::int64_t chunk_size = 0;  ///< 0: the server's own.
  bool detach = false;          ///< Does not wait for the job.
  bool json = false;
};

struct TrialsOptions {
  enum class Action : std::uint8_t {
    Run,
    List,
    Best,
    Promote,
    Evals,
    Autogen,
    FromLog,
    Import,
    DropEval
  };
  Action action = Action::List;
  ServerAddress server;
  std::string index;
  std::string eval_set;
  std::int64_t k = 10;
  std::vector<std::int64_t> m;  ///< Empty, as the lists that follow: the server's own.
  std::vector<std::int64_t> ef_construction;
  std::vector<std::int64_t> ef_search;
  std::vector<std::int64_t> seeds;
  std::vector<std::string> quantization;
  std::string metric;
  double recall_min = 0.95;
  std::string trial_id;
  std::string file;
  std::int64_t queries = 200;
  std::int64_t seed = 1;
  bool everybody = false;
  bool detach = false;
  bool json = false;
};

struct ConfigOptions {
  enum class Action : std::uint8_t { Check, Show, Docs };
  Action action = Action::Check;
  std::string config;
};

struct KeysOptions {
  std::string name;  ///< Whose key.
};

struct RebuildOptions {
  ServeOptions serve;  ///< Which configuration.
  bool dry_run = false;
};

struct VersionOptions {};

using Options =
    std::variant<ServeOptions, EngineOptions, ModelProcessOptions, ModelOptions, IngestOptions,
                 SqlOptions, DatasetsOptions, QueriesOptions, JobsOptions, TrialsOptions,
                 SearchOptions, AskOptions, RagOptions, IndexOptions, ConfigOptions, KeysOptions,
                 RebuildOptions, VersionOptions>;

/// What parsing a command line comes to: options, or a text and the code to end with.
struct Parsed {
  std::optional<Options> options;
  std::string text;  ///< Help, or what is wrong.
  int exit_code = kExitOk;
};

/// `arguments` are those after the program's name.
[[nodiscard]] Parsed parse_arguments(std::vector<std::string> arguments);

/// "json" -> Json; nothing for an unknown name.
[[nodiscard]] std::optional<OutputFormat> output_format_from(const std::string& name);

}  // namespace lakehouse::cli
