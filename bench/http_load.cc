// A client that costs as little as can be, so that what is measured is the server:
//   http_load PORT SECONDS REQUEST...
// One thread and one kept-alive connection for each REQUEST, a file that holds a whole HTTP/1.1
// request. Ten '@' in it are replaced by the number of the turn. Prints "STATUS MICROSECONDS" for
// each answer. bench/catalog.py compiles and runs it.

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr std::string_view kTurn = "@@@@@@@@@@";

struct Answer {
  int status;
  long microseconds;
};

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("connect");
  }
  return fd;
}

// The length of the body, or -1 if it comes in chunks.
long length_of(std::string_view head) {
  for (std::size_t at = 0; (at = head.find("\r\n", at)) != std::string_view::npos;) {
    at += 2;
    const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
    if (line.size() > 15 && ::strncasecmp(line.data(), "content-length:", 15) == 0) {
      return std::strtol(line.data() + 15, nullptr, 10);
    }
    if (line.size() > 26 && ::strncasecmp(line.data(), "transfer-encoding: chunked", 26) == 0) {
      return -1;
    }
  }
  return 0;
}

// Reads one whole answer; returns its status.
int receive(int fd, std::string& buffer) {
  std::array<char, 65536> piece;
  buffer.clear();
  std::size_t head = std::string::npos;
  long length = 0;
  while (true) {
    if (head == std::string::npos) {
      head = buffer.find("\r\n\r\n");
      if (head != std::string::npos) {
        length = length_of(std::string_view(buffer).substr(0, head + 2));
      }
    }
    if (head != std::string::npos &&
        (length < 0 ? buffer.ends_with("0\r\n\r\n")
                    : buffer.size() >= head + 4 + static_cast<std::size_t>(length))) {
      return std::atoi(buffer.c_str() + 9);
    }
    const ssize_t got = ::recv(fd, piece.data(), piece.size(), 0);
    if (got <= 0) {
      fail("recv");
    }
    buffer.append(piece.data(), static_cast<std::size_t>(got));
  }
}

std::vector<Answer> run(int port, double seconds, std::string request) {
  using Clock = std::chrono::steady_clock;
  const int fd = connect_to(port);
  const std::size_t at = request.find(kTurn);
  std::vector<Answer> answers;
  std::string buffer;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  for (long turn = 0; Clock::now() < end; ++turn) {
    if (at != std::string::npos) {
      std::snprintf(request.data() + at, kTurn.size(), "%09ld", turn);
      request[at + kTurn.size() - 1] = '0';
    }
    const auto begin = Clock::now();
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      fail("send");
    }
    const int status = receive(fd, buffer);
    answers.push_back(
        {status,
         std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count()});
    if (status >= 400 && status != 409) {
      std::fprintf(stderr, "%s\n", buffer.c_str());
      std::exit(1);
    }
  }
  ::close(fd);
  return answers;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) {
    std::fputs("usage: http_load PORT SECONDS REQUEST...\n", stderr);
    return 2;
  }
  std::vector<std::vector<Answer>> answers(static_cast<std::size_t>(count - 3));
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    std::ifstream file(arguments[i + 3], std::ios::binary);
    std::string request{std::istreambuf_iterator<char>(file), {}};
    clients.emplace_back([&answers, i, arguments, request] {
      answers[i] = run(std::atoi(arguments[1]), std::atof(arguments[2]), request);
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  for (const auto& each : answers) {
    for (const Answer& answer : each) {
      std::printf("%d %ld\n", answer.status, answer.microseconds);
    }
  }
}
