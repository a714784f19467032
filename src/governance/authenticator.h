#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/request_context.h"
#include "governance/api_keys.h"
#include "metastore/metastore.h"

namespace lakehouse::governance {

/// Knows callers by their keys, and by tokens that it issued for them.
///
/// Thread-safe. `metastore` outlives it.
class Authenticator {
 public:
  struct Options {
    std::string secrets_file;
    std::string keys = "secret://keys";  ///< The table of keys in it.
    std::chrono::milliseconds token_lifetime{3'600'000};
    std::function<std::int64_t()> now_ms;  ///< Empty: the system's clock.
  };

  /// InvalidArgument if the keys cannot be used, or there are none.
  static Result<std::unique_ptr<Authenticator>> open(metastore::Metastore& metastore,
                                                     Options options);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  /// The principal that an Authorization header proves: "Bearer" with a key or a token, or "Basic"
  /// with name and key. Unauthenticated, without a word about what was nearly right. Never blocks.
  [[nodiscard]] Result<std::string> authenticate(std::string_view authorization) const;

  /// True for one caller every five seconds, who then calls `refresh`; with `urgent`, because
  /// somebody was not known, every second.
  [[nodiscard]] bool refresh_is_due(bool urgent);
  /// Reads the file of secrets again if it has changed, and the signing secrets. If it fails what
  /// was known stays in force. Blocks.
  Status refresh(const RequestContext& context);

  struct Token {
    std::string text;
    std::int64_t expires_in_s = 0;
  };
  /// A token for a client's name and key; an empty name is whoever's key it is. Unauthenticated.
  /// Blocks, when the signing secret has to be changed.
  Result<Token> issue(const RequestContext& context, std::string_view client, std::string_view key);
  /// A new token for one of ours, also for one that has expired if `authorization` is a client's
  /// key and the token was theirs. Unauthenticated. Blocks as `issue`.
  Result<Token> exchange(const RequestContext& context, std::string_view subject_token,
                         std::string_view authorization);

  /// "Basic ..." as the name and key that it holds, for the token endpoint.
  struct Credentials {
    std::string client;
    std::string key;
  };
  [[nodiscard]] static std::optional<Credentials> basic_credentials(std::string_view authorization);

 private:
  struct State;
  class Keeper;
  Authenticator(metastore::Metastore& metastore, Options options);

  [[nodiscard]] std::int64_t now_ms() const;
  [[nodiscard]] std::shared_ptr<const State> state() const;
  [[nodiscard]] std::optional<KeyOwner> owner_of(const State& state,
                                                 std::string_view authorization) const;
  Result<Token> issue_for(const RequestContext& context, const KeyOwner& owner);

  Options options_;
  std::unique_ptr<Keeper> keeper_;
};

}  // namespace lakehouse::governance
