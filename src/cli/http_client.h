#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/server_address.h"

namespace lakehouse::cli {

struct HttpRequest {
  std::string method = "GET";
  std::string path;  ///< With its query, percent-encoded: "/datasets?limit=10".
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  ///< Sent if it is not empty.
};

struct HttpResponse {
  int status = 0;
  std::string content_type;
  std::string body;
  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

/// A file and the form's other fields, as multipart/form-data. The fields go first.
struct Upload {
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::pair<std::string, std::string>> fields;
  std::filesystem::path file;  ///< "-" is the standard input.
  std::string file_name;       ///< As the server is told.
};

/// The server over HTTP, by libcurl; keeps its connection. Not thread-safe.
///
/// Any answer of the server is a response, also 404 or 500. An Error means that there is none:
/// Unavailable if the server cannot be reached or the connection broke, Cancelled if `interrupted`
/// became true, which ends a request within a second.
class HttpClient {
 public:
  /// Takes a piece of a 2xx body; false ends the request with Cancelled.
  using Sink = std::function<bool(std::string_view bytes)>;
  /// Told a few times a second how much of an upload is sent; `total` is 0 if that is not known.
  using Progress = std::function<void(std::uint64_t sent_bytes, std::uint64_t total_bytes)>;

  /// InvalidArgument if the server's URL is no http:// or https:// one, or the token none that fits
  /// into a header.
  static Result<std::unique_ptr<HttpClient>> open(ServerAddress server,
                                                  const std::atomic<bool>* interrupted = nullptr);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// The whole answer; its 2xx body goes to `sink` instead if one is given.
  Result<HttpResponse> send(const HttpRequest& request, const Sink& sink = {});
  Result<HttpResponse> upload(const Upload& upload, const Progress& progress);

  [[nodiscard]] const std::string& server_url() const { return server_.url; }

 private:
  struct Transfer;
  HttpClient(ServerAddress server, const std::atomic<bool>* interrupted);
  Status prepare(Transfer& transfer, const std::string& path,
                 const std::vector<std::pair<std::string, std::string>>& headers);
  Result<HttpResponse> perform(Transfer& transfer);
  [[nodiscard]] Error explain(int curl_code, const Transfer& transfer) const;

  ServerAddress server_;
  const std::atomic<bool>* interrupted_;
  void* easy_ = nullptr;  ///< A CURL handle; curl.h stays in the source file.
};

/// What an answer of 400 or more says, from application/problem+json where it is that.
struct Problem {
  int status = 0;
  std::string code;
  std::string detail;
  std::string hint;
  std::optional<std::size_t> position_bytes;  ///< In the SQL statement.
};
[[nodiscard]] Problem problem_of(const HttpResponse& response);

}  // namespace lakehouse::cli
