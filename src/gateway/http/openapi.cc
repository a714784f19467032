#include <algorithm>
#include <array>
#include <set>
#include <stdexcept>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "gateway/http/router.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;

constexpr std::string_view kProblemSchema = R"({
  "type": "object",
  "description": "What went wrong (RFC 9457), with a stable code and a hint.",
  "properties": {
    "type": {"type": "string"},
    "title": {"type": "string"},
    "status": {"type": "integer"},
    "detail": {"type": "string", "description": "One line for a person."},
    "code": {"type": "string", "enum": ["INVALID_ARGUMENT", "OUT_OF_RANGE", "NOT_FOUND",
      "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED", "UNAUTHENTICATED", "PERMISSION_DENIED",
      "RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED",
      "COMMIT_STATE_UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED", "INTERNAL"]},
    "hint": {"type": "string", "description": "What to try; may be empty."},
    "position": {"type": "integer", "description": "Of a mistake in SQL, in bytes from 0."}
  },
  "required": ["type", "title", "status", "detail", "code", "hint"]
})";

// What any operation may answer, whatever it does.
constexpr std::array<int, 5> kErrorsOfAll = {400, 403, 429, 500, 503};

// Schemas are written by us: one that is no JSON is a bug, and found by the first test.
json::value parsed(const std::string& text, std::string_view what) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error) {
    throw std::logic_error(fmt::format("{} is not JSON: {}", what, error.message()));
  }
  return value;
}

json::object content_of(const std::vector<ContentSpec>& specs, std::string_view operation) {
  json::object content;
  for (const ContentSpec& spec : specs) {
    json::object& body = (content[spec.media_type] = json::object()).as_object();
    body["schema"] = parsed(spec.schema, operation);
    if (!spec.example.empty()) {
      body["example"] = parsed(spec.example, operation);
    }
  }
  return content;
}

json::object parameter_object(const ParameterSpec& spec, std::string_view operation) {
  json::object parameter;
  parameter["name"] = spec.name;
  parameter["in"] = spec.in == ParameterSpec::In::Path    ? "path"
                    : spec.in == ParameterSpec::In::Query ? "query"
                                                          : "header";
  parameter["required"] = spec.required || spec.in == ParameterSpec::In::Path;
  if (!spec.description.empty()) {
    parameter["description"] = spec.description;
  }
  parameter["schema"] = parsed(spec.schema, operation);
  if (!spec.example.empty()) {
    parameter["example"] = parsed(spec.example, operation);
  }
  return parameter;
}

// "/a/{*key}" -> "/a/{key}", and the names of what stands in braces.
std::string plain_path(std::string_view path, std::vector<std::string>* names) {
  std::string plain;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '*' && i > 0 && path[i - 1] == '{') {
      continue;
    }
    if (path[i] == '{') {
      const std::size_t end = path.find('}', i);
      const std::size_t begin = i + 1 + (path[i + 1] == '*' ? 1U : 0U);
      names->emplace_back(path.substr(begin, end - begin));
    }
    plain.push_back(path[i]);
  }
  return plain;
}

json::array parameters_of(const Route& route, const std::vector<std::string>& path_names) {
  json::array parameters;
  for (const std::string& name : path_names) {
    const auto described = std::ranges::find_if(route.parameters, [&](const ParameterSpec& spec) {
      return spec.in == ParameterSpec::In::Path && spec.name == name;
    });
    ParameterSpec spec{.in = ParameterSpec::In::Path,
                       .name = name,
                       .description = {},
                       .schema = R"({"type":"string","minLength":1})",
                       .required = true,
                       .example = {}};
    parameters.push_back(parameter_object(described == route.parameters.end() ? spec : *described,
                                          route.operation_id));
  }
  for (const ParameterSpec& spec : route.parameters) {
    if (spec.in != ParameterSpec::In::Path) {
      parameters.push_back(parameter_object(spec, route.operation_id));
    }
  }
  return parameters;
}

json::object response_object(const ResponseSpec& spec, std::string_view operation) {
  json::object response;
  response["description"] = spec.description;
  json::object headers;
  for (const ParameterSpec& header : spec.headers) {
    headers[header.name] = {{"description", header.description},
                            {"schema", parsed(header.schema, operation)}};
  }
  headers["X-Request-Id"] = {{"description", "The request's id, as given or made."},
                             {"schema", {{"type", "string"}}}};
  response["headers"] = std::move(headers);
  if (!spec.content.empty()) {
    response["content"] = content_of(spec.content, operation);
  }
  return response;
}

json::object responses_of(const Route& route, const ContentSpec& error_body) {
  json::object responses;
  for (const ResponseSpec& spec : route.responses) {
    responses[std::to_string(spec.status)] = response_object(spec, route.operation_id);
  }
  std::set<int> errors(kErrorsOfAll.begin(), kErrorsOfAll.end());
  errors.insert(route.errors.begin(), route.errors.end());
  if (!route.open) {
    errors.insert(401);
  }
  const std::vector<ContentSpec> error_content = {error_body};
  const bool bodiless = route.method == Method::Head;
  for (const int status : errors) {
    const std::string name = std::to_string(status);
    if (!responses.contains(name)) {
      ResponseSpec spec{.status = status,
                        .description = std::string(reason_phrase(status)),
                        .content = {},
                        .headers = {}};
      if (!bodiless) {
        spec.content = error_content;
      }
      responses[name] = response_object(spec, route.operation_id);
    }
  }
  return responses;
}

json::object operation_object(const Route& route, const std::vector<std::string>& path_names,
                              const ContentSpec& error_body) {
  json::object operation;
  operation["operationId"] = route.operation_id;
  operation["summary"] = route.summary;
  if (!route.description.empty()) {
    operation["description"] = route.description;
  }
  operation["tags"] = {route.tag};
  json::array parameters = parameters_of(route, path_names);
  if (!parameters.empty()) {
    operation["parameters"] = std::move(parameters);
  }
  if (!route.request.empty()) {
    operation["requestBody"] = {{"required", route.request_required},
                                {"content", content_of(route.request, route.operation_id)}};
  }
  operation["responses"] = responses_of(route, error_body);
  if (route.open) {
    operation["security"] = json::array();
  }
  return operation;
}

}  // namespace

json::object Router::openapi(std::string_view version) const {
  const ContentSpec problem{.media_type = "application/problem+json",
                            .schema = R"({"$ref":"#/components/schemas/Problem"})",
                            .example = {}};
  json::object paths;
  std::set<std::string> tags;
  for (const Route& route : routes_) {
    if (route.hidden) {
      continue;
    }
    std::vector<std::string> names;
    const std::string path = plain_path(route.path, &names);
    if (!paths.contains(path)) {
      paths[path] = json::object();
    }
    const Renderer* renderer = renderer_for(route.path);
    paths[path].as_object()[to_lower(to_string(route.method))] =
        operation_object(route, names, renderer == nullptr ? problem : renderer->body);
    tags.insert(route.tag);
  }
  json::object schemas;
  schemas["Problem"] = parsed(std::string(kProblemSchema), "Problem");
  for (const auto& [name, schema] : schemas_) {
    schemas[name] = parsed(schema, name);
  }
  json::array tag_list;
  for (const std::string& tag : tags) {
    tag_list.push_back(json::object{{"name", tag}});
  }
  return json::object{
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "lakehouse"},
        {"version", version},
        {"summary", "Files in, open tables out, SQL answers."},
        {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"servers", json::array{json::object{{"url", "/"}}}},
      {"tags", std::move(tag_list)},
      // A key or a token, if the server asks for one.
      {"security", json::array{json::object{{"key", json::array()}}, json::object()}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", std::move(schemas)},
        {"securitySchemes",
         json::object{{"key", json::object{{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

}  // namespace lakehouse::gateway::http
