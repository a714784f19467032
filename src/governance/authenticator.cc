#include "governance/authenticator.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/id.h"
#include "base/secrets.h"
#include "base/text.h"
#include "governance/detail/base64.h"
#include "governance/detail/token.h"

namespace lakehouse::governance {
namespace {

using detail::TokenClaims;
using detail::TokenSecret;
using metastore::integer;
using metastore::text;
using metastore::Transaction;

constexpr std::int64_t kRefreshEveryMs = 5000;
constexpr std::int64_t kRefreshUrgentlyEveryMs = 1000;
constexpr std::int64_t kRotateAfterMs = std::int64_t{7} * 86'400'000;
constexpr std::size_t kSecretBytes = 32;

std::unexpected<Error> not_known(std::string message) {
  return fail(ErrorCode::Unauthenticated, std::move(message),
              "Send a key or a token as 'Authorization: Bearer ...'.");
}

// What follows "Bearer " or "Basic ", in any case; nothing for another scheme.
std::optional<std::string_view> after_scheme(std::string_view authorization,
                                             std::string_view scheme) {
  if (authorization.size() <= scheme.size() || authorization[scheme.size()] != ' ' ||
      to_lower(authorization.substr(0, scheme.size())) != scheme) {
    return std::nullopt;
  }
  authorization.remove_prefix(scheme.size() + 1);
  while (authorization.starts_with(' ')) {
    authorization.remove_prefix(1);
  }
  return authorization;
}

Result<std::vector<TokenSecret>> load_secrets(Transaction& transaction) {
  LH_ASSIGN_OR_RETURN(const auto rows,
                      transaction.query("SELECT id, secret, created_at_ms FROM token_secrets "
                                        "ORDER BY created_at_ms DESC, id DESC"));
  std::vector<TokenSecret> secrets;
  secrets.reserve(rows.size());
  for (const auto& row : rows) {
    secrets.push_back(
        {.id = text(row[0]), .secret = text(row[1]), .created_at_ms = integer(row[2])});
  }
  return secrets;
}

// Which version of the file of secrets was read.
struct FileMark {
  std::filesystem::file_time_type written_at;
  std::uintmax_t size = 0;
  friend bool operator==(const FileMark&, const FileMark&) = default;
};

FileMark mark_of(const std::string& path) {
  std::error_code error;
  return {.written_at = std::filesystem::last_write_time(path, error),
          .size = std::filesystem::file_size(path, error)};
}

}  // namespace

struct Authenticator::State {
  ApiKeys keys;
  std::vector<TokenSecret> secrets;  ///< The newest first.
};

/// Holds the state in force, and replaces it.
class Authenticator::Keeper {
 public:
  Keeper(metastore::Metastore& metastore, const Options& options)
      : metastore_(metastore), options_(options) {}

  [[nodiscard]] std::shared_ptr<const State> state() const {
    const std::scoped_lock lock(mutex_);
    return state_;
  }

  bool is_due(std::int64_t now_ms, bool urgent) {
    const std::scoped_lock lock(mutex_);
    if (now_ms - refreshed_at_ms_ < (urgent ? kRefreshUrgentlyEveryMs : kRefreshEveryMs)) {
      return false;
    }
    refreshed_at_ms_ = now_ms;
    return true;
  }

  Status refresh(const RequestContext& context) {
    const std::scoped_lock turn(refreshing_);
    State next;
    if (const auto current = state()) {
      next = *current;
    }
    const Status keys = refresh_keys(next.keys);
    const Status secrets = metastore_.read(context, [&](Transaction& transaction) -> Status {
      LH_ASSIGN_OR_RETURN(next.secrets, load_secrets(transaction));
      return {};
    });
    put(std::move(next));
    LH_RETURN_IF_ERROR(secrets);
    return keys;
  }

  /// The secret to sign with: the newest, or a new one if that is old.
  Result<TokenSecret> signing_secret(const RequestContext& context, std::int64_t now_ms) {
    const auto current = state();
    if (!current->secrets.empty() && !is_old(current->secrets.front(), now_ms)) {
      return current->secrets.front();
    }
    std::vector<TokenSecret> secrets;
    LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
      LH_ASSIGN_OR_RETURN(secrets, load_secrets(transaction));
      if (secrets.empty() || is_old(secrets.front(), now_ms)) {  // Else another server was quicker.
        LH_RETURN_IF_ERROR(rotate(transaction, secrets, now_ms));
      }
      return {};
    }));
    const std::scoped_lock turn(refreshing_);
    State next = *state();
    next.secrets = secrets;
    put(std::move(next));
    return secrets.front();
  }

 private:
  static bool is_old(const TokenSecret& secret, std::int64_t now_ms) {
    return now_ms - secret.created_at_ms >= kRotateAfterMs;
  }

  void put(State next) {
    auto shared = std::make_shared<const State>(std::move(next));
    const std::scoped_lock lock(mutex_);
    state_.swap(shared);
  }

  Status refresh_keys(ApiKeys& keys) {
    const FileMark mark = mark_of(options_.secrets_file);
    if (mark == read_) {
      return {};
    }
    LH_ASSIGN_OR_RETURN(const Secrets secrets, Secrets::load(options_.secrets_file));
    LH_ASSIGN_OR_RETURN(const Secrets::Table table, secrets.table(options_.keys));
    LH_ASSIGN_OR_RETURN(keys, ApiKeys::from(table));
    read_ = mark;
    return {};
  }

  Status rotate(Transaction& transaction, std::vector<TokenSecret>& secrets,
                std::int64_t now_ms) const {
    TokenSecret fresh{.id = new_uuid(), .secret = new_token(kSecretBytes), .created_at_ms = now_ms};
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO token_secrets (id, secret, created_at_ms) VALUES ($1, $2, $3)",
        {fresh.id, fresh.secret, fresh.created_at_ms}));
    secrets.insert(secrets.begin(), std::move(fresh));
    // A secret signs for one turn at most, by whichever server's clock, and its tokens live on.
    const std::int64_t kept_since_ms =
        now_ms - 2 * kRotateAfterMs - options_.token_lifetime.count();
    LH_RETURN_IF_ERROR(
        transaction.execute("DELETE FROM token_secrets WHERE created_at_ms < $1", {kept_since_ms}));
    std::erase_if(secrets,
                  [&](const TokenSecret& secret) { return secret.created_at_ms < kept_since_ms; });
    return {};
  }

  metastore::Metastore& metastore_;
  const Options& options_;
  mutable std::mutex mutex_;  // Guards the two below it.
  std::shared_ptr<const State> state_;
  std::int64_t refreshed_at_ms_ = 0;
  std::mutex refreshing_;  // Guards read_, and is held by whoever replaces the state.
  std::optional<FileMark> read_;
};

Authenticator::Authenticator(metastore::Metastore& metastore, Options options)
    : options_(std::move(options)), keeper_(std::make_unique<Keeper>(metastore, options_)) {}
Authenticator::~Authenticator() = default;

Result<std::unique_ptr<Authenticator>> Authenticator::open(metastore::Metastore& metastore,
                                                           Options options) {
  std::unique_ptr<Authenticator> made(new Authenticator(metastore, std::move(options)));
  LH_RETURN_IF_ERROR(made->refresh({}));
  if (made->state()->keys.size() == 0) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("there are no keys in {}", made->options_.secrets_file),
                "`lakehouse keys new NAME` makes one.");
  }
  return made;
}

std::int64_t Authenticator::now_ms() const {
  if (options_.now_ms) {
    return options_.now_ms();
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::shared_ptr<const Authenticator::State> Authenticator::state() const {
  return keeper_->state();
}

std::optional<Authenticator::Credentials> Authenticator::basic_credentials(
    std::string_view authorization) {
  const auto given = after_scheme(authorization, "basic");
  const auto decoded = given ? detail::decode_base64(*given) : std::nullopt;
  const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos) {
    return std::nullopt;
  }
  return Credentials{.client = decoded->substr(0, colon), .key = decoded->substr(colon + 1)};
}

std::optional<KeyOwner> Authenticator::owner_of(const State& state,
                                                std::string_view authorization) const {
  if (const auto basic = basic_credentials(authorization)) {
    auto owner = state.keys.find(basic->key);
    return owner && owner->principal == basic->client ? std::move(owner) : std::nullopt;
  }
  const auto bearer = after_scheme(authorization, "bearer");
  if (!bearer) {
    return std::nullopt;
  }
  if (!detail::looks_like_token(*bearer)) {
    return state.keys.find(*bearer);
  }
  const auto claims = detail::verify_token(state.secrets, *bearer);
  const bool is_good = claims && now_ms() < claims->expires_at_s * 1000;
  return is_good && state.keys.has(claims->owner) ? std::optional(claims->owner) : std::nullopt;
}

Result<std::string> Authenticator::authenticate(std::string_view authorization) const {
  if (authorization.empty()) {
    return not_known("this server asks for a key");
  }
  auto owner = owner_of(*state(), authorization);
  if (!owner) {
    return not_known("the key or token is not known here, or has expired");
  }
  return std::move(owner->principal);
}

bool Authenticator::refresh_is_due(bool urgent) {
  return keeper_->is_due(now_ms(), urgent);
}

Status Authenticator::refresh(const RequestContext& context) {
  return keeper_->refresh(context);
}

Result<Authenticator::Token> Authenticator::issue_for(const RequestContext& context,
                                                      const KeyOwner& owner) {
  const std::int64_t now = now_ms();
  LH_ASSIGN_OR_RETURN(const TokenSecret secret, keeper_->signing_secret(context, now));
  const std::int64_t lifetime_s =
      std::chrono::duration_cast<std::chrono::seconds>(options_.token_lifetime).count();
  // Rounded up: it must not end before what `expires_in` promises.
  const std::int64_t expires_at_s = (now + 999) / 1000 + lifetime_s;
  const TokenClaims claims{.owner = owner, .issued_at_s = now / 1000, .expires_at_s = expires_at_s};
  return Token{.text = detail::sign_token(secret, claims), .expires_in_s = lifetime_s};
}

Result<Authenticator::Token> Authenticator::issue(const RequestContext& context,
                                                  std::string_view client, std::string_view key) {
  const auto owner = state()->keys.find(key);
  if (!owner || (!client.empty() && client != owner->principal)) {
    return not_known("the client or its secret is not known");
  }
  return issue_for(context, *owner);
}

Result<Authenticator::Token> Authenticator::exchange(const RequestContext& context,
                                                     std::string_view subject_token,
                                                     std::string_view authorization) {
  const auto current = state();
  const auto claims = detail::verify_token(current->secrets, subject_token);
  if (!claims || !current->keys.has(claims->owner)) {
    return not_known("the subject token is none of this server's");
  }
  const auto caller = owner_of(*current, authorization);
  const bool is_theirs = caller && caller->principal == claims->owner.principal;
  if (!authorization.empty() && !is_theirs) {
    return not_known("the caller is not known, or is not whose token it is");
  }
  if (now_ms() >= claims->expires_at_s * 1000 && !is_theirs) {
    return not_known("the subject token has expired");
  }
  return issue_for(context, claims->owner);
}

}  // namespace lakehouse::governance
