#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ai/model_files.h"
#include "ai/model_folder.h"
#include "ai/model_service.h"
#include "base/config.h"
#include "base/error.h"
#include "base/metrics.h"

namespace lakehouse::ai {

class EmbeddingCache;
class Provider;

/// Which models there are, and where each runs: those of [[ai.models]] at their providers or on
/// this machine, those that were pulled or added, those that come with the program. Of several with
/// one name the first in this order counts.
///
/// Every call of a model goes through its limits here: calls at once, time (`ai.timeout`), and its
/// fallbacks while it cannot be reached. Thread-safe; models that come or go in the folder are seen
/// by the next call. What it gives stays good when it is gone, but for the runner.
class ModelRegistry final : public ModelService {
 public:
  struct Parts {
    std::filesystem::path data = {};     ///< What relative paths of the configuration are below.
    std::filesystem::path builtin = {};  ///< The models that come with the program; empty: none.
    ModelRunner* runner = nullptr;       ///< Runs those of this machine; outlives the registry.
    EmbeddingCache* cache =
        nullptr;                 ///< Of vectors, outlives what the registry gives; may be null.
    Metrics* metrics = nullptr;  ///< Outlives what the registry gives; may be null.
  };
  /// Reads the keys of providers. InvalidArgument, naming the setting, for one that cannot work.
  static Result<std::unique_ptr<ModelRegistry>> open(const Config& config, Parts parts);
  ~ModelRegistry() override;

  Result<std::shared_ptr<Embedder>> embedder(const RequestContext& context,
                                             std::string_view name) override;
  Result<std::shared_ptr<Generator>> generator(const RequestContext& context,
                                               std::string_view name) override;
  Result<std::shared_ptr<Reranker>> reranker(const RequestContext& context,
                                             std::string_view name) override;
  [[nodiscard]] std::vector<ModelInfo> models() const override;

  /// Where the runner must be allowed to read: the folder of models, those that come with the
  /// program, and the paths of [[ai.models]]. Absolute.
  static std::vector<std::filesystem::path> folders(const Config& config,
                                                    const std::filesystem::path& data,
                                                    const std::filesystem::path& builtin);

 private:
  struct Entry;
  struct State;
  explicit ModelRegistry(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  ///< Shared with what is given away.
};

}  // namespace lakehouse::ai
