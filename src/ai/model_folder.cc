#include "ai/model_folder.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <span>
#include <utility>

#include <boost/json/object.hpp>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include "ai/gguf_header.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/json.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr std::size_t kRecordBytesMax = std::size_t{64} << 10U;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;
constexpr std::string_view kRecord = "model.json";
constexpr std::string_view kWeights = "model.gguf";

std::optional<ModelKind> kind_of(std::string_view text) {
  for (const ModelKind kind : {ModelKind::Embedding, ModelKind::Generation, ModelKind::Reranking}) {
    if (to_string(kind) == text) {
      return kind;
    }
  }
  return std::nullopt;
}

Result<InstalledModel> read_record(const fs::path& folder) {
  std::ifstream file(folder / kRecord, std::ios::binary);
  std::string text(kRecordBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  LH_ASSIGN_OR_RETURN(const json::value document, parse_json(text, "model.json"));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(document, "model.json"));
  InstalledModel model;
  LH_ASSIGN_OR_RETURN(const std::string kind, fields.require_string("kind"));
  LH_ASSIGN_OR_RETURN(const std::string path, fields.require_string("path"));
  LH_ASSIGN_OR_RETURN(model.files.version, fields.require_string("sha256"));
  LH_ASSIGN_OR_RETURN(const std::int64_t size, fields.require_int64("size_bytes"));
  LH_ASSIGN_OR_RETURN(const auto pooling, fields.optional_string("pooling"));
  LH_ASSIGN_OR_RETURN(const auto max_tokens, fields.optional_int64("max_tokens"));
  LH_ASSIGN_OR_RETURN(const auto context_tokens, fields.optional_int64("context_tokens"));
  LH_ASSIGN_OR_RETURN(const auto source, fields.optional_string("source"));
  LH_ASSIGN_OR_RETURN(const auto added_at, fields.optional_string("added_at"));
  const auto known = kind_of(kind);
  if (!known || (path != "." && path != kWeights)) {
    return fail(ErrorCode::InvalidArgument, "model.json says nothing that makes sense");
  }
  model.files.name = folder.filename().string();
  model.files.kind = *known;
  model.files.path = path == "." ? folder : folder / path;
  model.files.pooling = pooling.value_or("mean");
  model.files.max_tokens = static_cast<std::uint32_t>(max_tokens.value_or(0));
  model.files.context_tokens = static_cast<std::uint32_t>(context_tokens.value_or(0));
  model.size_bytes = static_cast<std::uint64_t>(size);
  model.source = source.value_or("");
  model.added_at = added_at.value_or("");
  return model;
}

Status write_record(const fs::path& folder, const InstalledModel& model) {
  const json::object record{{"kind", to_string(model.files.kind)},
                            {"path", model.files.path == folder ? "." : std::string(kWeights)},
                            {"sha256", model.files.version},
                            {"size_bytes", model.size_bytes},
                            {"pooling", model.files.pooling},
                            {"max_tokens", model.files.max_tokens},
                            {"context_tokens", model.files.context_tokens},
                            {"source", as_utf8(model.source)},
                            {"added_at", model.added_at}};
  std::ofstream file(folder / kRecord, std::ios::binary);
  file << to_json(record) << '\n';
  file.close();
  return file ? Status()
              : fail(ErrorCode::ResourceExhausted,
                     fmt::format("{} cannot be written", (folder / kRecord).string()));
}

std::string now_text() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
}

/// Feeds a file to a sum, and copies it if there is a `target`.
Status read_through(const fs::path& file, Sha256& sum, std::ofstream* target, std::uint64_t total,
                    std::uint64_t& done, const ModelFolder::Progress& progress) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return fail(ErrorCode::NotFound, fmt::format("{} cannot be read", file.string()));
  }
  std::vector<char> piece(kPieceBytes);
  while (stream) {
    stream.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const auto count = static_cast<std::size_t>(stream.gcount());
    sum.update(std::as_bytes(std::span(piece.data(), count)));
    if (target != nullptr && !target->write(piece.data(), static_cast<std::streamsize>(count))) {
      return fail(ErrorCode::ResourceExhausted, "the disk of the models' folder is full");
    }
    done += count;
    if (progress && !progress(done, total)) {
      return fail(ErrorCode::Cancelled, "interrupted");
    }
  }
  return {};
}

void sync_folder(const fs::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) {
    ::fsync(fd.get());
  }
}

void sync_file(const fs::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd) {
    ::fsync(fd.get());
  }
}

/// A folder that is gone with this, unless it was renamed.
class Scratch {
 public:
  explicit Scratch(fs::path path) : path_(std::move(path)) {}
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// The files of an addition and what they are called in the model's folder.
Result<std::vector<std::pair<fs::path, std::string>>> files_of(
    const ModelFolder::Addition& addition) {
  std::error_code error;
  if (fs::is_regular_file(addition.path, error)) {
    if (addition.kind != ModelKind::Generation) {
      return fail(ErrorCode::InvalidArgument, fmt::format("{} is a file", addition.path.string()),
                  "A model for embedding or reranking is a folder with model.onnx and "
                  "tokenizer.json.");
    }
    return std::vector<std::pair<fs::path, std::string>>{{addition.path, std::string(kWeights)}};
  }
  if (addition.kind == ModelKind::Generation || !fs::is_directory(addition.path, error)) {
    return fail(fs::exists(addition.path, error) ? ErrorCode::InvalidArgument : ErrorCode::NotFound,
                fmt::format("{} is no file", addition.path.string()),
                "A model that writes is a GGUF file.");
  }
  std::vector<std::pair<fs::path, std::string>> files;
  for (const std::string name : {"model.onnx", "tokenizer.json"}) {
    fs::path file = addition.path / name;
    if (!fs::exists(file, error) && name == "model.onnx") {
      file = addition.path / "onnx" / name;  // Where sentence-transformers puts it.
    }
    if (!fs::is_regular_file(file, error)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} has no {}", addition.path.string(), name));
    }
    files.emplace_back(file, name);
  }
  return files;
}

}  // namespace

bool is_model_name(std::string_view name) {
  constexpr std::string_view kCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  return !name.empty() && name.size() <= 63 && name.front() != '.' &&
         name.find_first_not_of(kCharacters) == std::string_view::npos;
}

Result<std::string> sha256_of_file(const fs::path& file, const ModelFolder::Progress& progress) {
  std::error_code error;
  const std::uint64_t total = fs::file_size(file, error);
  Sha256 sum;
  std::uint64_t done = 0;
  LH_RETURN_IF_ERROR(read_through(file, sum, nullptr, error ? 0 : total, done, progress));
  return to_hex(sum.finish());
}

std::vector<InstalledModel> ModelFolder::list() const {
  std::vector<InstalledModel> models;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (is_model_name(entry.path().filename().string())) {
      if (auto model = read_record(entry.path())) {
        models.push_back(*std::move(model));
      }
    }
  }
  std::ranges::sort(models, {}, [](const InstalledModel& model) { return model.files.name; });
  return models;
}

std::optional<InstalledModel> ModelFolder::find(std::string_view name) const {
  auto model = is_model_name(name) ? read_record(folder_ / name)
                                   : fail(ErrorCode::NotFound, "no such model");
  return model ? std::optional(*std::move(model)) : std::nullopt;
}

fs::file_time_type ModelFolder::changed_at() const {
  std::error_code error;
  const auto time = fs::last_write_time(folder_, error);
  return error ? fs::file_time_type::min() : time;
}

Result<InstalledModel> ModelFolder::add(const Addition& addition, const Progress& progress) const {
  if (!is_model_name(addition.name)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is no name for a model", as_utf8(addition.name)),
                "A name has 1 to 63 of a-z, 0-9, '-', '_' and '.'.");
  }
  const fs::path home = folder_ / addition.name;
  std::error_code error;
  if (fs::exists(home, error)) {
    return fail(ErrorCode::AlreadyExists, fmt::format("there is a model '{}'", addition.name),
                fmt::format("`lakehouse model rm {}` removes it.", addition.name));
  }
  LH_ASSIGN_OR_RETURN(const auto files, files_of(addition));
  InstalledModel model;
  model.files.kind = addition.kind;
  model.files.pooling = addition.pooling;
  model.files.max_tokens = addition.max_tokens;
  if (addition.kind == ModelKind::Generation) {
    LH_ASSIGN_OR_RETURN(const GgufHeader header, read_gguf_header(addition.path));
    model.files.context_tokens = header.context_tokens;
  }
  for (const auto& [file, name] : files) {
    model.size_bytes += fs::file_size(file, error);
  }
  const Scratch scratch(folder_ / fmt::format(".new-{}-{}", addition.name, new_token(4)));
  if (!fs::create_directories(scratch.path(), error) || error) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("{} cannot be made: {}", scratch.path().string(), error.message()));
  }
  Sha256 sum;
  std::uint64_t done = 0;
  for (const auto& [file, name] : files) {
    const fs::path target = scratch.path() / name;
    std::ofstream copy;
    if (!addition.move) {
      copy.open(target, std::ios::binary);
    }
    LH_RETURN_IF_ERROR(
        read_through(file, sum, addition.move ? nullptr : &copy, model.size_bytes, done, progress));
    copy.close();
    if (addition.move) {
      fs::rename(file, target, error);
    }
    if (error || (!addition.move && !copy)) {
      return fail(ErrorCode::ResourceExhausted,
                  fmt::format("{} cannot be written", target.string()));
    }
    sync_file(target);
  }
  model.files.version = to_hex(sum.finish());
  if (!addition.sha256.empty() && to_lower(addition.sha256) != model.files.version) {
    return fail(ErrorCode::DataLoss,
                fmt::format("the bytes of '{}' are not those that were meant: their SHA-256 is {}, "
                            "not {}",
                            addition.name, model.files.version, addition.sha256),
                "Nothing was kept.");
  }
  model.source = addition.source;
  model.added_at = now_text();
  model.files.path = files.size() == 1 ? scratch.path() / kWeights : scratch.path();
  LH_RETURN_IF_ERROR(write_record(scratch.path(), model));
  sync_folder(scratch.path());
  fs::rename(scratch.path(), home, error);
  if (error) {
    return fail(ErrorCode::AlreadyExists, fmt::format("there is a model '{}'", addition.name));
  }
  sync_folder(folder_);
  return read_record(home);
}

Status ModelFolder::remove(std::string_view name) const {
  std::error_code error;
  if (!is_model_name(name) || !fs::is_directory(folder_ / name, error)) {
    std::vector<std::string> names;
    for (const InstalledModel& model : list()) {
      names.push_back(model.files.name);
    }
    return fail(ErrorCode::NotFound, fmt::format("there is no model '{}'", as_utf8(name)),
                did_you_mean(name, names));
  }
  // Out of sight at once; whoever has it open keeps it.
  const Scratch gone(folder_ / fmt::format(".gone-{}-{}", name, new_token(4)));
  fs::rename(folder_ / name, gone.path(), error);
  return error ? fail(ErrorCode::FailedPrecondition,
                      fmt::format("'{}' cannot be removed: {}", name, error.message()))
               : Status();
}

}  // namespace lakehouse::ai
