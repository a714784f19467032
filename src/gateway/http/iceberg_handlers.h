#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "governance/table_policy.h"

namespace lakehouse::gateway::http {

/// The Iceberg REST catalog under /iceberg, one handler each, named after the spec's operationIds.
///
/// As the specification wants: unknown request fields are tolerated, errors have Iceberg's model,
/// and an Idempotency-Key is answered with what the first request with it was answered.
/// Outlived by what it refers to; outlives the router that it added its routes to.
class IcebergHandlers {
 public:
  /// Without policies everybody may commit to every table.
  IcebergHandlers(catalog::Catalog& catalog, Pools pools,
                  governance::TablePolicies* policies = nullptr)
      : catalog_(catalog), pools_(pools), policies_(policies) {}

  void add_routes(Router& router);

 private:
  struct Call;
  struct Write;
  using Operation = Result<Response> (IcebergHandlers::*)(const Call&);
  using Rename = Status (catalog::Catalog::*)(const RequestContext&,
                                              const catalog::TableIdentifier&,
                                              const catalog::TableIdentifier&,
                                              const catalog::CommitOptions&);

  /// Reads the body, then runs the operation on the storage pool.
  net::awaitable<Result<Response>> run(Request request, Operation operation);
  Route route(Method method, std::string path, std::string operation_id, Operation operation);
  void add_namespace_routes(Router& router);
  void add_table_routes(Router& router);
  void add_commit_routes(Router& router);
  void add_view_routes(Router& router);

  Result<Response> get_config(const Call& call);
  Result<Response> list_namespaces(const Call& call);
  Result<Response> create_namespace(const Call& call);
  Result<Response> load_namespace(const Call& call);
  Result<Response> namespace_exists(const Call& call);
  Result<Response> drop_namespace(const Call& call);
  Result<Response> update_properties(const Call& call);
  Result<Response> list_tables(const Call& call);
  Result<Response> create_table(const Call& call);
  Result<Response> register_table(const Call& call);
  Result<Response> load_table(const Call& call);
  /// What needs no wait, at once; nothing for the rest.
  std::optional<Response> load_cached_table(const Call& call);
  Response loaded_response(const Call& call, const catalog::LoadedTable& table, bool all);
  Result<Response> table_exists(const Call& call);
  Result<Response> update_table(const Call& call);
  Result<Response> drop_table(const Call& call);
  Result<Response> rename_table(const Call& call);
  /// Of tables and of views.
  Result<Response> rename(const Call& call, Rename operation);
  Result<Response> report_metrics(const Call& call);
  Result<Response> load_credentials(const Call& call);
  Result<Response> commit_transaction(const Call& call);
  Result<Response> list_views(const Call& call);
  Result<Response> create_view(const Call& call);
  Result<Response> register_view(const Call& call);
  Result<Response> load_view(const Call& call);
  Result<Response> view_exists(const Call& call);
  Result<Response> replace_view(const Call& call);
  Result<Response> drop_view(const Call& call);
  Result<Response> rename_view(const Call& call);

  /// Does the write, or answers as the same request was answered before.
  Result<Response> once(const Call& call, const Write& write);
  Result<Response> replay(const Call& call, const catalog::Receipt& receipt);

  catalog::Catalog& catalog_;
  Pools pools_;
  governance::TablePolicies* policies_;
};

/// {"error": {"message", "type", "code"}}, with the exception names of the specification.
Response iceberg_error_response(const Error& error);

}  // namespace lakehouse::gateway::http
