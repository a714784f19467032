#pragma once

#include <string>
#include <string_view>

namespace lakehouse::metastore::postgres {

/// PostgreSQL's TEXT takes valid UTF-8 without NUL only; ours is any bytes. What it does not take
/// is written as an escape that begins with U+0001. Plain text stays as it is, and texts keep their
/// order except around such bytes.
[[nodiscard]] std::string encode_text(std::string_view text);
/// The reverse.
[[nodiscard]] std::string decode_text(std::string_view stored);

}  // namespace lakehouse::metastore::postgres
