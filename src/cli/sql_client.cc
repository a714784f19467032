#include "cli/sql_client.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <system_error>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/display.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/shell.h"
#include "cli/statements.h"
#include "cli/table.h"
#include "engine/engine_main.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

constexpr const char* kJson = "application/json";
constexpr const char* kArrow = "application/vnd.apache.arrow.stream";

json::value parameter(const std::string& text) {
  boost::json::error_code code;
  const json::value value = json::parse(text, code);
  const bool scalar = !code && (value.is_number() || value.is_bool() || value.is_null());
  return scalar ? value : json::value(text);
}

HttpRequest sql_request(std::string body, const char* accept) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/query/sql";
  request.headers = {{"Content-Type", kJson}, {"Accept", accept}};
  request.body = std::move(body);
  return request;
}

int report_file(const std::string& path, std::string_view doing) {
  fmt::print(stderr, "error: {} '{}': {}\n", doing, path, std::generic_category().message(errno));
  return kExitFailed;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

HttpClient::Sink to_file(std::FILE* file) {
  return [file](std::string_view bytes) {
    return std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  };
}

}  // namespace

std::string request_body(const std::string& statement, const SqlOptions& options,
                         std::optional<std::uint64_t> limit) {
  json::object body{{"sql", statement}};
  if (limit) {
    body["limit"] = *limit;
  }
  if (options.timeout_ms) {
    body["timeout_ms"] = *options.timeout_ms;
  }
  if (!options.engine.empty()) {
    body["engine"] = options.engine;
  }
  if (!options.positional.empty()) {
    json::array& values = body["params"].emplace_array();
    for (const std::string& text : options.positional) {
      values.push_back(parameter(text));
    }
  } else if (!options.named.empty()) {
    json::object& values = body["params"].emplace_object();
    for (const auto& [name, text] : options.named) {
      values[name] = parameter(text);
    }
  }
  return to_json(body);
}

int SqlClient::run(const std::string& statement) {
  switch (options_.format) {
    case OutputFormat::Table:
    case OutputFormat::Lines: return run_table(statement);
    case OutputFormat::Csv: return run_stream(statement, "text/csv");
    case OutputFormat::Json: return run_stream(statement, kJson);
    case OutputFormat::Ndjson: return run_stream(statement, "application/x-ndjson");
    case OutputFormat::Arrow: return run_stream(statement, kArrow);
    case OutputFormat::Parquet: return run_parquet(statement);
  }
  return kExitUsage;
}

Result<Answer> SqlClient::query(const std::string& statement) {
  AnswerReader reader;
  LH_ASSIGN_OR_RETURN(const HttpResponse response,
                      client_.send(sql_request(request_body(statement, {}, std::nullopt), kJson),
                                   [&](std::string_view bytes) { return reader.write(bytes); }));
  if (!response.ok()) {
    Problem problem = problem_of(response);
    return fail(ErrorCode::InvalidArgument, std::move(problem.detail), std::move(problem.hint));
  }
  return reader.finish();
}

int SqlClient::finish(const Result<HttpResponse>& response, const std::string& statement) const {
  if (!response) {
    return report_no_answer(response.error());
  }
  return response->ok() ? kExitOk : report(problem_of(*response), statement);
}

int SqlClient::run_table(const std::string& statement) {
  AnswerReader reader;
  bool readable = true;
  const std::uint64_t limit = options_.limit.value_or(kTableRowsDefault);
  const Result<HttpResponse> response = client_.send(
      sql_request(request_body(statement, options_, limit), kJson), [&](std::string_view bytes) {
        readable = reader.write(bytes);
        return readable;
      });
  if (readable && (!response || !response->ok())) {
    return finish(response, statement);
  }
  const Result<Answer> answer = reader.finish();
  if (!answer) {
    return report_no_answer(answer.error());
  }
  const std::size_t width = options_.output.empty() ? terminal_width(STDOUT_FILENO) : 0;
  const std::string rows =
      options_.format == OutputFormat::Lines ? render_lines(*answer) : render_table(*answer, width);
  return write_text(rows + render_summary(*answer, show_time));
}

int SqlClient::write_text(const std::string& text) {
  if (options_.output.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::fflush(stdout) == 0 ? kExitOk : kExitFailed;
  }
  const File file(std::fopen(options_.output.c_str(), output_begun_ ? "ab" : "wb"));
  if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
      std::fflush(file.get()) != 0) {
    return report_file(options_.output, "cannot write");
  }
  output_begun_ = true;
  return kExitOk;
}

int SqlClient::run_stream(const std::string& statement, const char* media_type) {
  if (!options_.output.empty()) {
    return write_file(statement, media_type, options_.output);
  }
  std::fflush(stdout);
  const Result<HttpResponse> response = client_.send(
      sql_request(request_body(statement, options_, options_.limit), media_type), to_file(stdout));
  const bool flushed = std::fflush(stdout) == 0;
  if (options_.format == OutputFormat::Json && response && response->ok()) {
    std::fputc('\n', stdout);
    std::fflush(stdout);
  }
  const int code = finish(response, statement);
  return code == kExitOk && !flushed ? kExitFailed : code;
}

int SqlClient::write_file(const std::string& statement, const char* media_type,
                          const std::string& path) {
  // An answer that breaks off leaves no half file behind.
  const std::string part = path + ".part";
  File file(std::fopen(part.c_str(), "wb"));
  if (file == nullptr) {
    return report_file(part, "cannot write");
  }
  const Result<HttpResponse> response =
      client_.send(sql_request(request_body(statement, options_, options_.limit), media_type),
                   to_file(file.get()));
  int code = finish(response, statement);
  if (code == kExitOk && std::fflush(file.get()) != 0) {
    code = report_file(part, "cannot write");
  }
  file.reset();
  std::error_code moved;
  if (code == kExitOk && output_begun_) {
    std::ifstream more(part, std::ios::binary);
    std::ofstream whole(path, std::ios::binary | std::ios::app);
    if (more.peek() != std::ifstream::traits_type::eof() && !(whole << more.rdbuf())) {
      code = report_file(path, "cannot write");
    }
    std::filesystem::remove(part, moved);
  } else if (code == kExitOk) {
    std::filesystem::rename(part, path, moved);
    if (moved) {
      errno = moved.value();
      code = report_file(path, "cannot write");
    }
    output_begun_ = true;
  } else {
    std::filesystem::remove(part, moved);
  }
  return code;
}

int SqlClient::run_parquet(const std::string& statement) {
  const std::string arrow = options_.output + ".arrow";
  const int code = write_file(statement, kArrow, arrow);
  if (code != kExitOk) {
    return code;
  }
  // The server's encodings stop at Arrow; the engine's library turns it into Parquet here.
  const std::string part = options_.output + ".part";
  const std::array<std::string, 3> arguments = {"--arrow-to-parquet", arrow, part};
  const int converted = engine::run_engine_child(arguments);
  std::error_code ignored;
  std::filesystem::remove(arrow, ignored);
  output_begun_ = false;
  if (converted != 0) {
    std::filesystem::remove(part, ignored);
    return kExitFailed;
  }
  std::error_code moved;
  std::filesystem::rename(part, options_.output, moved);
  if (moved) {
    errno = moved.value();
    return report_file(options_.output, "cannot write");
  }
  return kExitOk;
}

namespace {

Result<std::string> read_text(const std::string& path) {
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fail(ErrorCode::NotFound,
                fmt::format("cannot read '{}': {}", path, std::generic_category().message(errno)));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int run_text(SqlClient& client, const SqlOptions& options, const std::string& text) {
  SplitText split = split_statements(text);
  if (!is_blank_sql(split.rest)) {
    split.statements.push_back(split.rest);
  }
  if (split.statements.empty()) {
    fmt::print(stderr, "error: there is no statement to run\n");
    return kExitUsage;
  }
  const bool one_only =
      options.format == OutputFormat::Parquet || options.format == OutputFormat::Arrow;
  if (one_only && split.statements.size() > 1) {
    fmt::print(stderr, "error: this format holds the result of one statement, and there are {}\n",
               split.statements.size());
    return kExitUsage;
  }
  for (std::size_t at = 0; at < split.statements.size(); ++at) {
    const int code = client.run(split.statements[at]);
    if (code != kExitOk) {
      if (split.statements.size() > 1) {
        fmt::print(stderr, "({} of {} statements were run before)\n", at, split.statements.size());
      }
      return at > 0 && code == kExitFailed ? kExitPartly : code;
    }
  }
  return kExitOk;
}

}  // namespace

int run_sql(SqlOptions options) {
  const bool has_text = !options.statement.empty() || !options.file.empty();
  const bool interactive = !has_text && (options.interactive || (::isatty(STDIN_FILENO) != 0));
  if (options.format == OutputFormat::Arrow && options.output.empty() &&
      ::isatty(STDOUT_FILENO) != 0) {
    fmt::print(stderr, "error: Arrow is not for terminals: give --output FILE, or a pipe\n");
    return kExitUsage;
  }
  InterruptGuard interrupt;
  Result<std::unique_ptr<HttpClient>> http =
      HttpClient::open(options.server, InterruptGuard::flag());
  if (!http) {
    fmt::print(stderr, "{}", describe(http.error()));
    return kExitUsage;
  }
  if (interactive) {
    return run_shell(**http, std::move(options), interrupt);
  }
  std::string text = options.statement;
  if (text.empty()) {
    Result<std::string> read = read_text(options.file.empty() ? "-" : options.file);
    if (!read) {
      fmt::print(stderr, "{}", describe(read.error()));
      return kExitFailed;
    }
    text = std::move(*read);
  }
  SqlClient client(**http, options);
  return run_text(client, options, text);
}

}  // namespace lakehouse::cli
