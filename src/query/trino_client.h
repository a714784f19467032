#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>

#include "base/error.h"
#include "base/request_context.h"

/// \file
/// Trino's client protocol (POST /v1/statement, then page after page at the address that the last
/// one names).

namespace lakehouse::query {

struct TrinoAccess {
  std::string url;       ///< Of the coordinator: http://10.0.0.5:8080.
  std::string user;      ///< Whom Trino takes the statements for.
  std::string password;  ///< Empty: none is sent.
};

struct TrinoColumn {
  std::string name;
  std::string type;  ///< As Trino writes it: "decimal(12,2)".
};

/// What one answer of the coordinator holds.
struct TrinoPage {
  std::vector<TrinoColumn> columns;  ///< Empty until they are known.
  boost::json::array rows;
  std::string next;      ///< The path of the next page; empty: this is the last.
  double progress = -1;  ///< Of the whole statement, from 0 to 1; negative: not known yet.
};

/// One statement on a cluster. Not thread-safe. Destroying it before its last page cancels the
/// statement there, which takes up to two seconds.
class TrinoStatement {
 public:
  /// The caller's request id and principal go along for the coordinator's own log.
  /// InvalidArgument for what Trino calls the statement's own fault, Unimplemented for what it does
  /// not support, ResourceExhausted for its limits, Unavailable if it cannot be reached or fails.
  static Result<std::unique_ptr<TrinoStatement>> start(const RequestContext& context,
                                                       const TrinoAccess& access,
                                                       const std::string& sql);
  ~TrinoStatement();
  TrinoStatement(const TrinoStatement&) = delete;
  TrinoStatement& operator=(const TrinoStatement&) = delete;

  [[nodiscard]] bool is_done() const { return next_.empty() && !first_; }
  /// The next page, which may have no rows; waits about a second at most for it. Cancelled at once
  /// when the context's stop token says so. The same errors as start. Only while not is_done.
  Result<TrinoPage> next(const RequestContext& context);

 private:
  class Http;
  TrinoStatement(const TrinoAccess& access, std::unique_ptr<Http> http);
  Result<TrinoPage> exchange(const RequestContext& context, const char* method,
                             const std::string& path, const std::string& body);

  TrinoAccess access_;
  std::unique_ptr<Http> http_;
  std::string next_;
  std::optional<TrinoPage> first_;  ///< What the start was answered with.
};

/// InvalidArgument, saying why, for a URL that is none of a coordinator, and for a password that
/// would travel in the clear.
Status check_access(const TrinoAccess& access);

}  // namespace lakehouse::query
