#include "gateway/http/iceberg_handlers.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "catalog/commit_policy.h"
#include "gateway/http/iceberg_call.h"
#include "gateway/http/iceberg_warehouses.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using catalog::CommitOptions;
using catalog::LoadedTable;
using catalog::TableIdentifier;

// The spec joins a namespace's levels with the unit separator.
constexpr char kNamespaceSeparator = '\x1F';
// Copying more would keep the event loop from others.
constexpr std::size_t kLoadOnLoopBytesMax = std::size_t{256} << 10U;
// A commit can hold many snapshots and schemas; the parser's copy is several times as long.
constexpr std::size_t kIcebergBodyBytesMax = std::size_t{64} << 20U;

json::object to_object(const catalog::Properties& properties) {
  json::object object;
  for (const auto& [name, value] : properties) {
    object[name] = value;
  }
  return object;
}

json::object identifier_json(const TableIdentifier& table) {
  return {{"namespace", to_array(table.name_space)}, {"name", table.name}};
}

Result<TableIdentifier> identifier_from(const json::value& value, std::string what) {
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(value, std::move(what)));
  TableIdentifier table;
  LH_ASSIGN_OR_RETURN(table.name_space, fields.require_strings("namespace"));
  LH_ASSIGN_OR_RETURN(table.name, fields.require_string("name"));
  return table;
}

json::value page_token_json(const std::string& token) {
  return token.empty() ? json::value() : json::value(token);
}

Result<catalog::TableCommit> commit_from(JsonFields& fields, TableIdentifier table) {
  catalog::TableCommit commit{.identifier = std::move(table), .requirements = {}, .updates = {}};
  LH_ASSIGN_OR_RETURN(const json::array* requirements, fields.require_array("requirements"));
  for (const json::value& value : *requirements) {
    LH_ASSIGN_OR_RETURN(auto requirement, iceberg::requirement_from_json(value));
    commit.requirements.push_back(std::move(requirement));
  }
  LH_ASSIGN_OR_RETURN(const json::array* updates, fields.require_array("updates"));
  for (const json::value& value : *updates) {
    LH_ASSIGN_OR_RETURN(auto update, iceberg::update_from_json(value));
    commit.updates.push_back(std::move(update));
  }
  return commit;
}

// What other parts of the table use cannot be taken away: wrong as a request, and no conflict.
Error as_commit_error(Error error) {
  return error.code == ErrorCode::FailedPrecondition ? with_http_status(std::move(error), 400)
                                                     : error;
}

Response table_response_with(const LoadedTable& table, std::string_view metadata_json,
                             bool all_snapshots) {
  const std::string location =
      table.metadata_location.empty()
          ? ""
          : fmt::format("\"metadata-location\":{},",
                        json::serialize(json::value(table.metadata_location)));
  // The metadata goes in as it is: it is JSON already, and can be megabytes long.
  Response response = json_text_response(
      200, fmt::format(R"({{{}"metadata":{},"config":{{}}}})", location, metadata_json));
  if (!table.metadata_location.empty()) {
    response.headers.add("ETag", etag_of(table.metadata_location, all_snapshots));
  }
  return response;
}

}  // namespace

json::array to_array(const std::vector<std::string>& strings) {
  json::array array;
  for (const std::string& string : strings) {
    array.emplace_back(string);
  }
  return array;
}

Result<TableIdentifier> require_identifier(JsonFields& fields, std::string_view name) {
  LH_ASSIGN_OR_RETURN(const json::object* object, fields.require_object(name));
  return identifier_from(*object, fmt::format("'{}'", name));
}

Result<catalog::Properties> properties_from(JsonFields& fields, std::string_view name) {
  LH_ASSIGN_OR_RETURN(auto pairs, fields.optional_string_map(name));
  catalog::Properties properties;
  for (auto& [key, value] : pairs) {
    properties.insert_or_assign(std::move(key), std::move(value));
  }
  return properties;
}

Response identifiers_response(const catalog::Page<TableIdentifier>& page) {
  json::array identifiers;
  for (const TableIdentifier& each : page.items) {
    identifiers.emplace_back(identifier_json(each));
  }
  return json_response(200, {{"identifiers", std::move(identifiers)},
                             {"next-page-token", page_token_json(page.next_page_token)}});
}

Status check_named(JsonFields& fields, const TableIdentifier& in_path) {
  if (fields.optional_value("identifier") == nullptr) {
    return {};
  }
  LH_ASSIGN_OR_RETURN(const auto named, require_identifier(fields, "identifier"));
  if (named != in_path) {
    return fail(ErrorCode::InvalidArgument, fmt::format("the path names {}, and the body {}",
                                                        to_string(in_path), to_string(named)));
  }
  return {};
}

Error as_load_error(Error error) {
  const bool is_missing =
      error.code == ErrorCode::DataLoss && error.message.contains("metadata file is missing");
  return is_missing ? with_http_status(std::move(error), 404) : error;
}

catalog::Namespace split_namespace(std::string_view joined) {
  catalog::Namespace levels;
  for (std::size_t begin = 0; begin <= joined.size();) {
    const std::size_t end = std::min(joined.find(kNamespaceSeparator, begin), joined.size());
    levels.emplace_back(joined.substr(begin, end - begin));
    begin = end + 1;
  }
  return levels;
}

std::string etag_of(const std::string& metadata_location, bool all_snapshots) {
  return fmt::format("\"{}{}\"", sha256_hex(metadata_location).substr(0, 32),
                     all_snapshots ? "" : "-refs");
}

Response table_response(const LoadedTable& table) {
  return table_response_with(table, *table.metadata_json, true);
}

Result<json::value> IcebergHandlers::Call::json() const {
  const std::string type = request.content_type();
  if (!type.empty() && type != "application/json" && !type.ends_with("+json")) {
    Error error{.code = ErrorCode::InvalidArgument,
                .message = fmt::format("the request body must be JSON, not {}", type),
                .hint = {},
                .position_bytes = std::nullopt,
                .details_json = {}};
    return std::unexpected(with_http_status(std::move(error), 415));
  }
  return parse_json(body, "the request body");
}

catalog::Namespace IcebergHandlers::Call::name_space() const {
  return split_namespace(request.path_param("namespace"));
}

TableIdentifier IcebergHandlers::Call::table() const {
  return {.name_space = name_space(), .name = request.path_param("table")};
}

TableIdentifier IcebergHandlers::Call::view() const {
  return {.name_space = name_space(), .name = request.path_param("view")};
}

Result<catalog::PageRequest> IcebergHandlers::Call::page() const {
  catalog::PageRequest page{.page_token = request.query_param("pageToken").value_or(""),
                            .limit = 0};
  LH_ASSIGN_OR_RETURN(const auto size,
                      request.query_int("pageSize", 1, std::numeric_limits<std::int32_t>::max()));
  page.limit = static_cast<std::size_t>(size.value_or(0));
  return page;
}

net::awaitable<Result<Response>> IcebergHandlers::run(Request request, Operation operation) {
  std::string body;
  if (request.method == Method::Post) {
    LH_ASSIGN_OR_CO_RETURN(body, co_await request.read_body(kIcebergBodyBytesMax));
  }
  const Call call{.request = request, .body = std::move(body)};
  if (operation == &IcebergHandlers::load_table) {
    // By far the most frequent request: two changes of threads would cost more than it does.
    if (std::optional<Response> cached = load_cached_table(call)) {
      co_return *std::move(cached);
    }
  }
  auto work = [this, &call, operation] { return (this->*operation)(call); };
  Result<Response> answer = co_await run_on(pools_.storage, std::move(work));
  co_return answer;
}

// ---- namespaces

Result<Response> IcebergHandlers::list_namespaces(const Call& call) {
  const auto parent = call.request.query_param("parent");
  LH_ASSIGN_OR_RETURN(const auto page, call.page());
  LH_ASSIGN_OR_RETURN(
      const auto list,
      catalog_.list_namespaces(
          call.context(),
          parent && !parent->empty() ? split_namespace(*parent) : catalog::Namespace(), page));
  json::array namespaces;
  for (const auto& name_space : list.items) {
    namespaces.emplace_back(to_array(name_space));
  }
  return json_response(200, {{"namespaces", std::move(namespaces)},
                             {"next-page-token", page_token_json(list.next_page_token)}});
}

Result<Response> IcebergHandlers::create_namespace(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_RETURN(const auto name_space, fields.require_strings("namespace"));
  LH_ASSIGN_OR_RETURN(const auto properties, properties_from(fields, "properties"));
  const json::value answer = {{"namespace", to_array(name_space)},
                              {"properties", to_object(properties)}};
  Write write;
  write.body = to_json(answer);
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_RETURN_IF_ERROR(catalog_.create_namespace(call.context(), name_space, properties, options));
    return json_response(200, answer);
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::load_namespace(const Call& call) {
  LH_ASSIGN_OR_RETURN(const auto info, catalog_.load_namespace(call.context(), call.name_space()));
  return json_response(
      200, {{"namespace", to_array(info.name_space)}, {"properties", to_object(info.properties)}});
}

Result<Response> IcebergHandlers::namespace_exists(const Call& call) {
  LH_RETURN_IF_ERROR(catalog_.load_namespace(call.context(), call.name_space()));
  return empty_response();
}

Result<Response> IcebergHandlers::drop_namespace(const Call& call) {
  Write write;
  write.status = 204;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_RETURN_IF_ERROR(catalog_.drop_namespace(call.context(), call.name_space(), options));
    return empty_response();
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::update_properties(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  std::vector<std::string> removals;
  if (fields.optional_value("removals") != nullptr) {
    LH_ASSIGN_OR_RETURN(removals, fields.require_strings("removals"));
  }
  LH_ASSIGN_OR_RETURN(const auto updates, properties_from(fields, "updates"));
  for (const std::string& name : removals) {
    if (updates.contains(name)) {
      Error error{.code = ErrorCode::InvalidArgument,
                  .message = fmt::format("property '{}' is both in removals and in updates", name),
                  .hint = {},
                  .position_bytes = std::nullopt,
                  .details_json = {}};
      return std::unexpected(with_http_status(std::move(error), 422));
    }
  }
  Write write;
  write.keeps_receipt_after = true;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto done,
                        catalog_.update_namespace_properties(call.context(), call.name_space(),
                                                             removals, updates, options));
    return json_response(200, {{"updated", to_array(done.updated)},
                               {"removed", to_array(done.removed)},
                               {"missing", to_array(done.missing)}});
  };
  return once(call, write);
}

// ---- tables

Result<Response> IcebergHandlers::list_tables(const Call& call) {
  LH_ASSIGN_OR_RETURN(const auto page, call.page());
  LH_ASSIGN_OR_RETURN(const auto list,
                      catalog_.list_tables(call.context(), call.name_space(), page));
  return identifiers_response(list);
}

Result<Response> IcebergHandlers::create_table(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  catalog::CreateTable request;
  request.identifier.name_space = call.name_space();
  LH_ASSIGN_OR_RETURN(request.identifier.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(const json::object* schema, fields.require_object("schema"));
  LH_ASSIGN_OR_RETURN(request.schema, iceberg::schema_from_json(*schema));
  if (const json::value* spec = fields.optional_value("partition-spec")) {
    LH_ASSIGN_OR_RETURN(request.spec, iceberg::spec_from_json(*spec));
  }
  if (const json::value* order = fields.optional_value("write-order")) {
    LH_ASSIGN_OR_RETURN(request.order, iceberg::sort_order_from_json(*order));
  }
  LH_ASSIGN_OR_RETURN(request.properties, properties_from(fields, "properties"));
  LH_ASSIGN_OR_RETURN(const auto stage, fields.optional_bool("stage-create"));
  request.stage = stage.value_or(false);
  request.bucket = warehouse_of(call.request);
  const auto create = [&](const CommitOptions& options) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto table,
                        catalog_.create_table(call.context(), std::move(request), options));
    return table_response(table);
  };
  Write write;
  write.answers_table = !request.stage;
  write.keeps_receipt_after = request.stage;  // Nothing is committed that it could go along with.
  write.run = create;
  return once(call, write);
}

Result<Response> IcebergHandlers::register_table(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  TableIdentifier table{.name_space = call.name_space(), .name = {}};
  LH_ASSIGN_OR_RETURN(table.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(const std::string location, fields.require_string("metadata-location"));
  LH_ASSIGN_OR_RETURN(const auto overwrite, fields.optional_bool("overwrite"));
  Write write;
  write.answers_table = true;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    if (overwrite.value_or(false)) {
      LH_RETURN_IF_ERROR(catalog::check_may_replace(call.context(), catalog_, policies_, table));
    }
    LH_ASSIGN_OR_RETURN(const auto registered,
                        catalog_.register_table(call.context(), table, location,
                                                overwrite.value_or(false), options));
    return table_response(registered);
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::load_table(const Call& call) {
  const std::string snapshots = call.request.query_param("snapshots").value_or("all");
  if (snapshots != "all" && snapshots != "refs") {
    return fail(ErrorCode::InvalidArgument, "the query parameter 'snapshots' must be all or refs");
  }
  const bool all = snapshots == "all";
  const auto table = catalog_.load_table(call.context(), call.table());
  if (!table) {
    return std::unexpected(as_load_error(table.error()));
  }
  return loaded_response(call, *table, all);
}

std::optional<Response> IcebergHandlers::load_cached_table(const Call& call) {
  if (call.request.query_param("snapshots").value_or("all") != "all") {
    return std::nullopt;
  }
  const auto table = catalog_.load_table_if_cached(call.table());
  if (!table || table->metadata_json->size() > kLoadOnLoopBytesMax) {
    return std::nullopt;
  }
  return loaded_response(call, *table, true);
}

Response IcebergHandlers::loaded_response(const Call& call, const LoadedTable& table, bool all) {
  const std::string_view known = call.request.header("If-None-Match");
  const std::string etag = etag_of(table.metadata_location, all);
  if (known.contains(etag) || known == "*") {
    Response response = empty_response(304);
    response.headers.add("ETag", etag);
    return response;
  }
  if (all) {
    return table_response(table);
  }
  return table_response_with(table, *catalog_.referenced_metadata_json(table), false);
}

Result<Response> IcebergHandlers::table_exists(const Call& call) {
  LH_RETURN_IF_ERROR(catalog_.metadata_location(call.context(), call.table()));
  return empty_response();
}

Result<Response> IcebergHandlers::update_table(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  LH_RETURN_IF_ERROR(check_named(fields, call.table()));
  LH_ASSIGN_OR_RETURN(const catalog::TableCommit commit, commit_from(fields, call.table()));
  Write write;
  write.answers_table = true;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_RETURN_IF_ERROR(
        catalog::check_may_commit(call.context(), catalog_, policies_, std::span(&commit, 1)));
    CommitOptions checked = options;
    checked.checks_files = true;
    auto after = catalog_.commit_table(call.context(), commit.identifier, commit.requirements,
                                       commit.updates, checked);
    if (!after) {
      return std::unexpected(as_commit_error(std::move(after).error()));
    }
    return table_response(*after);
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::drop_table(const Call& call) {
  // PyIceberg writes "True".
  const std::string purge = to_lower(call.request.query_param("purgeRequested").value_or("false"));
  if (purge != "true" && purge != "false") {
    return fail(ErrorCode::InvalidArgument,
                "the query parameter 'purgeRequested' must be true or false");
  }
  Write write;
  write.status = 204;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_RETURN_IF_ERROR(catalog_.drop_table(call.context(), call.table(), purge == "true", options));
    return empty_response();
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::rename_table(const Call& call) {
  return rename(call, &catalog::Catalog::rename_table);
}

Result<Response> IcebergHandlers::rename(const Call& call, Rename operation) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_RETURN(const auto from, require_identifier(fields, "source"));
  LH_ASSIGN_OR_RETURN(const auto to, require_identifier(fields, "destination"));
  Write write;
  write.status = 204;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_RETURN_IF_ERROR((catalog_.*operation)(call.context(), from, to, options));
    return empty_response();
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::report_metrics(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  catalog::MetricsReport report;
  LH_ASSIGN_OR_RETURN(report.kind, fields.require_string("report-type"));
  LH_ASSIGN_OR_RETURN(report.snapshot_id, fields.optional_int64("snapshot-id"));
  report.body = to_json(body);
  Write write;
  write.status = 204;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_RETURN_IF_ERROR(catalog_.report_metrics(call.context(), call.table(), report, options));
    return empty_response();
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::load_credentials(const Call& call) {
  LH_RETURN_IF_ERROR(catalog_.metadata_location(call.context(), call.table()));
  return json_response(200, {{"storage-credentials", json::array()}});
}

Result<Response> IcebergHandlers::commit_transaction(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_RETURN(const json::array* changes, fields.require_array("table-changes"));
  std::vector<catalog::TableCommit> commits;
  for (const json::value& change : *changes) {
    LH_ASSIGN_OR_RETURN(auto parts, JsonFields::of(change, "a table change"));
    LH_ASSIGN_OR_RETURN(auto table, require_identifier(parts, "identifier"));
    LH_ASSIGN_OR_RETURN(auto commit, commit_from(parts, std::move(table)));
    commits.push_back(std::move(commit));
  }
  Write write;
  write.status = 204;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_RETURN_IF_ERROR(catalog::check_may_commit(call.context(), catalog_, policies_, commits));
    CommitOptions checked = options;
    checked.checks_files = true;
    auto after = catalog_.commit_transaction(call.context(), commits, checked);
    if (!after) {
      return std::unexpected(as_commit_error(std::move(after).error()));
    }
    return empty_response();
  };
  return once(call, write);
}

}  // namespace lakehouse::gateway::http
