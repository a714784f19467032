#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// \file
/// How every module reports failure: `Result<T>` is a value or an `Error`.
///
/// Exceptions are for bugs and for exhausted memory; nothing catches them below the session loop.

namespace lakehouse {

/// What went wrong, in the canonical codes of gRPC and Abseil, so that a caller can act on it.
///
/// The list is closed: a new cause takes the nearest code and says the rest in its message.
/// The gateway turns codes into HTTP, gRPC and SQLSTATE codes, in one table per protocol.
enum class ErrorCode : std::uint8_t {
  InvalidArgument,     ///< The request can never work.
  OutOfRange,          ///< The position lies past the end.
  NotFound,            ///< The named thing does not exist.
  AlreadyExists,       ///< The thing to create exists.
  FailedPrecondition,  ///< The state forbids it: e.g. dropping a namespace that has tables.
  Aborted,             ///< Lost a race, e.g. a commit conflict. Read again, then retry.
  Unauthenticated,     ///< Who calls is not known.
  PermissionDenied,    ///< Who calls is known, and may not.
  ResourceExhausted,   ///< A limit was hit. Retry later.
  Unavailable,         ///< A dependency is down. Retry with backoff.
  DeadlineExceeded,    ///< Ran out of time; the work may still have happened.
  Cancelled,           ///< The caller gave up.
  CommitStateUnknown,  ///< A commit may or may not have landed. Never retry, never clean up.
  DataLoss,            ///< Stored bytes are corrupt.
  Unimplemented,       ///< Not built, or not by this backend.
  Internal,            ///< An invariant broke: a bug.
};

/// The code's name as protocols and logs spell it, e.g. "NOT_FOUND".
[[nodiscard]] std::string_view to_string(ErrorCode code);

/// A failure. The message is one line for a person, and names the thing it is about.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;
  std::string hint;  ///< What to try, as a sentence; may be empty.
  /// For SQL: where in the statement, counted in bytes from 0.
  std::optional<std::size_t> position_bytes;
  /// Members for the answer beside the message, as the text of a JSON object; may be empty.
  std::string details_json;

  /// Puts what was being done before the message: "load table a.b: object x: not found".
  [[nodiscard]] Error with_context(std::string_view doing) &&;

  friend bool operator==(const Error&, const Error&) = default;
};

/// True if the same call may succeed when it is made again unchanged.
[[nodiscard]] bool is_retryable(ErrorCode code);

template <class T>
using Result = std::expected<T, Error>;

/// The outcome of an operation that returns nothing else.
using Status = Result<void>;

/// Makes a failed `Result` of any type: `return fail(ErrorCode::NotFound, "no table a.b");`
/// The hint is a sentence that says what to try instead.
[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message,
                                                 std::string hint = {}) {
  return std::unexpected(Error{.code = code,
                               .message = std::move(message),
                               .hint = std::move(hint),
                               .position_bytes = std::nullopt,
                               .details_json = {}});
}

}  // namespace lakehouse

/// Unwraps a Result into a declaration, or returns its error from the enclosing function:
///   LH_ASSIGN_OR_RETURN(const Table table, catalog.load_table(context, id));
/// The CO_ forms are for coroutines, where `return` is spelled `co_return`.
#define LH_ASSIGN_OR_RETURN(decl, expr) LH_ASSIGN_OR_IMPL(return, LH_UNIQUE(lh_result_), decl, expr)
#define LH_ASSIGN_OR_CO_RETURN(decl, expr) \
  LH_ASSIGN_OR_IMPL(co_return, LH_UNIQUE(lh_result_), decl, expr)

/// Returns the error of a Status or Result, if it has one.
#define LH_RETURN_IF_ERROR(expr) LH_IF_ERROR_IMPL(return, LH_UNIQUE(lh_status_), expr)
#define LH_CO_RETURN_IF_ERROR(expr) LH_IF_ERROR_IMPL(co_return, LH_UNIQUE(lh_status_), expr)

#define LH_ASSIGN_OR_IMPL(ret, result, decl, expr) \
  LH_IF_ERROR_IMPL(ret, result, expr)              \
  decl = *std::move(result)
#define LH_IF_ERROR_IMPL(ret, result, expr)         \
  auto result = (expr);                             \
  if (!result) [[unlikely]] {                       \
    ret std::unexpected(std::move(result).error()); \
  }
#define LH_CONCAT_IMPL(a, b) a##b
#define LH_CONCAT(a, b) LH_CONCAT_IMPL(a, b)
#define LH_UNIQUE(name) LH_CONCAT(name, __COUNTER__)
