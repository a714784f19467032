#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ai/model_files.h"
#include "base/error.h"

namespace lakehouse::ai {

/// A model that was pulled or added.
struct InstalledModel {
  ModelFiles files;
  std::uint64_t size_bytes = 0;
  std::string source;    ///< "pull", or the path it was added from.
  std::string added_at;  ///< RFC 3339.
};

/// The folder of pulled and added models: one below it for each, with `model.json` beside the
/// files. Thread-safe, between processes, too: a model is there whole or not at all.
class ModelFolder {
 public:
  explicit ModelFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// By name. What is no model of ours is left out.
  [[nodiscard]] std::vector<InstalledModel> list() const;
  [[nodiscard]] std::optional<InstalledModel> find(std::string_view name) const;
  /// Changes whenever a model comes or goes.
  [[nodiscard]] std::filesystem::file_time_type changed_at() const;

  struct Addition {
    std::string name = {};
    ModelKind kind = ModelKind::Generation;
    /// A GGUF file, or a folder with model.onnx and tokenizer.json.
    std::filesystem::path path = {};
    std::string sha256 = {};  ///< What the file's bytes must be; empty: not checked.
    std::string pooling = "mean";
    std::uint32_t max_tokens = 0;
    std::string source = {};
    bool move = false;  ///< The files are taken, not copied.
  };
  /// Told how many bytes are done; false ends it with Cancelled.
  using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;
  /// AlreadyExists for a name that is taken; InvalidArgument for a name or a file that is none;
  /// DataLoss if the bytes are not those that `sha256` names.
  Result<InstalledModel> add(const Addition& addition, const Progress& progress) const;

  /// NotFound if there is none of that name. A model that runs stays in memory until it is idle.
  Status remove(std::string_view name) const;

  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

/// 1 to 63 of a-z, 0-9, '-', '_' and '.', and no '.' at its beginning.
bool is_model_name(std::string_view name);

/// The SHA-256 of a file, in hexadecimal. NotFound if it cannot be read; Cancelled by `progress`.
Result<std::string> sha256_of_file(const std::filesystem::path& file,
                                   const ModelFolder::Progress& progress = {});

}  // namespace lakehouse::ai
