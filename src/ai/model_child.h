#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/child_options.h"

namespace lakehouse::engine {
class ChildConnections;
}  // namespace lakehouse::engine

namespace lakehouse::ai {

/// How the process that runs models is started, and what it may use.
struct ModelChildOptions {
  /// Started as `<executable> <arguments>... --option ...`; by default this program's own file.
  std::filesystem::path executable = "/proc/self/exe";
  std::vector<std::string> arguments = {"model-process"};
  /// Absolute folders, with all below them, in which models may lie. Those that are not there when
  /// the process starts are left out.
  std::vector<std::filesystem::path> models = {};
  std::uint64_t memory_limit_bytes = 0;  ///< 0: a quarter of the machine's.
  unsigned threads = 0;                  ///< 0: as many as the machine has cores.
  unsigned requests_max = 256;           ///< At once, waiting ones included.
  engine::SandboxMode sandbox = engine::SandboxMode::BestEffort;
  /// See engine::ChildOptions.
  std::function<void(std::string_view line)> on_log = {};
};

/// The sandboxed process in which models run, as its users see it: requests as JSON, answers as
/// bytes and JSON. Native code that reads model files and texts from outside is not trusted, so
/// what crashes or exhausts it costs the requests in it, never the server.
///
/// Thread-safe. The process is started by the first request or `warm_up`, and again when it ends.
class ModelChild {
 public:
  explicit ModelChild(ModelChildOptions options);
  /// Stops as `stop` does, without a grace period.
  ~ModelChild();
  ModelChild(const ModelChild&) = delete;
  ModelChild& operator=(const ModelChild&) = delete;

  /// Takes a piece of the answer; an error ends the request with it, and stops the work.
  using OnData = std::function<Status(std::string_view bytes)>;

  /// Does what `request["op"]` names (see child/operations.h), and gives the answer's last words.
  /// A request whose process ended before it gave a byte is begun again, twice. InvalidArgument,
  /// NotFound and so on as the operation says; Unavailable if the process keeps ending or does not
  /// start; Cancelled, DeadlineExceeded by `context`: the work stops then, too.
  Result<boost::json::object> call(const RequestContext& context, boost::json::object request,
                                   const OnData& on_data);

  /// Starts the process if it does not run, and returns at once.
  void warm_up();

  /// All zero before the process was first started.
  [[nodiscard]] engine::ChildState state() const;
  /// Requests ever begun, and those that run now.
  [[nodiscard]] std::uint64_t requests() const;
  [[nodiscard]] std::uint64_t running() const;

  /// Calls are Unavailable from now on; running ones get `grace`. Safe to call twice.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));
  /// Ends the process as a crash would.
  void kill();

 private:
  Result<std::shared_ptr<engine::ChildConnections>> connections();

  const ModelChildOptions options_;
  mutable std::mutex mutex_;
  bool stopped_ = false;                                   // Guarded by mutex_.
  std::shared_ptr<engine::ChildConnections> connections_;  // Shared with what runs.
};

/// Where the models that come with the program are: LAKEHOUSE_MODELS if that is set, else `models`
/// beside this program, in ../models, ../lib/models or ../lib/lakehouse/models, or where this
/// program was built. NotFound, naming the places, if none is.
Result<std::filesystem::path> find_models_folder();

/// What `lakehouse model-process` does: loads lakehouse_model.so, the one place where the libraries
/// that run models are linked, and serves until its server ends. The process's exit code.
/// `arguments` are those after "model-process"; ModelChild writes them.
int run_model_child(std::span<const std::string> arguments);

}  // namespace lakehouse::ai
