#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include "base/error.h"
#include "gateway/http/message.h"

namespace lakehouse::gateway::http {

/// A handler decodes, calls one service and encodes. It checks no privileges (the service does) and
/// renders no errors (the router does).
using Handler = std::function<net::awaitable<Result<Response>>(Request)>;
using ErrorRenderer = std::function<Response(const Error&)>;

/// One parameter, for openapi.json. Path parameters that a route does not describe are strings.
struct ParameterSpec {
  enum class In : std::uint8_t { Path, Query, Header };
  In in = In::Query;
  std::string name;
  std::string description;
  std::string schema = R"({"type":"string"})";  ///< JSON Schema, as text.
  bool required = false;                        ///< Path parameters always are.
  std::string example = {};                     ///< JSON, as text; may be empty.
};

/// What a body looks like, in one media type.
struct ContentSpec {
  std::string media_type = "application/json";
  std::string schema = "{}";  ///< JSON Schema as text; "{"$ref":"#/components/schemas/Name"}" too.
  std::string example = {};   ///< JSON, as text; may be empty.
};

struct ResponseSpec {
  int status = 200;
  std::string description;
  std::vector<ContentSpec> content = {};  ///< Empty: no body.
  std::vector<ParameterSpec> headers = {};
};

/// One line of the table that both the router and /openapi.json are made from.
struct Route {
  Method method = Method::Get;
  /// "/datasets/{name}"; a last "{*key}" takes the rest of the path with its slashes. Literal
  /// segments win over parameters.
  std::string path;
  std::string operation_id;  ///< lowerCamelCase or the specification's own, unique.
  std::string summary;
  std::string tag;
  std::string description = {};
  std::vector<ParameterSpec> parameters = {};
  std::vector<ContentSpec> request = {};
  bool request_required = true;  ///< Of the body, if `request` describes one.
  std::vector<ResponseSpec> responses;
  /// Error statuses that the route can answer with, beside 400, 403, 429, 500 and 503.
  std::vector<int> errors = {};
  bool open = false;    ///< Answers also who has no key, when keys are asked for.
  bool hidden = false;  ///< Not in openapi.json: OPTIONS-like helpers and second spellings.
  Handler handler;
};

/// The route table. Filled at start by one thread, then immutable and thread-safe.
class Router {
 public:
  Router();
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// A second route of the same method and shape, or a malformed template, is a bug: throws.
  void add(Route route);

  /// A schema that routes refer to by "#/components/schemas/NAME".
  void add_schema(std::string name, std::string schema);

  /// Errors of paths under `prefix` ("/iceberg/") are rendered so, also those of paths that match
  /// no route. Everything else is application/problem+json. `schema` names the error's schema.
  void render_errors_under(std::string prefix, ErrorRenderer render, ContentSpec error_body);

  struct Match {
    const Route* route = nullptr;
    std::vector<PathParam> path_params;
    bool head_of_get = false;  ///< HEAD, answered by the GET route.
  };
  /// The route for a path as sent, without its query. NotFound for an unknown path; for a known one
  /// with another method `allow` is filled and the error is marked 405. InvalidArgument for broken
  /// percent-encoding.
  Result<Match> match(Method method, std::string_view raw_path, std::string* allow) const;

  [[nodiscard]] Response render_error(std::string_view raw_path, const Error& error) const;

  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }
  /// The OpenAPI 3.1 document of the table.
  [[nodiscard]] boost::json::object openapi(std::string_view version) const;

 private:
  struct Node;
  struct Renderer {
    std::string prefix;
    ErrorRenderer render;
    ContentSpec body;
  };
  const Node* find(const Node& node, const std::vector<std::string_view>& segments, std::size_t at,
                   std::vector<std::string_view>& captured) const;
  const Renderer* renderer_for(std::string_view raw_path) const;

  std::vector<Route> routes_;
  std::map<std::string, std::string> schemas_;
  std::vector<Renderer> renderers_;
  std::unique_ptr<Node> root_;
};

/// Percent-decodes; "+" is a space in queries only. InvalidArgument for a broken escape or for
/// bytes that are not UTF-8.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space);
Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text);

}  // namespace lakehouse::gateway::http
