#include "base/id.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <stdexcept>

#include <sys/random.h>

#include "base/hash.h"

namespace lakehouse {
namespace {

void fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno != EINTR) {
      throw std::runtime_error("the system gives no random numbers");
    }
    bytes = bytes.subspan(got < 0 ? 0 : static_cast<std::size_t>(got));
  }
}

// The milliseconds since 1970 and, in the lowest 12 bits, a count within them: never the same twice
// (RFC 9562, 6.2, method 1).
std::uint64_t next_tick() {
  static std::atomic<std::uint64_t> last = 0;
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const std::uint64_t earliest = static_cast<std::uint64_t>(now.count()) << 12U;
  std::uint64_t seen = last;
  std::uint64_t tick = 0;
  do {
    tick = std::max(earliest, seen + 1);
  } while (!last.compare_exchange_weak(seen, tick));
  return tick;
}

}  // namespace

std::string new_uuid() {
  std::array<std::byte, 16> id{};
  fill_random(id);
  const std::uint64_t tick = next_tick();
  for (std::size_t i = 0; i < 6; ++i) {
    id[i] = static_cast<std::byte>(tick >> (12 + 8 * (5 - i)));
  }
  id[6] = static_cast<std::byte>((tick >> 8U) & 0x0FU) | std::byte{0x70};
  id[7] = static_cast<std::byte>(tick);
  id[8] = (id[8] & std::byte{0x3F}) | std::byte{0x80};
  std::string text = to_hex(id);
  for (const std::size_t dash : {8U, 13U, 18U, 23U}) {
    text.insert(dash, 1, '-');
  }
  return text;
}

std::int64_t new_snapshot_id() {
  std::array<std::byte, 8> bytes{};
  std::int64_t id = 0;
  while (id == 0) {
    fill_random(bytes);
    std::memcpy(&id, bytes.data(), sizeof id);
    id &= INT64_MAX;
  }
  return id;
}

std::string new_token(std::size_t byte_count) {
  std::string bytes(byte_count, '\0');
  const auto view = std::as_writable_bytes(std::span(bytes));
  fill_random(view);
  return to_hex(view);
}

}  // namespace lakehouse
