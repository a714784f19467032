#pragma once

#include <string>

#include "cli/answer.h"
#include "cli/http_client.h"
#include "cli/options.h"

namespace lakehouse::cli {

/// Runs statements on the server and writes their results as the options say. Not thread-safe;
/// outlived by the client and by the options, which may change between statements.
class SqlClient {
 public:
  SqlClient(HttpClient& client, const SqlOptions& options) : client_(client), options_(options) {}

  /// Runs one statement and writes its result; says on the standard error what went wrong.
  /// Returns an exit code.
  int run(const std::string& statement);

  /// A small result to look things up in, without reporting; an Error also for a refusal.
  Result<Answer> query(const std::string& statement);

  bool show_time = true;  ///< In the line under a table.

 private:
  int run_table(const std::string& statement);
  int run_stream(const std::string& statement, const char* media_type);
  int run_parquet(const std::string& statement);
  /// `path` gets the result: whole, or it is not touched.
  int write_file(const std::string& statement, const char* media_type, const std::string& path);
  int finish(const Result<HttpResponse>& response, const std::string& statement) const;
  int write_text(const std::string& text);

  HttpClient& client_;
  const SqlOptions& options_;
  bool output_begun_ = false;  ///< Later statements' results are appended to --output's file.
};

/// The request body for a statement. A parameter that reads as a JSON number, true, false or null
/// is one, everything else is text.
[[nodiscard]] std::string request_body(const std::string& statement, const SqlOptions& options,
                                       std::optional<std::uint64_t> limit);

/// Rows of a table when --limit does not say.
constexpr std::uint64_t kTableRowsDefault = 200;

/// What `lakehouse sql` does.
int run_sql(SqlOptions options);

}  // namespace lakehouse::cli
