#include "gateway/http/router.h"

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse::gateway::http {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

Route route(Method method, std::string path, std::string id) {
  Route route;
  route.method = method;
  route.path = std::move(path);
  route.operation_id = std::move(id);
  route.summary = "A test's route.";
  route.tag = "Test";
  route.responses = {{.status = 200, .description = "Well."}};
  route.handler = [](Request) -> net::awaitable<Result<Response>> { co_return empty_response(); };
  return route;
}

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    router_.add(route(Method::Get, "/", "root"));
    router_.add(route(Method::Get, "/datasets", "list"));
    router_.add(route(Method::Post, "/datasets", "create"));
    router_.add(route(Method::Get, "/datasets/{name}", "load"));
    router_.add(route(Method::Get, "/datasets/by-name/{name}", "loadByName"));
    router_.add(route(Method::Get, "/b/{bucket}/objects/{*key}", "getObject"));
    router_.add(route(Method::Get, "/b/{bucket}/objects", "listObjects"));
    router_.add(route(Method::Get, "/i/{ns}/tables/{table}", "loadTable"));
  }

  std::string id_of(Method method, std::string_view path) {
    auto match = router_.match(method, path, &allow_);
    if (!match) {
      return std::to_string(http_status_of(match.error()));
    }
    params_ = std::move(match->path_params);
    return match->route->operation_id;
  }

  Router router_;
  std::string allow_;
  std::vector<PathParam> params_;
};

TEST_F(RouterTest, FindsTheRouteOfAPath) {
  EXPECT_EQ(id_of(Method::Get, "/"), "root");
  EXPECT_EQ(id_of(Method::Get, "/datasets"), "list");
  EXPECT_EQ(id_of(Method::Post, "/datasets"), "create");
  EXPECT_EQ(id_of(Method::Get, "/datasets/a.b"), "load");
  EXPECT_EQ(id_of(Method::Get, "/datasets/by-name/a"), "loadByName");
  EXPECT_EQ(id_of(Method::Get, "/datasets/by-name"), "load") << "literals win, then parameters";
  EXPECT_EQ(id_of(Method::Get, "/datasets/"), "404") << "a parameter is not empty";
  EXPECT_EQ(id_of(Method::Get, "/absent"), "404");
  EXPECT_EQ(id_of(Method::Get, "/datasets/a/b"), "404");
}

TEST_F(RouterTest, GivesParametersDecodedAndRaw) {
  ASSERT_EQ(id_of(Method::Get, "/i/a%1Fb/tables/x%2Fy"), "loadTable");
  ASSERT_EQ(params_.size(), 2U);
  EXPECT_EQ(params_[0].value,
            "a\x1f"
            "b");
  EXPECT_EQ(params_[0].raw, "a%1Fb");
  EXPECT_EQ(params_[1].value, "x/y");
}

TEST_F(RouterTest, TheLastParameterMayTakeTheRestOfThePath) {
  ASSERT_EQ(id_of(Method::Get, "/b/main/objects/a/b%20c/d"), "getObject");
  EXPECT_EQ(params_[1].value, "a/b c/d");
  EXPECT_EQ(id_of(Method::Get, "/b/main/objects/"), "404");
  EXPECT_EQ(id_of(Method::Get, "/b/main/objects"), "listObjects");
}

TEST_F(RouterTest, AKnownPathWithAnotherMethodSaysWhatItTakes) {
  EXPECT_EQ(id_of(Method::Delete, "/datasets"), "405");
  EXPECT_EQ(allow_, "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(id_of(Method::Other, "/datasets"), "405");
}

TEST_F(RouterTest, HeadIsAnsweredByGet) {
  const auto match = router_.match(Method::Head, "/datasets", &allow_);
  ASSERT_THAT(match, IsOk());
  EXPECT_TRUE(match->head_of_get);
}

TEST_F(RouterTest, RefusesBrokenEscapes) {
  EXPECT_EQ(id_of(Method::Get, "/datasets/%G1"), "400");
  EXPECT_EQ(id_of(Method::Get, "/datasets/%2"), "400");
  EXPECT_EQ(id_of(Method::Get, "/datasets/%FF"), "400");
}

TEST_F(RouterTest, TwoRoutesOfOneShapeAreABug) {
  EXPECT_ANY_THROW(router_.add(route(Method::Get, "/datasets/{other}", "again")));
  EXPECT_ANY_THROW(router_.add(route(Method::Get, "/other", "load"))) << "operationIds are unique";
}

TEST_F(RouterTest, ErrorsUnderAPrefixLookAsItsSpecificationSays) {
  router_.render_errors_under("/i/",
                              [](const Error&) { return text_response(418, "text/plain", "own"); },
                              {.media_type = "text/plain", .schema = "{}"});
  const Error error{.code = ErrorCode::NotFound,
                    .message = "no",
                    .hint = {},
                    .position_bytes = std::nullopt,
                    .details_json = {}};
  EXPECT_EQ(router_.render_error("/i/x", error).status, 418);
  EXPECT_EQ(router_.render_error("/datasets", error).status, 404);
}

TEST_F(RouterTest, OpenApiDescribesEveryRoute) {
  const auto document = router_.openapi("1.2.3");
  EXPECT_EQ(document.at("openapi").as_string(), "3.1.0");
  const auto& paths = document.at("paths").as_object();
  EXPECT_EQ(paths.size(), 7U);
  const auto& object = paths.at("/b/{bucket}/objects/{key}").at("get").as_object();
  EXPECT_EQ(object.at("operationId").as_string(), "getObject");
  EXPECT_EQ(object.at("parameters").as_array().size(), 2U);
  EXPECT_TRUE(object.at("responses").as_object().contains("400"));
  EXPECT_TRUE(object.at("responses").as_object().contains("200"));
}

TEST(ParseQuery, DecodesNamesAndValues) {
  const auto query = parse_query("a=1&b=x+y&c=%C3%A4&d&&e=a=b");
  ASSERT_THAT(query, IsOk());
  using Pair = std::pair<std::string, std::string>;
  EXPECT_THAT(*query, ::testing::ElementsAre(Pair("a", "1"), Pair("b", "x y"), Pair("c", "ä"),
                                             Pair("d", ""), Pair("e", "a=b")));
  EXPECT_THAT(parse_query("a=%zz"), FailsWith(ErrorCode::InvalidArgument));
}

TEST(Accepted, FollowsQualityAndPrecision) {
  const std::vector<std::string_view> offered = {"application/json", "text/csv",
                                                 "application/x-ndjson"};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "application/json"},
      {"*/*", "application/json"},
      {"text/csv", "text/csv"},
      {"text/*, application/json;q=0.5", "text/csv"},
      {"application/json;q=0, */*", "text/csv"},
      {"image/png", "none"},
      {"application/json;q=0.2, application/x-ndjson;q=0.9", "application/x-ndjson"},
      {"TEXT/CSV; q=1.0", "text/csv"},
  };
  for (const auto& [accept, wanted] : cases) {
    SCOPED_TRACE(accept);
    Request request;
    if (!accept.empty()) {
      request.headers.add("Accept", accept);
    }
    EXPECT_EQ(request.accepted(offered).value_or("none"), wanted);
  }
}

TEST(ProblemResponse, CarriesCodeHintPositionAndDetails) {
  const Error error{.code = ErrorCode::InvalidArgument,
                    .message = "no column 'x'",
                    .hint = "Did you mean 'y'?",
                    .position_bytes = 7,
                    .details_json = R"({"columns":["y"],"title":"ignored"})"};
  const Response response = problem_response(error);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.headers.get("content-type"), "application/problem+json");
  EXPECT_EQ(
      std::get<std::string>(response.body),
      R"({"type":"about:blank","title":"Bad Request","status":400,"detail":"no column 'x'",)"
      R"("code":"INVALID_ARGUMENT","hint":"Did you mean 'y'?","position":7,"columns":["y"]})");
  EXPECT_EQ(problem_response(with_http_status(error, 422)).status, 422);
}

}  // namespace
}  // namespace lakehouse::gateway::http
