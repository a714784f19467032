#include "base/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <variant>

#include <fmt/format.h>
#define TOML_EXCEPTIONS 0  // NOLINT(readability-identifier-naming): theirs.
#include <toml++/toml.h>

#include "base/text.h"

namespace lakehouse {
namespace {

using Duration = std::chrono::milliseconds;
using Text = std::string;
using List = std::vector<std::string>;

template <class T>
using Field = T& (*)(Config&);
using AnyField = std::variant<Field<Text>, Field<std::int64_t>, Field<bool>, Field<Duration>,
                              Field<ByteSize>, Field<List>>;

struct Setting {
  std::string_view key;
  AnyField field;
  std::string_view description;
  std::int64_t min = 0;  // Of a number; of a duration in milliseconds, of a size in bytes.
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string_view> choices = {};
};

#define LH_FIELD(type, path) AnyField(Field<type>(+[](Config& c) -> type& { return c.path; }))

// The one source of what can be set. Defaults stand in Config.
std::vector<Setting> server_settings() {
  return {
      {"server.listen", LH_FIELD(Text, server.listen),
       "Where the HTTP door listens, as HOST:PORT; port 0 takes a free one. Anything but a "
       "loopback address is refused unless `auth.enabled` or `server.insecure` is set."},
      {"server.data", LH_FIELD(Text, server.data),
       "The folder of the metastore, the default bucket and the run-time files. One server at a "
       "time uses it."},
      {"server.insecure", LH_FIELD(bool, server.insecure),
       "Listen on any address although nobody is asked for a key: whoever reaches the port may do "
       "everything. Also `--insecure`."},
      {"server.host_names", LH_FIELD(List, server.host_names),
       "Names by which this server is called beside localhost, for the check of Host and Origin "
       "that keeps other web pages out."},
      {"server.tls_cert", LH_FIELD(Text, server.tls_cert),
       "A PEM file with the certificate chain. With `server.tls_key` the door speaks TLS 1.2 and "
       "1.3 only."},
      {"server.tls_key", LH_FIELD(Text, server.tls_key), "The certificate's key, a PEM file."},
      {"server.log_format",
       LH_FIELD(Text, server.log_format),
       "How log lines on standard error look.",
       0,
       0,
       {"text", "json"}},
      {"server.log_level",
       LH_FIELD(Text, server.log_level),
       "The least level that is logged.",
       0,
       0,
       {"debug", "info", "warn", "error"}},
      {"server.connections_max", LH_FIELD(std::int64_t, server.connections_max),
       "Open connections; more are answered 503.", 1, 1'000'000},
      {"server.header_bytes_max", LH_FIELD(ByteSize, server.header_bytes_max),
       "The longest request header; a longer one is answered 431.", 1024, 1 << 20},
      {"server.body_bytes_max", LH_FIELD(ByteSize, server.body_bytes_max),
       "The longest request body, uploads included; a longer one is answered 413.", 1024},
      {"server.header_timeout", LH_FIELD(Duration, server.header_timeout),
       "How long a client may take to send a request's header.", 10},
      {"server.body_timeout", LH_FIELD(Duration, server.body_timeout),
       "How long a client may pause while it sends a body or takes an answer.", 10},
      {"server.idle_timeout", LH_FIELD(Duration, server.idle_timeout),
       "How long a connection stays open between requests.", 10},
      {"server.request_timeout", LH_FIELD(Duration, server.request_timeout),
       "How long one request may take in all, from its header to the end of its answer.", 100},
      {"server.shutdown_grace", LH_FIELD(Duration, server.shutdown_grace),
       "How long running requests may go on after SIGTERM or SIGINT before they are cancelled."},
      {"server.door_threads", LH_FIELD(std::int64_t, server.door_threads),
       "Threads of the event loop. They never wait, so few are enough.", 1, 256},
      {"server.storage_threads", LH_FIELD(std::int64_t, server.storage_threads),
       "Threads for work on the catalog and on buckets.", 1, 1024},
      {"server.engine_wait_threads", LH_FIELD(std::int64_t, server.engine_wait_threads),
       "Threads that wait for engines: as many queries and ingests can be starting at once.", 1,
       1024},
      {"server.queue_max", LH_FIELD(std::int64_t, server.queue_max),
       "Requests that may wait for a thread of one kind; more are answered 429.", 1, 1'000'000},
  };
}

std::vector<Setting> other_settings() {
  return {
      {"auth.enabled", LH_FIELD(bool, auth.enabled),
       "Ask every caller for a key, or for a token that was issued for one; docs/auth.md tells "
       "how."},
      {"auth.keys", LH_FIELD(Text, auth.keys),
       "Where the keys are: `secret://NAME`, a table of `secrets.file` with each caller's name and "
       "key. Read again when the file changes."},
      {"auth.token_lifetime", LH_FIELD(Duration, auth.token_lifetime),
       "How long a token of the OAuth2 token endpoint is good for.", 1000, 7 * 86'400'000},
      {"auth.admins", LH_FIELD(List, auth.admins),
       "Callers, by their names, who see and may cancel everybody's jobs; others see their own."},
      {"jobs.workers", LH_FIELD(std::int64_t, jobs.workers),
       "Long pieces of work, such as building an index, that run at once.", 1, 256},
      {"jobs.keep", LH_FIELD(Duration, jobs.keep), "How long a job that is over can still be seen.",
       1000},
      {"secrets.file", LH_FIELD(Text, secrets.file),
       "A TOML file with the secrets that settings refer to as `secret://NAME`."},
      {"metastore.url", LH_FIELD(Text, metastore.url),
       "Where pointers and small records are kept: `sqlite` (metastore.db in `server.data`), "
       "`sqlite:PATH`, or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, which several servers "
       "may "
       "share. The password may also come from `PGPASSWORD` or `~/.pgpass`."},
      {"storage.view_metadata_folders", LH_FIELD(List, storage.view_metadata_folders),
       "Folders outside the buckets in which the metadata files of a view may be put, when the "
       "view's property write.metadata.path asks for it. Empty: in none."},
      {"engine.memory_limit", LH_FIELD(ByteSize, engine.memory_limit),
       "Memory of the engine's light and heavy lane together; what does not fit spills to disk. "
       "0: 60 % of the machine's."},
      {"engine.threads", LH_FIELD(std::int64_t, engine.threads),
       "Threads of the engine. 0: as many as the machine has cores.", 0, 4096},
      {"engine.statements_max", LH_FIELD(std::int64_t, engine.statements_max),
       "Statements that one engine process takes at once, those that wait for their readers "
       "included; more are answered 429.",
       1, 100'000},
      {"engine.light_statements", LH_FIELD(std::int64_t, engine.light_statements),
       "Statements that run in the light lane at once. 0: four for each core.", 0, 100'000},
      {"engine.heavy_statements", LH_FIELD(std::int64_t, engine.heavy_statements),
       "Statements that run in the heavy lane at once; they share its memory.", 1, 1'000},
      {"engine.file_engines", LH_FIELD(std::int64_t, engine.file_engines),
       "Uploaded files that are read at once, each by an engine process of its own.", 1, 1'000},
      {"engine.waiting_max", LH_FIELD(std::int64_t, engine.waiting_max),
       "Statements that wait for a place in one lane, taking turns by caller; more are answered "
       "429. Each holds one of `server.engine_wait_threads`.",
       1, 100'000},
      {"engine.light_bytes", LH_FIELD(ByteSize, engine.light_bytes),
       "A query that reads more of data files begins in the heavy lane."},
      {"engine.light_time", LH_FIELD(Duration, engine.light_time),
       "A query in the light lane that has no rows by then begins again in the heavy one.", 1},
      {"engine.spill_limit", LH_FIELD(ByteSize, engine.spill_limit),
       "What one engine process may spill to disk. 0: nine tenths of what is free at its start."},
      {"engine.sandbox",
       LH_FIELD(Text, engine.sandbox),
       "What to do where this machine lacks a layer of the engines' sandbox (docs/security.md): "
       "start without it and say so, or not start.",
       0,
       0,
       {"best-effort", "strict"}},
      {"query.timeout", LH_FIELD(Duration, query.timeout),
       "How long a query may run if the request does not ask for less.", 1},
      {"query.log_rows", LH_FIELD(std::int64_t, query.log_rows),
       "Statements that the query log keeps; older ones go. 0: none."},
      {"query.log_statements",
       LH_FIELD(Text, query.log_statements),
       "What is kept and shown of statements beside what they did, in the query log, the list of "
       "what runs and lineage: all of their text, the text with `?` for strings and numbers, or "
       "their kind and length. Unless it is full, the server's own log has no messages of errors, "
       "which may quote a statement (docs/lanes.md).",
       0,
       0,
       {"full", "masked", "off"}},
      {"query.row_limit", LH_FIELD(std::int64_t, query.row_limit),
       "The most rows that one answer holds; it says `truncated` when that cut it. 0: no limit."},
      {"query.cache_memory", LH_FIELD(ByteSize, query.cache_memory),
       "What pinned datasets may take of `engine.memory_limit`, together. 0: a quarter of it."},
      {"query.result_cache", LH_FIELD(ByteSize, query.result_cache),
       "What the answers of queries may take that are kept for the next time. 0: none is kept."},
      {"cluster.trino_url", LH_FIELD(Text, cluster.trino_url),
       "The coordinator of a Trino cluster that reads this server's tables through its catalog, as "
       "http://HOST:PORT: where big SELECTs go. Empty: all run here."},
      {"cluster.catalog", LH_FIELD(Text, cluster.catalog), "What that cluster calls this server."},
      {"cluster.user", LH_FIELD(Text, cluster.user), "Whom the cluster takes the statements for."},
      {"cluster.password", LH_FIELD(Text, cluster.password),
       "A reference to that user's password in the file of `secrets.file`, such as "
       "`secret://trino`; over https:// only. Empty: none is sent."},
      {"cluster.above_bytes", LH_FIELD(ByteSize, cluster.above_bytes),
       "A SELECT that reads more of data files goes to the cluster, unless the request says "
       "where."},
      {"cluster.statements_max", LH_FIELD(std::int64_t, cluster.statements_max),
       "Statements that run on the cluster at once.", 1, 1'000},
  };
}

std::vector<Setting> ai_settings() {
  return {
      {"ai.embed", LH_FIELD(Text, ai.embed),
       "The model that turns texts into vectors where none is named. `minilm` comes with the "
       "program."},
      {"ai.generate", LH_FIELD(Text, ai.generate),
       "The model that writes where none is named. Empty: the best of those that `lakehouse model "
       "pull` brought."},
      {"ai.rerank", LH_FIELD(Text, ai.rerank),
       "The model that says how well texts answer a question where none is named. Empty: their "
       "embeddings are compared."},
      {"ai.models_folder", LH_FIELD(Text, ai.models_folder),
       "Where `lakehouse model pull` and `add` keep models; a relative folder lies below "
       "`server.data`."},
      {"ai.memory_limit", LH_FIELD(ByteSize, ai.memory_limit),
       "Memory of the process that runs models. 0: a quarter of the machine's."},
      {"ai.threads", LH_FIELD(std::int64_t, ai.threads),
       "Threads of that process. 0: as many as the machine has cores.", 0, 4096},
      {"ai.waiting_max", LH_FIELD(std::int64_t, ai.waiting_max),
       "Calls that wait for one model; more are answered 429.", 1, 100'000},
      {"ai.context_tokens", LH_FIELD(std::int64_t, ai.context_tokens),
       "The longest prompt and answer together of a model that this server runs, if the model can "
       "do so many: memory is taken for them.",
       256, 1 << 20},
      {"ai.timeout", LH_FIELD(Duration, ai.timeout),
       "How long one call of a model may take, retries and waiting included.", 10},
      {"ai.idle", LH_FIELD(Duration, ai.idle),
       "A model that writes and has not been asked for so long leaves the memory.", 100},
      {"ai.embedding_cache", LH_FIELD(ByteSize, ai.embedding_cache),
       "What the vectors of texts may take that are kept for the next time. 0: none is kept."},
  };
}

const std::vector<Setting>& table() {
  static const std::vector<Setting> settings = [] {
    std::vector<Setting> all = server_settings();
    std::ranges::move(other_settings(), std::back_inserter(all));
    std::ranges::move(ai_settings(), std::back_inserter(all));
    return all;
  }();
  return settings;
}

// A member of one table of a list of tables, such as [[ai.models]].
template <class T>
struct Member {
  std::string_view name;
  std::variant<Text T::*, std::int64_t T::*, Duration T::*, List T::*> field;
  std::string_view description;
};

const std::vector<Member<AiProviderSettings>>& provider_members() {
  using S = AiProviderSettings;
  static const std::vector<Member<S>> members = {
      {"name", &S::name, "1 to 63 of a-z, 0-9, `-`, `_` and `.`; not `embedded`."},
      {"type", &S::type,
       "`\"ollama\"`, or `\"openai\"` for whatever speaks OpenAI's protocol (vLLM, llama.cpp's "
       "server, LM Studio...)."},
      {"url", &S::url,
       "Where it is: `\"http://127.0.0.1:11434\"`, `\"https://HOST/v1\"`. A key is sent over "
       "https:// or to this machine only."},
      {"key", &S::key, "`secret://NAME`, a text of `secrets.file`. Empty: none is sent."},
      {"keep_alive", &S::keep_alive,
       "Ollama: how long a model stays in its memory after a call, `\"5m\"`; `\"0\"` unloads it at "
       "once. Empty: Ollama decides."},
      {"timeout", &S::timeout, "How long one try may take; 60 s."},
      {"retries", &S::retries,
       "How often a call is tried again that found the provider busy or away; 2."},
      {"calls_max", &S::calls_max, "Calls that it is sent at once; 4. Others wait."},
  };
  return members;
}

const std::vector<Member<AiModelSettings>>& model_members() {
  using S = AiModelSettings;
  static const std::vector<Member<S>> members = {
      {"name", &S::name, "1 to 63 of a-z, 0-9, `-`, `_` and `.`: what requests call it."},
      {"kind", &S::kind, "`\"embedding\"`, `\"generation\"` or `\"reranking\"`."},
      {"provider", &S::provider,
       "One of [[ai.providers]]; `\"embedded\"`, the default: this server runs it."},
      {"model", &S::model, "What the provider calls it. Empty: as `name`."},
      {"path", &S::path,
       "Of an embedded model: a folder with `model.onnx` and `tokenizer.json`, or a GGUF file; "
       "relative to `server.data`."},
      {"pooling", &S::pooling,
       "Of an embedded embedding: how tokens become one vector, `\"mean\"` or `\"cls\"`."},
      {"max_tokens", &S::max_tokens,
       "Embedding, reranking: where a longer text is cut. Generation: the longest answer. 0: what "
       "the model says."},
      {"context_tokens", &S::context_tokens,
       "Prompt and answer together. 0: what the model says, within `ai.context_tokens`."},
      {"calls_max", &S::calls_max, "Calls at once; 0: as many as the provider takes."},
      {"timeout", &S::timeout, "How long one try may take; 0: the provider's."},
      {"fallback", &S::fallback,
       "Models of the same kind that are asked, in turn, while this one cannot be reached. Of an "
       "embedding: only the same `model` elsewhere, since vectors of others mean nothing beside "
       "its."},
  };
  return members;
}

const Setting* find_setting(std::string_view key) {
  const auto found = std::ranges::find(table(), key, &Setting::key);
  return found == table().end() ? nullptr : &*found;
}

std::vector<std::string> known_keys() {
  std::vector<std::string> keys;
  for (const Setting& setting : table()) {
    keys.emplace_back(setting.key);
  }
  keys.emplace_back("storage.buckets");
  keys.emplace_back("ai.providers");
  keys.emplace_back("ai.models");
  return keys;
}

std::string environment_name(std::string_view key) {
  std::string name = "LAKEHOUSE_";
  for (const char c : key) {
    name.push_back(c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return name;
}

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      quoted += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + '"';
}

std::string format_value(const Setting& setting, Config config) {
  return std::visit(
      Overloaded{
          [&](Field<Text> field) { return toml_string(field(config)); },
          [&](Field<std::int64_t> field) { return std::to_string(field(config)); },
          [&](Field<bool> field) { return std::string(field(config) ? "true" : "false"); },
          [&](Field<Duration> field) { return toml_string(format_duration(field(config))); },
          [&](Field<ByteSize> field) { return toml_string(format_bytes(field(config))); },
          [&](Field<List> field) {
            std::string list;
            for (const std::string& element : field(config)) {
              list += (list.empty() ? "" : ", ") + toml_string(element);
            }
            return "[" + list + "]";
          },
      },
      setting.field);
}

std::string type_name(const Setting& setting) {
  return std::visit(Overloaded{
                        [](Field<Text>) { return "text"; },
                        [](Field<std::int64_t>) { return "whole number"; },
                        [](Field<bool>) { return "true or false"; },
                        [](Field<Duration>) { return "duration"; },
                        [](Field<ByteSize>) { return "size"; },
                        [](Field<List>) { return "list of texts"; },
                    },
                    setting.field);
}

Status check_range(const Setting& setting, std::int64_t value, const auto& format) {
  if (value >= setting.min && value <= setting.max) {
    return {};
  }
  if (setting.max == std::numeric_limits<std::int64_t>::max()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("must be at least {}", format(setting.min)));
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("must be between {} and {}", format(setting.min), format(setting.max)));
}

Status set_duration(const Setting& setting, Duration& target, std::string_view text) {
  LH_ASSIGN_OR_RETURN(const Duration duration, parse_duration(text));
  LH_RETURN_IF_ERROR(check_range(setting, duration.count(),
                                 [](std::int64_t ms) { return format_duration(Duration(ms)); }));
  target = duration;
  return {};
}

Status set_bytes(const Setting& setting, ByteSize& target, std::string_view text) {
  LH_ASSIGN_OR_RETURN(const ByteSize size, parse_bytes(text));
  LH_RETURN_IF_ERROR(
      check_range(setting, static_cast<std::int64_t>(size.bytes), [](std::int64_t bytes) {
        return format_bytes(ByteSize{static_cast<std::uint64_t>(bytes)});
      }));
  target = size;
  return {};
}

Status set_number(const Setting& setting, std::int64_t& target, std::int64_t number) {
  LH_RETURN_IF_ERROR(
      check_range(setting, number, [](std::int64_t bound) { return std::to_string(bound); }));
  target = number;
  return {};
}

Status set_choice(const Setting& setting, Text& target, std::string_view text) {
  if (!setting.choices.empty() &&
      std::ranges::find(setting.choices, text) == setting.choices.end()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("must be one of {}", fmt::join(setting.choices, ", ")));
  }
  target = text;
  return {};
}

Result<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return fail(ErrorCode::InvalidArgument, "must be a whole number");
  }
  return number;
}

List split_list(std::string_view text) {
  List list;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view element = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    element.remove_prefix(std::min(element.find_first_not_of(' '), element.size()));
    element = element.substr(0, element.find_last_not_of(' ') + 1);
    if (!element.empty()) {
      list.emplace_back(element);
    }
  }
  return list;
}

// From the environment or the command line, where all is text.
Status set_from_text(const Setting& setting, Config& config, std::string_view text) {
  return std::visit(
      Overloaded{
          [&](Field<Text> field) { return set_choice(setting, field(config), text); },
          [&](Field<std::int64_t> field) -> Status {
            LH_ASSIGN_OR_RETURN(const std::int64_t number, parse_number(text));
            return set_number(setting, field(config), number);
          },
          [&](Field<bool> field) -> Status {
            if (text != "true" && text != "false") {
              return fail(ErrorCode::InvalidArgument, "must be true or false");
            }
            field(config) = text == "true";
            return {};
          },
          [&](Field<Duration> field) { return set_duration(setting, field(config), text); },
          [&](Field<ByteSize> field) { return set_bytes(setting, field(config), text); },
          [&](Field<List> field) -> Status {
            field(config) = split_list(text);
            return {};
          },
      },
      setting.field);
}

Result<List> toml_strings(const toml::node& node) {
  const toml::array* array = node.as_array();
  List list;
  if (array != nullptr) {
    for (const toml::node& element : *array) {
      if (const auto text = element.value_exact<std::string>()) {
        list.push_back(*text);
      }
    }
  }
  if (array == nullptr || list.size() != array->size()) {
    return fail(ErrorCode::InvalidArgument, "must be a list of texts");
  }
  return list;
}

Status set_from_toml(const Setting& setting, Config& config, const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  const auto number = node.value_exact<std::int64_t>();
  const auto wrong = [&](std::string_view example) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("must be a {}, such as {}", type_name(setting), example));
  };
  return std::visit(
      Overloaded{
          [&](Field<Text> field) -> Status {
            return text ? set_choice(setting, field(config), *text)
                        : fail(ErrorCode::InvalidArgument, "must be a text in quotes");
          },
          [&](Field<std::int64_t> field) -> Status {
            return number ? set_number(setting, field(config), *number)
                          : fail(ErrorCode::InvalidArgument, "must be a whole number");
          },
          [&](Field<bool> field) -> Status {
            const auto truth = node.value_exact<bool>();
            if (!truth) {
              return fail(ErrorCode::InvalidArgument, "must be true or false");
            }
            field(config) = *truth;
            return {};
          },
          [&](Field<Duration> field) -> Status {
            return text || number ? set_duration(setting, field(config),
                                                 text ? *text : fmt::format("{}s", *number))
                                  : wrong("\"30s\"");
          },
          [&](Field<ByteSize> field) -> Status {
            return text || number
                       ? set_bytes(setting, field(config), text ? *text : std::to_string(*number))
                       : wrong("\"64MiB\"");
          },
          [&](Field<List> field) -> Status {
            LH_ASSIGN_OR_RETURN(field(config), toml_strings(node));
            return {};
          },
      },
      setting.field);
}

template <class T>
Status set_member(const Member<T>& member, T& entry, const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  const auto number = node.value_exact<std::int64_t>();
  return std::visit(
      Overloaded{
          [&](Text T::* field) -> Status {
            if (!text) {
              return fail(ErrorCode::InvalidArgument, "must be a text in quotes");
            }
            entry.*field = *text;
            return {};
          },
          [&](std::int64_t T::* field) -> Status {
            if (!number || *number < 0 || *number > std::numeric_limits<std::int32_t>::max()) {
              return fail(ErrorCode::InvalidArgument, "must be a whole number, 0 or more");
            }
            entry.*field = *number;
            return {};
          },
          [&](Duration T::* field) -> Status {
            if (!text && !number) {
              return fail(ErrorCode::InvalidArgument, "must be a duration, such as \"30s\"");
            }
            LH_ASSIGN_OR_RETURN(entry.*field,
                                parse_duration(text ? *text : fmt::format("{}s", *number)));
            return {};
          },
          [&](List T::* field) -> Status {
            LH_ASSIGN_OR_RETURN(entry.*field, toml_strings(node));
            return {};
          },
      },
      member.field);
}

template <class T>
std::string show_list(std::string_view key, const std::vector<Member<T>>& members,
                      const std::vector<T>& list) {
  std::string text;
  for (const T& entry : list) {
    text += fmt::format("\n[[{}]]\n", key);
    for (const Member<T>& member : members) {
      const std::string value = std::visit(
          Overloaded{
              [&](Text T::* field) { return toml_string(entry.*field); },
              [&](std::int64_t T::* field) { return std::to_string(entry.*field); },
              [&](Duration T::* field) { return toml_string(format_duration(entry.*field)); },
              [&](List T::* field) {
                std::vector<std::string> quoted;
                std::ranges::transform(entry.*field, std::back_inserter(quoted), toml_string);
                return fmt::format("[{}]", fmt::join(quoted, ", "));
              },
          },
          member.field);
      text += fmt::format("{} = {}\n", member.name, value);
    }
  }
  return text;
}

template <class T>
std::string list_markdown(std::string_view key, std::string_view meaning,
                          const std::vector<Member<T>>& members) {
  std::string page = fmt::format(
      "\n## [[{}]]\n\n{}\n\n| Setting | Type | Meaning |\n|---|---|---|\n", key, meaning);
  for (const Member<T>& member : members) {
    page += fmt::format("| `{}` | {} | {} |\n", member.name,
                        std::visit(Overloaded{[](Text T::*) { return "text"; },
                                              [](std::int64_t T::*) { return "whole number"; },
                                              [](Duration T::*) { return "duration"; },
                                              [](List T::*) { return "list of texts"; }},
                                   member.field),
                        member.description);
  }
  return page;
}

/// Walks the file's tables and knows its name for messages.
class FileReader {
 public:
  FileReader(std::string name, LoadedConfig& loaded) : name_(std::move(name)), loaded_(loaded) {}

  Status read(const toml::table& table, const std::string& prefix) {
    for (const auto& [name, node] : table) {
      const std::string key = prefix + std::string(name.str());
      if (key == "storage.buckets") {
        LH_RETURN_IF_ERROR(read_buckets(node));
      } else if (key == "ai.providers") {
        LH_RETURN_IF_ERROR(read_list(node, key, provider_members(), loaded_.config.ai.providers));
      } else if (key == "ai.models") {
        LH_RETURN_IF_ERROR(read_list(node, key, model_members(), loaded_.config.ai.models));
      } else if (const Setting* setting = find_setting(key)) {
        if (Status set = set_from_toml(*setting, loaded_.config, node); !set) {
          return at(node, fmt::format("'{}' {}", key, set.error().message));
        }
        mark(key);
      } else if (node.is_table() && is_section(key)) {
        LH_RETURN_IF_ERROR(read(*node.as_table(), key + "."));
      } else {
        return unknown(node, key, known_keys());
      }
    }
    return {};
  }

 private:
  static bool is_section(std::string_view key) {
    return std::ranges::any_of(known_keys(), [&](const std::string& known) {
      return known.starts_with(std::string(key) + ".");
    });
  }

  [[nodiscard]] std::unexpected<Error> at(const toml::node& node, const std::string& message,
                                          std::string hint = {}) const {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}, line {}: {}", name_, node.source().begin.line, message),
                std::move(hint));
  }

  [[nodiscard]] std::unexpected<Error> unknown(const toml::node& node, const std::string& key,
                                               const std::vector<std::string>& known) const {
    std::string hint = did_you_mean(key, known);
    if (hint.empty()) {
      hint = "docs/configuration.md lists all settings.";
    }
    return at(node, fmt::format("there is no setting '{}'", key), std::move(hint));
  }

  // A list of tables, each a T.
  template <class T>
  Status read_list(const toml::node& node, const std::string& key,
                   const std::vector<Member<T>>& members, std::vector<T>& list) {
    const toml::array* array = node.as_array();
    if (array == nullptr || array->empty() || !array->is_array_of_tables()) {
      return at(node, fmt::format("'{0}' must be written as [[{0}]] tables", key));
    }
    for (const toml::node& element : *array) {
      T entry;
      for (const auto& [name, value] : *element.as_table()) {
        const auto member = std::ranges::find(members, name.str(), &Member<T>::name);
        if (member == members.end()) {
          std::vector<std::string> known;
          for (const Member<T>& one : members) {
            known.push_back(key + "." + std::string(one.name));
          }
          return unknown(value, key + "." + std::string(name.str()), known);
        }
        if (Status set = set_member(*member, entry, value); !set) {
          return at(value, fmt::format("'{}.{}' {}", key, member->name, set.error().message));
        }
      }
      if (std::ranges::find(list, entry.name, &T::name) != list.end()) {
        return at(element, fmt::format("there are two [[{}]] named '{}'", key, entry.name));
      }
      list.push_back(std::move(entry));
    }
    mark(key);
    return {};
  }

  Status read_buckets(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array == nullptr || array->empty() || !array->is_array_of_tables()) {
      return at(node, "'storage.buckets' must be written as [[storage.buckets]] tables");
    }
    loaded_.config.storage.buckets.clear();
    for (const toml::node& element : *array) {
      LH_RETURN_IF_ERROR(read_bucket(*element.as_table()));
    }
    mark("storage.buckets");
    return {};
  }

  Status read_bucket(const toml::table& table) {
    BucketSettings bucket;
    const std::array<std::pair<std::string_view, std::string*>, 3> fields = {
        {{"name", &bucket.name}, {"type", &bucket.type}, {"location", &bucket.location}}};
    for (const auto& [name, node] : table) {
      const auto field =
          std::ranges::find(fields, name.str(), [](const auto& f) { return f.first; });
      if (field == fields.end()) {
        return unknown(
            node, "storage.buckets." + std::string(name.str()),
            {"storage.buckets.name", "storage.buckets.type", "storage.buckets.location"});
      }
      const auto text = node.value_exact<std::string>();
      if (!text) {
        return at(node, fmt::format("'storage.buckets.{}' must be a text in quotes", field->first));
      }
      *field->second = *text;
    }
    return check_bucket(table, std::move(bucket));
  }

  Status check_bucket(const toml::table& table, BucketSettings bucket) {
    constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    if (bucket.name.empty() || bucket.name.size() > 63 ||
        bucket.name.find_first_not_of(kNameCharacters) != std::string::npos) {
      return at(table, "a bucket's 'name' must be 1 to 63 of a-z, 0-9, '-' and '_'");
    }
    if (bucket.name == "namespaces") {
      // /iceberg/v1/namespaces/namespaces would be two things.
      return at(table, "a bucket cannot be named 'namespaces': paths of the catalog begin so");
    }
    if (bucket.type == "s3") {
      return at(
          table,
          fmt::format("bucket '{}': buckets of type \"s3\" are not supported yet", bucket.name),
          "Use type = \"local\" with a folder for now.");
    }
    if (bucket.type != "local") {
      return at(table, fmt::format("bucket '{}': 'type' must be \"local\"", bucket.name));
    }
    if (bucket.location.empty()) {
      return at(table, fmt::format("bucket '{}' needs a 'location', a folder", bucket.name));
    }
    auto& buckets = loaded_.config.storage.buckets;
    if (std::ranges::find(buckets, bucket.name, &BucketSettings::name) != buckets.end()) {
      return at(table, fmt::format("there are two buckets named '{}'", bucket.name));
    }
    buckets.push_back(std::move(bucket));
    return {};
  }

  void mark(std::string_view key) {
    for (auto& [known, source] : loaded_.sources) {
      if (known == key) {
        source = SettingSource::File;
      }
    }
  }

  std::string name_;
  LoadedConfig& loaded_;
};

LoadedConfig defaults() {
  LoadedConfig loaded;
  for (const std::string& key : known_keys()) {
    loaded.sources.emplace_back(key, SettingSource::Default);
  }
  loaded.config.storage.buckets = {
      {.name = "primary", .type = "local", .location = "buckets/primary"}};
  return loaded;
}

void mark(LoadedConfig& loaded, std::string_view key, SettingSource source) {
  std::ranges::find(loaded.sources, key, [](const auto& pair) { return pair.first; })->second =
      source;
}

Status apply_environment(LoadedConfig& loaded, const ConfigSources& sources) {
  std::vector<std::string> names;
  for (const Setting& setting : table()) {
    names.push_back(environment_name(setting.key));
    const auto text = sources.environment ? sources.environment(names.back()) : std::nullopt;
    if (!text) {
      continue;
    }
    if (Status set = set_from_text(setting, loaded.config, *text); !set) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the environment variable {} ({}) {}", names.back(), setting.key,
                              set.error().message));
    }
    mark(loaded, setting.key, SettingSource::Environment);
  }
  for (const std::string& given : sources.environment_names) {
    if (std::ranges::find(names, given) == names.end()) {
      std::string hint = did_you_mean(given, names);
      // Other LAKEHOUSE_ variables may be for tests and scripts: only a near miss is a mistake.
      if (!hint.empty()) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("the environment variable {} sets nothing", given),
                    std::move(hint));
      }
    }
  }
  return {};
}

Status apply_command_line(LoadedConfig& loaded, const ConfigSources& sources) {
  for (const auto& [key, text] : sources.command_line) {
    const Setting* setting = find_setting(key);
    if (setting == nullptr) {
      return fail(ErrorCode::InvalidArgument, fmt::format("there is no setting '{}'", key),
                  did_you_mean(key, known_keys()));
    }
    if (Status set = set_from_text(*setting, loaded.config, text); !set) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("on the command line '{}' {}", key, set.error().message));
    }
    mark(loaded, key, SettingSource::CommandLine);
  }
  return {};
}

// "postgresql://user:***@host/db?password=***"
std::string without_password(std::string_view url) {
  constexpr std::string_view kHidden = "***";
  constexpr std::string_view kParameter = "password=";
  std::string shown(url);
  const std::size_t host = shown.find("://");
  const std::size_t at = host == std::string::npos ? host : shown.find('@', host);
  const std::size_t colon = at == std::string::npos ? at : shown.find(':', host + 3);
  if (colon < at) {
    shown.replace(colon + 1, at - colon - 1, kHidden);
  }
  if (const std::size_t begin = shown.find(kParameter); begin != std::string::npos) {
    const std::size_t value = begin + kParameter.size();
    shown.replace(value, std::min(shown.find('&', value), shown.size()) - value, kHidden);
  }
  return shown;
}

bool is_ai_name(std::string_view name) {
  constexpr std::string_view kCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  return !name.empty() && name.size() <= 63 && name.front() != '.' &&
         name.find_first_not_of(kCharacters) == std::string_view::npos;
}

Status check_ai_provider(const AiProviderSettings& provider) {
  if (!is_ai_name(provider.name) || provider.name == "embedded") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'ai.providers': \"{}\" is no name: 1 to 63 of a-z, 0-9, '-', '_' and "
                            "'.', and not \"embedded\"",
                            provider.name));
  }
  if (provider.type != "ollama" && provider.type != "openai") {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("provider '{}': 'type' must be \"ollama\" or \"openai\"", provider.name));
  }
  if (!provider.url.starts_with("http://") && !provider.url.starts_with("https://")) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("provider '{}' needs a 'url', http:// or https://", provider.name));
  }
  if (!provider.key.empty() && !provider.key.starts_with("secret://")) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("provider '{}': 'key' must be a reference, secret://NAME", provider.name),
        "Put the key itself into the file of 'secrets.file'.");
  }
  if (provider.calls_max < 1 || provider.retries > 10 || provider.timeout.count() < 10) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("provider '{}': 'calls_max' must be 1 or more, 'retries' 10 or less, "
                            "'timeout' 10ms or more",
                            provider.name));
  }
  return {};
}

Status check_ai_model(const Config::Ai& ai, const AiModelSettings& model) {
  if (!is_ai_name(model.name)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'ai.models': \"{}\" is no name: 1 to 63 of a-z, 0-9, '-', '_' and '.'",
                            model.name));
  }
  const auto wrong = [&](std::string_view what) {
    return fail(ErrorCode::InvalidArgument, fmt::format("model '{}': {}", model.name, what));
  };
  if (model.kind != "embedding" && model.kind != "generation" && model.kind != "reranking") {
    return wrong(R"('kind' must be "embedding", "generation" or "reranking")");
  }
  if (model.pooling != "mean" && model.pooling != "cls") {
    return wrong(R"('pooling' must be "mean" or "cls")");
  }
  if (model.provider == "embedded") {
    if (model.path.empty()) {
      return wrong("a model that this server runs needs a 'path'");
    }
  } else if (std::ranges::find(ai.providers, model.provider, &AiProviderSettings::name) ==
             ai.providers.end()) {
    return wrong(fmt::format("there is no provider '{}' in [[ai.providers]]", model.provider));
  }
  for (const std::string& name : model.fallback) {
    const auto other = std::ranges::find(ai.models, name, &AiModelSettings::name);
    if (name == model.name || (other != ai.models.end() && other->kind != model.kind)) {
      return wrong(fmt::format("'fallback' must name other models of its kind, not '{}'", name));
    }
  }
  return {};
}

Status check_ai(const Config::Ai& ai) {
  for (const AiProviderSettings& provider : ai.providers) {
    LH_RETURN_IF_ERROR(check_ai_provider(provider));
  }
  for (const AiModelSettings& model : ai.models) {
    LH_RETURN_IF_ERROR(check_ai_model(ai, model));
  }
  return {};
}

// What no single setting can tell.
Status check_whole(const Config& config) {
  LH_ASSIGN_OR_RETURN(const ListenAddress ignored, parse_listen(config.server.listen));
  static_cast<void>(ignored);
  if (config.server.tls_cert.empty() != config.server.tls_key.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "'server.tls_cert' and 'server.tls_key' must be given together");
  }
  if (config.auth.enabled && config.secrets.file.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "'auth.enabled' is set, and there is no 'secrets.file' to find keys in",
                "`lakehouse keys new NAME` makes a key, and says what to write there.");
  }
  if (config.server.data.empty()) {
    return fail(ErrorCode::InvalidArgument, "'server.data' must name a folder");
  }
  const std::string& url = config.metastore.url;
  const bool is_sqlite = url == "sqlite" || (url.starts_with("sqlite:") && url.size() > 7);
  if (!is_sqlite && !url.starts_with("postgresql://") && !url.starts_with("postgres://")) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("'metastore.url' is \"{}\", which names no metastore", without_password(url)),
        "Use \"sqlite\", \"sqlite:PATH\" or \"postgresql://...\".");
  }
  return check_ai(config.ai);
}

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} is a folder, not a file", path));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the configuration {} cannot be read", path));
  }
  return text;
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): before threads.
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

std::string_view to_string(SettingSource source) {
  switch (source) {
    case SettingSource::Default: return "default";
    case SettingSource::File: return "file";
    case SettingSource::Environment: return "environment";
    case SettingSource::CommandLine: return "command line";
  }
  std::unreachable();
}

std::vector<SettingInfo> settings() {
  std::vector<SettingInfo> infos;
  for (const Setting& setting : table()) {
    std::string description(setting.description);
    if (!setting.choices.empty()) {
      description += fmt::format(" One of: {}.", fmt::join(setting.choices, ", "));
    }
    infos.push_back({.key = std::string(setting.key),
                     .type = type_name(setting),
                     .default_text = format_value(setting, Config{}),
                     .environment = environment_name(setting.key),
                     .description = std::move(description)});
  }
  return infos;
}

Result<LoadedConfig> load_config_text(std::string_view toml, std::string name,
                                      const ConfigSources& rest) {
  LoadedConfig loaded = defaults();
  const toml::parse_result parsed = toml::parse(toml, name);
  if (!parsed) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}, line {}: {}", name, parsed.error().source().begin.line,
                            parsed.error().description()));
  }
  LH_RETURN_IF_ERROR(FileReader(name, loaded).read(parsed.table(), ""));
  LH_RETURN_IF_ERROR(apply_environment(loaded, rest));
  LH_RETURN_IF_ERROR(apply_command_line(loaded, rest));
  LH_RETURN_IF_ERROR(check_whole(loaded.config));
  return loaded;
}

Result<LoadedConfig> load_config(const ConfigSources& sources) {
  ConfigSources rest = sources;
  if (!rest.environment) {
    rest.environment = process_environment;
  }
  std::error_code error;
  if (sources.file.empty() || !std::filesystem::exists(sources.file, error)) {
    if (sources.file_must_exist) {
      return fail(ErrorCode::NotFound,
                  fmt::format("there is no configuration file {}", sources.file));
    }
    return load_config_text("", "lakehouse.toml", rest);
  }
  LH_ASSIGN_OR_RETURN(const std::string text, read_file(sources.file));
  LH_ASSIGN_OR_RETURN(LoadedConfig loaded, load_config_text(text, sources.file, rest));
  loaded.file = sources.file;
  return loaded;
}

std::string show(const LoadedConfig& loaded) {
  Config config = loaded.config;
  config.metastore.url = without_password(config.metastore.url);
  std::string text;
  std::string_view section;
  for (const Setting& setting : table()) {
    const std::string_view own_section = setting.key.substr(0, setting.key.find('.'));
    if (own_section != section) {
      text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", own_section);
      section = own_section;
    }
    const auto source =
        std::ranges::find(loaded.sources, setting.key, [](const auto& pair) { return pair.first; });
    text += fmt::format("{} = {}  # {}\n", setting.key.substr(own_section.size() + 1),
                        format_value(setting, config), to_string(source->second));
  }
  for (const BucketSettings& bucket : loaded.config.storage.buckets) {
    text += fmt::format("\n[[storage.buckets]]\nname = {}\ntype = {}\nlocation = {}\n",
                        toml_string(bucket.name), toml_string(bucket.type),
                        toml_string(bucket.location));
  }
  text += show_list("ai.providers", provider_members(), loaded.config.ai.providers);
  text += show_list("ai.models", model_members(), loaded.config.ai.models);
  return text;
}

std::string configuration_markdown() {
  std::string page =
      "# Configuration\n\n"
      "Settings come from `lakehouse.toml` (or the file that `--config` names), from the "
      "environment and from the\ncommand line. The command line wins over the environment, which "
      "wins over the file, which wins over the\ndefault. Unknown settings are refused. `lakehouse "
      "config check` reads a configuration and says what is wrong\nwith it; `lakehouse config "
      "show` prints the one in force and where each value came from.\n\n"
      "Durations are texts such as `\"300ms\"`, `\"30s\"`, `\"5m\"`, `\"1h\"`; sizes such as "
      "`\"512\"`, `\"64KiB\"`, `\"16MB\"`, `\"2GiB\"`.\nIn the environment a list is "
      "separated by commas.\n\nThis page is made from the table in `src/base/config.cc` by "
      "`lakehouse config docs`; a test compares the two.\n";
  std::string section;
  for (const SettingInfo& info : settings()) {
    const std::string own_section = info.key.substr(0, info.key.find('.'));
    if (own_section != section) {
      section = own_section;
      page += fmt::format(
          "\n## [{}]\n\n| Setting | Type | Default | Environment | Meaning "
          "|\n|---|---|---|---|---|\n",
          section);
    }
    page += fmt::format("| `{}` | {} | `{}` | `{}` | {} |\n", info.key.substr(section.size() + 1),
                        info.type, info.default_text, info.environment, info.description);
  }
  page +=
      "\n## [[storage.buckets]]\n\nOne table for each bucket; the first is the primary one, where "
      "new tables go. Without any there is one\nbucket `primary` in `buckets/primary` below "
      "`server.data`.\n\n| Setting | Type | Meaning |\n|---|---|---|\n"
      "| `name` | text | 1 to 63 of a-z, 0-9, `-` and `_`. |\n"
      "| `type` | text | `\"local\"`: a folder of this machine, the default and the only one so "
      "far. |\n"
      "| `location` | text | The folder; a relative one lies below `server.data`. |\n";
  page += list_markdown("ai.providers",
                        "One table for each server that runs models for this one; models.md tells "
                        "more.",
                        provider_members());
  page += list_markdown("ai.models",
                        "One table for each model beside those that come with the program or were "
                        "brought by `lakehouse model`.",
                        model_members());
  return page;
}

Result<ListenAddress> parse_listen(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'server.listen' is \"{}\", which is no HOST:PORT", text),
                "Write for example \"127.0.0.1:3100\" or \"[::1]:3100\".");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return wrong();
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.contains(':')) {
    return wrong();
  }
  const auto port = parse_number(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535 || host.empty()) {
    return wrong();
  }
  return ListenAddress{.host = std::string(host), .port = static_cast<std::uint16_t>(*port)};
}

namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr std::array<Unit, 4> kDurationUnits = {
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
constexpr std::array<Unit, 9> kByteUnits = {{{"B", 1},
                                             {"KiB", 1LL << 10},
                                             {"MiB", 1LL << 20},
                                             {"GiB", 1LL << 30},
                                             {"TiB", 1LL << 40},
                                             {"kB", 1000},
                                             {"MB", 1'000'000},
                                             {"GB", 1'000'000'000},
                                             {"TB", 1'000'000'000'000}}};

// "30s" as 30 times its unit; a bare number counts in `bare`.
std::optional<std::int64_t> parse_quantity(std::string_view text, std::span<const Unit> units,
                                           std::int64_t bare) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0) {
    return std::nullopt;
  }
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  std::int64_t factor = bare;
  if (!unit.empty()) {
    const auto found = std::ranges::find_if(
        units, [&](const Unit& known) { return to_lower(known.name) == to_lower(unit); });
    if (found == units.end()) {
      return std::nullopt;
    }
    factor = found->factor;
  }
  std::int64_t quantity = 0;
  return __builtin_mul_overflow(number, factor, &quantity) ? std::nullopt : std::optional(quantity);
}

// The largest unit that divides without a rest.
std::string format_quantity(std::int64_t value, std::span<const Unit> units) {
  const Unit* best = &units.front();
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0 && unit.factor > best->factor) {
      best = &unit;
    }
  }
  return fmt::format("{}{}", value / best->factor, best->name);
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto ms = parse_quantity(text, kDurationUnits, 1000);
  if (!ms) {
    return fail(ErrorCode::InvalidArgument,
                "must be a duration, such as \"300ms\", \"30s\", \"5m\" or \"1h\"");
  }
  return std::chrono::milliseconds(*ms);
}

std::string format_duration(std::chrono::milliseconds duration) {
  return duration.count() == 0 ? "0s" : format_quantity(duration.count(), kDurationUnits);
}

Result<ByteSize> parse_bytes(std::string_view text) {
  const auto bytes = parse_quantity(text, kByteUnits, 1);
  if (!bytes) {
    return fail(ErrorCode::InvalidArgument,
                "must be a size, such as \"512\", \"64KiB\" or \"2GB\"");
  }
  return ByteSize{static_cast<std::uint64_t>(*bytes)};
}

std::string format_bytes(ByteSize size) {
  return size.bytes == 0 ? "0" : format_quantity(static_cast<std::int64_t>(size.bytes), kByteUnits);
}

}  // namespace lakehouse
