#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lakehouse {

/// SHA-256 of what is given in pieces. Not thread-safe.
class Sha256 {
 public:
  using Digest = std::array<std::byte, 32>;

  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  /// Ends the sum; the object may then only be destroyed or assigned to.
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::byte> bytes);

std::string sha256_hex(std::string_view text);

}  // namespace lakehouse
