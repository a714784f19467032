#include "governance/detail/token.h"

#include <algorithm>
#include <array>

#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/id.h"
#include "base/json.h"
#include "governance/detail/base64.h"

namespace lakehouse::governance::detail {
namespace {

namespace json = boost::json;

constexpr std::string_view kIssuer = "lakehouse";
constexpr std::size_t kTokenBytesMax = 4096;
constexpr std::size_t kTokenIdBytes = 8;

std::string signature_of(const TokenSecret& secret, std::string_view signed_part) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned size = 0;
  // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL counts in unsigned char.
  HMAC(EVP_sha256(), secret.secret.data(), static_cast<int>(secret.secret.size()),
       reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size(), sum.data(),
       &size);
  return {reinterpret_cast<const char*>(sum.data()), size};
  // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
}

std::optional<json::object> object_in(std::string_view part) {
  const auto text = decode_base64url(part);
  if (!text) {
    return std::nullopt;
  }
  auto value = parse_json(*text, "a token");
  if (!value || !value->is_object()) {
    return std::nullopt;
  }
  return std::move(value->as_object());
}

std::optional<TokenClaims> claims_from(const json::object& object) {
  JsonFields fields(object, "a token");
  const auto issuer = fields.require_string("iss");
  auto principal = fields.require_string("sub");
  auto key_id = fields.require_string("key");
  const auto issued = fields.require_int64("iat");
  const auto expires = fields.require_int64("exp");
  if (!issuer || *issuer != kIssuer || !principal || !key_id || !issued || !expires) {
    return std::nullopt;
  }
  return TokenClaims{.owner = {.principal = *std::move(principal), .key_id = *std::move(key_id)},
                     .issued_at_s = *issued,
                     .expires_at_s = *expires};
}

}  // namespace

bool looks_like_token(std::string_view text) {
  return std::ranges::count(text, '.') == 2 && text.size() <= kTokenBytesMax;
}

std::string sign_token(const TokenSecret& secret, const TokenClaims& claims) {
  const json::value header = {{"alg", "HS256"}, {"typ", "JWT"}, {"kid", secret.id}};
  const json::value payload = {{"iss", kIssuer},
                               {"sub", claims.owner.principal},
                               {"key", claims.owner.key_id},
                               {"iat", claims.issued_at_s},
                               {"exp", claims.expires_at_s},
                               {"jti", new_token(kTokenIdBytes)}};
  const std::string signed_part =
      fmt::format("{}.{}", encode_base64url(to_json(header)), encode_base64url(to_json(payload)));
  return fmt::format("{}.{}", signed_part, encode_base64url(signature_of(secret, signed_part)));
}

std::optional<TokenClaims> verify_token(std::span<const TokenSecret> secrets,
                                        std::string_view token) {
  if (!looks_like_token(token)) {
    return std::nullopt;
  }
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  const auto given = decode_base64url(token.substr(last + 1));
  const auto header = object_in(token.substr(0, first));
  if (!given || !header) {
    return std::nullopt;
  }
  const json::value* kid = header->if_contains("kid");
  const auto secret = std::ranges::find_if(secrets, [&](const TokenSecret& each) {
    return kid != nullptr && kid->is_string() && kid->get_string() == each.id;
  });
  if (secret == secrets.end()) {
    return std::nullopt;
  }
  const std::string right = signature_of(*secret, token.substr(0, last));
  if (given->size() != right.size() ||
      CRYPTO_memcmp(given->data(), right.data(), right.size()) != 0) {
    return std::nullopt;
  }
  const auto payload = object_in(token.substr(first + 1, last - first - 1));
  return payload ? claims_from(*payload) : std::nullopt;
}

}  // namespace lakehouse::governance::detail
