#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/json.h"
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
  [[nodiscard]] catalog::TableIdentifier view() const;
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
  /// Instead of `run`, for a write that leaves a view: the receipt's body is that view.
  std::function<Result<Response>(const catalog::ViewCommitOptions&)> run_view;
};

catalog::Namespace split_namespace(std::string_view joined);
/// The answer that has a table in it: of load, create, register and commit.
Response table_response(const catalog::LoadedTable& table);
/// The same for a view.
Response view_response(const catalog::LoadedView& view);
std::string etag_of(const std::string& metadata_location, bool all_snapshots);

/// What several operations read and write alike.
boost::json::array to_array(const std::vector<std::string>& strings);
Result<catalog::TableIdentifier> require_identifier(JsonFields& fields, std::string_view name);
Result<catalog::Properties> properties_from(JsonFields& fields, std::string_view name);
/// {"identifiers", "next-page-token"}.
Response identifiers_response(const catalog::Page<catalog::TableIdentifier>& page);
/// InvalidArgument if the body's "identifier" is there and another than the path's.
Status check_named(JsonFields& fields, const catalog::TableIdentifier& in_path);
/// The specification's 404 is also for what has lost its metadata file.
Error as_load_error(Error error);

}  // namespace lakehouse::gateway::http
