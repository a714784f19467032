#include <array>

#include "catalog/tests/catalog_fixture.h"
#include "metastore/testing/faulty_metastore.h"

// A commit's outcome never lies: whatever happens to the metastore around it, the catalog is as it
// was before or as it is after, says which if it knows, and removes no file while it does not.

namespace lakehouse::catalog {
namespace {

using metastore::testing::FaultyMetastore;
using metastore::testing::WriteFault;

constexpr std::array<WriteFault, 4> kFaults = {WriteFault::NotBegun, WriteFault::RolledBack,
                                               WriteFault::UnknownOld, WriteFault::UnknownNew};

bool is_unknown(WriteFault fault) {
  return fault == WriteFault::UnknownOld || fault == WriteFault::UnknownNew;
}

class OutcomesTest : public CatalogFixture {
 protected:
  OutcomesTest() {
    catalog_.reset();
    faulty_ = std::make_unique<FaultyMetastore>(*metastore_);
    catalog_ = Catalog::open(*buckets_, *faulty_, {}).value();
  }
  ~OutcomesTest() override { catalog_.reset(); }

  /// Runs the work with its first write failing so, and tells whether it is done afterwards.
  template <class Work, class IsDone>
  void with_fault(WriteFault fault, const Work& work, const IsDone& is_done) {
    faulty_->arm(fault);
    const auto outcome = work();
    ASSERT_TRUE(faulty_->fired());
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code,
              is_unknown(fault) ? ErrorCode::CommitStateUnknown : ErrorCode::Unavailable)
        << outcome.error().message;
    EXPECT_EQ(is_done(), fault == WriteFault::UnknownNew);
  }

  std::size_t files_below(const std::string& key) {
    return buckets_->find("primary")
        .value()
        ->list_objects(context_, key, "", "", 10'000)
        .value()
        .objects.size();
  }

  std::unique_ptr<FaultyMetastore> faulty_;
};

TEST_F(OutcomesTest, OfACreate) {
  int n = 0;
  for (const WriteFault fault : kFaults) {
    const TableIdentifier table = id("created" + std::to_string(++n));
    SCOPED_TRACE(to_string(table));
    with_fault(
        fault, [&] { return catalog_->create_table(context_, request(table)); },
        [&] { return catalog_->load_table(context_, table).has_value(); });
    EXPECT_EQ(files_below("main/" + table.name), is_unknown(fault) ? 1U : 0U);
    if (fault != WriteFault::UnknownNew) {
      EXPECT_THAT(catalog_->create_table(context_, request(table)), IsOk());
    }
  }
}

TEST_F(OutcomesTest, OfACommit) {
  const LoadedTable made = make(id("t"));
  int n = 0;
  for (const WriteFault fault : kFaults) {
    const std::string name = "p" + std::to_string(++n);
    SCOPED_TRACE(name);
    const std::size_t before = metadata_files(made);
    with_fault(
        fault, [&] { return set_property(id("t"), name, "1"); },
        [&] { return property(id("t"), name) == "1"; });
    EXPECT_EQ(metadata_files(made), before + (is_unknown(fault) ? 1U : 0U));
    EXPECT_THAT(set_property(id("t"), name, "2"), IsOk()) << "the table goes on";
    EXPECT_EQ(property(id("t"), name), "2");
  }
  // And a catalog that starts anew finds the same.
  catalog_ = Catalog::open(*buckets_, *metastore_, {}).value();
  EXPECT_EQ(property(id("t"), "p4"), "2");
}

TEST_F(OutcomesTest, OfATransactionOfSeveralTables) {
  const LoadedTable a = make(id("a"));
  const LoadedTable b = make(id("b"));
  for (const WriteFault fault : kFaults) {
    const std::string name = "p" + std::to_string(static_cast<int>(fault));
    SCOPED_TRACE(name);
    const std::size_t before = metadata_files(a) + metadata_files(b);
    with_fault(
        fault,
        [&] {
          return catalog_->commit_transaction(
              context_, {{.identifier = id("a"), .requirements = {}, .updates = {set(name, "1")}},
                         {.identifier = id("b"), .requirements = {}, .updates = {set(name, "1")}}});
        },
        [&] { return property(id("a"), name) == "1" && property(id("b"), name) == "1"; });
    EXPECT_EQ(property(id("a"), name), property(id("b"), name)) << "all or none";
    EXPECT_EQ(metadata_files(a) + metadata_files(b), before + (is_unknown(fault) ? 2U : 0U));
  }
}

TEST_F(OutcomesTest, OfADropWithPurge) {
  int n = 0;
  for (const WriteFault fault : kFaults) {
    const TableIdentifier table = id("dropped" + std::to_string(++n));
    SCOPED_TRACE(to_string(table));
    make(table);
    with_fault(
        fault, [&] { return catalog_->drop_table(context_, table, true); },
        [&] { return !catalog_->table_exists(context_, table).value(); });
    // Not a file goes before it is known that the table is gone; then the next start sees to it.
    EXPECT_EQ(files_below("main/" + table.name), 1U);
    EXPECT_EQ(catalog_->load_table(context_, table).has_value(), fault != WriteFault::UnknownNew);
  }
  catalog_ = Catalog::open(*buckets_, *metastore_, {}).value();
  EXPECT_EQ(files_below("main/dropped4"), 0U);
  EXPECT_EQ(files_below("main/dropped3"), 1U);
}

TEST_F(OutcomesTest, OfARenameAndOfNamespaces) {
  for (const WriteFault fault : kFaults) {
    const std::string n = std::to_string(static_cast<int>(fault));
    SCOPED_TRACE(n);
    make(id("from" + n));
    with_fault(
        fault, [&] { return catalog_->rename_table(context_, id("from" + n), id("to" + n)); },
        [&] { return catalog_->table_exists(context_, id("to" + n)).value(); });
    EXPECT_NE(catalog_->table_exists(context_, id("to" + n)).value(),
              catalog_->table_exists(context_, id("from" + n)).value());
    with_fault(
        fault, [&] { return catalog_->create_namespace(context_, {"ns" + n}, {}); },
        [&] { return catalog_->namespace_exists(context_, {"ns" + n}).value(); });
  }
}

TEST_F(OutcomesTest, AReceiptTellsWhatBecameOfTheCommit) {
  make(id("t"));
  for (const WriteFault fault : kFaults) {
    const std::string key = "key" + std::to_string(static_cast<int>(fault));
    SCOPED_TRACE(key);
    CommitOptions options;
    options.also = [&](metastore::Transaction& transaction, const std::vector<LoadedTable>&) {
      return Catalog::put_receipt(transaction, {.key = key,
                                                .principal = context_.principal,
                                                .fingerprint = "f",
                                                .status = 200,
                                                .body = "{}",
                                                .created_at_ms = catalog_->now_ms()});
    };
    with_fault(
        fault,
        [&] { return catalog_->commit_table(context_, id("t"), {}, {set(key, "1")}, options); },
        [&] { return property(id("t"), key) == "1"; });
    EXPECT_EQ(catalog_->find_receipt(context_, key).value().has_value(),
              property(id("t"), key) == "1");
  }
}

}  // namespace
}  // namespace lakehouse::catalog
