#include "cli/ingest_command.h"

#include <array>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/display.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/report.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

std::uint64_t number_of(const json::object& answer, std::string_view name) {
  const json::value* value = answer.if_contains(name);
  return value != nullptr && value->is_int64() && value->as_int64() > 0
             ? static_cast<std::uint64_t>(value->as_int64())
             : 0;
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

bool is_duplicate(const json::object& answer) {
  const json::value* duplicate = answer.if_contains("duplicate");
  return duplicate != nullptr && duplicate->is_bool() && duplicate->as_bool();
}

void print_warnings(const json::object& answer) {
  const json::value* warnings = answer.if_contains("warnings");
  if (warnings == nullptr || !warnings->is_array()) {
    return;
  }
  for (const json::value& warning : warnings->as_array()) {
    std::string text;
    if (warning.is_string()) {
      text = std::string(warning.as_string());
    } else if (warning.is_object()) {
      text = text_of(warning.as_object(), "message");
    }
    fmt::print(stderr, "warning: {}\n", printable(text.empty() ? to_json(warning) : text));
  }
}

Upload upload_of(const IngestOptions& options, const std::string& file) {
  Upload upload;
  upload.path = "/ingest/file";
  upload.file = file;
  upload.file_name =
      file == "-" ? "standard-input" : std::filesystem::path(file).filename().string();
  upload.fields = {{"dataset", options.dataset.empty() ? dataset_of(file) : options.dataset}};
  const std::array<std::pair<const char*, const std::string*>, 4> optional = {
      {{"mode", &options.mode},
       {"max_bad_rows", &options.max_bad_rows},
       {"nested", &options.nested},
       {"source", &options.source}}};
  for (const auto& [name, value] : optional) {
    if (!value->empty()) {
      upload.fields.emplace_back(name, *value);
    }
  }
  if (!options.bucket.empty()) {
    upload.headers.emplace_back("X-Lakehouse-Bucket", options.bucket);
  }
  return upload;
}

int ingest_file(HttpClient& client, const IngestOptions& options, const std::string& file) {
  std::error_code ignored;
  if (file != "-" && std::filesystem::is_directory(file, ignored)) {
    fmt::print(stderr, "error: '{}' is a folder\nhint: Name its files: {}/*\n", file, file);
    return kExitFailed;
  }
  if (file != "-" && ::access(file.c_str(), R_OK) != 0) {
    fmt::print(stderr, "error: the file '{}' cannot be read: {}\n", file,
               std::generic_category().message(errno));
    return kExitFailed;
  }
  const auto started = std::chrono::steady_clock::now();
  const Upload upload = upload_of(options, file);
  UploadProgress progress(printable(upload.file_name), terminal_width(STDERR_FILENO));
  const Result<HttpResponse> response = client.upload(
      upload, [&](std::uint64_t sent, std::uint64_t total) { progress.update(sent, total); });
  progress.clear();
  if (!response) {
    return report_no_answer(response.error());
  }
  if (!response->ok()) {
    Problem problem = problem_of(*response);
    problem.detail = fmt::format("{}: {}", file, problem.detail);
    return report(problem);
  }
  const Result<json::value> answer = parse_json(response->body, "the server's answer");
  if (!answer || !answer->is_object()) {
    fmt::print(stderr, "error: the server's answer is no JSON object\n");
    return kExitFailed;
  }
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (options.json) {
    fmt::print("{}\n", to_json(*answer));
  } else {
    fmt::print("{}\n", describe_ingest(file, answer->as_object(), elapsed));
    if (!is_duplicate(answer->as_object())) {  // Then the line says it already.
      print_warnings(answer->as_object());
    }
  }
  std::fflush(stdout);
  return kExitOk;
}

}  // namespace

std::string dataset_of(const std::string& file) {
  std::string name = to_lower(std::filesystem::path(file).filename().string());
  for (const std::string_view packed : {".gz", ".zst", ".zstd"}) {
    if (name.ends_with(packed)) {
      name.resize(name.size() - packed.size());
      break;
    }
  }
  if (const std::size_t dot = name.rfind('.'); dot != std::string::npos && dot > 0) {
    name.resize(dot);
  }
  std::string result;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || byte >= 0x80U) {
      result += c;
    } else if (!result.empty() && result.back() != '_') {
      result += '_';
    }
  }
  while (result.ends_with('_')) {
    result.pop_back();
  }
  return result.empty() ? "data" : result;
}

std::string describe_ingest(const std::string& file, const json::object& answer, double elapsed_s) {
  const std::string dataset = printable(text_of(answer, "dataset"));
  if (is_duplicate(answer)) {
    return fmt::format("{} -> {}: already there", file, dataset);
  }
  const std::uint64_t rows = number_of(answer, "rows");
  std::string text = fmt::format("{} -> {}: {} {} in {}", file, dataset, with_thousands(rows),
                                 rows == 1 ? "row" : "rows", human_seconds(elapsed_s));
  if (rows > 0 && elapsed_s > 0) {
    text += fmt::format(
        " ({} rows/s)",
        with_thousands(static_cast<std::uint64_t>(static_cast<double>(rows) / elapsed_s)));
  }
  if (const std::uint64_t bad = number_of(answer, "bad_rows"); bad > 0) {
    text += fmt::format(", {} bad {} kept aside", with_thousands(bad), bad == 1 ? "row" : "rows");
  }
  return text;
}

int run_ingest(const IngestOptions& options) {
  const InterruptGuard interrupt;
  const Result<std::unique_ptr<HttpClient>> client =
      HttpClient::open(options.server, InterruptGuard::flag());
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  std::size_t loaded = 0;
  int worst = kExitOk;
  for (const std::string& file : options.files) {
    const int code = ingest_file(**client, options, file);
    if (code == kExitOk) {
      ++loaded;
      continue;
    }
    worst = code;
    if (code != kExitFailed) {  // Nobody there, or Ctrl-C: the others would fare the same.
      break;
    }
  }
  if (worst != kExitOk && options.files.size() > 1) {
    fmt::print(stderr, "({} of {} files were loaded)\n", loaded, options.files.size());
  }
  return worst == kExitFailed && loaded > 0 ? kExitPartly : worst;
}

}  // namespace lakehouse::cli
