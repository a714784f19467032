#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "governance/api_keys.h"

namespace lakehouse::governance::detail {

struct TokenSecret {
  std::string id;
  std::string secret;
  std::int64_t created_at_ms = 0;
};

struct TokenClaims {
  KeyOwner owner;
  std::int64_t issued_at_s = 0;
  std::int64_t expires_at_s = 0;
};

/// A JWT, signed by HMAC-SHA-256.
[[nodiscard]] std::string sign_token(const TokenSecret& secret, const TokenClaims& claims);

/// True if it looks like a token at all, and not like a key.
[[nodiscard]] bool looks_like_token(std::string_view text);

/// What the token says, if one of the secrets has signed it; its end is not looked at. The
/// signature is compared in constant time, before anything of the claims is read.
std::optional<TokenClaims> verify_token(std::span<const TokenSecret> secrets,
                                        std::string_view token);

}  // namespace lakehouse::governance::detail
