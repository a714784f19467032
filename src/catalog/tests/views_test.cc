#include <atomic>
#include <thread>

#include "catalog/tests/catalog_fixture.h"

namespace lakehouse::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class Views : public CatalogFixture {
 protected:
  static iceberg::ViewVersion version(std::string sql) {
    iceberg::ViewVersion version;
    version.timestamp_ms = 1'000;
    version.summary = {{"operation", "create"}};
    version.default_namespace = {"main"};
    iceberg::ViewRepresentation representation;
    representation.sql = std::move(sql);
    representation.dialect = "spark";
    version.representations.push_back(std::move(representation));
    return version;
  }

  static CreateView view_request(const TableIdentifier& view) {
    CreateView request;
    request.identifier = view;
    request.schema = schema();
    request.version = version("SELECT 1");
    return request;
  }

  LoadedView make_view(const TableIdentifier& view) {
    auto made = catalog_->create_view(context_, view_request(view));
    EXPECT_THAT(made, IsOk());
    return made.value();
  }

  static std::vector<iceberg::ViewUpdate> to_sql(const std::string& sql) {
    return {iceberg::AddViewVersion{.version = version(sql)}, iceberg::SetCurrentViewVersion{}};
  }

  static std::vector<iceberg::AssertViewUuid> is(const std::string& uuid) {
    return {iceberg::AssertViewUuid{.uuid = uuid}};
  }

  template <class T>
  static Status status_of(const Result<T>& result) {
    return result ? Status() : std::unexpected(result.error());
  }

  static std::string path_of(const std::string& location) {
    return location.substr(std::string("file://").size());
  }
};

TEST_F(Views, AViewIsThereUntilItIsDropped) {
  const LoadedView made = make_view(id("v"));
  EXPECT_EQ(catalog_->load_view(context_, id("v")).value().metadata->view_uuid,
            made.metadata->view_uuid);
  EXPECT_THAT(catalog_->view_exists(context_, id("v")), IsOkAnd(true));
  EXPECT_THAT(catalog_->table_exists(context_, id("v")), IsOkAnd(false));
  EXPECT_THAT(catalog_->list_views(context_, {"main"}, {}).value().items, ElementsAre(id("v")));
  EXPECT_THAT(catalog_->list_tables(context_, {"main"}, {}).value().items, IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(path_of(made.metadata_location)));

  ASSERT_THAT(catalog_->drop_view(context_, id("v")), IsOk());
  EXPECT_THAT(catalog_->load_view(context_, id("v")), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(catalog_->drop_view(context_, id("v")), FailsWith(ErrorCode::NotFound));
  EXPECT_FALSE(std::filesystem::exists(path_of(made.metadata->location)));
}

TEST_F(Views, AViewSurvivesARestart) {
  const LoadedView made = make_view(id("v"));
  reopen();
  const auto loaded = catalog_->load_view(context_, id("v"));
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(*loaded->metadata, *made.metadata);
}

TEST_F(Views, TablesAndViewsShareTheirNames) {
  make(id("t"));
  const LoadedView view = make_view(id("v"));
  const struct {
    Status outcome;
    const char* message;
  } refused[] = {
      {status_of(catalog_->create_view(context_, view_request(id("v")))),
       "View already exists: main.v"},
      {status_of(catalog_->create_view(context_, view_request(id("t")))),
       "Table with same name already exists: main.t"},
      {status_of(catalog_->create_table(context_, request(id("v")))),
       "View with same name already exists: main.v"},
      {catalog_->rename_table(context_, id("t"), id("v")),
       "Cannot rename main.t to main.v. View already exists"},
      {catalog_->rename_view(context_, id("v"), id("t")),
       "Cannot rename main.v to main.t. Table already exists"},
      {status_of(catalog_->register_view(context_, id("t"), view.metadata_location)),
       "Table with same name already exists: main.t"},
  };
  for (const auto& each : refused) {
    SCOPED_TRACE(each.message);
    ASSERT_THAT(each.outcome, FailsWith(ErrorCode::AlreadyExists));
    EXPECT_THAT(each.outcome.error().message, StartsWith(each.message));
  }
}

TEST_F(Views, AStagedTableLosesItsNameToAView) {
  CreateTable staged = request(id("x"));
  staged.stage = true;
  ASSERT_THAT(catalog_->create_table(context_, staged), IsOk());
  make_view(id("x"));
  const auto committed = catalog_->commit_table(
      context_, id("x"), {iceberg::AssertCreate{}},
      {iceberg::AddSchema{.schema = schema(), .last_column_id = {}}, iceberg::SetCurrentSchema{}});
  ASSERT_THAT(committed, FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(committed.error().message, StartsWith("View with same name already exists: main.x"));
}

TEST_F(Views, ANamespaceWithAViewIsNotEmpty) {
  ASSERT_THAT(catalog_->create_namespace(context_, {"ns"}, {}), IsOk());
  make_view(id("v", {"ns"}));
  EXPECT_THAT(catalog_->drop_namespace(context_, {"ns"}), FailsWith(ErrorCode::FailedPrecondition));
  ASSERT_THAT(catalog_->drop_view(context_, id("v", {"ns"})), IsOk());
  EXPECT_THAT(catalog_->drop_namespace(context_, {"ns"}), IsOk());
}

TEST_F(Views, AReplacementIsRetriedUntilItFits) {
  const LoadedView made = make_view(id("v"));
  constexpr int kWriters = 8;
  std::vector<std::thread> writers;
  std::atomic<int> done = 0;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      const auto after = catalog_->replace_view(context_, id("v"), is(made.metadata->view_uuid),
                                                to_sql("SELECT " + std::to_string(i + 10)));
      done += after ? 1 : 0;
    });
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  EXPECT_EQ(done, kWriters);
  const auto loaded = catalog_->load_view(context_, id("v")).value();
  EXPECT_EQ(loaded.metadata->version_log.size(), kWriters + 1);
  EXPECT_EQ(loaded.metadata->current_version_id, kWriters + 1);
  EXPECT_THAT(catalog_->replace_view(context_, id("v"), is("other"), to_sql("SELECT 2")),
              FailsWith(ErrorCode::Aborted));
}

TEST_F(Views, WhatFailsLeavesNothingBehind) {
  CreateView wrong = view_request(id("v"));
  wrong.version.representations.clear();
  EXPECT_THAT(catalog_->create_view(context_, wrong), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(catalog_->create_view(context_, view_request(id("v", {"none"}))),
              FailsWith(ErrorCode::NotFound));
  ViewCommitOptions refusing;
  refusing.also = [](metastore::Transaction&, const LoadedView&) -> Status {
    return fail(ErrorCode::AlreadyExists, "a twin");
  };
  EXPECT_THAT(catalog_->create_view(context_, view_request(id("v")), refusing),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(catalog_->view_exists(context_, id("v")), IsOkAnd(false));
  const LoadedView made = make_view(id("v"));
  EXPECT_THAT(catalog_->replace_view(context_, id("v"), {}, to_sql("SELECT 2"), refusing),
              FailsWith(ErrorCode::AlreadyExists));
  const auto folder = std::filesystem::path(path_of(made.metadata_location)).parent_path();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST_F(Views, AFailingStoreLeavesTheOldOrTheNewView) {
  using storage::testing::FaultPlan;
  make_view(id("v"));
  for (const auto kind : {FaultPlan::Kind::NotDone, FaultPlan::Kind::AnswerLost}) {
    bool fired = true;
    for (int n = 1; fired; ++n) {
      SCOPED_TRACE(n);
      const TableIdentifier created =
          id(std::to_string(static_cast<int>(kind)) + "-" + std::to_string(n));
      const auto sql = [&] {
        return *catalog_->load_view(context_, id("v"))
                    .value()
                    .metadata->current_version()
                    ->sql_for("spark");
      };
      const std::string before = sql();
      const std::string wanted = "SELECT '" + created.name + "'";
      faults_->arm(n, kind);
      const auto replaced = catalog_->replace_view(context_, id("v"), {}, to_sql(wanted));
      fired = faults_->fired();
      faults_->arm(n, kind);
      const auto made = catalog_->create_view(context_, view_request(created));
      fired = fired || faults_->fired();
      faults_->disarm();
      reopen();
      EXPECT_EQ(sql(), replaced ? wanted : before);
      EXPECT_THAT(catalog_->view_exists(context_, created), IsOkAnd(made.has_value()));
      if (!made) {
        EXPECT_THAT(catalog_->create_view(context_, view_request(created)), IsOk());
      }
      EXPECT_THAT(catalog_->load_view(context_, created), IsOk());
    }
  }
}

TEST_F(Views, ALocationStaysAndMetadataMayLieInAFreeFolderOfABucket) {
  make(id("t"));
  const auto table = catalog_->load_table(context_, id("t")).value();
  const std::string bucket = "file://" + folder_ + "/buckets/primary/";
  const struct {
    std::string wanted;
    bool is_kept;
  } cases[] = {{bucket + "views/here", true},
               {bucket + "views/here/", true},
               {"file:///etc/views", false},
               {bucket + "../outside", false},
               {bucket + "_system", false},
               {bucket + "a/.hidden", false},
               {table.metadata->location + "/metadata", false},
               {bucket + "main", false}};
  int number = 0;
  for (const auto& each : cases) {
    SCOPED_TRACE(each.wanted);
    CreateView request = view_request(id("v" + std::to_string(number++)));
    request.properties = {{"write.metadata.path", each.wanted}};
    const auto made = catalog_->create_view(context_, request);
    ASSERT_THAT(made, IsOk());
    EXPECT_EQ(made->metadata_location.starts_with(bucket + "views/here/0"), each.is_kept)
        << made->metadata_location;
    EXPECT_THAT(catalog_->load_view(context_, made->identifier), IsOk());
  }
  auto updates = to_sql("SELECT 2");
  updates.emplace_back(iceberg::SetLocation{.location = "file:///elsewhere"});
  const auto after = catalog_->replace_view(context_, id("v0"), {}, updates);
  ASSERT_THAT(after, IsOk());
  EXPECT_THAT(after->metadata->location, StartsWith(bucket + "main/v0-"));
  EXPECT_THAT(after->metadata_location, StartsWith(bucket + "views/here/00001-"));
}

TEST_F(Views, MetadataMayLieInAFolderThatTheConfigurationNames) {
  const std::string outside = "file:" + folder_ + "/outside";
  const struct {
    std::string wanted;
    bool is_kept;
  } cases[] = {{outside + "/a/b", true},
               {outside + "/../elsewhere", false},
               {outside + "elsewhere", false},
               {outside, true}};
  int number = 0;
  for (const auto& each : cases) {
    SCOPED_TRACE(each.wanted);
    CreateView request = view_request(id("v" + std::to_string(number++)));
    request.properties = {{"write.metadata.path", each.wanted}};
    const auto made = catalog_->create_view(context_, request);
    ASSERT_THAT(made, IsOk());
    EXPECT_EQ(made->metadata_location.starts_with(each.wanted + "/0"), each.is_kept)
        << made->metadata_location;
    const auto after = catalog_->replace_view(context_, made->identifier, {}, to_sql("SELECT 2"));
    ASSERT_THAT(after, IsOk());
    EXPECT_EQ(after->metadata_location.starts_with(each.wanted + "/0"), each.is_kept);
    EXPECT_THAT(catalog_->load_view(context_, made->identifier), IsOk());
  }
  // Tables and what they name stay in the buckets.
  EXPECT_THAT(catalog_->register_table(context_, id("t"), outside + "/a/x.json", false),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(Views, ADroppedViewIsRegisteredAgainIfItsFilesWereKept) {
  CreateView request = view_request(id("v"));
  request.properties = {{"gc.enabled", "false"}};
  const LoadedView made = catalog_->create_view(context_, request).value();
  EXPECT_THAT(catalog_->register_view(context_, id("w"), made.metadata_location),
              FailsWith(ErrorCode::AlreadyExists));
  ASSERT_THAT(catalog_->drop_view(context_, id("v")), IsOk());
  const auto registered = catalog_->register_view(context_, id("w"), made.metadata_location);
  ASSERT_THAT(registered, IsOk());
  EXPECT_EQ(*registered->metadata, *made.metadata);
  EXPECT_THAT(catalog_->load_view(context_, id("w")), IsOk());
}

TEST_F(Views, WhatIsNoViewIsNotRegistered) {
  const LoadedTable table = make(id("t"));
  EXPECT_THAT(catalog_->register_view(context_, id("v"), table.metadata_location),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(catalog_->register_view(context_, id("v"), "file:///etc/passwd"),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(catalog_->register_view(context_, id("v"), table.metadata_location + "x"),
              FailsWith(ErrorCode::NotFound));
}

TEST_F(Views, AViewThatLostItsFileSaysSoAndCanBeDropped) {
  const LoadedView made = make_view(id("v"));
  std::filesystem::remove(path_of(made.metadata_location));
  const auto loaded = catalog_->load_view(context_, id("v"));
  ASSERT_THAT(loaded, FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(loaded.error().message, HasSubstr("metadata file is missing"));
  EXPECT_THAT(catalog_->drop_view(context_, id("v")), IsOk());
  EXPECT_THAT(catalog_->view_exists(context_, id("v")), IsOkAnd(false));
}

TEST_F(Views, ARegisteredViewsFolderIsNotRemovedWithIt) {
  // A view of another catalog, whose folder holds other things, too.
  CreateView request = view_request(id("v"));
  request.properties = {{"gc.enabled", "false"}};
  const LoadedView made = catalog_->create_view(context_, request).value();
  iceberg::ViewMetadata foreign = *made.metadata;
  foreign.properties.clear();
  foreign.view_uuid = new_uuid();
  foreign.location = "file://" + folder_ + "/buckets/primary/foreign";
  const std::string text = iceberg::view_metadata_to_text(foreign);
  const std::string file = foreign.location + "/v1.metadata.json";
  ASSERT_THAT(buckets_->write_new(context_, file, std::as_bytes(std::span(text))), IsOk());
  ASSERT_THAT(catalog_->register_view(context_, id("f"), file), IsOk());
  ASSERT_THAT(catalog_->drop_view(context_, id("f")), IsOk());
  EXPECT_TRUE(std::filesystem::exists(path_of(file)));
}

TEST_F(Views, PagesGoThroughAllNames) {
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    make_view(id(name));
  }
  std::vector<std::string> names;
  PageRequest page{.page_token = "", .limit = 2};
  do {
    const auto part = catalog_->list_views(context_, {"main"}, page).value();
    for (const TableIdentifier& view : part.items) {
      names.push_back(view.name);
    }
    page.page_token = part.next_page_token;
  } while (!page.page_token.empty());
  EXPECT_THAT(names, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(catalog_->list_all_views(context_).value(), ::testing::SizeIs(5));
  EXPECT_THAT(catalog_->list_views(context_, {"none"}, {}), FailsWith(ErrorCode::NotFound));
}

}  // namespace
}  // namespace lakehouse::catalog
