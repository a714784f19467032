#include "governance/api_keys.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "base/id.h"

namespace lakehouse::governance {
namespace {

constexpr std::string_view kHashed = "sha256:";
constexpr std::size_t kKeyCharactersMin = 20;
constexpr std::size_t kKeyBytes = 20;
constexpr std::size_t kKeyIdDigits = 16;
constexpr std::size_t kNameBytesMax = 128;

Sha256::Digest digest_of(std::string_view key) {
  Sha256 sum;
  sum.update(std::as_bytes(std::span(key)));
  return sum.finish();
}

std::optional<unsigned> hex_digit(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::size_t at = kDigits.find(c);
  return at == std::string_view::npos ? std::nullopt : std::optional(static_cast<unsigned>(at));
}

std::optional<Sha256::Digest> digest_from_hex(std::string_view hex) {
  Sha256::Digest digest{};
  if (hex.size() != digest.size() * 2) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const auto high = hex_digit(hex[2 * i]);
    const auto low = hex_digit(hex[2 * i + 1]);
    if (!high || !low) {
      return std::nullopt;
    }
    digest.at(i) = static_cast<std::byte>(*high * 16 + *low);
  }
  return digest;
}

// No message has a key in it, not even a wrong one.
Result<Sha256::Digest> digest_from(const std::string& principal, const std::string& key) {
  if (key.starts_with(kHashed)) {
    const auto digest = digest_from_hex(std::string_view(key).substr(kHashed.size()));
    if (!digest) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("a key of '{}' begins with \"{}\", and 64 hexadecimal digits in "
                              "lower case do not follow",
                              principal, kHashed));
    }
    return *digest;
  }
  if (key.size() < kKeyCharactersMin) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a key of '{}' has fewer than {} characters, and could be guessed",
                            principal, kKeyCharactersMin),
                "`lakehouse keys new NAME` makes one.");
  }
  return digest_of(key);
}

}  // namespace

Status check_principal(std::string_view name) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.@";
  if (name.empty() || name.size() > kNameBytesMax ||
      name.find_first_not_of(kAllowed) != std::string_view::npos || name == "anonymous") {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}' cannot be a caller's name", name),
                "Names are 1 to 128 letters, digits and '-_.@'; 'anonymous' is nobody's.");
  }
  return {};
}

Result<ApiKeys> ApiKeys::from(const std::map<std::string, std::vector<std::string>>& keys) {
  ApiKeys all;
  for (const auto& [principal, theirs] : keys) {
    LH_RETURN_IF_ERROR(check_principal(principal));
    for (const std::string& key : theirs) {
      LH_ASSIGN_OR_RETURN(const Sha256::Digest digest, digest_from(principal, key));
      const auto same = std::ranges::find(all.keys_, digest, &Key::digest);
      if (same != all.keys_.end()) {
        return fail(
            ErrorCode::InvalidArgument,
            fmt::format("'{}' and '{}' have the same key", same->owner.principal, principal),
            "Give each caller a key of its own.");
      }
      all.keys_.push_back(
          {.owner = {.principal = principal, .key_id = to_hex(digest).substr(0, kKeyIdDigits)},
           .digest = digest});
    }
  }
  return all;
}

std::optional<KeyOwner> ApiKeys::find(std::string_view key) const {
  const Sha256::Digest digest = digest_of(key);
  const Key* found = nullptr;
  for (const Key& each : keys_) {
    if (CRYPTO_memcmp(each.digest.data(), digest.data(), digest.size()) == 0) {
      found = &each;  // And on: how long this takes tells nothing.
    }
  }
  return found == nullptr ? std::nullopt : std::optional(found->owner);
}

bool ApiKeys::has(const KeyOwner& owner) const {
  return std::ranges::find(keys_, owner, &Key::owner) != keys_.end();
}

NewKey new_api_key() {
  const std::string key = "lh_" + new_token(kKeyBytes);
  return {.key = key, .hashed = std::string(kHashed) + sha256_hex(key)};
}

}  // namespace lakehouse::governance
