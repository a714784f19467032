#include <fstream>

#include "catalog/tests/catalog_fixture.h"

namespace lakehouse::catalog {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class TablesTest : public CatalogFixture {
 protected:
  std::string path_of(const std::string& location) {
    const auto at = buckets_->resolve(location).value();
    return at.store->local_path(at.key).value();
  }
};

TEST_F(TablesTest, ACreatedTableIsThereAfterAReopen) {
  CreateTable wanted = request(id("t"));
  wanted.properties = {{"owner", "alice"}};
  const auto made = catalog_->create_table(context_, wanted);
  ASSERT_THAT(made, IsOk());
  EXPECT_THAT(made->metadata->location,
              StartsWith("file://" + folder_ + "/buckets/primary/main/t-"));
  EXPECT_THAT(made->metadata_location, HasSubstr("/metadata/00000-"));
  EXPECT_EQ(made->metadata->format_version, 2);
  EXPECT_TRUE(fs::is_directory(path_of(made->metadata->location + "/data")));

  reopen();
  const auto loaded = catalog_->load_table(context_, id("t"));
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->metadata_location, made->metadata_location);
  EXPECT_EQ(*loaded->metadata, *made->metadata);
  EXPECT_EQ(*loaded->metadata_json, *made->metadata_json);
  EXPECT_EQ(*loaded->metadata->property("owner"), "alice");
}

TEST_F(TablesTest, WhatIsCachedIsWhatTheTableIsNow) {
  make(id("t"));
  ASSERT_THAT(catalog_->load_table(context_, id("t")), IsOk());
  const bool caches = metastore_->version().has_value();  // PostgreSQL's may be on another machine.
  const auto cached = [&] { return catalog_->load_table_if_cached(id("t")); };
  ASSERT_EQ(cached().has_value(), caches);

  // Another server on the same metastore commits.
  const auto other_store = store_.open().value();
  const auto other = Catalog::open(*buckets_, *other_store, {}).value();
  const auto after =
      other->commit_table(context_, id("t"), {}, {iceberg::SetProperties{.updates = {{"a", "1"}}}});
  ASSERT_THAT(after, IsOk());
  EXPECT_FALSE(cached());
  EXPECT_EQ(property(id("t"), "a"), "1");
  ASSERT_EQ(cached().has_value(), caches);
  if (caches) {
    EXPECT_EQ(cached()->metadata_location, after->metadata_location);
  }

  const std::string file = path_of(after->metadata_location);
  fs::rename(file, file + ".away");
  EXPECT_FALSE(cached());
  fs::rename(file + ".away", file);
  ASSERT_THAT(other->drop_table(context_, id("t"), false), IsOk());
  EXPECT_FALSE(cached());
  EXPECT_THAT(catalog_->load_table(context_, id("t")), FailsWith(ErrorCode::NotFound));
}

TEST_F(TablesTest, CreateFailsWhereItCannotBe) {
  make(id("t"));
  EXPECT_THAT(catalog_->create_table(context_, request(id("t"))),
              FailsWith(ErrorCode::AlreadyExists));
  const auto made = catalog_->create_table(context_, request(id("t", {"absent"})));
  ASSERT_THAT(made, FailsWith(ErrorCode::NotFound));
  EXPECT_TRUE(is_no_namespace(made.error()));
  CreateTable elsewhere = request(id("u"));
  elsewhere.bucket = "absent";
  EXPECT_THAT(catalog_->create_table(context_, elsewhere), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(catalog_->load_table(context_, id("u")), FailsWith(ErrorCode::NotFound));
}

TEST_F(TablesTest, ACreateThatFailsLeavesNothing) {
  CommitOptions options;
  options.also = [](metastore::Transaction&, const std::vector<LoadedTable>&) -> Status {
    return fail(ErrorCode::ResourceExhausted, "no");
  };
  EXPECT_THAT(catalog_->create_table(context_, request(id("t")), options),
              FailsWith(ErrorCode::ResourceExhausted));
  EXPECT_THAT(catalog_->table_exists(context_, id("t")), IsOkAnd(false));
  EXPECT_THAT(fs::is_empty(folder_ + "/buckets/primary/main"), true);
}

TEST_F(TablesTest, AreListedInPagesAndByNamespace) {
  for (const std::string_view name : {"c", "a", "b"}) {
    make(id(std::string(name)));
  }
  ASSERT_THAT(catalog_->create_namespace(context_, {"other"}, {}), IsOk());
  make(id("z", {"other"}));
  const auto first = catalog_->list_tables(context_, {"main"}, {.page_token = {}, .limit = 2});
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(first->items, ElementsAre(id("a"), id("b")));
  const auto second =
      catalog_->list_tables(context_, {"main"}, {.page_token = first->next_page_token, .limit = 2});
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(second->items, ElementsAre(id("c")));
  EXPECT_EQ(second->next_page_token, "");
  EXPECT_THAT(catalog_->list_all_tables(context_),
              IsOkAnd(ElementsAre(id("a"), id("b"), id("c"), id("z", {"other"}))));
  EXPECT_THAT(catalog_->list_tables(context_, {"absent"}, {}), FailsWith(ErrorCode::NotFound));
}

TEST_F(TablesTest, RenameMovesTheNameAndNothingElse) {
  const LoadedTable made = make(id("old"));
  make(id("taken"));
  ASSERT_THAT(catalog_->create_namespace(context_, {"other"}, {}), IsOk());
  EXPECT_THAT(catalog_->rename_table(context_, id("old"), id("taken")),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(catalog_->rename_table(context_, id("absent"), id("x")),
              FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(catalog_->rename_table(context_, id("old"), id("x", {"absent"})),
              FailsWith(ErrorCode::NotFound));
  ASSERT_THAT(catalog_->rename_table(context_, id("old"), id("new", {"other"})), IsOk());
  EXPECT_THAT(catalog_->load_table(context_, id("old")), FailsWith(ErrorCode::NotFound));
  const auto loaded = catalog_->load_table(context_, id("new", {"other"}));
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->metadata_location, made.metadata_location);
}

TEST_F(TablesTest, DropKeepsTheFilesAndRegisterFindsThemAgain) {
  make(id("t"));
  const auto before = set_property(id("t"), "k", "v");
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(catalog_->drop_table(context_, id("t"), false), IsOk());
  EXPECT_THAT(catalog_->load_table(context_, id("t")), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(catalog_->drop_table(context_, id("t"), false), FailsWith(ErrorCode::NotFound));

  const auto back =
      catalog_->register_table(context_, id("again"), before->metadata_location, false);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(property(id("again"), "k"), "v");
  EXPECT_THAT(catalog_->register_table(context_, id("again"), before->metadata_location, false),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(catalog_->register_table(context_, id("twin"), before->metadata_location, false),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(catalog_->register_table(context_, id("again"), before->metadata_location, true),
              IsOk());
}

TEST_F(TablesTest, OnlyMetadataFilesInOurBucketsAreRegistered) {
  const LoadedTable made = make(id("t"));
  ASSERT_THAT(catalog_->drop_table(context_, id("t"), false), IsOk());
  for (const std::string& location :
       {std::string("file:///etc/passwd"), std::string("s3://b/x.metadata.json"),
        made.metadata->location + "/../x"}) {
    EXPECT_THAT(catalog_->register_table(context_, id("x"), location, false),
                FailsWith(ErrorCode::InvalidArgument))
        << location;
  }
  EXPECT_THAT(catalog_->register_table(context_, id("x"), made.metadata_location + "x", false),
              FailsWith(ErrorCode::NotFound));

  // A file that says its table is elsewhere, or around other tables.
  for (const std::string& location :
       {std::string("file:///etc"), "file://" + folder_ + "/buckets/primary/main"}) {
    iceberg::TableMetadata moved = *made.metadata;
    moved.location = location;
    const std::string text = iceberg::table_metadata_to_text(moved);
    const std::string file = made.metadata->location + "/metadata/" + new_token(4) + ".json";
    ASSERT_THAT(buckets_->write_new(context_, file, std::as_bytes(std::span(text))), IsOk());
    make(id("neighbour" + new_token(4)));
    EXPECT_FALSE(catalog_->register_table(context_, id("x"), file, false).has_value()) << location;
  }
  const std::string garbage = made.metadata->location + "/metadata/garbage.json";
  ASSERT_THAT(buckets_->write_new(context_, garbage, std::as_bytes(std::span("{\"a\": 1}", 8))),
              IsOk());
  EXPECT_THAT(catalog_->register_table(context_, id("x"), garbage, false),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(TablesTest, PurgeRemovesTheFiles) {
  const LoadedTable made = make(id("t"));
  const std::string folder = path_of(made.metadata->location);
  std::ofstream(folder + "/data/x.parquet") << "rows";
  ASSERT_THAT(catalog_->drop_table(context_, id("t"), true), IsOk());
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(TablesTest, APurgeThatWasCutShortIsFinishedAtTheNextStart) {
  for (int n = 1; n <= 4; ++n) {
    const LoadedTable made = make(id("t"));
    const std::string folder = path_of(made.metadata->location);
    std::ofstream(folder + "/data/x.parquet") << "rows";
    faults_->arm(n, storage::testing::FaultPlan::Kind::NotDone);
    ASSERT_THAT(catalog_->drop_table(context_, id("t"), true), IsOk());
    faults_->disarm();
    EXPECT_THAT(catalog_->table_exists(context_, id("t")), IsOkAnd(false));
    EXPECT_TRUE(fs::exists(folder)) << n;
    reopen();
    EXPECT_FALSE(fs::exists(folder)) << n;
  }
}

TEST_F(TablesTest, ADamagedOrMissingMetadataFileIsDataLoss) {
  const LoadedTable made = make(id("t"));
  const std::string path = path_of(made.metadata_location);
  std::ofstream(path) << "{}";
  reopen();
  EXPECT_THAT(catalog_->load_table(context_, id("t")), FailsWith(ErrorCode::DataLoss));
  fs::remove(path);
  EXPECT_THAT(catalog_->load_table(context_, id("t")), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(catalog_->drop_table(context_, id("t"), false), IsOk());
}

TEST_F(TablesTest, DatasetsAreFoundAsPeopleNameThem) {
  make(id("Orders"));
  make(id("clients"));
  make(id("Clients"));
  make(id("odd.name"));
  ASSERT_THAT(catalog_->create_namespace(context_, {"a", "b"}, {}), IsOk());
  ASSERT_THAT(catalog_->create_namespace(context_, {"a.b"}, {}), IsOk());
  make(id("t", {"a", "b"}));
  make(id("t", {"a.b"}));
  make(id("only", {"a.b"}));

  struct Case {
    std::string_view name;
    TableIdentifier want;
  };
  for (const auto& [name, want] : {
           Case{"Orders", id("Orders")},
           Case{"main.Orders", id("Orders")},
           Case{"orders", id("Orders")},
           Case{"MAIN.ORDERS", id("Orders")},
           Case{"clients", id("clients")},
           Case{"Clients", id("Clients")},
           Case{"odd.name", id("odd.name")},
           Case{"a.b.t", id("t", {"a", "b"})},
           Case{"a.b.only", id("only", {"a.b"})},
       }) {
    EXPECT_THAT(catalog_->resolve_dataset(context_, name), IsOkAnd(want)) << name;
  }
  EXPECT_THAT(catalog_->resolve_dataset(context_, "CLIENTS"),
              FailsWith(ErrorCode::InvalidArgument));
  const auto missing = catalog_->resolve_dataset(context_, "order");
  ASSERT_THAT(missing, FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(missing.error().hint, HasSubstr("Orders"));
  EXPECT_THAT(catalog_->resolve_dataset(context_, ""), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(Catalog::parse_dataset("a.b.c"), IsOkAnd(id("c", {"a", "b"})));
  EXPECT_THAT(Catalog::parse_dataset("c"), IsOkAnd(id("c")));
  EXPECT_THAT(Catalog::parse_dataset("a..c"), FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(TablesTest, ReceiptsAndIngestedFilesAreWrittenWithACommit) {
  const LoadedTable made = make(id("t"));
  context_.principal = "alice";
  const Receipt receipt{.key = "k",
                        .principal = "alice",
                        .fingerprint = "f",
                        .status = 200,
                        .body = "{}",
                        .created_at_ms = catalog_->now_ms()};
  const IngestedFile file{.table_uuid = made.metadata->table_uuid,
                          .sha256 = "abc",
                          .snapshot_id = 7,
                          .rows = 10,
                          .bad_rows = 1,
                          .file_name = "x.csv",
                          .at_ms = 5};
  CommitOptions options;
  options.also = [&](metastore::Transaction& transaction,
                     const std::vector<LoadedTable>& after) -> Status {
    EXPECT_EQ(after.size(), 1U);
    LH_RETURN_IF_ERROR(Catalog::put_receipt(transaction, receipt));
    return Catalog::record_ingested_file(transaction, file);
  };
  EXPECT_THAT(catalog_->find_receipt(context_, "k"), IsOkAnd(::testing::Eq(std::nullopt)));
  ASSERT_THAT(catalog_->commit_table(context_, id("t"), {}, {set("n", "1")}, options), IsOk());
  const auto kept = catalog_->find_receipt(context_, "k");
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ((*kept)->fingerprint, "f");
  const auto known = catalog_->find_ingested_file(context_, made.metadata->table_uuid, "abc");
  ASSERT_THAT(known, IsOk());
  EXPECT_EQ((*known)->rows, 10);

  // The same key again: nothing of the second commit remains.
  EXPECT_THAT(catalog_->commit_table(context_, id("t"), {}, {set("n", "2")}, options),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_EQ(property(id("t"), "n"), "1");
  context_.principal = "bob";
  EXPECT_THAT(catalog_->find_receipt(context_, "k"), IsOkAnd(::testing::Eq(std::nullopt)));
}

}  // namespace
}  // namespace lakehouse::catalog
