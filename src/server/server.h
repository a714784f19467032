#pragma once

#include <memory>
#include <string>

#include "base/config.h"
#include "base/error.h"
#include "base/log.h"

namespace lakehouse::server {

/// One of everything that a configuration asks for, running. Thread-safe.
class Server {
 public:
  /// FailedPrecondition if another server uses the data folder, or the address may not be listened
  /// on. `log` outlives the server.
  static Result<std::unique_ptr<Server>> start(const Config& config, Log& log);
  /// Stops without grace, if `stop` was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// "http://127.0.0.1:3100"
  [[nodiscard]] std::string url() const;

  /// Ends well: running requests get the configured grace.
  void stop();

 private:
  class Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// What `lakehouse serve` does: starts, prints the one line "lakehouse ready URL" on standard
/// output, and runs until SIGINT or SIGTERM; a second one ends it at once. Returns the exit code.
int run(const LoadedConfig& loaded);

}  // namespace lakehouse::server
