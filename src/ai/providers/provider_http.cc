#include "ai/providers/provider_http.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <optional>
#include <utility>

#include <boost/json/serialize.hpp>
#include <curl/curl.h>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr long kConnectTimeoutMs = 3'000;
constexpr std::size_t kBodyBytesMax = std::size_t{64} << 20U;
constexpr std::size_t kLineBytesMax = std::size_t{8} << 20U;
constexpr std::size_t kMessageBytesMax = 300;
constexpr milliseconds kRetryWaitMax{5'000};
constexpr int kPollMs = 1'000;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

/// What a failed answer says of itself: {"error": "..."} or {"error": {"message": "..."}}.
std::string message_of(const std::string& body) {
  const auto document = parse_json(body, "the answer");
  const json::object* object = document ? document->if_object() : nullptr;
  const json::value* error = object == nullptr ? nullptr : object->if_contains("error");
  if (error == nullptr && object != nullptr) {
    error = object->if_contains("message");
  }
  if (error != nullptr && error->is_object()) {
    error = error->get_object().if_contains("message");
  }
  std::string text =
      error != nullptr && error->is_string() ? std::string(error->get_string()) : body;
  text.resize(std::min(text.size(), kMessageBytesMax));
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; }, ' ');
  return text;
}

bool is_busy(long status) {
  return status == 429 || (status >= 502 && status <= 504);
}

/// Sleeps, unless the caller gives up.
Status wait(const RequestContext& context, milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  const auto until = std::min(context.deadline, steady_clock::now() + time);
  never.wait_until(lock, context.stop, until, [] { return false; });
  return context.check();
}

std::string_view host_of(std::string_view url) {
  const std::size_t begin = url.find("://");
  std::string_view rest = begin == std::string_view::npos ? url : url.substr(begin + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  rest =
      rest.starts_with('[') ? rest.substr(0, rest.find(']') + 1) : rest.substr(0, rest.find(':'));
  return rest;
}

}  // namespace

Status check_address(const ProviderAddress& address) {
  const auto wrong = [&](std::string_view why, std::string hint) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("provider '{}': '{}' {}", address.name, address.url, why),
                std::move(hint));
  };
  const bool is_https = address.url.starts_with("https://");
  const std::string_view host = host_of(address.url);
  if ((!is_https && !address.url.starts_with("http://")) || host.empty() ||
      address.url.find_first_of("@?# \r\n") != std::string::npos) {
    return wrong("is no provider's address", "Write it as http://HOST:PORT or https://HOST/v1.");
  }
  const bool is_here =
      host == "localhost" || host == "[::1]" ||
      (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
  if (!address.key.empty() && !is_https && !is_here) {
    return wrong("would be sent the key in the clear", "Use https://.");
  }
  if (address.key.find_first_of("\r\n") != std::string::npos) {
    return wrong("has a key that fits into no header", "Look at the file of secrets.");
  }
  return {};
}

/// One request, and what came of it.
struct ProviderHttp::Call {
  const char* method = "POST";
  std::string url;
  std::string body;
  milliseconds timeout{};
  OnLine on_line;  ///< Empty: the body is kept.

  std::string answer;          ///< The body, or the last line's beginning.
  bool begun = false;          ///< A line was given away: no second try.
  bool done = false;           ///< on_line said so.
  std::optional<Error> error;  ///< on_line's, or a limit's.
  long status = 0;
  milliseconds retry_after{};

  void take(std::string_view bytes) {
    if (done) {
      return;  // Read to its end all the same: the connection is good for another call then.
    }
    answer.append(bytes);
    if (!on_line || status != 200) {
      if (answer.size() > kBodyBytesMax) {
        error = fail(ErrorCode::Unavailable, "the answer is too long").error();
      }
      return;
    }
    std::size_t begin = 0;
    for (std::size_t end = answer.find('\n'); end != std::string::npos && !done && !error;
         begin = end + 1, end = answer.find('\n', begin)) {
      give(std::string_view(answer).substr(begin, end - begin));
    }
    answer.erase(0, begin);
    if (answer.size() > kLineBytesMax) {
      error = fail(ErrorCode::Unavailable, "a line of the answer is too long").error();
    }
  }

  void give(std::string_view line) {
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      return;
    }
    begun = true;
    auto last = on_line(line);
    if (!last) {
      error = std::move(last).error();
    } else {
      done = *last;
    }
  }
};

/// A libcurl connection: an easy handle and the multi handle it is driven by.
class ProviderHttp::Connection {
 public:
  [[nodiscard]] bool is_open() const { return easy_ != nullptr && multi_ != nullptr; }

  /// The transport's outcome; the status is in `call`.
  Result<CURLcode> run(const RequestContext& context, const ProviderAddress& address, Call& call) {
    call_ = &call;
    const std::unique_ptr<curl_slist, FreeList> headers = headers_of(context, address);
    prepare(call, headers.get());
    curl_multi_add_handle(multi_.get(), easy_.get());
    auto code = drive(context);
    curl_multi_remove_handle(multi_.get(), easy_.get());
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &call.status);
    curl_off_t seconds = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &seconds);
    call.retry_after = std::chrono::seconds(std::clamp<curl_off_t>(seconds, 0, 3600));
    return code;
  }

 private:
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
    const Connection& connection = *static_cast<Connection*>(self);
    Call& call = *connection.call_;
    curl_easy_getinfo(connection.easy_.get(), CURLINFO_RESPONSE_CODE, &call.status);
    call.take(std::string_view(bytes, size * count));
    return call.error ? 0 : size * count;  // 0 ends the transfer.
  }

  void prepare(const Call& call, curl_slist* headers) {
    CURL* easy = easy_.get();
    curl_easy_reset(easy);  // Keeps the connection.
    curl_easy_setopt(easy, CURLOPT_URL, call.url.c_str());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call.method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(call.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Connection::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    if (!call.body.empty()) {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(call.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call.body.data());
    }
  }

  static std::unique_ptr<curl_slist, FreeList> headers_of(const RequestContext& context,
                                                          const ProviderAddress& address) {
    std::vector<std::string> lines = {"Expect:", "Content-Type: application/json"};
    if (!address.key.empty()) {
      lines.push_back("Authorization: Bearer " + address.key);
    }
    if (!context.traceparent.empty() &&
        context.traceparent.find_first_of("\r\n") == std::string::npos) {
      lines.push_back("traceparent: " + context.traceparent);
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

  Result<CURLcode> drive(const RequestContext& context) {
    const std::stop_callback wake(context.stop,
                                  [multi = multi_.get()] { curl_multi_wakeup(multi); });
    int running = 1;
    while (running > 0) {
      LH_RETURN_IF_ERROR(context.check());
      curl_multi_perform(multi_.get(), &running);
      if (running > 0) {
        const auto left = context.time_left().value_or(milliseconds(kPollMs));
        const auto time = std::min<std::int64_t>(left.count() + 1, kPollMs);
        curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(time), nullptr);
      }
    }
    int messages = 0;
    const CURLMsg* message = curl_multi_info_read(multi_.get(), &messages);
    return message == nullptr ? CURLE_RECV_ERROR : message->data.result;
  }

  std::unique_ptr<CURL, FreeEasy> easy_{curl_easy_init()};
  std::unique_ptr<CURLM, FreeMulti> multi_{curl_multi_init()};
  Call* call_ = nullptr;
};

ProviderHttp::ProviderHttp(ProviderAddress address)
    : address_(std::move(address)), places_(address_.calls_max, address_.waiting_max) {}

ProviderHttp::~ProviderHttp() = default;

std::unexpected<Error> ProviderHttp::nonsense(std::string_view what) const {
  return fail(
      ErrorCode::Unavailable,
      fmt::format("provider '{}' gives an answer that is not understood: {}", address_.name, what),
      "Look at its 'type' and 'url'.");
}

std::unique_ptr<ProviderHttp::Connection> ProviderHttp::take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) {
    return std::make_unique<Connection>();
  }
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void ProviderHttp::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));  // At most calls_max of them.
}

Result<json::object> ProviderHttp::get(const RequestContext& context, std::string_view path) {
  Call call;
  call.method = "GET";
  call.url = address_.url + std::string(path);
  LH_RETURN_IF_ERROR(perform(context, call));
  auto document = parse_json(call.answer, "the answer");
  if (!document || !document->is_object()) {
    return nonsense("it is no JSON object");
  }
  return std::move(document->get_object());
}

Result<json::object> ProviderHttp::post(const RequestContext& context, std::string_view path,
                                        const json::object& body, milliseconds timeout) {
  Call call;
  call.url = address_.url + std::string(path);
  call.body = json::serialize(body);
  call.timeout = timeout;
  LH_RETURN_IF_ERROR(perform(context, call));
  auto document = parse_json(call.answer, "the answer");
  if (!document || !document->is_object()) {
    return nonsense("it is no JSON object");
  }
  return std::move(document->get_object());
}

Status ProviderHttp::post_lines(const RequestContext& context, std::string_view path,
                                const json::object& body, const OnLine& on_line,
                                milliseconds timeout) {
  Call call;
  call.url = address_.url + std::string(path);
  call.body = json::serialize(body);
  call.timeout = timeout;
  call.on_line = on_line;
  return perform(context, call);
}

Status ProviderHttp::perform(const RequestContext& context, Call& call) {
  if (call.timeout.count() == 0) {
    call.timeout = address_.timeout;
  }
  const std::string who = fmt::format("provider '{}'", address_.name);
  LH_ASSIGN_OR_RETURN(const Places::Place place, places_.enter(context, who));
  milliseconds pause = address_.retry_wait;
  for (unsigned tried = 0;; ++tried) {
    const Status done = attempt(context, call);
    const bool again = !done && !call.begun && tried < address_.retries &&
                       (done.error().code == ErrorCode::Unavailable ||
                        done.error().code == ErrorCode::ResourceExhausted) &&
                       (call.status == 0 || call.status == 200 || is_busy(call.status));
    if (!again) {
      return done;
    }
    LH_RETURN_IF_ERROR(wait(context, std::min(std::max(pause, call.retry_after), kRetryWaitMax)));
    pause *= 2;
  }
}

Status ProviderHttp::attempt(const RequestContext& context, Call& call) {
  LH_RETURN_IF_ERROR(context.check());
  auto connection = take();
  if (!connection->is_open()) {
    return fail(ErrorCode::ResourceExhausted, "libcurl could not be started");
  }
  call.answer.clear();
  call.error.reset();
  call.done = false;
  call.status = 0;
  const auto code = connection->run(context, address_, call);
  LH_RETURN_IF_ERROR(code);  // The caller gave up; so goes the connection.
  if (*code == CURLE_OK) {
    give_back(std::move(connection));
  }
  if (call.error) {
    if (call.status == 200 && call.begun) {
      return std::unexpected(*call.error);
    }
    return nonsense(call.error->message);
  }
  const std::string who = fmt::format("provider '{}'", address_.name);
  if (*code == CURLE_OPERATION_TIMEDOUT && call.status == 0) {
    return fail(ErrorCode::Unavailable,
                fmt::format("{} did not answer within {} ms", who, call.timeout.count()),
                "Look at its 'timeout', and if it is up.");
  }
  if (*code != CURLE_OK && !call.done) {
    return fail(
        ErrorCode::Unavailable,
        fmt::format("{} at {} cannot be reached: {}", who, address_.url, curl_easy_strerror(*code)),
        "Look at its 'url', and if it is up.");
  }
  if (call.status == 200 || call.status == 201) {
    if (call.on_line && !call.done) {
      call.give(call.answer);  // Perhaps a last line without an end.
      if (call.error) {
        return std::unexpected(*call.error);
      }
      if (!call.done) {
        return fail(ErrorCode::Unavailable, who + " broke off in the middle of an answer",
                    "Try again.");
      }
    }
    return {};
  }
  const std::string said = message_of(call.answer);
  if (call.status == 401 || call.status == 403) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("{} does not let this server in: {}", who, said),
                "Look at its 'key' and the secret that it names.");
  }
  if (call.status == 429) {
    return fail(ErrorCode::ResourceExhausted, fmt::format("{} is busy: {}", who, said),
                "Try again later.");
  }
  const ErrorCode error_code = call.status == 404 ? ErrorCode::NotFound
                               : call.status >= 400 && call.status < 500
                                   ? ErrorCode::InvalidArgument
                                   : ErrorCode::Unavailable;
  return fail(error_code, fmt::format("{} answers {}: {}", who, call.status, said));
}

}  // namespace lakehouse::ai
