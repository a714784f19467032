#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "ai/model_service.h"
#include "base/config.h"
#include "base/error.h"
#include "base/metrics.h"

namespace lakehouse::ai {

/// All models of a server: the process that runs those of this machine, the providers of others,
/// the vectors that are kept. Thread-safe. The process starts when a model is first used.
class Models {
 public:
  /// `data` is what relative paths of [ai] are below; `metrics` outlives all that is given away.
  /// InvalidArgument, naming the setting, for a configuration that cannot work.
  static Result<std::unique_ptr<Models>> open(const Config& config,
                                              const std::filesystem::path& data, Metrics& metrics,
                                              std::function<void(std::string_view line)> on_log);
  /// As `stop`, without a grace period.
  ~Models();
  Models(const Models&) = delete;
  Models& operator=(const Models&) = delete;

  /// Good as long as this lives.
  [[nodiscard]] ModelService& service();
  /// Calls are Unavailable from now on; running ones get `grace`.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));

 private:
  struct Parts;
  explicit Models(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// The folder of pulled and added models that a configuration names.
std::filesystem::path models_folder(const Config& config, const std::filesystem::path& data);

}  // namespace lakehouse::ai
