#include "cli/http_client.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include <boost/json/value.hpp>
#include <curl/curl.h>
#include <fmt/format.h>

#include "base/json.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

constexpr long kConnectTimeoutMs = 10'000;
constexpr long kKeepAliveSeconds = 60;
constexpr long kBufferBytes = 512L << 10U;
constexpr std::size_t kErrorBodyBytesMax = std::size_t{1} << 20U;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeMime {
  void operator()(curl_mime* mime) const { curl_mime_free(mime); }
};

std::size_t read_standard_input(char* buffer, std::size_t size, std::size_t count, void*) {
  return std::fread(buffer, 1, size * count, stdin);
}

}  // namespace

/// What belongs to one request: what curl's callbacks need, and what must outlive the call.
struct HttpClient::Transfer {
  const HttpClient* client = nullptr;
  CURL* easy = nullptr;
  std::string url;
  std::unique_ptr<curl_slist, FreeList> headers;
  std::unique_ptr<curl_mime, FreeMime> mime;
  const Sink* sink = nullptr;
  const Progress* progress = nullptr;
  bool sink_refused = false;
  HttpResponse response;
  std::array<char, CURL_ERROR_SIZE> message{};

  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view piece(bytes, size * count);
    long status = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (transfer.sink != nullptr && *transfer.sink && status >= 200 && status < 300) {
      transfer.sink_refused = !(*transfer.sink)(piece);
      return transfer.sink_refused ? 0 : piece.size();
    }
    if (status < 400 || transfer.response.body.size() < kErrorBodyBytesMax) {
      transfer.response.body += piece;
    }
    return piece.size();
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t to_send, curl_off_t sent) {
    const auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.progress != nullptr && *transfer.progress) {
      (*transfer.progress)(static_cast<std::uint64_t>(sent), static_cast<std::uint64_t>(to_send));
    }
    const std::atomic<bool>* interrupted = transfer.client->interrupted_;
    return interrupted != nullptr && interrupted->load() ? 1 : 0;
  }
};

Result<std::unique_ptr<HttpClient>> HttpClient::open(ServerAddress server,
                                                     const std::atomic<bool>* interrupted) {
  while (server.url.ends_with('/')) {
    server.url.pop_back();
  }
  if (!server.url.starts_with("http://") && !server.url.starts_with("https://")) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("the server's URL '{}' does not begin with http:// or https://", server.url),
        "Write it as http://127.0.0.1:3100.");
  }
  if (std::ranges::any_of(server.token, [](char c) { return c <= ' ' || c > '~'; })) {
    return fail(ErrorCode::InvalidArgument, "the token has a space or another odd character in it",
                "Look for a line end in LAKEHOUSE_TOKEN.");
  }
  std::unique_ptr<HttpClient> client(new HttpClient(std::move(server), interrupted));
  if (client->easy_ == nullptr) {
    return fail(ErrorCode::Internal, "libcurl could not be started");
  }
  return client;
}

HttpClient::HttpClient(ServerAddress server, const std::atomic<bool>* interrupted)
    : server_(std::move(server)), interrupted_(interrupted), easy_(curl_easy_init()) {}

HttpClient::~HttpClient() {
  curl_easy_cleanup(static_cast<CURL*>(easy_));
}

Status HttpClient::prepare(Transfer& transfer, const std::string& path,
                           const std::vector<std::pair<std::string, std::string>>& headers) {
  CURL* easy = static_cast<CURL*>(easy_);
  curl_easy_reset(easy);  // Keeps the connection.
  transfer.client = this;
  transfer.easy = easy;
  transfer.url = server_.url + path;
  // An early refusal is an answer; waiting for "100 Continue" only costs a round trip.
  std::vector<std::string> lines = {"Expect:"};
  if (!server_.token.empty()) {
    lines.push_back(fmt::format("Authorization: Bearer {}", server_.token));
  }
  for (const auto& [name, value] : headers) {
    lines.push_back(fmt::format("{}: {}", name, value));
  }
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(transfer.headers.get(), line.c_str());
    if (longer == nullptr) {
      return fail(ErrorCode::ResourceExhausted, "out of memory for the request's headers");
    }
    std::ignore = transfer.headers.release();
    transfer.headers.reset(longer);
  }
  curl_easy_setopt(easy, CURLOPT_URL, transfer.url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "lakehouse");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // The server is near and named by the user: a proxy of the environment must not see its data.
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.message.data());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  return {};
}

Result<HttpResponse> HttpClient::send(const HttpRequest& request, const Sink& sink) {
  Transfer transfer;
  transfer.sink = &sink;
  LH_RETURN_IF_ERROR(prepare(transfer, request.path, request.headers));
  CURL* easy = static_cast<CURL*>(easy_);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (!request.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  }
  return perform(transfer);
}

Result<HttpResponse> HttpClient::upload(const Upload& upload, const Progress& progress) {
  Transfer transfer;
  transfer.progress = &progress;
  LH_RETURN_IF_ERROR(prepare(transfer, upload.path, upload.headers));
  CURL* easy = static_cast<CURL*>(easy_);
  transfer.mime.reset(curl_mime_init(easy));
  for (const auto& [name, value] : upload.fields) {
    curl_mimepart* part = curl_mime_addpart(transfer.mime.get());
    curl_mime_name(part, name.c_str());
    curl_mime_data(part, value.data(), value.size());
  }
  curl_mimepart* part = curl_mime_addpart(transfer.mime.get());
  curl_mime_name(part, "file");
  if (upload.file == "-") {
    curl_mime_data_cb(part, -1, &read_standard_input, nullptr, nullptr, nullptr);
  } else if (curl_mime_filedata(part, upload.file.c_str()) != CURLE_OK) {
    return fail(ErrorCode::NotFound,
                fmt::format("the file '{}' cannot be read", upload.file.string()));
  }
  curl_mime_filename(part, upload.file_name.c_str());
  curl_mime_type(part, "application/octet-stream");
  curl_easy_setopt(easy, CURLOPT_MIMEPOST, transfer.mime.get());
  return perform(transfer);
}

Result<HttpResponse> HttpClient::perform(Transfer& transfer) {
  CURL* easy = static_cast<CURL*>(easy_);
  const CURLcode code = curl_easy_perform(easy);
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  // A server that refuses an upload early may close before all of it is sent: its answer counts.
  const bool answered = status >= 400 && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR);
  if (code != CURLE_OK && !answered) {
    return std::unexpected(explain(code, transfer));
  }
  transfer.response.status = static_cast<int>(status);
  const char* type = nullptr;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
  transfer.response.content_type = type == nullptr ? "" : type;
  return std::move(transfer.response);
}

Error HttpClient::explain(int curl_code, const Transfer& transfer) const {
  Error error;
  if (curl_code == CURLE_ABORTED_BY_CALLBACK || transfer.sink_refused) {
    error.code = ErrorCode::Cancelled;
    error.message = "interrupted";
    return error;
  }
  error.code = ErrorCode::Unavailable;
  const std::string reason = transfer.message[0] != '\0'
                                 ? std::string(transfer.message.data())
                                 : curl_easy_strerror(static_cast<CURLcode>(curl_code));
  if (curl_code == CURLE_PARTIAL_FILE || curl_code == CURLE_RECV_ERROR ||
      curl_code == CURLE_SEND_ERROR || curl_code == CURLE_GOT_NOTHING) {
    error.message = fmt::format("the connection to {} broke: {}", server_.url, reason);
    error.hint = "Look at the server's log; what was answered so far is not complete.";
  } else {
    error.message = fmt::format("the server at {} cannot be reached: {}", server_.url, reason);
    error.hint =
        "Start it with `lakehouse serve`, or name another with --server or LAKEHOUSE_SERVER.";
  }
  return error;
}

Problem problem_of(const HttpResponse& response) {
  Problem problem;
  problem.status = response.status;
  Result<json::value> document = parse_json(response.body, "the server's answer");
  const json::object* members =
      document && document->is_object() ? &document->as_object() : nullptr;
  const auto text = [&](std::string_view name) -> std::string {
    const json::value* value = members == nullptr ? nullptr : members->if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
  };
  problem.code = text("code");
  problem.detail = text("detail");
  problem.hint = text("hint");
  if (problem.detail.empty()) {
    problem.detail = fmt::format("the server answered with status {}", response.status);
  }
  if (members != nullptr) {
    const json::value* position = members->if_contains("position");
    if (position != nullptr && position->is_int64() && position->as_int64() >= 0) {
      problem.position_bytes = static_cast<std::size_t>(position->as_int64());
    }
  }
  return problem;
}

}  // namespace lakehouse::cli
