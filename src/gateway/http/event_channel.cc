#include "gateway/http/event_channel.h"

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace lakehouse::gateway::http {

EventChannel::EventChannel(const net::any_io_executor& executor)
    : executor_(executor), timer_(std::make_shared<net::steady_timer>(executor)) {}

void EventChannel::wake() {
  net::post(executor_, [timer = timer_] { timer->cancel(); });
}

Status EventChannel::send(std::string_view event, const boost::json::value& data) {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
      return fail(ErrorCode::Cancelled, "the caller has gone");
    }
    if (waiting_.size() > kBytesMax) {
      return fail(ErrorCode::Cancelled, "the caller does not keep up");
    }
    waiting_ += fmt::format("event: {}\ndata: {}\n\n", event, boost::json::serialize(data));
    has_sent_ = true;
  }
  wake();
  return {};
}

void EventChannel::finish(Status outcome) {
  {
    const std::lock_guard lock(mutex_);
    outcome_ = std::move(outcome);
  }
  wake();
}

net::awaitable<void> EventChannel::wait() {
  timer_->expires_after(kSilenceMax);
  {
    // What came before the timer was set has not woken it.
    const std::lock_guard lock(mutex_);
    if (!waiting_.empty() || outcome_) {
      co_return;
    }
  }
  constexpr auto kToken = net::as_tuple(net::use_awaitable);
  std::ignore = co_await timer_->async_wait(kToken);
}

std::optional<Status> EventChannel::failed_at_once() {
  const std::lock_guard lock(mutex_);
  return has_sent_ || !outcome_ || *outcome_ ? std::nullopt : outcome_;
}

Result<std::optional<std::string>> EventChannel::take() {
  const std::lock_guard lock(mutex_);
  if (!waiting_.empty()) {
    return std::exchange(waiting_, {});
  }
  if (!outcome_) {
    return std::string(": still there\n\n");
  }
  if (*outcome_) {
    return std::optional<std::string>();
  }
  if (!told_error_) {
    told_error_ = true;
    const Error& error = outcome_->error();
    const boost::json::object shown{{"code", to_string(error.code)},
                                    {"detail", error.message},
                                    {"hint", error.hint},
                                    {"status", http_status_of(error)}};
    return fmt::format("event: error\ndata: {}\n\n", boost::json::serialize(shown));
  }
  return std::unexpected(outcome_->error());  // A stream that fails never ends cleanly.
}

void EventChannel::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
}

namespace {

class EventChannelBody final : public BodySource {
 public:
  explicit EventChannelBody(std::shared_ptr<EventChannel> channel) : channel_(std::move(channel)) {}
  ~EventChannelBody() override { channel_->close(); }
  EventChannelBody(const EventChannelBody&) = delete;
  EventChannelBody& operator=(const EventChannelBody&) = delete;

  net::awaitable<Result<std::optional<std::string>>> next() override {
    co_await channel_->wait();
    co_return channel_->take();
  }

 private:
  std::shared_ptr<EventChannel> channel_;
};

}  // namespace

std::unique_ptr<BodySource> event_body(std::shared_ptr<EventChannel> channel) {
  return std::make_unique<EventChannelBody>(std::move(channel));
}

}  // namespace lakehouse::gateway::http
