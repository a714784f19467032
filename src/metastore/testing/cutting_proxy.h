#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/id.h"
#include "metastore/testing/postgres_server.h"

namespace lakehouse::metastore::testing {

/// Stands between a store and the tests' PostgreSQL server, and cuts the next connection that sends
/// COMMIT: before the server gets it, or after the server has answered.
class CuttingProxy {
 public:
  enum class Cut { None, BeforeCommit, AfterCommit };

  CuttingProxy() {
    std::filesystem::create_directories(folder_);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_in(folder_);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as sockets are called.
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    ::listen(listener_, 16);
    accepting_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
  }
  ~CuttingProxy() {
    accepting_ = {};
    connections_.clear();
    ::close(listener_);
    std::filesystem::remove_all(folder_);
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  /// The server's URL, by way of the proxy.
  [[nodiscard]] std::string through(std::string url) const {
    const std::string direct = PostgresServer::instance().socket_folder();
    return url.replace(url.find(direct), direct.size(), folder_);
  }

  /// With `for_good`, connections are refused from the cut on, until `restore`.
  void cut(Cut where, bool for_good = false) {
    for_good_ = for_good;
    cut_ = where;
  }
  void restore() { down_ = false; }

 private:
  static sockaddr_un address_in(const std::string& folder) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder + "/.s.PGSQL.5432";
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
  }

  void accept_all(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, 10) <= 0) {
        continue;
      }
      const int client = ::accept(listener_, nullptr, nullptr);
      if (down_) {
        ::close(client);
        continue;
      }
      connections_.emplace_back(
          [this, client](const std::stop_token& stopped) { relay(client, stopped); });
    }
  }

  void relay(int client, const std::stop_token& stop) {
    const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_in(PostgresServer::instance().socket_folder());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as sockets are called.
    ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    while (!stop.stop_requested() && pass(client, server)) {
    }
    ::close(client);
    ::close(server);
  }

  // Whatever has come from either side. False once one has closed, or it is time to cut.
  bool pass(int client, int server) {
    std::array<pollfd, 2> waiting{pollfd{.fd = client, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = server, .events = POLLIN, .revents = 0}};
    if (::poll(waiting.data(), waiting.size(), 10) <= 0) {
      return true;
    }
    std::array<char, 65536> buffer{};
    if (waiting[0].revents != 0) {
      const ssize_t count = ::read(client, buffer.data(), buffer.size());
      if (count <= 0) {
        return false;
      }
      const std::string_view sent(buffer.data(), static_cast<std::size_t>(count));
      const Cut cut = sent.contains("COMMIT") ? cut_.exchange(Cut::None) : Cut::None;
      if (cut != Cut::None) {
        down_ = for_good_.load();
      }
      if (cut == Cut::BeforeCommit) {
        return false;
      }
      static_cast<void>(::send(server, sent.data(), sent.size(), MSG_NOSIGNAL));
      if (cut == Cut::AfterCommit) {
        static_cast<void>(::read(server, buffer.data(), buffer.size()));
        return false;
      }
    }
    if (waiting[1].revents != 0) {
      const ssize_t count = ::read(server, buffer.data(), buffer.size());
      return count > 0 &&
             ::send(client, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) == count;
    }
    return true;
  }

  const std::string folder_ = "/tmp/lakehouse-proxy-" + new_token(6);
  int listener_ = -1;
  std::atomic<Cut> cut_ = Cut::None;
  std::atomic<bool> for_good_ = false;
  std::atomic<bool> down_ = false;
  std::list<std::jthread> connections_;
  std::jthread accepting_;
};

}  // namespace lakehouse::metastore::testing
