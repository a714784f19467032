#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/hash.h"

namespace lakehouse::governance {

/// Whose key, and which of theirs: `key_id` is the beginning of its hash, and no secret.
struct KeyOwner {
  std::string principal;
  std::string key_id;
  friend bool operator==(const KeyOwner&, const KeyOwner&) = default;
};

/// The keys of all principals, as hashes. A value.
class ApiKeys {
 public:
  /// From each principal's keys: as they are, at least 20 characters, or as "sha256:HEX".
  /// InvalidArgument for a name that cannot be, a short key, or a key that two principals have.
  static Result<ApiKeys> from(const std::map<std::string, std::vector<std::string>>& keys);

  /// In constant time: as long for a key that is nearly right as for one that is not.
  [[nodiscard]] std::optional<KeyOwner> find(std::string_view key) const;
  [[nodiscard]] bool has(const KeyOwner& owner) const;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  struct Key {
    KeyOwner owner;
    Sha256::Digest digest;
  };
  std::vector<Key> keys_;
};

/// A new random key, "lh_" and 40 hexadecimal digits, and what to keep of it: "sha256:HEX".
struct NewKey {
  std::string key;
  std::string hashed;
};
[[nodiscard]] NewKey new_api_key();

/// InvalidArgument unless it is 1 to 128 letters, digits and "-_.@", and not "anonymous". No
/// colon: clients write "NAME:KEY".
Status check_principal(std::string_view name);

}  // namespace lakehouse::governance
