#include "gateway/http/oauth_handlers.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using governance::Authenticator;

constexpr std::string_view kPath = "/iceberg/v1/oauth/tokens";
constexpr std::size_t kFormBytesMax = std::size_t{64} << 10U;
constexpr std::string_view kForm = "application/x-www-form-urlencoded";
constexpr std::string_view kClientCredentials = "client_credentials";
constexpr std::string_view kTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view kAccessToken = "urn:ietf:params:oauth:token-type:access_token";
constexpr std::string_view kJwt = "urn:ietf:params:oauth:token-type:jwt";

constexpr std::string_view kRequestSchema = R"({"type":"object","required":["grant_type"],
"properties":{"grant_type":{"type":"string",
"enum":["client_credentials","urn:ietf:params:oauth:grant-type:token-exchange"]},
"client_id":{"type":"string","description":"The name of the key's owner."},
"client_secret":{"type":"string","description":"The key. Or both as HTTP Basic authorization."},
"scope":{"type":"string","description":"Taken and not looked at."},
"subject_token":{"type":"string","description":"To be exchanged: a token of this server."},
"subject_token_type":{"type":"string"},"actor_token":{"type":"string"},
"actor_token_type":{"type":"string"}}})";
constexpr std::string_view kTokenSchema = R"({"type":"object",
"required":["access_token","token_type","expires_in","issued_token_type"],"properties":{
"access_token":{"type":"string"},"token_type":{"const":"bearer"},
"expires_in":{"type":"integer","description":"Seconds."},
"issued_token_type":{"type":"string"}}})";
constexpr std::string_view kErrorSchema = R"({"type":"object","required":["error"],"properties":{
"error":{"type":"string"},"error_description":{"type":"string"}}})";

Response oauth_error(int status, std::string_view code, std::string_view description) {
  Response response = json_response(
      status, json::object{{"error", code}, {"error_description", as_utf8(description)}});
  response.headers.add("Cache-Control", "no-store");
  if (status == 401) {
    response.headers.add("WWW-Authenticate", "Basic realm=\"lakehouse\"");
  }
  if (status == 429 || status == 503) {
    response.headers.add("Retry-After", "1");
  }
  return response;
}

// What goes wrong before the handler, or in what it uses.
Response oauth_error_response(const Error& error) {
  const int status = http_status_of(error) == 499 ? 503 : http_status_of(error);
  const std::string_view code = status == 429 || status == 503 ? "temporarily_unavailable"
                                : status >= 500                ? "server_error"
                                : status == 401                ? "invalid_client"
                                                               : "invalid_request";
  return oauth_error(status, code, error.message);
}

/// The form's fields; the first of each name counts.
class Form {
 public:
  static Result<Form> parse(std::string_view body) {
    Form form;
    LH_ASSIGN_OR_RETURN(form.fields_, parse_query(body));
    return form;
  }
  [[nodiscard]] std::string_view get(std::string_view name) const {
    const auto found =
        std::ranges::find(fields_, name, [](const auto& pair) { return pair.first; });
    return found == fields_.end() ? std::string_view() : std::string_view(found->second);
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

Result<Authenticator::Token> issue(Authenticator& authenticator, const Request& request,
                                   const Form& form) {
  const std::string_view authorization = request.header("Authorization");
  if (form.get("grant_type") == kTokenExchange) {
    return authenticator.exchange(request.context, form.get("subject_token"), authorization);
  }
  if (const auto basic = Authenticator::basic_credentials(authorization)) {
    return authenticator.issue(request.context, basic->client, basic->key);
  }
  return authenticator.issue(request.context, form.get("client_id"), form.get("client_secret"));
}

// Nothing if the request makes sense; else the answer.
std::optional<Response> problem_of(const Request& request, const Form& form) {
  const std::string_view grant = form.get("grant_type");
  if (grant.empty()) {
    return oauth_error(400, "invalid_request", "the form has no 'grant_type'");
  }
  if (grant == kTokenExchange) {
    const std::string_view type = form.get("subject_token_type");
    if (form.get("subject_token").empty()) {
      return oauth_error(400, "invalid_request", "the form has no 'subject_token'");
    }
    if (type != kAccessToken && type != kJwt) {
      return oauth_error(400, "invalid_request",
                         fmt::format("only access tokens of this server are exchanged: "
                                     "'subject_token_type' must be {} or {}",
                                     kAccessToken, kJwt));
    }
    return std::nullopt;
  }
  if (grant != kClientCredentials) {
    return oauth_error(
        400, "unsupported_grant_type",
        fmt::format("'grant_type' must be {} or {}", kClientCredentials, kTokenExchange));
  }
  if (form.get("client_secret").empty() &&
      !Authenticator::basic_credentials(request.header("Authorization"))) {
    return oauth_error(400, "invalid_request",
                       "the form has no 'client_secret', and there is no Basic authorization");
  }
  return std::nullopt;
}

Result<Response> answer(Authenticator& authenticator, const Request& request, const Form& form) {
  auto token = issue(authenticator, request, form);
  if (!token && token.error().code == ErrorCode::Unauthenticated &&
      authenticator.refresh_is_due(true)) {
    // If it fails, what was known before decides.
    [[maybe_unused]] const Status refreshed = authenticator.refresh(request.context);
    token = issue(authenticator, request, form);
  }
  if (!token && token.error().code == ErrorCode::Unauthenticated) {
    return form.get("grant_type") == kTokenExchange
               ? oauth_error(400, "invalid_grant", token.error().message)
               : oauth_error(401, "invalid_client", token.error().message);
  }
  LH_RETURN_IF_ERROR(token);
  Response response = json_response(200, json::object{{"access_token", token->text},
                                                      {"token_type", "bearer"},
                                                      {"expires_in", token->expires_in_s},
                                                      {"issued_token_type", kAccessToken}});
  response.headers.add("Cache-Control", "no-store");
  return response;
}

}  // namespace

net::awaitable<Result<Response>> OAuthHandlers::get_token(Request request) {
  const std::string type = request.content_type();
  if (!type.empty() && type != kForm) {
    co_return oauth_error(400, "invalid_request",
                          fmt::format("the request body must be {}, not {}", kForm, type));
  }
  LH_ASSIGN_OR_CO_RETURN(const std::string body, co_await request.read_body(kFormBytesMax));
  LH_ASSIGN_OR_CO_RETURN(const Form form, Form::parse(body));
  if (authenticator_ == nullptr) {
    co_return oauth_error(400, "invalid_request",
                          "this server asks nobody for a key: connect without credentials, or set "
                          "auth.enabled there");
  }
  if (std::optional<Response> problem = problem_of(request, form)) {
    co_return *std::move(problem);
  }
  auto work = [this, &request, &form] { return answer(*authenticator_, request, form); };
  Result<Response> response = co_await run_on(pools_.storage, std::move(work));
  co_return response;
}

void OAuthHandlers::add_routes(Router& router) {
  router.add_schema("OAuthToken", std::string(kTokenSchema));
  router.add_schema("OAuthError", std::string(kErrorSchema));
  const ContentSpec error{.media_type = "application/json",
                          .schema = R"({"$ref":"#/components/schemas/OAuthError"})",
                          .example = {}};
  router.render_errors_under(std::string(kPath), &oauth_error_response, error);
  Route route;
  route.method = Method::Post;
  route.path = kPath;
  route.operation_id = "icebergGetToken";
  route.summary = "Get a token for a key, or for a token (OAuth2)";
  route.tag = "Iceberg REST catalog";
  route.open = true;
  route.request = {{.media_type = std::string(kForm), .schema = std::string(kRequestSchema)}};
  route.responses = {
      {.status = 200,
       .description = "The token.",
       .content = {{.media_type = "application/json",
                    .schema = R"({"$ref":"#/components/schemas/OAuthToken"})",
                    .example = {}}}},
      {.status = 401, .description = "The client or its secret is not known.", .content = {error}}};
  route.errors = {413};
  route.handler = [this](Request request) { return get_token(std::move(request)); };
  router.add(std::move(route));
}

}  // namespace lakehouse::gateway::http
