#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "base/unique_fd.h"

namespace lakehouse::ai::testing {

struct StubRequest {
  std::string line;     ///< "POST /api/embed HTTP/1.1"
  std::string headers;  ///< Lower case.
  std::string body;
};

struct StubAnswer {
  int status = 200;
  std::string body = {};
  std::string headers = {};  ///< Lines of their own, each with its line end.
  bool breaks_off = false;   ///< The connection is cut after the body, before its end.
  std::chrono::milliseconds delay{0};
};

/// A small HTTP server on a free port of this machine: what a provider is, as far as tests need
/// one. Answers as it is told, and remembers what it was asked. Thread-safe.
class StubProvider {
 public:
  using Answer = std::function<StubAnswer(const StubRequest& request)>;

  explicit StubProvider(Answer answer) : answer_(std::move(answer)) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), 16) != 0 ||
        ::getsockname(listener_.get(), generic, &size) != 0) {
      throw std::runtime_error("the stub cannot listen");
    }
    port_ = ::ntohs(address.sin_port);
    thread_ = std::thread([this] { accept_all(); });
  }
  ~StubProvider() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) {
        ::shutdown(fd, SHUT_RDWR);
      }
    }
    for (std::thread& session : sessions_) {
      session.join();
    }
  }
  StubProvider(const StubProvider&) = delete;
  StubProvider& operator=(const StubProvider&) = delete;

  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  [[nodiscard]] std::vector<StubRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] StubRequest last() const {
    const std::lock_guard lock(mutex_);
    return requests_.empty() ? StubRequest() : requests_.back();
  }

 private:
  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      {
        const std::lock_guard lock(mutex_);
        open_.push_back(fd);
      }
      sessions_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int fd) {
    std::string bytes;
    while (auto request = read(fd, bytes)) {
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(*request);
      }
      const StubAnswer answer = answer_(*request);
      std::this_thread::sleep_for(answer.delay);
      const std::size_t promised = answer.body.size() + (answer.breaks_off ? 100 : 0);
      const std::string text = fmt::format(
          "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}"
          "\r\n{}",
          answer.status, promised, answer.headers, answer.body);
      if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0 || answer.breaks_off) {
        break;
      }
    }
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
  }

  static std::optional<StubRequest> read(int fd, std::string& bytes) {
    std::size_t end = std::string::npos;
    std::size_t length = 0;
    StubRequest request;
    while (true) {
      if (end == std::string::npos && (end = bytes.find("\r\n\r\n")) != std::string::npos) {
        const std::size_t line = bytes.find("\r\n");
        request.line = bytes.substr(0, line);
        request.headers = to_lower(bytes.substr(line + 2, end - line));
        const std::size_t at = request.headers.find("content-length: ");
        length = at == std::string::npos ? 0 : std::stoul(request.headers.substr(at + 16));
      }
      if (end != std::string::npos && bytes.size() >= end + 4 + length) {
        request.body = bytes.substr(end + 4, length);
        bytes.erase(0, end + 4 + length);
        return request;
      }
      char buffer[16384];
      const ssize_t count = ::recv(fd, buffer, sizeof(buffer), 0);
      if (count <= 0) {
        return std::nullopt;
      }
      bytes.append(buffer, static_cast<std::size_t>(count));
    }
  }

  Answer answer_;
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<StubRequest> requests_;
  std::vector<int> open_;
  std::vector<std::thread> sessions_;  // The accepting thread's, then the destructor's.
  std::thread thread_;
};

}  // namespace lakehouse::ai::testing
