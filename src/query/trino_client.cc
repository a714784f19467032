#include "query/trino_client.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>

#include <boost/json/object.hpp>
#include <curl/curl.h>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

constexpr long kConnectTimeoutMs = 5'000;
/// Trino is asked for pages of 1 MiB; one row may be larger.
constexpr std::size_t kPageBytesMax = std::size_t{64} << 20U;
constexpr std::string_view kPageBytesWanted = "targetResultSize=1MB";
constexpr auto kRetryFor = std::chrono::seconds(10);
constexpr auto kRetryWait = std::chrono::milliseconds(100);
constexpr auto kCancelTimeout = std::chrono::seconds(2);
constexpr int kWaitMs = 1'000;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

struct HttpAnswer {
  long status = 0;
  std::string body;
};

/// A header's value may hold no line end, whoever chose the principal's name.
std::string header_text(std::string_view text) {
  std::string out(text.substr(0, 256));
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

std::unexpected<Error> refusal(ErrorCode code, const std::string& message, std::string hint = {}) {
  return fail(code, "the cluster: " + message, std::move(hint));
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

/// The path and query of an address that the coordinator gave. Its host is not believed: answers
/// are asked of the configured one, whatever stands before it.
std::optional<std::string> path_of(std::string_view url) {
  const std::size_t host = url.find("://");
  const std::size_t path = host == std::string_view::npos ? 0 : url.find('/', host + 3);
  if (path == std::string_view::npos || !url.substr(path).starts_with("/v1/")) {
    return std::nullopt;
  }
  const std::string_view rest = url.substr(path);
  const bool plain = std::ranges::all_of(rest, [](char c) { return c > ' ' && c <= '~'; });
  return plain ? std::optional(std::string(rest)) : std::nullopt;
}

std::unexpected<Error> trino_error(const json::object& error) {
  const std::string message = text_of(error, "message");
  const std::string name = text_of(error, "errorName");
  const std::string type = text_of(error, "errorType");
  if (name == "NOT_SUPPORTED") {
    return refusal(ErrorCode::Unimplemented, message);
  }
  if (name == "PERMISSION_DENIED") {
    return refusal(ErrorCode::PermissionDenied, message);
  }
  if (name == "USER_CANCELED" || name == "ADMINISTRATIVELY_KILLED") {
    return refusal(ErrorCode::Cancelled, message);
  }
  if (name.starts_with("EXCEEDED_TIME_LIMIT")) {
    return refusal(ErrorCode::DeadlineExceeded, message);
  }
  if (type == "INSUFFICIENT_RESOURCES") {
    return refusal(ErrorCode::ResourceExhausted, message,
                   "Ask for less, or give the cluster more memory.");
  }
  return refusal(type == "USER_ERROR" ? ErrorCode::InvalidArgument : ErrorCode::Unavailable,
                 fmt::format("{} ({})", message, name));
}

Status status_error(long status, const std::string& body) {
  if (status == 200) {
    return {};
  }
  if (status == 401 || status == 403) {
    return refusal(ErrorCode::FailedPrecondition,
                   fmt::format("Trino does not let this server in: status {}", status),
                   "Look at cluster.user and cluster.password.");
  }
  if (status == 404 || status == 410) {
    return refusal(ErrorCode::Unavailable, "Trino does not know the statement any more",
                   "It may have been started again: send the statement once more.");
  }
  if (status == 429 || status >= 500) {
    return refusal(ErrorCode::Unavailable, fmt::format("Trino answered with status {}", status),
                   "Try again.");
  }
  return refusal(ErrorCode::Unavailable,
                 fmt::format("Trino answered with status {}: {}", status, header_text(body)));
}

Result<TrinoPage> page_of(const std::string& body) {
  auto document = parse_json(body, "the answer");
  json::object* answer = document ? document->if_object() : nullptr;
  if (answer == nullptr) {
    return refusal(ErrorCode::Unavailable, "what answers there is no Trino");
  }
  if (const json::value* error = answer->if_contains("error"); error && error->is_object()) {
    return trino_error(error->get_object());
  }
  TrinoPage page;
  if (const std::string next = text_of(*answer, "nextUri"); !next.empty()) {
    auto path = path_of(next);
    if (!path) {
      return refusal(ErrorCode::Unavailable, "the address of the next page is none of Trino's");
    }
    page.next = *std::move(path);
  }
  if (const json::value* columns = answer->if_contains("columns"); columns && columns->is_array()) {
    for (const json::value& one : columns->get_array()) {
      if (!one.is_object()) {
        return refusal(ErrorCode::Unavailable, "a column that is not understood");
      }
      page.columns.push_back(
          {text_of(one.get_object(), "name"), text_of(one.get_object(), "type")});
    }
  }
  if (json::value* rows = answer->if_contains("data"); rows && rows->is_array()) {
    page.rows = std::move(rows->get_array());
  }
  if (const json::value* stats = answer->if_contains("stats"); stats && stats->is_object()) {
    const json::value* percent = stats->get_object().if_contains("progressPercentage");
    page.progress = percent && percent->is_number() ? percent->to_number<double>() / 100 : -1;
  }
  return page;
}

}  // namespace

// --- HTTP.

/// One connection to the coordinator. A request ends as soon as its context is stopped.
class TrinoStatement::Http {
 public:
  explicit Http(const TrinoAccess& access)
      : access_(access), easy_(curl_easy_init()), multi_(curl_multi_init()) {}

  [[nodiscard]] bool is_open() const { return easy_ != nullptr && multi_ != nullptr; }

  Result<HttpAnswer> send(const RequestContext& context, const char* method,
                          const std::string& path, const std::string& body) {
    LH_RETURN_IF_ERROR(context.check());
    const std::string url = access_.url + path;
    const auto headers = headers_of(context, !body.empty());
    answer_ = HttpAnswer{};
    too_large_ = false;
    CURL* easy = easy_.get();
    curl_easy_reset(easy);  // Keeps the connection.
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Http::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    if (!body.empty()) {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
    }
    if (!access_.password.empty()) {
      curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
      curl_easy_setopt(easy, CURLOPT_USERNAME, access_.user.c_str());
      curl_easy_setopt(easy, CURLOPT_PASSWORD, access_.password.c_str());
    }
    curl_multi_add_handle(multi_.get(), easy);
    auto done = perform(context);
    curl_multi_remove_handle(multi_.get(), easy);
    LH_RETURN_IF_ERROR(done);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer_.status);
    return std::move(answer_);
  }

 private:
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
    Http& http = *static_cast<Http*>(self);
    if (http.answer_.body.size() + size * count > kPageBytesMax) {
      http.too_large_ = true;
      return 0;
    }
    http.answer_.body.append(bytes, size * count);
    return size * count;
  }

  [[nodiscard]] std::unique_ptr<curl_slist, FreeList> headers_of(const RequestContext& context,
                                                                 bool is_start) const {
    std::vector<std::string> lines = {
        "Expect:", fmt::format("X-Trino-User: {}", header_text(access_.user)),
        "Content-Type: text/plain; charset=utf-8"};
    if (is_start) {
      lines.emplace_back("X-Trino-Source: lakehouse");
      lines.emplace_back("X-Trino-Time-Zone: UTC");
      lines.emplace_back("X-Trino-Client-Capabilities: PARAMETRIC_DATETIME");
      lines.push_back(fmt::format("X-Trino-Client-Info: {}", header_text(context.principal)));
      lines.push_back(fmt::format("X-Trino-Trace-Token: {}", header_text(context.request_id)));
      if (const auto left = context.time_left()) {
        // So that it ends there, too, should this server die.
        lines.push_back(fmt::format("X-Trino-Session: query_max_run_time={}ms",
                                    std::max<std::int64_t>(left->count(), 1)));
      }
    }
    std::unique_ptr<curl_slist, FreeList> list;
    for (const std::string& line : lines) {
      if (curl_slist* longer = curl_slist_append(list.get(), line.c_str())) {
        std::ignore = list.release();
        list.reset(longer);
      }
    }
    return list;
  }

  Status perform(const RequestContext& context) {
    const std::stop_callback wake(context.stop,
                                  [multi = multi_.get()] { curl_multi_wakeup(multi); });
    int running = 1;
    while (running > 0) {
      LH_RETURN_IF_ERROR(context.check());
      curl_multi_perform(multi_.get(), &running);
      if (running > 0) {
        const auto left = context.time_left().value_or(std::chrono::milliseconds(kWaitMs));
        const auto wait = std::min<std::int64_t>(left.count() + 1, kWaitMs);
        curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait), nullptr);
      }
    }
    int messages = 0;
    const CURLMsg* message = curl_multi_info_read(multi_.get(), &messages);
    const CURLcode code = message == nullptr ? CURLE_RECV_ERROR : message->data.result;
    if (too_large_) {
      return refusal(ErrorCode::ResourceExhausted, "a row is larger than 64 MiB");
    }
    if (code != CURLE_OK) {
      return refusal(ErrorCode::Unavailable,
                     fmt::format("{} cannot be reached: {}", access_.url, curl_easy_strerror(code)),
                     "Look at cluster.trino_url, and if Trino is up.");
    }
    return {};
  }

  TrinoAccess access_;
  std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<CURLM, FreeMulti> multi_;
  HttpAnswer answer_;
  bool too_large_ = false;
};

// --- The protocol.

TrinoStatement::TrinoStatement(const TrinoAccess& access, std::unique_ptr<Http> http)
    : access_(access), http_(std::move(http)) {}

TrinoStatement::~TrinoStatement() {
  if (!next_.empty()) {
    RequestContext context;
    context.deadline = std::chrono::steady_clock::now() + kCancelTimeout;
    std::ignore = http_->send(context, "DELETE", next_, "");
  }
}

Result<std::unique_ptr<TrinoStatement>> TrinoStatement::start(const RequestContext& context,
                                                              const TrinoAccess& access,
                                                              const std::string& sql) {
  auto http = std::make_unique<Http>(access);
  if (!http->is_open()) {
    return fail(ErrorCode::ResourceExhausted, "libcurl could not be started");
  }
  std::unique_ptr<TrinoStatement> made(new TrinoStatement(access, std::move(http)));
  LH_ASSIGN_OR_RETURN(made->first_, made->exchange(context, "POST", "/v1/statement", sql));
  return made;
}

Result<TrinoPage> TrinoStatement::next(const RequestContext& context) {
  if (first_) {
    return *std::exchange(first_, std::nullopt);
  }
  const std::string path =
      fmt::format("{}{}{}", next_, next_.contains('?') ? '&' : '?', kPageBytesWanted);
  return exchange(context, "GET", path, "");
}

Result<TrinoPage> TrinoStatement::exchange(const RequestContext& context, const char* method,
                                           const std::string& path, const std::string& body) {
  // A page may be asked for again until the next one is. Of a start nobody knows what came of it,
  // unless it was answered.
  const auto give_up = std::chrono::steady_clock::now() + kRetryFor;
  while (true) {
    auto answer = http_->send(context, method, path, body);
    const bool busy =
        answer && (answer->status == 429 || (answer->status >= 502 && answer->status <= 504));
    const bool lost = !answer && answer.error().code == ErrorCode::Unavailable && body.empty();
    if ((busy || lost) && std::chrono::steady_clock::now() < give_up) {
      LH_RETURN_IF_ERROR(context.check());
      std::this_thread::sleep_for(kRetryWait);
      continue;
    }
    LH_RETURN_IF_ERROR(answer);
    LH_RETURN_IF_ERROR(status_error(answer->status, answer->body));
    auto page = page_of(answer->body);
    // After an error there is nothing left to cancel.
    next_ = page ? page->next : std::string();
    return page;
  }
}

Status check_access(const TrinoAccess& access) {
  const bool is_https = access.url.starts_with("https://");
  const std::string_view rest =
      std::string_view(access.url)
          .substr(std::min<std::size_t>(is_https ? 8 : 7, access.url.size()));
  if ((!is_https && !access.url.starts_with("http://")) || rest.empty() ||
      rest.find_first_of("/?#@ ") != std::string_view::npos) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("cluster.trino_url '{}' is not a coordinator's address", access.url),
                "Write it as http://HOST:PORT.");
  }
  if (access.user.empty()) {
    return fail(ErrorCode::InvalidArgument, "cluster.user is empty");
  }
  if (!access.password.empty() && !is_https) {
    return fail(ErrorCode::InvalidArgument,
                "cluster.password is set, and cluster.trino_url is no https:// one",
                "Trino takes passwords over TLS only.");
  }
  return {};
}

}  // namespace lakehouse::query
