#include "catalog/registry.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "base/json.h"
#include "catalog/tests/catalog_fixture.h"

namespace lakehouse::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RegistryTest : public CatalogFixture {
 protected:
  RegistryTest() : registry_(std::in_place, *catalog_, *metastore_) {
    context_.principal = "ann";
    make(table_);
  }

  RegistryEntry entry() {
    return registry_entry(*catalog_->load_table(context_, table_).value().metadata);
  }

  std::string uuid_of(const TableIdentifier& table) {
    return catalog_->load_table(context_, table).value().metadata->table_uuid;
  }

  void patch(const RegistryPatch& patch) {
    EXPECT_THAT(registry_->patch(context_, table_, patch), IsOk());
  }

  static RegistryPatch column(const std::string& name, ColumnPatch patch) {
    RegistryPatch out;
    out.columns[name] = std::move(patch);
    return out;
  }

  std::vector<RegistryChange> history() {
    return registry_->history(context_, table_, {}).value().items;
  }

  std::int64_t add_snapshot(const std::string& sha256, const std::string& operation = "append",
                            std::int64_t at_ms = 0) {
    const LoadedTable now = catalog_->load_table(context_, table_).value();
    iceberg::Snapshot snapshot;
    snapshot.snapshot_id = new_snapshot_id();
    snapshot.parent_snapshot_id = now.metadata->current_snapshot_id;
    snapshot.sequence_number = now.metadata->next_sequence_number();
    snapshot.timestamp_ms = at_ms == 0 ? catalog_->now_ms() : at_ms;
    snapshot.manifest_list = now.metadata->location + "/metadata/list.avro";
    snapshot.summary = {{"operation", operation}, {"added-records", "3"}};
    if (!sha256.empty()) {
      snapshot.summary["lakehouse.ingest.sha256"] = sha256;
    }
    iceberg::SnapshotRef ref;
    ref.snapshot_id = snapshot.snapshot_id;
    const IngestedFile file{.table_uuid = now.metadata->table_uuid,
                            .sha256 = sha256,
                            .snapshot_id = snapshot.snapshot_id,
                            .rows = 3,
                            .bad_rows = 0,
                            .file_name = "f.csv",
                            .at_ms = 1};
    EXPECT_THAT(
        catalog_->commit_table(
            context_, table_, {},
            {iceberg::AddSnapshot{snapshot}, iceberg::SetSnapshotRef{.name = "main", .ref = ref}},
            {.also =
                 [&](metastore::Transaction& transaction, const std::vector<LoadedTable>&) {
                   return sha256.empty() ? Status()
                                         : Catalog::record_ingested_file(transaction, file);
                 }}),
        IsOk());
    return snapshot.snapshot_id;
  }

  bool is_ingested(const std::string& sha256) {
    return catalog_->find_ingested_file(context_, uuid_of(table_), sha256).value().has_value();
  }

  void record(const LineageRun& run) {
    EXPECT_THAT(metastore_->write(context_,
                                  [&](metastore::Transaction& transaction) {
                                    return record_lineage(transaction, run);
                                  }),
                IsOk());
  }

  LineageRun run(const TableIdentifier& output, std::string job, std::vector<LineageInput> inputs,
                 std::int64_t at_ms = 1) {
    LineageRun run;
    run.output_id = uuid_of(output);
    run.output_name = to_string(output);
    run.job = std::move(job);
    run.inputs = std::move(inputs);
    run.at_ms = at_ms;
    run.principal = "ann";
    return run;
  }

  LineageInput dataset(const TableIdentifier& table) {
    return {.kind = LineageNodeKind::Dataset, .id = uuid_of(table), .name = to_string(table)};
  }

  static LineageInput source(const std::string& name) {
    return {.kind = LineageNodeKind::Source, .id = name, .name = name};
  }

  static std::vector<std::string> names(const LineageGraph& graph) {
    std::vector<std::string> out;
    for (const LineageNode& node : graph.nodes) {
      out.push_back(fmt::format("{} {}", to_string(node.kind), node.name));
    }
    std::ranges::sort(out);
    return out;
  }

  const TableIdentifier table_ = id("orders");
  std::optional<Registry> registry_;
};

TEST_F(RegistryTest, ANewTableHasNothing) {
  EXPECT_EQ(entry(), RegistryEntry());
  EXPECT_EQ(entry().sensitivity(), std::nullopt);
  EXPECT_THAT(history(), IsEmpty());
}

TEST_F(RegistryTest, APatchMergesAndNullRemoves) {
  RegistryPatch first;
  first.description = "What was ordered\nand when";
  first.owner = "sales";
  first.tags = std::vector<std::string>{"b", "a", "b"};
  first.freshness_sla_s = 3600;
  first.sensitivity = Sensitivity::Internal;
  patch(first);
  RegistryPatch second;
  second.owner = std::optional<std::string>();
  patch(second);

  const RegistryEntry now = entry();
  EXPECT_EQ(now.description, "What was ordered\nand when");
  EXPECT_EQ(now.owner, std::nullopt);
  EXPECT_THAT(now.tags, ElementsAre("a", "b"));
  EXPECT_EQ(now.freshness_sla_s, 3600);
  EXPECT_EQ(now.sensitivity(), Sensitivity::Internal);
  EXPECT_EQ(property(table_, "comment"), "What was ordered\nand when") << "as Spark calls it";
}

TEST_F(RegistryTest, HistorySaysWhoChangedWhat) {
  RegistryPatch set;
  set.owner = "sales";
  patch(set);
  patch(set);  // Nothing changes.
  context_.principal = "bob";
  set.owner = "crm";
  patch(set);

  const auto changes = history();
  ASSERT_EQ(changes.size(), 2);
  EXPECT_EQ(changes[0].version, 2);
  EXPECT_EQ(changes[0].principal, "bob");
  EXPECT_EQ(changes[0].changes_json, R"({"owner":{"from":"sales","to":"crm"}})");
  EXPECT_EQ(changes[1].principal, "ann");
  const auto page = registry_->history(context_, table_, {.page_token = {}, .limit = 1}).value();
  ASSERT_EQ(page.items.size(), 1);
  const auto next =
      registry_->history(context_, table_, {.page_token = page.next_page_token, .limit = 1});
  EXPECT_EQ(next.value().items.at(0).version, 1);
  EXPECT_EQ(next.value().next_page_token, "");
  EXPECT_THAT(registry_->history(context_, table_, {.page_token = "x1", .limit = 1}),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(RegistryTest, WhatIsWrongIsRefusedAndNothingChanges) {
  std::vector<RegistryPatch> wrong(6);
  wrong[0].owner = "";
  wrong[1].owner = "a\nb";
  wrong[2].freshness_sla_s = 0;
  wrong[3].tags = std::vector<std::string>(101, "");
  wrong[4].columns["nam"] = ColumnPatch{.note = "x", .sensitivity = {}, .category = {}};
  wrong[5].description = std::string(20'000, 'x');
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    SCOPED_TRACE(i);
    const auto patched = registry_->patch(context_, table_, wrong[i]);
    EXPECT_THAT(patched, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_EQ(patched.error().hint.contains("name"), i == 4) << patched.error().hint;
  }
  EXPECT_EQ(entry(), RegistryEntry());
  EXPECT_THAT(registry_->patch(context_, id("nobody"), {}), FailsWith(ErrorCode::NotFound));
}

TEST_F(RegistryTest, TheDatasetIsAsSensitiveAsItsWorstColumnUntilSomebodyDecides) {
  patch(column("id", {.note = {}, .sensitivity = Sensitivity::Internal, .category = {}}));
  patch(column(
      "name",
      {.note = "of the customer", .sensitivity = Sensitivity::Restricted, .category = "name"}));
  EXPECT_EQ(entry().sensitivity(), Sensitivity::Restricted);
  RegistryPatch decide;
  decide.sensitivity = Sensitivity::Public;
  patch(decide);
  EXPECT_EQ(entry().sensitivity(), Sensitivity::Public);
}

TEST_F(RegistryTest, ADetectorNeverOverwritesAPerson) {
  const std::vector<ColumnProposal> found = {
      {.column = "name", .sensitivity = Sensitivity::Confidential, .category = "name"},
      {.column = "gone", .sensitivity = Sensitivity::Restricted, .category = {}}};
  EXPECT_THAT(registry_->propose(context_, table_, found), IsOk());
  EXPECT_EQ(entry().column("name")->by, DecidedBy::Detector);
  EXPECT_EQ(entry().column("name")->category, "name");
  EXPECT_EQ(history().front().by, DecidedBy::Detector);

  // A note is no decision; a level is, and what the detector said beside it is gone.
  patch(column("name", {.note = "full name", .sensitivity = {}, .category = {}}));
  EXPECT_EQ(entry().column("name")->by, DecidedBy::Detector);
  patch(column("name", {.note = {}, .sensitivity = Sensitivity::Public, .category = {}}));
  EXPECT_EQ(entry().column("name")->by, DecidedBy::Person);
  EXPECT_EQ(entry().column("name")->category, std::nullopt);
  EXPECT_THAT(registry_->propose(context_, table_, found), IsOk());
  EXPECT_EQ(entry().column("name")->sensitivity, Sensitivity::Public);
  EXPECT_EQ(entry().column("name")->note, "full name");

  // The decision is taken back: the detector may speak again.
  patch(column("name", {.note = {}, .sensitivity = std::optional<Sensitivity>(), .category = {}}));
  EXPECT_THAT(registry_->propose(context_, table_, found), IsOk());
  EXPECT_EQ(entry().column("name")->sensitivity, Sensitivity::Confidential);
  const std::vector<ColumnProposal> nothing = {
      {.column = "name", .sensitivity = {}, .category = {}}};
  EXPECT_THAT(registry_->propose(context_, table_, nothing), IsOk());
  EXPECT_EQ(entry().column("name")->sensitivity, std::nullopt);
  RegistryPatch forget;
  forget.columns["name"] = std::nullopt;
  patch(forget);
  EXPECT_THAT(entry().columns, IsEmpty());
}

TEST_F(RegistryTest, AColumnsEntryFollowsItsRename) {
  patch(column("name", {.note = "full", .sensitivity = {}, .category = {}}));
  iceberg::Schema renamed = schema();
  renamed.fields[1].name = "customer";
  EXPECT_THAT(
      catalog_->commit_table(context_, table_, {},
                             {iceberg::AddSchema{renamed, {}}, iceberg::SetCurrentSchema{}}),
      IsOk());
  EXPECT_EQ(entry().column("customer")->note, "full");
  // The table is made anew with the column's first name and another id.
  iceberg::Schema remade = schema();
  remade.fields[1].id = 9;
  remade.fields[1].name = "name";
  EXPECT_THAT(catalog_->commit_table(context_, table_, {},
                                     {iceberg::AddSchema{remade, {}}, iceberg::SetCurrentSchema{}}),
              IsOk());
  ASSERT_NE(entry().column("name"), nullptr);
  EXPECT_EQ(entry().column("name")->note, "full");
  patch(column("name", {.note = "short", .sensitivity = {}, .category = {}}));
  EXPECT_EQ(entry().column("name")->note, "short");
  EXPECT_EQ(property(table_, "lakehouse.column.2"), "");
}

TEST_F(RegistryTest, NestedColumnsAreNamedByTheirPaths) {
  iceberg::Schema nested = schema();
  iceberg::NestedField street;
  street.id = 4;
  street.name = "street";
  street.type = iceberg::primitive(iceberg::TypeKind::String);
  iceberg::NestedField address;
  address.id = 3;
  address.name = "address";
  address.type = iceberg::struct_of({street});
  nested.fields.push_back(address);
  EXPECT_THAT(catalog_->commit_table(context_, table_, {},
                                     {iceberg::AddSchema{nested, {}}, iceberg::SetCurrentSchema{}}),
              IsOk());
  patch(column("address.street",
               {.note = {}, .sensitivity = Sensitivity::Restricted, .category = "address"}));
  EXPECT_EQ(entry().column("address.street")->field_id, 4);
  EXPECT_EQ(entry().sensitivity(), Sensitivity::Restricted);
}

TEST_F(RegistryTest, MalformedPropertiesOfOtherClientsAreLeftOut) {
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"lakehouse.tags", "no json"},
           {"lakehouse.sensitivity", "huge"},
           {"lakehouse.freshness-sla-s", "-1"},
           {"lakehouse.column.x", "{}"},
           {"lakehouse.column.2", R"({"note":5,"sensitivity":"none"})"},
           {"lakehouse.column.99999999999999999999", R"({"note":"x"})"}}) {
    EXPECT_THAT(set_property(table_, name, value), IsOk());
  }
  EXPECT_EQ(entry(), RegistryEntry());
}

TEST_F(RegistryTest, ConcurrentEditsAreAllThereAndEachIsInTheHistory) {
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      RegistryPatch one;
      if (i % 2 == 0) {
        one.owner = fmt::format("owner {}", i);
      } else {
        one.description = fmt::format("text {}", i);
      }
      EXPECT_THAT(registry_->patch(context_, table_, one), IsOk());
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const auto changes = history();
  ASSERT_EQ(changes.size(), kThreads);
  std::map<std::string, std::string> last;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    const auto parsed = parse_json(change->changes_json, "changes").value();
    for (const auto& [what, move] : parsed.as_object()) {
      const auto& from = move.at("from");
      EXPECT_EQ(from.is_null() ? "" : std::string(from.as_string()), last[what]);
      last[what] = move.at("to").as_string();
    }
  }
  EXPECT_EQ(entry().owner, last["owner"]);
  EXPECT_EQ(entry().description, last["description"]);
}

TEST_F(RegistryTest, FreshnessIsByTheLastWriteAndNotByRewrites) {
  RegistryPatch sla;
  sla.freshness_sla_s = 60;
  patch(sla);
  const auto fresh_at = [&](std::int64_t now_ms) {
    const auto loaded = catalog_->load_table(context_, table_).value();
    return freshness(*loaded.metadata, registry_entry(*loaded.metadata), now_ms);
  };
  EXPECT_TRUE(fresh_at(0).is_stale) << "it was never written";
  EXPECT_EQ(fresh_at(0).stale_since_ms, std::nullopt);
  const std::int64_t now = catalog_->now_ms();
  add_snapshot("", "append", now);
  add_snapshot("", "replace", now + 30'000);
  EXPECT_EQ(fresh_at(now).last_write_ms, now);
  EXPECT_FALSE(fresh_at(now + 60'000).is_stale);
  EXPECT_TRUE(fresh_at(now + 60'001).is_stale);
  EXPECT_EQ(fresh_at(now + 60'001).stale_since_ms, now + 60'000);
}

TEST_F(RegistryTest, ARollbackLetsFilesComeAgainAndMayBeTakenBack) {
  const std::int64_t first = add_snapshot("aa");
  const std::int64_t second = add_snapshot("bb");
  const auto back = registry_->rollback(context_, table_, first);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->metadata->current_snapshot_id, first);
  EXPECT_TRUE(is_ingested("aa"));
  EXPECT_FALSE(is_ingested("bb"));
  EXPECT_EQ(history().front().changes_json,
            fmt::format(R"({{"snapshot_id":{{"from":{},"to":{}}}}})", second, first));

  EXPECT_THAT(registry_->rollback(context_, table_, second), IsOk());
  EXPECT_TRUE(is_ingested("bb"));
  EXPECT_THAT(registry_->rollback(context_, table_, second), IsOk()) << "nothing to do";
  EXPECT_EQ(history().size(), 2);
  EXPECT_THAT(registry_->rollback(context_, table_, 7), FailsWith(ErrorCode::NotFound));
}

TEST_F(RegistryTest, LineageIsAGraphUpAndDown) {
  const TableIdentifier totals = id("totals");
  const TableIdentifier report = id("report");
  make(totals);
  make(report);
  record(run(table_, "ingest", {source("crm")}));
  record(run(table_, "ingest", {source("crm")}, 5));
  record(run(totals, "create_table_as", {dataset(table_), dataset(table_)}));
  record(run(report, "insert", {dataset(totals), source("by hand")}));

  const auto whole = registry_->lineage(context_, totals, {}).value();
  EXPECT_THAT(names(whole),
              ElementsAre("dataset main.orders", "dataset main.report", "dataset main.totals",
                          "job create_table_as", "job ingest", "job insert", "source crm"));
  EXPECT_EQ(whole.edges.size(), 6) << "crm, ingest, orders, create, totals, insert, report";
  EXPECT_FALSE(whole.truncated);
  const auto ingest = std::ranges::find(whole.nodes, "ingest", &LineageNode::name);
  EXPECT_EQ(ingest->runs, 2);
  EXPECT_EQ(ingest->first_at_ms, 1);
  EXPECT_EQ(ingest->last_at_ms, 5);

  LineageOptions near;
  near.depth = 1;
  const auto cut = registry_->lineage(context_, totals, near).value();
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(cut.nodes.size(), 5);
  near.downstream = false;
  EXPECT_EQ(registry_->lineage(context_, totals, near).value().nodes.size(), 3);
}

TEST_F(RegistryTest, LineageKnowsNewNamesAndWhatIsGone) {
  const TableIdentifier totals = id("totals");
  make(totals);
  record(run(totals, "create_table_as", {dataset(table_)}));
  EXPECT_THAT(catalog_->rename_table(context_, totals, id("sums")), IsOk());
  EXPECT_THAT(catalog_->drop_table(context_, table_, false), IsOk());
  const auto graph = registry_->lineage(context_, id("sums"), {}).value();
  EXPECT_THAT(names(graph),
              ElementsAre("dataset main.orders", "dataset main.sums", "job create_table_as"));
  const auto gone = std::ranges::find(graph.nodes, "main.orders", &LineageNode::name);
  EXPECT_TRUE(gone->is_gone);
}

TEST_F(RegistryTest, ATableThatIsMadeFromItselfIsNoEndlessGraph) {
  record(run(table_, "insert", {dataset(table_)}));
  const auto graph = registry_->lineage(context_, table_, {}).value();
  EXPECT_EQ(graph.nodes.size(), 2);
  EXPECT_EQ(graph.edges.size(), 2);
}

TEST_F(RegistryTest, AReplacementForgetsOlderJobsButNotTheRuns) {
  record(run(table_, "ingest", {source("old")}));
  LineageRun replacement = run(table_, "ingest", {source("new")});
  replacement.replaces = true;
  replacement.rows = 3;
  record(replacement);
  EXPECT_THAT(names(registry_->lineage(context_, table_, {}).value()),
              ElementsAre("dataset main.orders", "job ingest", "source new"));
  const auto runs = registry_->runs(context_, table_, {.page_token = {}, .limit = 1}).value();
  ASSERT_EQ(runs.items.size(), 1);
  EXPECT_EQ(runs.items[0].rows, 3);
  EXPECT_THAT(runs.items[0].inputs, ElementsAre(source("new")));
  const auto older =
      registry_->runs(context_, table_, {.page_token = runs.next_page_token, .limit = 5}).value();
  EXPECT_THAT(older.items.at(0).inputs, ElementsAre(source("old")));
}

TEST_F(RegistryTest, LineageSurvivesTheMetastoreInTheProperties) {
  LineageRun ingest = run(table_, "ingest", {source("crm")}, 42);
  const auto base = catalog_->load_table(context_, table_).value();
  EXPECT_THAT(
      catalog_->commit_table(context_, table_, {}, lineage_updates(base.metadata.get(), ingest)),
      IsOk());
  const auto after = catalog_->load_table(context_, table_).value();
  EXPECT_THAT(lineage_updates(after.metadata.get(), ingest), IsEmpty()) << "it is known";
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(metastore_->write(context_,
                                  [&](metastore::Transaction& transaction) {
                                    return restore_lineage(transaction, table_,
                                                           after.metadata->table_uuid,
                                                           after.metadata->properties);
                                  }),
                IsOk());
  }
  const auto graph = registry_->lineage(context_, table_, {}).value();
  EXPECT_THAT(names(graph), ElementsAre("dataset main.orders", "job ingest", "source crm"));
  ingest.replaces = true;
  ingest.inputs = {source("erp")};
  EXPECT_EQ(lineage_updates(after.metadata.get(), ingest).size(), 2) << "the old one goes";
}

TEST_F(RegistryTest, OnlyTheLastRunsAreKept) {
  EXPECT_THAT(metastore_->write(context_,
                                [&](metastore::Transaction& transaction) -> Status {
                                  for (int i = 0; i < 1005; ++i) {
                                    LH_RETURN_IF_ERROR(record_lineage(
                                        transaction, run(table_, "ingest", {source("crm")}, i)));
                                  }
                                  return {};
                                }),
              IsOk());
  const auto runs = registry_->runs(context_, table_, {}).value();
  EXPECT_EQ(runs.items.size(), 1000);
  EXPECT_EQ(runs.items.front().at_ms, 1004);
}

TEST_F(RegistryTest, APurgeForgetsRunsAndHistoryButNotWhatWasMadeOfTheTable) {
  const TableIdentifier totals = id("totals");
  make(totals);
  record(run(table_, "ingest", {source("crm")}));
  record(run(totals, "create_table_as", {dataset(table_)}));
  EXPECT_THAT(catalog_->drop_table(context_, table_, true), IsOk());
  EXPECT_THAT(names(registry_->lineage(context_, totals, {}).value()),
              ElementsAre("dataset main.orders", "dataset main.totals", "job create_table_as",
                          "job ingest", "source crm"));
  EXPECT_THAT(metastore_->read(context_,
                               [](metastore::Transaction& transaction) -> Status {
                                 LH_ASSIGN_OR_RETURN(
                                     const auto rows,
                                     transaction.query("SELECT DISTINCT job FROM lineage_runs"));
                                 EXPECT_EQ(rows.size(), 1);
                                 return {};
                               }),
              IsOk());
}

TEST_F(RegistryTest, AnEntrySurvivesDropAndRegister) {
  RegistryPatch set;
  set.owner = "sales";
  patch(set);
  const auto table = catalog_->load_table(context_, table_).value();
  EXPECT_THAT(catalog_->drop_table(context_, table_, false), IsOk());
  EXPECT_THAT(catalog_->register_table(context_, table_, table.metadata_location, false), IsOk());
  EXPECT_EQ(entry().owner, "sales");
  EXPECT_EQ(history().size(), 1);
}

}  // namespace
}  // namespace lakehouse::catalog
