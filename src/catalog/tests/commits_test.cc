#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "catalog/tests/catalog_fixture.h"

namespace lakehouse::catalog {
namespace {

using storage::testing::FaultPlan;
using ::testing::HasSubstr;

class CommitsTest : public CatalogFixture {
 protected:
  // What a client sends to finish a staged create.
  static std::vector<iceberg::TableUpdate> creating_updates(const iceberg::TableMetadata& staged) {
    return {iceberg::AssignUuid{staged.table_uuid},
            iceberg::UpgradeFormatVersion{staged.format_version},
            iceberg::AddSchema{*staged.current_schema(), std::nullopt},
            iceberg::SetCurrentSchema{-1},
            iceberg::AddPartitionSpec{*staged.default_spec()},
            iceberg::SetDefaultSpec{-1},
            iceberg::AddSortOrder{*staged.default_sort_order()},
            iceberg::SetDefaultSortOrder{-1},
            iceberg::SetLocation{staged.location}};
  }

  iceberg::TableUpdate add_snapshot(const iceberg::TableMetadata& base, std::int64_t id,
                                    std::string manifest_list = {}) {
    iceberg::Snapshot snapshot;
    snapshot.snapshot_id = id;
    if (base.current_snapshot_id) {
      snapshot.parent_snapshot_id = base.current_snapshot_id;
    }
    snapshot.sequence_number = base.next_sequence_number();
    snapshot.timestamp_ms = catalog_->now_ms();
    snapshot.manifest_list =
        manifest_list.empty() ? base.location + "/metadata/snap-1.avro" : std::move(manifest_list);
    snapshot.summary = {{"operation", "append"}};
    snapshot.schema_id = base.current_schema_id;
    return iceberg::AddSnapshot{std::move(snapshot)};
  }

  static iceberg::TableUpdate set_main(std::int64_t snapshot_id) {
    iceberg::SnapshotRef ref;
    ref.snapshot_id = snapshot_id;
    return iceberg::SetSnapshotRef{"main", ref};
  }
};

TEST_F(CommitsTest, EachCommitIsANewFileAndAnEntryInTheLog) {
  const LoadedTable made = make(id("t"));
  const auto first = set_property(id("t"), "k", "1");
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(first->metadata_location, HasSubstr("/metadata/00001-"));
  const auto second = set_property(id("t"), "k", "2");
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(second->metadata_location, HasSubstr("/metadata/00002-"));
  ASSERT_EQ(second->metadata->metadata_log.size(), 2U);
  EXPECT_EQ(second->metadata->metadata_log[0].metadata_file, made.metadata_location);
  EXPECT_EQ(second->metadata->metadata_log[1].metadata_file, first->metadata_location);
  EXPECT_EQ(metadata_files(made), 3U);
  reopen();
  EXPECT_EQ(property(id("t"), "k"), "2");
  EXPECT_EQ(*catalog_->load_table_at(context_, id("t"), first->metadata_location)
                 ->metadata->property("k"),
            "1");
}

TEST_F(CommitsTest, ACommitWithoutUpdatesWritesNothing) {
  const LoadedTable made = make(id("t"));
  const auto after = catalog_->commit_table(context_, id("t"), {}, {});
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(after->metadata_location, made.metadata_location);
  EXPECT_EQ(metadata_files(made), 1U);
}

TEST_F(CommitsTest, OldMetadataFilesGoIfTheTableSaysSo) {
  const LoadedTable made = make(id("t"));
  ASSERT_THAT(catalog_->commit_table(
                  context_, id("t"), {},
                  {iceberg::SetProperties{
                      .updates = {{"write.metadata.previous-versions-max", "2"},
                                  {"write.metadata.delete-after-commit.enabled", "true"}}}}),
              IsOk());
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(set_property(id("t"), "k", std::to_string(i)), IsOk());
  }
  EXPECT_EQ(metadata_files(made), 3U);  // The current one and two before it.
}

TEST_F(CommitsTest, RequirementsThatDoNotHoldAreAConflict) {
  make(id("t"));
  EXPECT_THAT(catalog_->commit_table(context_, id("t"), {iceberg::AssertTableUuid{new_uuid()}},
                                     {set("k", "v")}),
              FailsWith(ErrorCode::Aborted));
  EXPECT_THAT(catalog_->commit_table(context_, id("t"), {iceberg::AssertCurrentSchemaId{9}},
                                     {set("k", "v")}),
              FailsWith(ErrorCode::Aborted));
  EXPECT_EQ(property(id("t"), "k"), "");
  EXPECT_THAT(catalog_->commit_table(context_, id("absent"), {}, {set("k", "v")}),
              FailsWith(ErrorCode::NotFound));
}

TEST_F(CommitsTest, ARequestedLocationIsIgnored) {
  const LoadedTable made = make(id("t"));
  const auto after = catalog_->commit_table(context_, id("t"), {},
                                            {iceberg::SetLocation{"file:///tmp/elsewhere"}});
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(after->metadata->location, made.metadata->location);
}

TEST_F(CommitsTest, SnapshotsKeepTheirPlaceAndTheirNumbers) {
  const LoadedTable made = make(id("t"));
  const auto first =
      catalog_->commit_table(context_, id("t"), {}, {add_snapshot(*made.metadata, 1), set_main(1)});
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->metadata->current_snapshot_id, 1);
  const auto second = add_snapshot(*first->metadata, 2);
  const auto late = add_snapshot(*first->metadata, 3);  // Made for the same state.
  ASSERT_THAT(catalog_->commit_table(context_, id("t"), {}, {second, set_main(2)}), IsOk());
  EXPECT_THAT(catalog_->commit_table(context_, id("t"), {}, {late, set_main(3)}),
              FailsWith(ErrorCode::Aborted));

  const auto now = catalog_->load_table(context_, id("t"));
  ASSERT_THAT(now, IsOk());
  for (const std::string& elsewhere :
       {std::string("file:///etc/passwd"), made.metadata->location + "/../x.avro",
        made.metadata->location + "x/snap.avro"}) {
    EXPECT_THAT(
        catalog_->commit_table(context_, id("t"), {}, {add_snapshot(*now->metadata, 4, elsewhere)}),
        FailsWith(ErrorCode::InvalidArgument))
        << elsewhere;
  }
}

TEST_F(CommitsTest, AStagedTableExistsOnceItIsCommitted) {
  CreateTable wanted = request(id("t"));
  wanted.stage = true;
  const auto staged = catalog_->create_table(context_, wanted);
  ASSERT_THAT(staged, IsOk());
  EXPECT_EQ(staged->metadata_location, "");
  EXPECT_THAT(catalog_->table_exists(context_, id("t")), IsOkAnd(false));

  const auto updates = creating_updates(*staged->metadata);
  const auto made = catalog_->commit_table(context_, id("t"), {iceberg::AssertCreate{}}, updates);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->metadata->location, staged->metadata->location);
  EXPECT_EQ(made->metadata->table_uuid, staged->metadata->table_uuid);
  EXPECT_TRUE(same_fields(*made->metadata->current_schema(), *staged->metadata->current_schema()));
  EXPECT_THAT(catalog_->commit_table(context_, id("t"), {iceberg::AssertCreate{}}, updates),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(
      catalog_->commit_table(context_, id("u", {"absent"}), {iceberg::AssertCreate{}}, updates),
      FailsWith(ErrorCode::NotFound));
}

TEST_F(CommitsTest, ATableCreatedByCommitLiesWhereWeWantIt) {
  CreateTable wanted = request(id("t"));
  wanted.stage = true;
  const auto staged = catalog_->create_table(context_, wanted);
  ASSERT_THAT(staged, IsOk());
  auto updates = creating_updates(*staged->metadata);
  updates.back() = iceberg::SetLocation{"file:///tmp/elsewhere"};
  const auto made = catalog_->commit_table(context_, id("t"), {iceberg::AssertCreate{}}, updates);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->metadata->location, staged->metadata->location);
}

TEST_F(CommitsTest, ATransactionIsAllOrNothing) {
  make(id("a"));
  make(id("b"));
  const auto both = catalog_->commit_transaction(
      context_, {{.identifier = id("a"), .requirements = {}, .updates = {set("k", "1")}},
                 {.identifier = id("b"), .requirements = {}, .updates = {set("k", "1")}}});
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(property(id("a"), "k"), "1");
  EXPECT_EQ(property(id("b"), "k"), "1");

  EXPECT_THAT(
      catalog_->commit_transaction(
          context_, {{.identifier = id("a"), .requirements = {}, .updates = {set("k", "2")}},
                     {.identifier = id("b"),
                      .requirements = {iceberg::AssertCurrentSchemaId{7}},
                      .updates = {set("k", "2")}}}),
      FailsWith(ErrorCode::Aborted));
  EXPECT_THAT(
      catalog_->commit_transaction(
          context_, {{.identifier = id("a"), .requirements = {}, .updates = {set("k", "2")}},
                     {.identifier = id("absent"), .requirements = {}, .updates = {}}}),
      FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(
      catalog_->commit_transaction(
          context_, {{.identifier = id("a"), .requirements = {}, .updates = {set("k", "2")}},
                     {.identifier = id("a"), .requirements = {}, .updates = {}}}),
      FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(property(id("a"), "k"), "1");
}

TEST_F(CommitsTest, ConcurrentCommitsThatDoNotConflictAllLand) {
  const LoadedTable made = make(id("t"));
  constexpr int writer_count = 6;
  constexpr int commits = 8;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < writer_count; ++writer) {
      writers.emplace_back([&, writer] {
        for (int i = 0; i < commits; ++i) {
          EXPECT_THAT(set_property(id("t"), fmt::format("k-{}-{}", writer, i), "v"), IsOk());
        }
      });
    }
  }
  const auto loaded = catalog_->load_table(context_, id("t"));
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->metadata->properties.size(), std::size_t{writer_count} * commits);
  EXPECT_EQ(metadata_files(made), loaded->metadata->metadata_log.size() + 1);
}

// Those that wait for another one are done at once, and each is still judged by itself.
TEST_F(CommitsTest, OfCommitsDoneTogetherEachHasItsOwnOutcome) {
  const LoadedTable made = make(id("t"));
  std::atomic<int> waiting = 0;
  const auto commit = [&](int number, std::vector<iceberg::TableRequirement> requirements,
                          const CommitOptions& options) {
    ++waiting;
    return catalog_->commit_table(context_, id("t"), std::move(requirements),
                                  {set(fmt::format("k-{}", number), "v")}, options);
  };
  const CommitOptions holds_the_table{.also = [&](auto&, auto&) -> Status {
    while (waiting < 6) {
      std::this_thread::yield();
    }
    return {};
  }};
  const CommitOptions refuses{
      .also = [](auto&, auto&) -> Status { return fail(ErrorCode::FailedPrecondition, "no"); }};
  const CommitOptions sees_its_own{.also = [](auto&, const std::vector<LoadedTable>& after) {
    EXPECT_NE(after.front().metadata->property("k-4"), nullptr);
    return Status();
  }};
  {
    std::jthread first([&] { EXPECT_THAT(commit(0, {}, holds_the_table), IsOk()); });
    while (waiting < 1) {
      std::this_thread::yield();
    }
    std::jthread good([&] { EXPECT_THAT(commit(1, {}, {}), IsOk()); });
    std::jthread conflicting([&] {
      EXPECT_THAT(commit(2, {iceberg::AssertTableUuid{"another"}}, {}),
                  FailsWith(ErrorCode::Aborted));
    });
    std::jthread refused(
        [&] { EXPECT_THAT(commit(3, {}, refuses), FailsWith(ErrorCode::FailedPrecondition)); });
    std::jthread also_good([&] { EXPECT_THAT(commit(4, {}, sees_its_own), IsOk()); });
    while (waiting < 5) {
      std::this_thread::yield();
    }
    EXPECT_THAT(commit(5, {}, {}), IsOk());
  }
  const auto loaded = catalog_->load_table(context_, id("t"));
  ASSERT_THAT(loaded, IsOk());
  std::vector<std::string> names;
  for (const auto& [name, value] : loaded->metadata->properties) {
    names.push_back(name);
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("k-0", "k-1", "k-4", "k-5"));
  EXPECT_EQ(metadata_files(made), loaded->metadata->metadata_log.size() + 1);
}

// Two servers on one metastore: no lock of this process helps, only the pointer's swap.
TEST_F(CommitsTest, TwoCatalogsOnOneMetastoreLoseNoCommit) {
  make(id("t"));
  const auto other = Catalog::open(*buckets_, *metastore_, {}).value();
  constexpr int commits = 15;
  {
    std::vector<std::jthread> writers;
    int number = 0;
    for (Catalog* catalog : {catalog_.get(), other.get()}) {
      writers.emplace_back([this, catalog, writer = number++] {
        for (int i = 0; i < commits; ++i) {
          EXPECT_THAT(catalog->commit_table(context_, id("t"), {},
                                            {set(fmt::format("k-{}-{}", writer, i), "v")}),
                      IsOk());
        }
      });
    }
  }
  const auto loaded = catalog_->load_table(context_, id("t"));
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->metadata->properties.size(), 2U * commits);
}

TEST_F(CommitsTest, OfConflictingCommitsExactlyOneWins) {
  const LoadedTable made = make(id("t"));
  std::atomic<int> won = 0;
  std::atomic<int> conflicts = 0;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 8; ++writer) {
      writers.emplace_back([&, writer] {
        const auto done = catalog_->commit_table(
            context_, id("t"), {iceberg::AssertRefSnapshotId{"main", std::nullopt}},
            {add_snapshot(*made.metadata, 100 + writer), set_main(100 + writer)});
        won += done ? 1 : 0;
        conflicts += !done && done.error().code == ErrorCode::Aborted ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(conflicts, 7);
}

// Every operation on the store fails once, before it is done and after: the table is old or new.
TEST_F(CommitsTest, AFailingStoreNeverBreaksATable) {
  make(id("a"));
  make(id("b"));
  int value = 0;
  for (const auto kind : {FaultPlan::Kind::NotDone, FaultPlan::Kind::AnswerLost}) {
    bool fired = true;
    for (int n = 1; fired; ++n) {
      SCOPED_TRACE(n);
      reopen();  // With an empty cache, so that reads go to the store, too.
      const std::string before = property(id("a"), "k");
      reopen();
      const std::string wanted = std::to_string(++value);
      faults_->arm(n, kind);
      const auto done = catalog_->commit_transaction(
          context_, {{.identifier = id("a"), .requirements = {}, .updates = {set("k", wanted)}},
                     {.identifier = id("b"), .requirements = {}, .updates = {set("k", wanted)}}});
      fired = faults_->fired();
      faults_->disarm();
      EXPECT_EQ(done.has_value(), !fired);
      reopen();
      const std::string after = property(id("a"), "k");
      EXPECT_EQ(after, done ? wanted : before);
      EXPECT_EQ(property(id("b"), "k"), after);
    }
  }
}

TEST_F(CommitsTest, AFailingStoreNeverLeavesHalfATable) {
  for (const auto kind : {FaultPlan::Kind::NotDone, FaultPlan::Kind::AnswerLost}) {
    bool fired = true;
    for (int n = 1; fired; ++n) {
      SCOPED_TRACE(n);
      const TableIdentifier table = id(fmt::format("t{}-{}", static_cast<int>(kind), n));
      faults_->arm(n, kind);
      const auto made = catalog_->create_table(context_, request(table));
      fired = faults_->fired();
      faults_->disarm();
      EXPECT_THAT(catalog_->table_exists(context_, table), IsOkAnd(made.has_value()));
      if (!made) {
        EXPECT_THAT(catalog_->create_table(context_, request(table)), IsOk());
      }
      reopen();
      EXPECT_THAT(catalog_->load_table(context_, table), IsOk());
    }
  }
}

TEST_F(CommitsTest, ACommitThatIsRefusedLeavesNoFile) {
  const LoadedTable made = make(id("t"));
  CommitOptions options;
  options.also = [](metastore::Transaction&, const std::vector<LoadedTable>&) -> Status {
    return fail(ErrorCode::AlreadyExists, "the file was ingested by a twin");
  };
  EXPECT_THAT(catalog_->commit_table(context_, id("t"), {}, {set("k", "v")}, options),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_EQ(metadata_files(made), 1U);
  EXPECT_EQ(property(id("t"), "k"), "");
}

TEST_F(CommitsTest, AnUnknownOutcomeLeavesEveryFile) {
  const LoadedTable made = make(id("t"));
  CommitOptions options;
  options.also = [](metastore::Transaction&, const std::vector<LoadedTable>&) -> Status {
    return fail(ErrorCode::CommitStateUnknown, "the answer was lost");
  };
  EXPECT_THAT(catalog_->commit_table(context_, id("t"), {}, {set("k", "v")}, options),
              FailsWith(ErrorCode::CommitStateUnknown));
  EXPECT_EQ(metadata_files(made), 2U);
}

TEST_F(CommitsTest, PastTheDeadlineNothingIsCommitted) {
  make(id("t"));
  context_.deadline = std::chrono::steady_clock::now();
  EXPECT_THAT(set_property(id("t"), "k", "v"), FailsWith(ErrorCode::DeadlineExceeded));
  context_ = {};
  EXPECT_EQ(property(id("t"), "k"), "");
}

}  // namespace
}  // namespace lakehouse::catalog
