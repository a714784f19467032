#include "gateway/http/router.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::gateway::http {
namespace {

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) {
      return segments;
    }
    path.remove_prefix(slash + 1);
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "{name}" -> "name", "{*key}" -> "*key", a literal -> nothing.
std::optional<std::string_view> parameter_in(std::string_view segment) {
  if (segment.size() > 2 && segment.starts_with('{') && segment.ends_with('}')) {
    return segment.substr(1, segment.size() - 2);
  }
  return std::nullopt;
}

}  // namespace

/// Where one more segment of a path leads.
struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> parameter;
  std::unique_ptr<Node> rest;  ///< Takes all segments that remain.
  std::map<Method, std::size_t> routes;
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

void Router::add(Route route) {
  if (!route.path.starts_with('/')) {
    throw std::logic_error("a route's path begins with a slash: " + route.path);
  }
  const auto same_id = [&](const Route& other) {
    return !other.hidden && other.operation_id == route.operation_id;
  };
  if (!route.hidden && std::ranges::any_of(routes_, same_id)) {
    throw std::logic_error("two routes are called " + route.operation_id);
  }
  Node* node = root_.get();
  const auto segments = split_path(route.path);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto parameter = parameter_in(segments[i]);
    const bool is_rest = parameter && parameter->starts_with('*');
    if (is_rest && i + 1 != segments.size()) {
      throw std::logic_error("only a path's last parameter takes the rest: " + route.path);
    }
    std::unique_ptr<Node>& child = is_rest     ? node->rest
                                   : parameter ? node->parameter
                                               : node->literals[std::string(segments[i])];
    if (child == nullptr) {
      child = std::make_unique<Node>();
    }
    node = child.get();
  }
  if (!node->routes.emplace(route.method, routes_.size()).second) {
    throw std::logic_error(
        fmt::format("two routes for {} {}", to_string(route.method), route.path));
  }
  routes_.push_back(std::move(route));
}

void Router::add_schema(std::string name, std::string schema) {
  schemas_[std::move(name)] = std::move(schema);
}

void Router::render_errors_under(std::string prefix, ErrorRenderer render, ContentSpec error_body) {
  renderers_.push_back(
      {.prefix = std::move(prefix), .render = std::move(render), .body = std::move(error_body)});
}

const Router::Node* Router::find(const Node& node, const std::vector<std::string_view>& segments,
                                 std::size_t at, std::vector<std::string_view>& captured) const {
  if (at == segments.size()) {
    return node.routes.empty() ? nullptr : &node;
  }
  if (const auto literal = node.literals.find(segments[at]); literal != node.literals.end()) {
    if (const Node* found = find(*literal->second, segments, at + 1, captured)) {
      return found;
    }
  }
  if (node.parameter != nullptr && !segments[at].empty()) {
    captured.push_back(segments[at]);
    if (const Node* found = find(*node.parameter, segments, at + 1, captured)) {
      return found;
    }
    captured.pop_back();
  }
  if (node.rest != nullptr && !node.rest->routes.empty()) {
    const char* const begin = segments[at].data();
    const char* const end = segments.back().data() + segments.back().size();
    if (begin != end) {
      captured.emplace_back(begin, static_cast<std::size_t>(end - begin));
      return node.rest.get();
    }
  }
  return nullptr;
}

Result<Router::Match> Router::match(Method method, std::string_view raw_path,
                                    std::string* allow) const {
  if (!raw_path.starts_with('/')) {
    return fail(ErrorCode::InvalidArgument, "the request's path does not begin with a slash");
  }
  std::vector<std::string_view> captured;
  const Node* node = find(*root_, split_path(raw_path), 0, captured);
  if (node == nullptr) {
    return fail(ErrorCode::NotFound, fmt::format("there is nothing at {}", raw_path),
                "GET /openapi.json lists all operations.");
  }
  auto chosen = node->routes.find(method);
  const bool head_of_get = chosen == node->routes.end() && method == Method::Head;
  if (head_of_get) {
    chosen = node->routes.find(Method::Get);
  }
  allow->clear();
  for (const auto& [allowed, index] : node->routes) {
    *allow += fmt::format("{}{}", allow->empty() ? "" : ", ", to_string(allowed));
    if (allowed == Method::Get && !node->routes.contains(Method::Head)) {
      *allow += ", HEAD";
    }
  }
  *allow += ", OPTIONS";
  if (chosen == node->routes.end()) {
    Error error{.code = ErrorCode::InvalidArgument,
                .message = fmt::format("{} does not take {}", raw_path, to_string(method)),
                .hint = fmt::format("It takes {}.", *allow),
                .position_bytes = std::nullopt,
                .details_json = {}};
    return std::unexpected(with_http_status(std::move(error), 405));
  }
  Match match{.route = &routes_[chosen->second], .path_params = {}, .head_of_get = head_of_get};
  std::size_t next = 0;
  for (const std::string_view segment : split_path(match.route->path)) {
    if (auto name = parameter_in(segment)) {
      name->remove_prefix(name->starts_with('*') ? 1 : 0);
      LH_ASSIGN_OR_RETURN(std::string value, percent_decode(captured[next], false));
      match.path_params.push_back({.name = std::string(*name),
                                   .value = std::move(value),
                                   .raw = std::string(captured[next])});
      ++next;
    }
  }
  return match;
}

const Router::Renderer* Router::renderer_for(std::string_view raw_path) const {
  for (const Renderer& renderer : renderers_) {
    if (raw_path.starts_with(renderer.prefix)) {
      return &renderer;
    }
  }
  return nullptr;
}

Response Router::render_error(std::string_view raw_path, const Error& error) const {
  const Renderer* renderer = renderer_for(raw_path);
  return renderer == nullptr ? problem_response(error) : renderer->render(error);
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[i] != '%') {
      decoded.push_back(text[i]);
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return fail(ErrorCode::InvalidArgument,
                    "the request's URL has a '%' without two hexadecimal digits after it");
      }
      decoded.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  if (!is_valid_utf8(decoded)) {
    return fail(ErrorCode::InvalidArgument, "the request's URL is not UTF-8");
  }
  return decoded;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> query;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) {
      continue;
    }
    const std::size_t equals = std::min(pair.find('='), pair.size());
    LH_ASSIGN_OR_RETURN(std::string name, percent_decode(pair.substr(0, equals), true));
    LH_ASSIGN_OR_RETURN(std::string value,
                        percent_decode(pair.substr(std::min(equals + 1, pair.size())), true));
    query.emplace_back(std::move(name), std::move(value));
  }
  return query;
}

}  // namespace lakehouse::gateway::http
