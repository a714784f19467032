#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace lakehouse {

/// A size in bytes, so that the table of settings can tell it from a count.
struct ByteSize {
  std::uint64_t bytes = 0;
  friend bool operator==(const ByteSize&, const ByteSize&) = default;
};

/// One [[storage.buckets]] table.
struct BucketSettings {
  std::string name;
  std::string type = "local";
  std::string location;  ///< A folder; relative ones are below `server.data`.
  friend bool operator==(const BucketSettings&, const BucketSettings&) = default;
};

/// One [[ai.providers]] table: a server that runs models.
struct AiProviderSettings {
  std::string name;
  std::string type;        ///< "ollama" or "openai".
  std::string url;         ///< "http://127.0.0.1:11434", "https://api.example.com/v1".
  std::string key;         ///< "secret://NAME"; empty: none is sent.
  std::string keep_alive;  ///< Ollama's: how long a model stays in its memory. Empty: it decides.
  std::chrono::milliseconds timeout{60'000};
  std::int64_t retries = 2;
  std::int64_t calls_max = 4;
  friend bool operator==(const AiProviderSettings&, const AiProviderSettings&) = default;
};

/// One [[ai.models]] table.
struct AiModelSettings {
  std::string name;
  std::string kind;                   ///< "embedding", "generation", "reranking".
  std::string provider = "embedded";  ///< Of [[ai.providers]], or "embedded": run by this server.
  std::string model;                  ///< What the provider calls it; empty: `name`.
  std::string path;                   ///< Embedded: its file or folder, below `server.data`.
  std::string pooling = "mean";       ///< Embedded embeddings: "mean" or "cls".
  std::int64_t max_tokens = 0;        ///< 0: what the model or the provider says.
  std::int64_t context_tokens = 0;
  std::int64_t calls_max = 0;              ///< 0: as many as the provider takes.
  std::chrono::milliseconds timeout{0};    ///< 0: the provider's.
  std::vector<std::string> fallback = {};  ///< Models to ask, in turn, while this one is down.
  friend bool operator==(const AiModelSettings&, const AiModelSettings&) = default;
};

/// Every setting, with its default. What each means is said once, in the table in config.cc, from
/// which docs/configuration.md, the environment variables and `lakehouse config` are made.
struct Config {
  struct Server {
    std::string listen = "127.0.0.1:3100";
    std::string data = "./lakehouse-data";
    bool insecure = false;
    std::vector<std::string> host_names;
    std::string tls_cert;
    std::string tls_key;
    std::string log_format = "text";
    std::string log_level = "info";
    std::int64_t connections_max = 1000;
    ByteSize header_bytes_max{std::uint64_t{64} << 10U};
    ByteSize body_bytes_max{std::uint64_t{64} << 30U};
    std::chrono::milliseconds header_timeout{10'000};
    std::chrono::milliseconds body_timeout{30'000};
    std::chrono::milliseconds idle_timeout{75'000};
    std::chrono::milliseconds request_timeout{3'600'000};
    std::chrono::milliseconds shutdown_grace{10'000};
    std::int64_t door_threads = 2;
    std::int64_t storage_threads = 8;
    std::int64_t engine_wait_threads = 128;
    std::int64_t queue_max = 256;
    friend bool operator==(const Server&, const Server&) = default;
  } server;
  struct Auth {
    bool enabled = false;
    std::string keys = "secret://keys";
    std::chrono::milliseconds token_lifetime{3'600'000};
    std::vector<std::string> admins;
    friend bool operator==(const Auth&, const Auth&) = default;
  } auth;
  struct Jobs {
    std::int64_t workers = 4;
    std::chrono::milliseconds keep{7 * 86'400'000};
    friend bool operator==(const Jobs&, const Jobs&) = default;
  } jobs;
  struct Secrets {
    std::string file;
    friend bool operator==(const Secrets&, const Secrets&) = default;
  } secrets;
  struct Metastore {
    std::string url = "sqlite";
    friend bool operator==(const Metastore&, const Metastore&) = default;
  } metastore;
  struct Storage {
    std::vector<BucketSettings> buckets;  ///< Never empty once loaded: the first is the primary.
    std::vector<std::string> view_metadata_folders{"/tmp"};
    friend bool operator==(const Storage&, const Storage&) = default;
  } storage;
  struct Engine {
    ByteSize memory_limit;  ///< 0: 60 % of the machine's memory.
    std::int64_t threads = 0;
    std::int64_t statements_max = 128;
    std::int64_t light_statements = 0;
    std::int64_t heavy_statements = 2;
    std::int64_t file_engines = 2;
    std::int64_t waiting_max = 64;
    ByteSize light_bytes{std::uint64_t{64} << 20U};
    std::chrono::milliseconds light_time{2'000};
    ByteSize spill_limit;  ///< 0: nine tenths of what is free.
    std::string sandbox = "strict";
    friend bool operator==(const Engine&, const Engine&) = default;
  } engine;
  struct Cluster {
    std::string trino_url;
    std::string catalog = "lake";
    std::string user = "lakehouse";
    std::string password;
    ByteSize above_bytes{std::uint64_t{10} << 30U};
    std::int64_t statements_max = 16;
    friend bool operator==(const Cluster&, const Cluster&) = default;
  } cluster;
  struct Query {
    std::chrono::milliseconds timeout{300'000};
    std::int64_t row_limit = 0;
    std::int64_t log_rows = 10'000;
    std::string log_statements = "full";
    ByteSize cache_memory;  ///< 0: a quarter of the engine's.
    ByteSize result_cache{std::uint64_t{64} << 20U};
    friend bool operator==(const Query&, const Query&) = default;
  } query;
  struct Ai {
    std::string embed = "minilm";
    std::string generate;
    std::string rerank;
    std::string models_folder = "models";
    ByteSize memory_limit;  ///< 0: a quarter of the machine's.
    std::int64_t threads = 0;
    std::int64_t waiting_max = 64;
    std::int64_t context_tokens = 8'192;
    std::chrono::milliseconds timeout{120'000};
    std::chrono::milliseconds idle{600'000};
    ByteSize embedding_cache{std::uint64_t{64} << 20U};
    std::vector<AiProviderSettings> providers;
    std::vector<AiModelSettings> models;
    friend bool operator==(const Ai&, const Ai&) = default;
  } ai;
  friend bool operator==(const Config&, const Config&) = default;
};

/// Where a setting's value came from.
enum class SettingSource : std::uint8_t { Default, File, Environment, CommandLine };
std::string_view to_string(SettingSource source);

/// One line of the table, as others see it.
struct SettingInfo {
  std::string key;   ///< "server.listen"
  std::string type;  ///< "text", "whole number", "true or false", "duration", "size", "list"
  std::string default_text;  ///< As in TOML: "\"127.0.0.1:3100\"", "30s".
  std::string environment;   ///< "LAKEHOUSE_SERVER_LISTEN"
  std::string description;
};
[[nodiscard]] std::vector<SettingInfo> settings();

/// What a configuration is made from; each later one wins over those before it.
struct ConfigSources {
  /// The TOML file. With `file_must_exist` unset (the default ./lakehouse.toml) it may be missing.
  std::string file;
  bool file_must_exist = false;
  /// Looks an environment variable up; nothing if it is not set. Empty: the process's own.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  /// The process's variables that begin with LAKEHOUSE_, to refuse misspelt ones; may be empty.
  std::vector<std::string> environment_names;
  /// "server.listen" and its text, from the command line.
  std::vector<std::pair<std::string, std::string>> command_line;
};

struct LoadedConfig {
  Config config;
  std::string file;                                            ///< Empty if none was read.
  std::vector<std::pair<std::string, SettingSource>> sources;  ///< Of each key, in table order.
};

/// InvalidArgument for what cannot be: an unknown key (with the nearest known ones), a value of
/// another type or out of range; each names the file and line, the variable or the option.
/// NotFound for a missing file that must exist.
Result<LoadedConfig> load_config(const ConfigSources& sources);

/// The same from text, for tests and `config check`; `name` is what messages call it.
Result<LoadedConfig> load_config_text(std::string_view toml, std::string name,
                                      const ConfigSources& rest = {});

/// The configuration in force as TOML, each line with where its value came from. Holds no secrets:
/// no setting does, they refer to them by name.
[[nodiscard]] std::string show(const LoadedConfig& loaded);

/// docs/configuration.md.
[[nodiscard]] std::string configuration_markdown();

/// "HOST:PORT" or "[V6]:PORT" taken apart. InvalidArgument if it is neither.
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
};
Result<ListenAddress> parse_listen(std::string_view text);

/// "300ms", "30s", "5m", "1h"; a bare number is seconds.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::milliseconds duration);
/// "512", "64KiB", "16MB", "2GiB".
Result<ByteSize> parse_bytes(std::string_view text);
std::string format_bytes(ByteSize size);

}  // namespace lakehouse
