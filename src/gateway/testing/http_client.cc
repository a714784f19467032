#include "gateway/testing/http_client.h"

#include <cerrno>
#include <stdexcept>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/text.h"

namespace lakehouse::gateway::http::testing {

RawClient::RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{.tv_sec = 120, .tv_usec = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("the test's client cannot connect");
  }
}

bool RawClient::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawClient::send(std::string_view bytes) {
  if (!try_send(bytes)) {
    throw std::runtime_error("the server closed while the test was sending");
  }
}

std::string RawClient::receive_some() {
  std::string bytes(65536, '\0');
  const ssize_t count = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
  reset_ = count < 0 && errno == ECONNRESET;
  bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return bytes;
}

bool RawClient::fill() {
  const std::string bytes = receive_some();
  held_ += bytes;
  return !bytes.empty();
}

std::string RawClient::receive_all() {
  while (fill()) {
  }
  return std::move(held_);
}

void RawClient::shut_down_sending() {
  ::shutdown(fd_.get(), SHUT_WR);
}

RawResponse RawClient::receive(bool is_head) {
  RawResponse response;
  std::size_t end = 0;
  while ((end = held_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) {
      return response;
    }
  }
  std::string head = held_.substr(0, end + 2);
  held_.erase(0, end + 4);
  response.status = std::stoi(head.substr(9, 3));
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t line_end = head.find("\r\n", at);
    const std::size_t colon = head.find(": ", at);
    response.headers[to_lower(head.substr(at, colon - at))] =
        head.substr(colon + 2, line_end - colon - 2);
    at = line_end + 2;
  }
  if (is_head || response.status == 204 || response.status == 304 || response.status < 200) {
    response.complete = true;
    return response;
  }
  if (response.headers.contains("transfer-encoding")) {
    while (true) {
      std::size_t line = 0;
      while ((line = held_.find("\r\n")) == std::string::npos) {
        if (!fill()) {
          return response;
        }
      }
      const std::size_t size = std::stoul(held_.substr(0, line), nullptr, 16);
      while (held_.size() < line + 2 + size + 2) {
        if (!fill()) {
          return response;
        }
      }
      response.body += held_.substr(line + 2, size);
      held_.erase(0, line + 2 + size + 2);
      if (size == 0) {
        response.complete = true;
        return response;
      }
    }
  }
  const auto length = response.headers.find("content-length");
  if (length == response.headers.end()) {
    response.body = receive_all();
    response.complete = !reset_;
    return response;
  }
  const std::size_t size = std::stoul(length->second);
  while (held_.size() < size) {
    if (!fill()) {
      response.body = std::move(held_);
      return response;
    }
  }
  response.body = held_.substr(0, size);
  held_.erase(0, size);
  response.complete = true;
  return response;
}

RawResponse ask(std::uint16_t port, std::string_view request, bool is_head) {
  RawClient client(port);
  client.send(request);
  return client.receive(is_head);
}

std::string get(std::string_view path, std::string_view header_lines) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, header_lines);
}

}  // namespace lakehouse::gateway::http::testing
