#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "gateway/http/iceberg_handlers.h"

/// \file
/// Private to the Iceberg handlers: what an operation gets, and how a write is described.

namespace lakehouse::gateway::http {

/// A request with its body read. Lives as long as the operation runs.
struct IcebergHandlers::Call {
  const Request& request;
  std::string body;

  [[nodiscard]] const RequestContext& context() const { return request.context; }
  [[nodiscard]] Result<boost::json::value> json() const;
  /// The levels in the path, which U+001F separates.
  [[nodiscard]] catalog::Namespace name_space() const;
  [[nodiscard]] catalog::TableIdentifier table() const;
  [[nodiscard]] Result<catalog::PageRequest> page() const;
};

/// A write that a repeated Idempotency-Key must not do twice.
struct IcebergHandlers::Write {
  int status = 200;
  /// The receipt's body is the first table after the commit, by its metadata file.
  bool answers_table = false;
  std::string body;  ///< Else this, known beforehand; empty: no body.
  /// The body is known afterwards only, so the receipt is kept in a transaction of its own: for
  /// writes that do no harm when they are done twice.
  bool keeps_receipt_after = false;
  std::function<Result<Response>(const catalog::CommitOptions&)> run;
};

catalog::Namespace split_namespace(std::string_view joined);
/// The answer that has a table in it: of load, create, register and commit.
Response table_response(const catalog::LoadedTable& table);
std::string etag_of(const std::string& metadata_location, bool all_snapshots);

}  // namespace lakehouse::gateway::http
