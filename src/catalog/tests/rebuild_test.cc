#include "catalog/rebuild.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "catalog/tests/catalog_fixture.h"

namespace lakehouse::catalog {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RebuildTest : public CatalogFixture {
 protected:
  RebuildReport rebuild_now(RebuildOptions options = {.settled = std::chrono::seconds(0)}) {
    options.now_ms = catalog_->now_ms();
    auto report = rebuild(context_, *buckets_, *metastore_, options);
    EXPECT_THAT(report, IsOk());
    return report.value_or(RebuildReport());
  }

  void lose_metastore() {
    close();
    store_.clear();
    reopen();
    EXPECT_THAT(pointers(), IsEmpty());
  }

  /// Every table and view, and where its metadata is.
  std::map<std::string, std::string> pointers() {
    std::map<std::string, std::string> all;
    for (const TableIdentifier& table : catalog_->list_all_tables(context_).value()) {
      all[to_string(table)] = catalog_->metadata_location(context_, table).value();
    }
    for (const TableIdentifier& view : catalog_->list_all_views(context_).value()) {
      all["view " + to_string(view)] =
          catalog_->load_view(context_, view).value().metadata_location;
    }
    return all;
  }

  LoadedView make_view(const TableIdentifier& view) {
    CreateView request;
    request.identifier = view;
    request.schema = schema();
    request.version.timestamp_ms = 1'000;
    request.version.summary = {{"operation", "create"}};
    request.version.default_namespace = {"main"};
    iceberg::ViewRepresentation representation;
    representation.sql = "SELECT 1";
    representation.dialect = "duckdb";
    request.version.representations.push_back(std::move(representation));
    auto made = catalog_->create_view(context_, std::move(request));
    EXPECT_THAT(made, IsOk());
    return made.value();
  }

  fs::path folder_of(const LoadedTable& table) {
    return table.metadata->location.substr(std::string("file://").size());
  }
  fs::path file_of(const std::string& location) {
    return location.substr(std::string("file://").size());
  }
};

TEST_F(RebuildTest, ALostMetastoreIsRemadeFromWhatTheBucketsHold) {
  const Namespace deep = {"a", "b/c", "d.e"};
  for (const Namespace& name_space : {deep, Namespace{"metadata"}}) {
    ASSERT_THAT(catalog_->create_namespace(context_, name_space, {}), IsOk());
  }
  make(id("plain"));
  ASSERT_THAT(set_property(id("plain"), "x", "1"), IsOk());
  make(id("it's \"q\" 100% *", deep));
  make(id(std::string(255, 'x')));  // Its folder's name is shortened.
  make(id("data", {"metadata"}));
  make(id("old name"));
  ASSERT_THAT(catalog_->rename_table(context_, id("old name"), id("new name", deep)), IsOk());
  make(id("there and back"));
  ASSERT_THAT(catalog_->rename_table(context_, id("there and back"), id("there")), IsOk());
  ASSERT_THAT(catalog_->rename_table(context_, id("there"), id("there and back")), IsOk());
  const LoadedTable dropped = make(id("dropped"));
  ASSERT_THAT(catalog_->drop_table(context_, id("dropped"), /*purge=*/false), IsOk());
  make(id("purged"));
  ASSERT_THAT(catalog_->drop_table(context_, id("purged"), /*purge=*/true), IsOk());
  const LoadedTable again = make(id("dropped once"));
  ASSERT_THAT(catalog_->drop_table(context_, id("dropped once"), /*purge=*/false), IsOk());
  ASSERT_THAT(catalog_->register_table(context_, id("registered"), again.metadata_location, false),
              IsOk());
  make_view(id("v", deep));
  make_view(id("w"));
  ASSERT_THAT(catalog_->rename_view(context_, id("w"), id("x")), IsOk());
  CreateTable staged = request(id("staged"));
  staged.stage = true;
  ASSERT_THAT(catalog_->create_table(context_, staged), IsOk());

  const auto before = pointers();
  EXPECT_THAT(before, SizeIs(9));
  lose_metastore();
  const RebuildReport report = rebuild_now();
  EXPECT_EQ(pointers(), before);
  EXPECT_THAT(report.rebuilt, SizeIs(before.size()));
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.dropped, 1);
  EXPECT_EQ(property(id("plain"), "x"), "1");
  EXPECT_THAT(set_property(id("new name", deep), "x", "2"), IsOk());
  EXPECT_THAT(catalog_->load_namespace(context_, {"a", "b/c"}), IsOk());
}

TEST_F(RebuildTest, PointersThatAreRightStay) {
  make(id("t"));
  make_view(id("v"));
  // As a commit whose pointer never moved leaves it.
  const LoadedTable next = set_property(id("t"), "x", "1").value();
  const auto before = pointers();
  fs::path orphan = file_of(next.metadata_location);
  orphan.replace_filename("00009-orphan.metadata.json");
  fs::copy(file_of(next.metadata_location), orphan);
  const RebuildReport report = rebuild_now();
  EXPECT_EQ(report.kept, 2);
  EXPECT_THAT(report.rebuilt, IsEmpty());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(pointers(), before);
}

TEST_F(RebuildTest, APointerToALostFileIsMendedByTheHighestThatCanBeRead) {
  make(id("t"));
  ASSERT_THAT(set_property(id("t"), "x", "1"), IsOk());
  const LoadedTable last = set_property(id("t"), "x", "2").value();
  fs::remove(file_of(last.metadata_location));
  fs::path damaged = file_of(last.metadata_location);
  damaged.replace_filename("00007-damaged.metadata.json");
  std::ofstream(damaged) << "{\"format-version\": 2";
  reopen();  // Forgets what it has read.
  ASSERT_THAT(catalog_->load_table(context_, id("t")), FailsWith(ErrorCode::DataLoss));
  const RebuildReport report = rebuild_now();
  ASSERT_THAT(report.rebuilt, SizeIs(1));
  EXPECT_TRUE(report.rebuilt[0].was_broken);
  EXPECT_EQ(property(id("t"), "x"), "1");
}

TEST_F(RebuildTest, ADryRunOnlySaysWhatItWouldDo) {
  make(id("t"));
  lose_metastore();
  const RebuildReport report = rebuild_now({.dry_run = true, .settled = std::chrono::seconds(0)});
  ASSERT_THAT(report.rebuilt, SizeIs(1));
  EXPECT_EQ(report.rebuilt[0].identifier, id("t"));
  EXPECT_THAT(pointers(), IsEmpty());
}

TEST_F(RebuildTest, WhatWasJustWrittenIsLeftAlone) {
  make(id("t"));
  lose_metastore();
  const RebuildReport report = rebuild_now({.settled = std::chrono::seconds(3600)});
  EXPECT_THAT(report.rebuilt, IsEmpty());
  ASSERT_THAT(report.problems, SizeIs(1));
  EXPECT_THAT(report.problems[0].reason, HasSubstr("just now"));
}

TEST_F(RebuildTest, ACopyOfATableIsNotTheTable) {
  const LoadedTable table = make(id("t"));
  const fs::path copy = folder_ + "/buckets/primary/backup/t";
  fs::create_directories(copy.parent_path());
  fs::copy(folder_of(table), copy, fs::copy_options::recursive);
  const auto before = pointers();
  lose_metastore();
  EXPECT_THAT(rebuild_now().problems, IsEmpty());
  EXPECT_EQ(pointers(), before);

  fs::remove_all(folder_of(table));
  lose_metastore();
  const RebuildReport report = rebuild_now();
  EXPECT_THAT(report.rebuilt, IsEmpty());
  ASSERT_THAT(report.problems, SizeIs(1));
  EXPECT_THAT(report.problems[0].reason, HasSubstr(table.metadata->location));
}

TEST_F(RebuildTest, OfTwoThatClaimANameTheOneThatChangedLastGetsIt) {
  const LoadedTable first = make(id("t"));
  ASSERT_THAT(catalog_->drop_table(context_, id("t"), false), IsOk());
  fs::remove(folder_of(first) / "_catalog.json");
  const LoadedTable second = make(id("t"));
  lose_metastore();
  const RebuildReport report = rebuild_now();
  EXPECT_THAT(report.rebuilt, SizeIs(1));
  EXPECT_EQ(catalog_->metadata_location(context_, id("t")).value(), second.metadata_location);
  ASSERT_THAT(report.problems, SizeIs(1));
  EXPECT_EQ(report.problems[0].location, first.metadata->location);
}

TEST_F(RebuildTest, WhatNobodyHasNamedIsReported) {
  const LoadedTable table = make(id("t"));
  // A table of another catalog: its folder says nothing to us.
  std::ifstream file(file_of(table.metadata_location));
  std::string text(std::istreambuf_iterator<char>(file), {});
  const std::string location = table.metadata->location;
  const std::string foreign = location.substr(0, location.rfind('/')) + "/foreign";
  for (std::size_t at = text.find(location); at != std::string::npos; at = text.find(location)) {
    text.replace(at, location.size(), foreign);
  }
  fs::create_directories(file_of(foreign) / "metadata");
  std::ofstream(file_of(foreign) / "metadata" / "v1.metadata.json") << text;
  fs::create_directories(folder_ + "/buckets/primary/main/rubbish/metadata");
  std::ofstream(folder_ + "/buckets/primary/main/rubbish/metadata/00000-x.metadata.json") << "{}";
  ASSERT_THAT(catalog_->drop_table(context_, id("t"), true), IsOk());
  const RebuildReport report = rebuild_now();
  EXPECT_THAT(report.rebuilt, IsEmpty());
  EXPECT_THAT(report.problems, SizeIs(2));
}

}  // namespace
}  // namespace lakehouse::catalog
