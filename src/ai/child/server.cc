#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "ai/child/encoder.h"
#include "ai/child/encoding_operations.h"
#include "ai/child/llama_engine.h"
#include "ai/child/llama_operations.h"
#include "ai/child/operations.h"
#include "base/json.h"
#include "base/unique_fd.h"
#include "engine/child_link.h"
#include "engine/frame.h"
#include "engine/sandbox.h"

namespace lakehouse::ai {
namespace {

using engine::Deadline;
using engine::FrameType;

// The libraries' own and ours, beside those of connections.
constexpr unsigned kOtherThreads = 64;

struct ServerOptions {
  std::vector<std::filesystem::path> models;
  ChildResources resources;
  engine::SandboxMode sandbox = engine::SandboxMode::BestEffort;
  unsigned connections_max = 128;
  int parent = 0;
};

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "--name value" pairs, as ModelChild writes them.
Result<ServerOptions> read_options(int argc, char** argv) {
  ServerOptions options;
  for (int i = 0; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--models") {
      options.models.emplace_back(value);
    } else if (name == "--memory-limit-bytes") {
      options.resources.memory_limit_bytes = number(value);
    } else if (name == "--threads") {
      options.resources.threads = std::max(1U, static_cast<unsigned>(number(value)));
    } else if (name == "--connections-max") {
      options.connections_max = static_cast<unsigned>(number(value));
    } else if (name == "--sandbox") {
      options.sandbox = static_cast<engine::SandboxMode>(number(value));
    } else if (name == "--parent") {
      options.parent = static_cast<int>(number(value));
    } else {
      return fail(ErrorCode::InvalidArgument, fmt::format("unknown option {}", name));
    }
  }
  return options;
}

Result<std::vector<engine::SandboxLayer>> lock_in(const ServerOptions& options,
                                                  const Result<std::filesystem::path>& onnx) {
  engine::SandboxOptions sandbox;
  sandbox.mode = options.sandbox;
  sandbox.memory_limit_bytes = options.resources.memory_limit_bytes;
  sandbox.threads_max = options.connections_max + 4 * options.resources.threads + kOtherThreads;
  std::error_code ignored;
  for (const auto& path : options.models) {
    if (std::filesystem::exists(path, ignored)) {
      sandbox.grant.readable.push_back(path);
    }
  }
  if (onnx) {
    sandbox.grant.readable.push_back(*onnx);
  }
  LH_ASSIGN_OR_RETURN(auto layers, engine::enter_sandbox(sandbox));
  for (const engine::SandboxLayer& layer : layers) {
    if (!layer.in_force) {
      fmt::print(stderr, "model: the sandbox has no layer '{}' here: {}\n", layer.name,
                 layer.detail);
    }
  }
  // Code is not sealed: the libraries write code for this processor while they run.
  return layers;
}

/// One connection: a request after the other.
class Session {
 public:
  Session(UniqueFd fd, const Operations& operations)
      : fd_(std::move(fd)), operations_(operations) {}

  void run() {
    engine::FrameReader reader(fd_.get());
    while (auto frame = reader.read(Deadline::max())) {
      if (!answer(frame->payload)) {
        return;
      }
    }
  }

 private:
  bool answer(std::string_view payload) {
    auto request = parse_json(payload, "the request");
    if (!request || !request->is_object()) {
      return false;  // Only our own server writes here.
    }
    const boost::json::object& object = request->get_object();
    Deadline deadline = Deadline::max();
    if (const auto* left = object.if_contains("time_left_ms");
        left != nullptr && left->is_int64()) {
      deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(left->get_int64());
    }
    Reply reply(fd_.get(), deadline);
    const auto done = perform(object, reply);
    if (reply.broken()) {
      return false;
    }
    engine::FrameWriter writer(fd_.get());
    const Status sent =
        done ? writer.send(FrameType::End, boost::json::serialize(*done), Deadline::max())
             : writer.send(FrameType::Error, engine::encode_error(done.error()), Deadline::max());
    return sent.has_value();
  }

  Result<boost::json::object> perform(const boost::json::object& request, Reply& reply) {
    const auto* name = request.if_contains("op");
    const auto found = name != nullptr && name->is_string()
                           ? operations_.find(std::string_view(name->get_string()))
                           : operations_.end();
    if (found == operations_.end()) {
      return fail(ErrorCode::Unimplemented, "the model process does not know what was asked of it");
    }
    try {
      return found->second(request, reply);
    } catch (const std::bad_alloc&) {
      return fail(ErrorCode::ResourceExhausted, "the model process has no memory left for this",
                  "Ask for less at once, or raise ai.memory_limit.");
    } catch (const std::exception& thrown) {
      return fail(ErrorCode::Internal, fmt::format("the model failed: {}", thrown.what()));
    }
  }

  UniqueFd fd_;
  const Operations& operations_;
};

void refuse(int fd) {
  const Error busy = fail(ErrorCode::ResourceExhausted,
                          "the model process has as much to do as it may", "Retry in a moment.")
                         .error();
  static_cast<void>(
      engine::FrameWriter(fd).send(FrameType::Error, engine::encode_error(busy),
                                   std::chrono::steady_clock::now() + std::chrono::seconds(1)));
}

Status serve(const ServerOptions& options) {
  const Status llama = prepare_llama();
  if (!llama) {
    fmt::print(stderr, "model: {}\n", llama.error().message);
  }
  const auto onnx = prepare_onnx();
  if (!onnx) {
    fmt::print(stderr, "model: {}\n", onnx.error().message);
  }
  auto layers = lock_in(options, onnx);
  engine::FrameWriter control(engine::kControlFd);
  if (!layers) {
    // The server tells it to whoever asks why there is no model.
    static_cast<void>(
        control.send(FrameType::Error, engine::encode_error(layers.error()), Deadline::max()));
    return std::unexpected(std::move(layers).error());
  }
  Operations operations;
  add_encoding_operations(operations, options.resources,
                          onnx ? Status() : std::unexpected(onnx.error()));
  add_llama_operations(operations, options.resources, llama);
  const engine::Greeting greeting{
      .protocol = engine::kProtocolVersion, .version = "1", .sandbox = *std::move(layers)};
  LH_RETURN_IF_ERROR(
      control.send(FrameType::Answer, engine::encode_greeting(greeting), Deadline::max()));
  std::atomic<unsigned> connections = 0;
  while (UniqueFd fd = engine::receive_connection(engine::kControlFd)) {
    if (connections.fetch_add(1) >= options.connections_max) {
      refuse(fd.get());
      --connections;
      continue;
    }
    std::thread([&, socket = std::move(fd)]() mutable {
      Session(std::move(socket), operations).run();
      --connections;
    }).detach();
  }
  // The server is gone or wants us to go, and nothing here outlives the process.
  std::fflush(nullptr);
  ::_exit(0);
}

}  // namespace

Status Reply::check() const {
  pollfd polled{.fd = fd_, .events = POLLRDHUP, .revents = 0};
  if (::poll(&polled, 1, 0) > 0) {
    return fail(ErrorCode::Cancelled, "the caller gave up");
  }
  if (std::chrono::steady_clock::now() >= deadline_) {
    return fail(ErrorCode::DeadlineExceeded, "the request's deadline has passed",
                "Give the request more time, or ask for less.");
  }
  return {};
}

}  // namespace lakehouse::ai

/// The library's one entry; see ai/model_child.h.
extern "C" __attribute__((visibility("default"))) int lakehouse_model_main(int argc, char** argv) {
  using namespace lakehouse;
  try {
    const auto options = ai::read_options(argc, argv);
    if (!options) {
      fmt::print(stderr, "model: {}\n", options.error().message);
      return 64;
    }
    if (!engine::follow_parent(options->parent, "lakehouse-model")) {
      return 0;
    }
    const Status served = ai::serve(*options);
    fmt::print(stderr, "model: {}\n", served ? "ended" : served.error().message);
    return 70;
  } catch (const std::exception& thrown) {
    fmt::print(stderr, "model: {}\n", thrown.what());
    return 70;
  }
}
