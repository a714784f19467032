#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include "engine/child/database.h"
#include "engine/child/local_tools.h"
#include "engine/child/row_masks.h"
#include "engine/child/session.h"
#include "engine/child/watcher.h"
#include "engine/child_link.h"
#include "engine/engine_grant.h"
#include "engine/frame.h"
#include "engine/sandbox.h"
#include "engine/wire/messages.h"

namespace lakehouse::engine {
namespace {

// DuckDB's, the allocator's and our own, beside those that run statements.
constexpr unsigned kOtherThreads = 64;

struct ServerOptions {
  DatabaseOptions database;
  EngineLimits limits;
  SandboxMode sandbox = SandboxMode::BestEffort;
  bool grant_later = false;  ///< The grant comes over the control connection.
  unsigned connections_max = 192;
  pid_t parent = 0;
};

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "--name value" pairs, as EnginePool writes them.
Result<ServerOptions> read_options(int argc, char** argv) {
  ServerOptions options;
  for (int i = 0; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--memory-limit-bytes") {
      options.database.memory_limit_bytes = number(value);
    } else if (name == "--spill-bytes-max") {
      options.database.spill_bytes_max = number(value);
    } else if (name == "--threads") {
      options.database.threads = static_cast<unsigned>(number(value));
    } else if (name == "--spill") {
      options.database.spill_directory = value;
    } else if (name == "--connections-max") {
      options.connections_max = static_cast<unsigned>(number(value));
    } else if (name == "--parent") {
      options.parent = static_cast<pid_t>(number(value));
    } else if (name == "--readable") {
      options.database.grant.readable.emplace_back(value);
    } else if (name == "--writable") {
      options.database.grant.writable.emplace_back(value);
    } else if (name == "--extension") {
      options.database.grant.extensions.emplace_back(value);
    } else if (name == "--loopback-port") {
      options.database.grant.loopback_port = static_cast<std::uint16_t>(number(value));
    } else if (name == "--runtime-calls") {
      options.database.grant.runtime_calls = number(value) != 0;
    } else if (name == "--data-bytes-max") {
      options.limits.data_bytes_max = number(value);
    } else if (name == "--nice") {
      options.limits.nice = static_cast<int>(number(value));
    } else if (name == "--sandbox") {
      options.sandbox = static_cast<SandboxMode>(number(value));
    } else if (name == "--grant-later") {
      options.grant_later = number(value) != 0;
    } else if (name == "--duckdb-locked") {
      options.database.locked = number(value) != 0;
    } else {
      return fail(ErrorCode::InvalidArgument, fmt::format("unknown option {}", name));
    }
  }
  return options;
}

void refuse(int fd) {
  const Error busy{.code = ErrorCode::ResourceExhausted,
                   .message = "the query engine runs as many statements as it may",
                   .hint = "Retry in a moment.",
                   .position_bytes = std::nullopt,
                   .details_json = {}};
  static_cast<void>(
      FrameWriter(fd).send(FrameType::Error, encode_error(busy),
                           std::chrono::steady_clock::now() + std::chrono::seconds(1)));
}

// A spare child has come this far and waits.
Status receive_grant(EngineGrant& grant) {
  LH_ASSIGN_OR_RETURN(const Frame frame, FrameReader(kControlFd).read(Deadline::max()));
  LH_ASSIGN_OR_RETURN(EngineGrant given, decode_grant(frame.payload));
  grant.readable = std::move(given.readable);
  grant.writable = std::move(given.writable);
  return {};
}

/// What a child does before it serves: first it is locked in, then DuckDB opens.
struct Opened {
  Database database;
  std::vector<SandboxLayer> layers;
};

Result<Opened> open_locked_in(ServerOptions options) {
  DatabaseOptions& database = options.database;
  // What is asked of the machine cannot be asked from inside.
  fill_in_machine(database);
  std::error_code problem;
  std::filesystem::create_directories(database.spill_directory, problem);
  if (problem) {
    return fail(ErrorCode::Unavailable, fmt::format("the spill directory {}: {}",
                                                    database.spill_directory, problem.message()));
  }
  if (options.grant_later) {
    LH_RETURN_IF_ERROR(receive_grant(database.grant));
  }
  database.grant.writable.emplace_back(database.spill_directory);
  // Extensions have temporary files of their own.
  ::setenv("TMPDIR", database.spill_directory.c_str(), 1);
  const SandboxOptions sandbox{
      .grant = database.grant,
      .limits = options.limits,
      .mode = options.sandbox,
      .memory_limit_bytes = database.memory_limit_bytes,
      .threads_max = options.connections_max + 2 * database.threads + kOtherThreads};
  Opened opened;
  LH_ASSIGN_OR_RETURN(opened.layers, enter_sandbox(sandbox));
  for (const SandboxLayer& layer : opened.layers) {
    if (!layer.in_force) {
      fmt::print(stderr, "engine: the sandbox has no layer '{}' here: {}\n", layer.name,
                 layer.detail);
    }
  }
  LH_ASSIGN_OR_RETURN(opened.database, open_database(database));
  LH_RETURN_IF_ERROR(seal_code(opened.layers));
  return opened;
}

Status serve(const ServerOptions& options) {
  auto opened = open_locked_in(options);
  if (!opened) {
    // The server tells it to whoever asks why there is no engine.
    static_cast<void>(FrameWriter(kControlFd)
                          .send(FrameType::Error, encode_error(opened.error()), Deadline::max()));
    return std::unexpected(std::move(opened).error());
  }
  const Database& database = opened->database;
  RowMasks masks;
  LH_RETURN_IF_ERROR(register_row_masks(database, masks));
  LH_ASSIGN_OR_RETURN(const auto watcher, Watcher::start());
  const Greeting greeting{.protocol = kProtocolVersion,
                          .version = duckdb_library_version(),
                          .sandbox = std::move(opened->layers)};
  LH_RETURN_IF_ERROR(
      FrameWriter(kControlFd).send(FrameType::Answer, encode_greeting(greeting), Deadline::max()));
  std::atomic<unsigned> connections = 0;
  while (UniqueFd fd = receive_connection(kControlFd)) {
    if (connections.fetch_add(1) >= options.connections_max) {
      refuse(fd.get());
      --connections;
      continue;
    }
    std::thread([&, socket = std::move(fd)]() mutable {
      Session(std::move(socket), database, *watcher, masks).run();
      --connections;
    }).detach();
  }
  // The server is gone or wants us to go. Nothing here outlives the process, so nothing is tidied
  // up: statements may be running that would take long to stop.
  std::fflush(nullptr);
  ::_exit(0);
}

int run_server(int argc, char** argv) {
  const auto options = read_options(argc, argv);
  if (!options) {
    fmt::print(stderr, "engine: {}\n", options.error().message);
    return 64;
  }
  if (!follow_parent(options->parent, "lakehouse-engine")) {
    return 0;
  }
  const Status served = serve(*options);
  fmt::print(stderr, "engine: {}\n", served ? "ended" : served.error().message);
  return 70;
}

}  // namespace
}  // namespace lakehouse::engine

/// The library's one entry; see engine/engine_main.h.
extern "C" __attribute__((visibility("default"))) int lakehouse_engine_main(int argc, char** argv) {
  try {
    if (const auto done = lakehouse::engine::run_local_tool(argc, argv)) {
      return *done;
    }
    return lakehouse::engine::run_server(argc, argv);
  } catch (const std::exception& thrown) {
    fmt::print(stderr, "engine: {}\n", thrown.what());
    return 70;
  }
}
