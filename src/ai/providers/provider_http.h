#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "ai/providers/places.h"
#include "base/error.h"
#include "base/request_context.h"

/// \file
/// Calls of a provider's HTTP API: JSON out, JSON or lines back.

namespace lakehouse::ai {

/// Where a provider is, and how patient to be with it.
struct ProviderAddress {
  std::string name;  ///< As configured, for messages.
  std::string url;   ///< Without a slash at its end.
  std::string key;   ///< Sent as a bearer token; empty: none.
  std::chrono::milliseconds timeout{60'000};
  unsigned retries = 2;
  unsigned calls_max = 4;
  unsigned waiting_max = 64;
  /// Before the first retry; doubles with each one.
  std::chrono::milliseconds retry_wait{250};
};

/// InvalidArgument, saying why, for a URL that is none, and for a key that would travel in the
/// clear to another machine.
Status check_address(const ProviderAddress& address);

/// One provider's API. Thread-safe; keeps connections.
///
/// A call is tried again where that cannot change its answer: the provider could not be reached,
/// was busy (429, 502, 503, 504), or broke off before the first line. Errors: Unavailable if it is
/// still so after the last try or the answer is not understood, ResourceExhausted if it is still
/// busy or too many wait here, NotFound for 404, FailedPrecondition for 401 and 403,
/// InvalidArgument for other 4xx, with what the provider says.
class ProviderHttp {
 public:
  explicit ProviderHttp(ProviderAddress address);
  ~ProviderHttp();
  ProviderHttp(const ProviderHttp&) = delete;
  ProviderHttp& operator=(const ProviderHttp&) = delete;

  /// `timeout` of 0: the provider's.
  Result<boost::json::object> get(const RequestContext& context, std::string_view path);
  Result<boost::json::object> post(const RequestContext& context, std::string_view path,
                                   const boost::json::object& body,
                                   std::chrono::milliseconds timeout = {});
  /// Gives the answer line by line, in the caller's thread, without line ends. True: that was the
  /// last one that matters. An answer that ends before it is Unavailable.
  using OnLine = std::function<Result<bool>(std::string_view line)>;
  Status post_lines(const RequestContext& context, std::string_view path,
                    const boost::json::object& body, const OnLine& on_line,
                    std::chrono::milliseconds timeout = {});

  [[nodiscard]] const ProviderAddress& address() const { return address_; }
  /// An answer that makes no sense: Unavailable, with the provider's name.
  [[nodiscard]] std::unexpected<Error> nonsense(std::string_view what) const;

 private:
  class Connection;
  struct Call;
  Status perform(const RequestContext& context, Call& call);
  Status attempt(const RequestContext& context, Call& call);
  std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> connection);

  ProviderAddress address_;
  Places places_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  ///< Guarded by mutex_.
};

}  // namespace lakehouse::ai
