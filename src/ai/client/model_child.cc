#include "ai/model_child.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/eventfd.h>

#include "base/json.h"
#include "base/machine.h"
#include "base/unique_fd.h"
#include "engine/child_connections.h"
#include "engine/child_link.h"
#include "engine/frame.h"

namespace lakehouse::ai {
namespace {

using engine::ChildConnections;
using engine::FrameType;

constexpr int kTriesMax = 3;
constexpr std::string_view kName = "model process";

std::vector<std::string> child_arguments(const ModelChildOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  const auto add = [&](std::string name, std::string value) {
    arguments.push_back(std::move(name));
    arguments.push_back(std::move(value));
  };
  for (const auto& path : options.models) {
    add("--models", path.string());
  }
  const std::uint64_t memory = options.memory_limit_bytes;
  add("--memory-limit-bytes", std::to_string(memory == 0 ? memory_bytes_allowed() / 4 : memory));
  add("--threads", std::to_string(options.threads == 0 ? processors_allowed() : options.threads));
  add("--connections-max", std::to_string(options.requests_max + 64));
  add("--sandbox", std::to_string(static_cast<int>(options.sandbox)));
  return arguments;
}

/// What a request that was lost came to.
struct Lost {
  Error error;
  bool may_retry = false;
};

// A descriptor that is readable once the request was given up.
class StopSignal {
 public:
  explicit StopSignal(const std::stop_token& stop)
      : fd_(stop.stop_possible() ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1),
        callback_(stop, [this] {
          if (fd_) {
            ::eventfd_write(fd_.get(), 1);
          }
        }) {}
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::stop_callback<std::function<void()>> callback_;
};

std::expected<boost::json::object, Lost> ask_once(ChildConnections& connections,
                                                  const RequestContext& context,
                                                  const std::string& request,
                                                  const ModelChild::OnData& on_data) {
  auto lease = connections.acquire(context);
  if (!lease) {
    return std::unexpected(Lost{.error = std::move(lease).error()});
  }
  ChildConnections::Lease& connection = **lease;
  bool began = false;
  const auto lost = [&](Error error) {
    if (error.code != ErrorCode::Unavailable) {
      return std::unexpected(Lost{.error = std::move(error)});
    }
    connection.lost();
    error.message = fmt::format("the {} ended while it worked on this", kName);
    error.hint = "It restarts by itself; retry in a moment.";
    return std::unexpected(Lost{.error = std::move(error), .may_retry = !began});
  };
  const StopSignal stop(context.stop);
  const Status sent = engine::FrameWriter(connection.fd(), stop.fd())
                          .send(FrameType::Request, request, context.deadline);
  if (!sent) {
    return lost(sent.error());
  }
  engine::FrameReader reader(connection.fd());
  while (true) {
    auto frame = reader.read(context.deadline, stop.fd());
    if (!frame) {
      return lost(std::move(frame).error());
    }
    if (frame->type == FrameType::Data) {
      began = true;
      if (Status taken = on_data ? on_data(frame->payload) : Status(); !taken) {
        return std::unexpected(Lost{.error = std::move(taken).error()});
      }
      continue;
    }
    connection.keep();
    if (frame->type == FrameType::Error) {
      return std::unexpected(Lost{.error = engine::decode_error(frame->payload)});
    }
    auto end = parse_json(frame->payload, "the model's answer");
    if (!end || !end->is_object()) {
      return std::unexpected(
          Lost{.error = fail(ErrorCode::Internal, "the protocol of models broke").error()});
    }
    return std::move(end->get_object());
  }
}

}  // namespace

ModelChild::ModelChild(ModelChildOptions options) : options_(std::move(options)) {}

ModelChild::~ModelChild() {
  stop();
}

Result<std::shared_ptr<ChildConnections>> ModelChild::connections() {
  const std::lock_guard lock(mutex_);
  if (stopped_) {
    return fail(ErrorCode::Unavailable, "the server is stopping");
  }
  if (connections_ == nullptr) {
    engine::ChildOptions child{.name = std::string(kName),
                               .executable = options_.executable,
                               .arguments = child_arguments(options_),
                               .requests_max = options_.requests_max,
                               .on_log = options_.on_log};
    connections_ = std::make_shared<ChildConnections>(std::move(child));
  }
  return connections_;
}

Result<boost::json::object> ModelChild::call(const RequestContext& context,
                                             boost::json::object request, const OnData& on_data) {
  LH_ASSIGN_OR_RETURN(const auto connections, this->connections());
  if (const auto left = context.time_left()) {
    request["time_left_ms"] = left->count();
  }
  const std::string text = boost::json::serialize(request);
  if (text.size() > engine::kFrameBytesMax) {
    return fail(ErrorCode::InvalidArgument, "the texts are more than a model takes at once");
  }
  for (int tries = 1;; ++tries) {
    auto answer = ask_once(*connections, context, text, on_data);
    if (answer) {
      return *std::move(answer);
    }
    Lost& lost = answer.error();
    if (!lost.may_retry || tries == kTriesMax) {
      return std::unexpected(std::move(lost.error));
    }
  }
}

void ModelChild::warm_up() {
  static_cast<void>(connections());
}

engine::ChildState ModelChild::state() const {
  const std::lock_guard lock(mutex_);
  return connections_ == nullptr ? engine::ChildState() : connections_->state();
}

std::uint64_t ModelChild::requests() const {
  const std::lock_guard lock(mutex_);
  return connections_ == nullptr ? 0 : connections_->requests();
}

std::uint64_t ModelChild::running() const {
  const std::lock_guard lock(mutex_);
  return connections_ == nullptr ? 0 : connections_->running();
}

void ModelChild::stop(std::chrono::milliseconds grace) {
  std::shared_ptr<ChildConnections> running;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    running = connections_;
  }
  if (running != nullptr) {
    running->stop(grace);
  }
}

void ModelChild::kill() {
  const std::lock_guard lock(mutex_);
  if (connections_ != nullptr) {
    connections_->kill();
  }
}

Result<std::filesystem::path> find_models_folder() {
  if (const char* set = std::getenv("LAKEHOUSE_MODELS"); set != nullptr && *set != '\0') {
    return std::filesystem::path(set);
  }
  std::error_code error;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<std::string> tried;
  for (const std::filesystem::path& place :
       {folder / "models", folder / "../models", folder / "../lib/models",
        folder / "../lib/lakehouse/models", std::filesystem::path(LH_MODELS_FOLDER)}) {
    const auto path = place.lexically_normal();
    if (std::filesystem::is_directory(path, error)) {
      return path;
    }
    tried.push_back(path.string());
  }
  return fail(ErrorCode::NotFound, fmt::format("the models that come with the program are missing; "
                                               "looked for {}",
                                               fmt::join(tried, ", ")));
}

int run_model_child(std::span<const std::string> arguments) {
  const auto library = engine::find_child_library("lakehouse_model.so", "LAKEHOUSE_MODEL_LIBRARY");
  if (!library) {
    fmt::print(stderr, "model: {}\n", library.error().message);
    return 66;
  }
  return engine::run_child_library(*library, "lakehouse_model_main", arguments);
}

}  // namespace lakehouse::ai
