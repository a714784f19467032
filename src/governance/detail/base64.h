#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lakehouse::governance::detail {

/// RFC 4648's base64url without padding, as JWTs have it.
[[nodiscard]] std::string encode_base64url(std::string_view bytes);
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

/// Ordinary base64, with its padding or without.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace lakehouse::governance::detail
