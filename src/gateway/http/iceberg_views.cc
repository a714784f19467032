#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/iceberg_call.h"
#include "gateway/http/iceberg_warehouses.h"

// The operations on views.

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using catalog::CommitOptions;
using catalog::ViewCommitOptions;

}  // namespace

Response view_response(const catalog::LoadedView& view) {
  return json_text_response(
      200, fmt::format(R"({{"metadata-location":{},"metadata":{},"config":{{}}}})",
                       json::serialize(json::value(view.metadata_location)), *view.metadata_json));
}

Result<Response> IcebergHandlers::list_views(const Call& call) {
  LH_ASSIGN_OR_RETURN(const auto page, call.page());
  LH_ASSIGN_OR_RETURN(const auto list,
                      catalog_.list_views(call.context(), call.name_space(), page));
  return identifiers_response(list);
}

Result<Response> IcebergHandlers::create_view(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  catalog::CreateView request;
  request.identifier.name_space = call.name_space();
  LH_ASSIGN_OR_RETURN(request.identifier.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(const json::object* schema, fields.require_object("schema"));
  LH_ASSIGN_OR_RETURN(request.schema, iceberg::schema_from_json(*schema));
  LH_ASSIGN_OR_RETURN(const json::object* version, fields.require_object("view-version"));
  LH_ASSIGN_OR_RETURN(request.version, iceberg::view_version_from_json(*version));
  LH_ASSIGN_OR_RETURN(request.properties, properties_from(fields, "properties"));
  request.bucket = warehouse_of(call.request);
  Write write;
  write.run_view = [&](const ViewCommitOptions& options) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto view,
                        catalog_.create_view(call.context(), std::move(request), options));
    return view_response(view);
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::register_view(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  catalog::TableIdentifier view{.name_space = call.name_space(), .name = {}};
  LH_ASSIGN_OR_RETURN(view.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(const std::string location, fields.require_string("metadata-location"));
  Write write;
  write.run_view = [&](const ViewCommitOptions& options) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto registered,
                        catalog_.register_view(call.context(), view, location, options));
    return view_response(registered);
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::load_view(const Call& call) {
  const auto view = catalog_.load_view(call.context(), call.view());
  if (!view) {
    return std::unexpected(as_load_error(view.error()));
  }
  return view_response(*view);
}

Result<Response> IcebergHandlers::view_exists(const Call& call) {
  LH_ASSIGN_OR_RETURN(const bool is_there, catalog_.view_exists(call.context(), call.view()));
  if (!is_there) {
    return fail(ErrorCode::NotFound,
                fmt::format("View does not exist: {}", to_string(call.view())));
  }
  return empty_response();
}

Result<Response> IcebergHandlers::replace_view(const Call& call) {
  LH_ASSIGN_OR_RETURN(const json::value body, call.json());
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(body, "the request body"));
  LH_RETURN_IF_ERROR(check_named(fields, call.view()));
  std::vector<iceberg::AssertViewUuid> requirements;
  LH_ASSIGN_OR_RETURN(const json::array* given, fields.optional_array("requirements"));
  for (const json::value& value : given != nullptr ? *given : json::array()) {
    LH_ASSIGN_OR_RETURN(auto requirement, iceberg::view_requirement_from_json(value));
    requirements.push_back(std::move(requirement));
  }
  std::vector<iceberg::ViewUpdate> updates;
  LH_ASSIGN_OR_RETURN(const json::array* wanted, fields.require_array("updates"));
  for (const json::value& value : *wanted) {
    LH_ASSIGN_OR_RETURN(auto update, iceberg::view_update_from_json(value));
    updates.push_back(std::move(update));
  }
  Write write;
  write.run_view = [&](const ViewCommitOptions& options) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto after, catalog_.replace_view(call.context(), call.view(),
                                                                requirements, updates, options));
    return view_response(after);
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::drop_view(const Call& call) {
  Write write;
  write.status = 204;
  write.run = [&](const CommitOptions& options) -> Result<Response> {
    LH_RETURN_IF_ERROR(catalog_.drop_view(call.context(), call.view(), options));
    return empty_response();
  };
  return once(call, write);
}

Result<Response> IcebergHandlers::rename_view(const Call& call) {
  return rename(call, &catalog::Catalog::rename_view);
}

}  // namespace lakehouse::gateway::http
