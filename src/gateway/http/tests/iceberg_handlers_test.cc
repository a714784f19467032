#include "gateway/http/iceberg_handlers.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/json.h"
#include "gateway/http/iceberg_planning.h"
#include "metastore/testing/faulty_metastore.h"
#include "query/testing/fixed_policies.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

class TextBody final : public RequestBody {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  net::awaitable<Result<std::size_t>> read_some(std::span<std::byte> buffer) override {
    const std::size_t count = std::min(buffer.size(), text_.size() - at_);
    std::memcpy(buffer.data(), text_.data() + at_, count);
    at_ += count;
    co_return count;
  }
  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const override { return text_.size(); }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

struct Answer {
  int status = 0;
  std::string text;
  std::string etag;

  [[nodiscard]] json::value body() const { return json::parse(text); }
  [[nodiscard]] std::string error_type() const {
    return std::string(body().at("error").at("type").as_string());
  }
  [[nodiscard]] std::string string_at(std::string_view pointer) const {
    return std::string(body().at_pointer(pointer).as_string());
  }
};

constexpr std::string_view kSchema =
    R"({"type":"struct","schema-id":0,"fields":[
        {"id":1,"name":"id","type":"long","required":true},
        {"id":2,"name":"name","type":"string","required":false}]})";
constexpr std::string_view kTables = "/iceberg/v1/namespaces/main/tables";

class IcebergHandlersTest : public ::testing::Test {
 protected:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  IcebergHandlersTest() {
    std::filesystem::create_directories(folder_);
    open();
  }
  ~IcebergHandlersTest() override {
    close();
    std::filesystem::remove_all(folder_);
  }

  void open() {
    buckets_ = storage::Buckets::open(
                   {{.name = "primary", .type = "local", .location = folder_ + "/primary"}})
                   .value();
    metastore_ = metastore::open_sqlite(folder_ + "/metastore.db").value();
    faulty_ = std::make_unique<metastore::testing::FaultyMetastore>(*metastore_);
    catalog_ = catalog::Catalog::open(*buckets_, *faulty_, {}).value();
    router_ = std::make_unique<Router>();
    handlers_ = std::make_unique<IcebergHandlers>(
        *catalog_, Pools{.storage = workers_, .engine = workers_, .jobs = workers_}, &policies_);
    handlers_->add_routes(*router_);
    planning_ = std::make_unique<PlanningHandlers>(
        *catalog_, *buckets_, manifests_,
        Pools{.storage = workers_, .engine = workers_, .jobs = workers_}, &policies_);
    planning_->add_routes(*router_);
  }
  void close() {
    router_.reset();
    planning_.reset();
    handlers_.reset();
    catalog_.reset();
    faulty_.reset();
    metastore_.reset();
    buckets_.reset();
  }

  Answer ask(Method method, const std::string& target, std::string body = {},
             const Headers& headers = {}) {
    const std::string path = target.substr(0, target.find('?'));
    std::string allow;
    auto match = router_->match(method, path, &allow);
    if (!match) {
      return render(path, match.error());
    }
    Request request;
    request.method = method;
    request.target = target;
    request.path_params = match->path_params;
    if (const auto at = target.find('?'); at != std::string::npos) {
      request.query = parse_query(target.substr(at + 1)).value();
    }
    for (const auto& [name, value] : headers) {
      request.headers.add(name, value);
    }
    TextBody text(std::move(body));
    request.body = &text;
    auto answer = net::co_spawn(loop_, match->route->handler(std::move(request)), net::use_future);
    loop_.restart();
    loop_.run();
    Result<Response> response = answer.get();
    return response ? from(*response) : render(path, response.error());
  }
  Answer render(const std::string& path, const Error& error) {
    return from(router_->render_error(path, error));
  }
  static Answer from(const Response& response) {
    return {.status = response.status,
            .text = std::get<std::string>(response.body),
            .etag = std::string(response.headers.get("ETag"))};
  }

  Answer get(const std::string& target) { return ask(Method::Get, target); }
  Answer post(const std::string& target, std::string body, const Headers& headers = {}) {
    return ask(Method::Post, target, std::move(body), headers);
  }
  Answer create(std::string_view name, const Headers& headers = {}, std::string_view more = "") {
    return post(std::string(kTables),
                fmt::format(R"({{"name":"{}","schema":{}{}}})", name, kSchema, more), headers);
  }
  static std::string commit(std::string_view updates, std::string_view requirements = "") {
    return fmt::format(R"({{"requirements":[{}],"updates":[{}]}})", requirements, updates);
  }
  static std::string set(std::string_view name, std::string_view value) {
    return fmt::format(R"({{"action":"set-properties","updates":{{"{}":"{}"}}}})", name, value);
  }

  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("iceberg-door-" + new_token(8))).string();
  net::io_context loop_;
  WorkerPool workers_{"test", 2, 16};
  std::unique_ptr<storage::Buckets> buckets_;
  std::unique_ptr<metastore::Metastore> metastore_;
  std::unique_ptr<metastore::testing::FaultyMetastore> faulty_;  ///< What the catalog uses.
  std::unique_ptr<catalog::Catalog> catalog_;
  query::testing::FixedPolicies policies_;
  std::unique_ptr<IcebergHandlers> handlers_;
  iceberg::ManifestCache manifests_;
  std::unique_ptr<PlanningHandlers> planning_;
  std::unique_ptr<Router> router_;
};

TEST_F(IcebergHandlersTest, TheConfigurationListsWhatIsServed) {
  const Answer config = get("/iceberg/v1/config?warehouse=x");
  ASSERT_EQ(config.status, 200);
  std::size_t listed = 0;
  const json::value body = config.body();  // g++ 12 does not keep a range's temporaries alive.
  for (const json::value& endpoint : body.at("endpoints").as_array()) {
    const std::string text(endpoint.as_string());
    const auto method = method_from(text.substr(0, text.find(' ')));
    std::string path = "/iceberg" + text.substr(text.find(' ') + 1);
    if (const auto at = path.find("/{prefix}"); at != std::string::npos) {
      path.erase(at, std::strlen("/{prefix}"));
    }
    const bool served = std::ranges::any_of(router_->routes(), [&](const Route& route) {
      return route.method == method && route.path == path;
    });
    EXPECT_TRUE(served) << text;
    ++listed;
  }
  EXPECT_EQ(listed, router_->routes().size());
}

TEST_F(IcebergHandlersTest, NamespacesAreMadeReadChangedAndDropped) {
  EXPECT_EQ(post("/iceberg/v1/namespaces",
                 R"({"namespace":["a","b"],"properties":{"k":"v"},"unknown":1})")
                .status,
            200);
  EXPECT_EQ(get("/iceberg/v1/namespaces/a%1Fb").string_at("/properties/k"), "v");
  EXPECT_EQ(ask(Method::Head, "/iceberg/v1/namespaces/a%1Fb").status, 204);
  EXPECT_EQ(get("/iceberg/v1/namespaces?parent=a").body().at("namespaces"),
            json::parse(R"([["a","b"]])"));
  const Answer changed = post("/iceberg/v1/namespaces/a%1Fb/properties",
                              R"({"removals":["k","absent"],"updates":{"n":"1"}})");
  EXPECT_EQ(changed.body(),
            json::parse(R"({"updated":["n"],"removed":["k"],"missing":["absent"]})"));
  EXPECT_EQ(
      post("/iceberg/v1/namespaces/a%1Fb/properties", R"({"removals":["k"],"updates":{"k":"1"}})")
          .error_type(),
      "UnprocessableEntityException");
  const Answer full = ask(Method::Delete, "/iceberg/v1/namespaces/a");
  EXPECT_EQ(full.status, 409);
  EXPECT_EQ(full.error_type(), "NamespaceNotEmptyException");
  EXPECT_EQ(ask(Method::Delete, "/iceberg/v1/namespaces/a%1Fb").status, 204);
  const Answer gone = get("/iceberg/v1/namespaces/a%1Fb");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.error_type(), "NoSuchNamespaceException");
  EXPECT_EQ(post("/iceberg/v1/namespaces", R"({"namespace":["a"]})").error_type(),
            "AlreadyExistsException");
}

TEST_F(IcebergHandlersTest, ListsComeInPages) {
  for (const std::string_view name : {"a", "b", "c"}) {
    ASSERT_EQ(create(name).status, 200);
  }
  EXPECT_TRUE(get(std::string(kTables)).body().at("next-page-token").is_null());
  const Answer first = get(std::string(kTables) + "?pageSize=2&pageToken=");
  ASSERT_EQ(first.body().at("identifiers").as_array().size(), 2U);
  const Answer second =
      get(fmt::format("{}?pageSize=2&pageToken={}", kTables, first.string_at("/next-page-token")));
  EXPECT_EQ(second.body().at("identifiers"), json::parse(R"([{"namespace":["main"],"name":"c"}])"));
  EXPECT_EQ(get(std::string(kTables) + "?pageSize=0").status, 400);
  EXPECT_EQ(get(std::string(kTables) + "?pageToken=zz").status, 400);
}

TEST_F(IcebergHandlersTest, TablesAreMadeLoadedCommittedAndDropped) {
  const Answer made =
      create("t", {}, R"(,"location":"file:///tmp/elsewhere","properties":{"a":"b"})");
  ASSERT_EQ(made.status, 200);
  EXPECT_THAT(made.string_at("/metadata/location"), HasSubstr(folder_ + "/primary/main/t-"));
  EXPECT_EQ(made.string_at("/metadata/properties/a"), "b");
  EXPECT_EQ(create("t").error_type(), "AlreadyExistsException");
  const std::string table = std::string(kTables) + "/t";
  EXPECT_EQ(ask(Method::Head, table).status, 204);

  const Answer done = post(table, commit(set("k", "v")));
  ASSERT_EQ(done.status, 200);
  EXPECT_EQ(done.string_at("/metadata/properties/k"), "v");
  const Answer loaded = get(table);
  EXPECT_EQ(loaded.body(), done.body());
  const Answer conflict = post(
      table, commit(set("k", "w"), R"({"type":"assert-current-schema-id","current-schema-id":9})"));
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.error_type(), "CommitFailedException");

  EXPECT_EQ(get(table + "/credentials").body(), json::parse(R"({"storage-credentials":[]})"));
  EXPECT_EQ(post(table + "/metrics", R"({"report-type":"scan-report"})").status, 204);
  EXPECT_EQ(post("/iceberg/v1/tables/rename",
                 R"({"source":{"namespace":["main"],"name":"t"},
                     "destination":{"namespace":["main"],"name":"u"}})")
                .status,
            204);
  EXPECT_EQ(get(table).error_type(), "NoSuchTableException");
  EXPECT_EQ(ask(Method::Delete, std::string(kTables) + "/u").status, 204);
  EXPECT_EQ(ask(Method::Delete, std::string(kTables) + "/u").status, 404);

  const Answer back = post("/iceberg/v1/namespaces/main/register",
                           fmt::format(R"({{"name":"back","metadata-location":"{}"}})",
                                       done.string_at("/metadata-location")));
  ASSERT_EQ(back.status, 200);
  EXPECT_EQ(back.string_at("/metadata/properties/k"), "v");
  EXPECT_EQ(ask(Method::Delete, std::string(kTables) + "/back?purgeRequested=true").status, 204);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/primary/main"));
}

TEST_F(IcebergHandlersTest, WhoSeesAPartOfATableDoesNotCommitItsRows) {
  const Answer made = create("t");
  ASSERT_EQ(create("u").status, 200);
  const std::string table = std::string(kTables) + "/t";
  const std::string snapshot = fmt::format(
      R"({{"action":"add-snapshot","snapshot":{{"snapshot-id":1,"sequence-number":1,
          "timestamp-ms":{},"manifest-list":"{}/metadata/1.avro",
          "summary":{{"operation":"append"}},"schema-id":0}}}})",
      catalog_->now_ms(), made.string_at("/metadata/location"));
  const std::string branch =
      R"({"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":1})";
  const std::string both = R"({"table-changes":[
      {"identifier":{"namespace":["main"],"name":"u"},"requirements":[],"updates":[)" +
                           set("k", "v") +
                           R"(]},{"identifier":{"namespace":["main"],"name":"t"},
                               "requirements":[],"updates":[)" +
                           snapshot + "]}]}";
  const std::string over =
      fmt::format(R"({{"name":"t","metadata-location":"{}","overwrite":true}})",
                  made.string_at("/metadata-location"));

  policies_.set("*", "main.t", query::testing::rows_where("id = 1"));
  for (const std::string& updates :
       {snapshot, snapshot + "," + branch,
        std::string(R"({"action":"remove-snapshot-ref","ref-name":"main"})"),
        std::string(R"({"action":"remove-snapshots","snapshot-ids":[1]})")}) {
    const Answer refused = post(table, commit(updates));
    EXPECT_EQ(refused.status, 403) << updates;
    EXPECT_EQ(refused.error_type(), "ForbiddenException");
    EXPECT_THAT(refused.text, Not(HasSubstr("id = 1")));
  }
  EXPECT_EQ(post("/iceberg/v1/transactions/commit", both).status, 403);
  EXPECT_EQ(get(std::string(kTables) + "/u").body().at_pointer("/metadata/properties").as_object(),
            json::object());
  EXPECT_EQ(post("/iceberg/v1/namespaces/main/register", over).status, 403);
  EXPECT_EQ(post(table, commit(set("k", "v"))).status, 200);
  EXPECT_EQ(post(table + "/plan", "{}").status, 403) << "bounds of files are cells";
  EXPECT_EQ(post(table + "/tasks", R"({"plan-task":"x"})").status, 403);

  policies_.clear();
  EXPECT_EQ(post(table + "/plan", "{}").status, 200);
  EXPECT_EQ(post(table, commit(snapshot + "," + branch)).status, 200);
}

TEST_F(IcebergHandlersTest, AnUnchangedTableIsNotSentAgain) {
  ASSERT_EQ(create("t").status, 200);
  const std::string table = std::string(kTables) + "/t";
  const Answer loaded = get(table);
  ASSERT_FALSE(loaded.etag.empty());
  const Headers known = {{"If-None-Match", loaded.etag}};
  const Answer same = ask(Method::Get, table, "", known);
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.text, "");
  EXPECT_EQ(ask(Method::Get, table + "?snapshots=refs", "", known).status, 200)
      << "another representation";
  ASSERT_EQ(post(table, commit(set("k", "v"))).status, 200);
  const Answer changed = ask(Method::Get, table, "", known);
  EXPECT_EQ(changed.status, 200);
  EXPECT_NE(changed.etag, loaded.etag);
  EXPECT_EQ(get(table + "?snapshots=some").status, 400);
}

TEST_F(IcebergHandlersTest, OnlyReferencedSnapshotsAreSentWhenThatIsAsked) {
  const Answer made = create("t");
  const std::string table = std::string(kTables) + "/t";
  std::string parent;
  for (int i = 1; i <= 3; ++i) {
    const std::string snapshot = fmt::format(
        R"({{"action":"add-snapshot","snapshot":{{"snapshot-id":{},{}"sequence-number":{},
            "timestamp-ms":{},"manifest-list":"{}/metadata/{}.avro",
            "summary":{{"operation":"append"}},"schema-id":0}}}},
           {{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":{}}})",
        i, parent, i, catalog_->now_ms(), made.string_at("/metadata/location"), i, i);
    const Answer done = post(table, commit(snapshot));
    ASSERT_EQ(done.status, 200) << done.text;
    parent = fmt::format(R"("parent-snapshot-id":{},)", i);
  }
  EXPECT_EQ(get(table).body().at_pointer("/metadata/snapshots").as_array().size(), 3U);
  const json::value lean = get(table + "?snapshots=refs").body();
  ASSERT_EQ(lean.at_pointer("/metadata/snapshots").as_array().size(), 1U);
  EXPECT_EQ(lean.at_pointer("/metadata/snapshots/0/snapshot-id"), 3);
  EXPECT_EQ(lean.at_pointer("/metadata/current-snapshot-id"), 3);
}

TEST_F(IcebergHandlersTest, AStagedTableIsMadeByItsCommit) {
  const Answer staged = create("t", {}, R"(,"stage-create":true)");
  ASSERT_EQ(staged.status, 200);
  EXPECT_FALSE(staged.body().as_object().contains("metadata-location"));
  const std::string table = std::string(kTables) + "/t";
  EXPECT_EQ(get(table).status, 404);
  const std::string updates = fmt::format(
      R"({{"action":"assign-uuid","uuid":"{}"}},{{"action":"upgrade-format-version","format-version":2}},
         {{"action":"add-schema","schema":{},"last-column-id":2}},
         {{"action":"set-current-schema","schema-id":-1}},
         {{"action":"add-spec","spec":{{"spec-id":0,"fields":[]}}}},
         {{"action":"set-default-spec","spec-id":-1}},
         {{"action":"add-sort-order","sort-order":{{"order-id":0,"fields":[]}}}},
         {{"action":"set-default-sort-order","sort-order-id":-1}},
         {{"action":"set-location","location":"{}"}})",
      staged.string_at("/metadata/table-uuid"), kSchema, staged.string_at("/metadata/location"));
  const Answer made = post(table, commit(updates, R"({"type":"assert-create"})"));
  ASSERT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(made.string_at("/metadata/location"), staged.string_at("/metadata/location"));
  EXPECT_EQ(post(table, commit(updates, R"({"type":"assert-create"})")).status, 409);
}

TEST_F(IcebergHandlersTest, ATransactionIsAllOrNothing) {
  ASSERT_EQ(create("a").status, 200);
  ASSERT_EQ(create("b").status, 200);
  const auto changes = [](std::string_view value, std::string_view requirement) {
    return fmt::format(
        R"({{"table-changes":[
            {{"identifier":{{"namespace":["main"],"name":"a"}},"requirements":[],"updates":[{}]}},
            {{"identifier":{{"namespace":["main"],"name":"b"}},"requirements":[{}],"updates":[{}]}}]}})",
        set("k", value), requirement, set("k", value));
  };
  EXPECT_EQ(post("/iceberg/v1/transactions/commit", changes("1", "")).status, 204);
  EXPECT_EQ(
      post("/iceberg/v1/transactions/commit", changes("2", R"({"type":"assert-create"})")).status,
      409);
  for (const std::string_view name : {"a", "b"}) {
    EXPECT_EQ(get(fmt::format("{}/{}", kTables, name)).string_at("/metadata/properties/k"), "1");
  }
}

TEST_F(IcebergHandlersTest, ARepeatedKeyIsAnsweredAsBefore) {
  const Headers key = {{"Idempotency-Key", "0198c5a0-0000-7000-8000-000000000001"}};
  const Answer made = create("t", key);
  ASSERT_EQ(made.status, 200);
  close();
  open();
  const Answer again = create("t", key);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body(), made.body());
  const Answer other = create("u", key);
  EXPECT_EQ(other.status, 422);
  EXPECT_EQ(other.error_type(), "UnprocessableEntityException");

  const std::string table = std::string(kTables) + "/t";
  const Headers commit_key = {{"Idempotency-Key", "k2"}};
  const Answer done = post(table, commit(set("k", "1")), commit_key);
  ASSERT_EQ(post(table, commit(set("k", "2"))).status, 200);
  EXPECT_EQ(post(table, commit(set("k", "1")), commit_key).body(), done.body());
  EXPECT_EQ(get(table).string_at("/metadata/properties/k"), "2") << "not committed twice";

  const Headers drop_key = {{"Idempotency-Key", "k3"}};
  EXPECT_EQ(ask(Method::Delete, table, "", drop_key).status, 204);
  EXPECT_EQ(ask(Method::Delete, table, "", drop_key).status, 204);

  const Headers lost_key = {{"Idempotency-Key", "k4"}};
  EXPECT_EQ(post(table, commit(set("k", "1")), lost_key).status, 404);
  ASSERT_EQ(create("t").status, 200);
  const Answer refused = post(table, commit(set("k", "1")), lost_key);
  EXPECT_EQ(refused.status, 404) << "a final error is an answer, too";
  EXPECT_EQ(refused.error_type(), "NoSuchTableException");
}

TEST_F(IcebergHandlersTest, ARepeatedKeyIsAnsweredAlsoWhenItsMetadataFileIsGone) {
  ASSERT_EQ(create("t", {},
                   R"(,"properties":{"write.metadata.previous-versions-max":"1",
                      "write.metadata.delete-after-commit.enabled":"true"})")
                .status,
            200);
  const std::string table = std::string(kTables) + "/t";
  const Headers key = {{"Idempotency-Key", "k"}};
  ASSERT_EQ(post(table, commit(set("k", "1")), key).status, 200);
  for (int i = 2; i < 6; ++i) {
    ASSERT_EQ(post(table, commit(set("k", std::to_string(i)))).status, 200);
  }
  close();
  open();
  const Answer again = post(table, commit(set("k", "1")), key);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.string_at("/metadata/properties/k"), "5");
}

TEST_F(IcebergHandlersTest, WrongRequestsAreRefusedInIcebergsWords) {
  ASSERT_EQ(create("t").status, 200);
  const std::string table = std::string(kTables) + "/t";
  for (const std::string_view body :
       {"", "{", "[]", "{}", R"({"requirements":[],"updates":{}})",
        R"({"requirements":[{"type":"assert-nothing"}],"updates":[]})",
        R"({"requirements":[],"updates":[{"action":"explode"}]})",
        R"({"requirements":[],"updates":[{"action":"set-current-schema","schema-id":77}]})",
        R"({"requirements":[],"updates":[],"identifier":{"namespace":["main"],"name":"u"}})"}) {
    const Answer answer = post(table, std::string(body));
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.error_type(), "BadRequestException") << body;
  }
  EXPECT_EQ(post(std::string(kTables), R"({"name":"x"})").status, 400);
  EXPECT_EQ(create("..").status, 400);
  EXPECT_EQ(post("/iceberg/v1/namespaces", R"({"namespace":[]})").status, 400);
  EXPECT_EQ(post("/iceberg/v1/namespaces", R"({"namespace":["a",""]})").status, 400);
  EXPECT_EQ(get("/iceberg/v1/namespaces/a%1F").status, 400);
  EXPECT_EQ(get("/iceberg/v1/absent").error_type(), "NotFoundException");
  EXPECT_EQ(post(table, "{}", {{"Content-Type", "text/csv"}}).status, 415);
}

TEST_F(IcebergHandlersTest, ALostCommitIsFoundOutByItsKey) {
  using metastore::testing::WriteFault;
  create("t");
  const std::string table = std::string(kTables) + "/t";
  for (const WriteFault fault : {WriteFault::NotBegun, WriteFault::RolledBack,
                                 WriteFault::UnknownOld, WriteFault::UnknownNew}) {
    const std::string name = fmt::format("p{}", static_cast<int>(fault));
    SCOPED_TRACE(name);
    const bool is_unknown = fault == WriteFault::UnknownOld || fault == WriteFault::UnknownNew;
    const std::string body = commit(set(name, "1"));

    faulty_->arm(fault);
    const Answer unkeyed = post(table, body);
    EXPECT_EQ(unkeyed.status, is_unknown ? 504 : 503);
    EXPECT_EQ(unkeyed.error_type(),
              is_unknown ? "CommitStateUnknownException" : "ServiceUnavailableException");

    const Headers key = {{"Idempotency-Key", "key of " + name}};
    const std::string keyed_body = commit(set(name, "2"));
    faulty_->arm(fault);
    const Answer first = post(table, keyed_body, key);
    // The receipt is looked for before anybody is told that the outcome is not known.
    EXPECT_EQ(first.status, fault == WriteFault::UnknownNew ? 200 : is_unknown ? 504 : 503);
    const Answer second = post(table, keyed_body, key);
    ASSERT_EQ(second.status, 200) << second.text;
    const Answer third = post(table, keyed_body, key);
    EXPECT_EQ(third.text, second.text);
    EXPECT_EQ(get(table).string_at("/metadata/properties/" + name), "2");
    EXPECT_EQ(get(table).string_at("/metadata-location"), second.string_at("/metadata-location"))
        << "the commit landed once";
  }
}

TEST_F(IcebergHandlersTest, AStagedCreateIsAnsweredTheSameUnderItsKey) {
  const Headers key = {{"Idempotency-Key", "staged"}};
  const Answer first = create("s", key, R"(,"stage-create":true)");
  ASSERT_EQ(first.status, 200) << first.text;
  close();
  open();
  EXPECT_EQ(create("s", key, R"(,"stage-create":true)").text, first.text);
  EXPECT_EQ(create("s2", key, R"(,"stage-create":true)").status, 422);
  EXPECT_EQ(get(std::string(kTables) + "/s").status, 404);
}

}  // namespace
}  // namespace lakehouse::gateway::http
