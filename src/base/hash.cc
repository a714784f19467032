#include "base/hash.h"

#include <bit>
#include <stdexcept>

#include <openssl/evp.h>

namespace lakehouse {

struct Sha256::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  Context() = default;
  ~Context() { EVP_MD_CTX_free(md); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (context_->md == nullptr || EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL has no SHA-256");
  }
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->md, bytes.data(), bytes.size());
}

Sha256::Digest Sha256::finish() {
  std::array<unsigned char, 32> sum{};
  EVP_DigestFinal_ex(context_->md, sum.data(), nullptr);
  return std::bit_cast<Digest>(sum);
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    hex.push_back(kDigits[std::to_integer<std::size_t>(b >> 4U)]);
    hex.push_back(kDigits[std::to_integer<std::size_t>(b & std::byte{15})]);
  }
  return hex;
}

std::string sha256_hex(std::string_view text) {
  Sha256 sum;
  sum.update(std::as_bytes(std::span(text)));
  return to_hex(sum.finish());
}

}  // namespace lakehouse
