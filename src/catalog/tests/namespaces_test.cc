#include "catalog/tests/catalog_fixture.h"

namespace lakehouse::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class NamespacesTest : public CatalogFixture {};

TEST_F(NamespacesTest, TheDefaultNamespaceAlwaysExists) {
  EXPECT_THAT(catalog_->namespace_exists(context_, {"main"}), IsOkAnd(true));
  EXPECT_THAT(catalog_->drop_namespace(context_, {"main"}),
              FailsWith(ErrorCode::FailedPrecondition));
  reopen();
  EXPECT_THAT(catalog_->namespace_exists(context_, {"main"}), IsOkAnd(true));
}

TEST_F(NamespacesTest, KeepTheirProperties) {
  ASSERT_THAT(catalog_->create_namespace(context_, {"a"}, {{"owner", "alice"}, {"x", "1"}}),
              IsOk());
  reopen();
  const auto location = Pair("location", "file://" + folder_ + "/buckets/primary/a");
  EXPECT_THAT(catalog_->load_namespace(context_, {"a"})->properties,
              ElementsAre(location, Pair("owner", "alice"), Pair("x", "1")));

  const auto changed =
      catalog_->update_namespace_properties(context_, {"a"}, {"x", "absent"}, {{"owner", "bob"}});
  ASSERT_THAT(changed, IsOk());
  EXPECT_THAT(changed->updated, ElementsAre("owner"));
  EXPECT_THAT(changed->removed, ElementsAre("x"));
  EXPECT_THAT(changed->missing, ElementsAre("absent"));
  EXPECT_THAT(catalog_->load_namespace(context_, {"a"})->properties,
              ElementsAre(location, Pair("owner", "bob")));
  EXPECT_THAT(catalog_->update_namespace_properties(context_, {"a"}, {"k"}, {{"k", "v"}}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(catalog_->update_namespace_properties(context_, {"absent"}, {}, {}),
              FailsWith(ErrorCode::NotFound));
}

TEST_F(NamespacesTest, NestAndAreListedByLevel) {
  ASSERT_THAT(catalog_->create_namespace(context_, {"a", "b", "c"}, {}), IsOk());
  ASSERT_THAT(catalog_->create_namespace(context_, {"a", "d"}, {}), IsOk());
  ASSERT_THAT(catalog_->create_namespace(context_, {"a.b"}, {}), IsOk());
  EXPECT_THAT(catalog_->list_namespaces(context_, {}, {})->items,
              ElementsAre(Namespace{"a"}, Namespace{"a.b"}, Namespace{"main"}));
  EXPECT_THAT(catalog_->list_namespaces(context_, {"a"}, {})->items,
              ElementsAre(Namespace{"a", "b"}, Namespace{"a", "d"}));
  EXPECT_THAT(catalog_->list_namespaces(context_, {"absent"}, {}), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(catalog_->create_namespace(context_, {"a", "b"}, {}),
              FailsWith(ErrorCode::AlreadyExists));
}

TEST_F(NamespacesTest, AreListedInPages) {
  for (const std::string_view name : {"a", "b", "c", "d"}) {
    ASSERT_THAT(catalog_->create_namespace(context_, {std::string(name)}, {}), IsOk());
  }
  std::vector<std::string> seen;
  PageRequest page{.page_token = {}, .limit = 2};
  do {
    const auto answer = catalog_->list_namespaces(context_, {}, page);
    ASSERT_THAT(answer, IsOk());
    ASSERT_LE(answer->items.size(), 2U);
    for (const Namespace& name_space : answer->items) {
      seen.push_back(name_space.front());
    }
    page.page_token = answer->next_page_token;
  } while (!page.page_token.empty());
  EXPECT_THAT(seen, ElementsAre("a", "b", "c", "d", "main"));
  EXPECT_THAT(catalog_->list_namespaces(context_, {}, {.page_token = "x!", .limit = 1}),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(NamespacesTest, AreDroppedOnlyWhenEmpty) {
  ASSERT_THAT(catalog_->create_namespace(context_, {"a", "b"}, {{"k", "v"}}), IsOk());
  make(id("t", {"a", "b"}));
  EXPECT_THAT(catalog_->drop_namespace(context_, {"a"}), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(catalog_->drop_namespace(context_, {"a", "b"}),
              FailsWith(ErrorCode::FailedPrecondition));
  ASSERT_THAT(catalog_->drop_table(context_, id("t", {"a", "b"}), false), IsOk());
  EXPECT_THAT(catalog_->drop_namespace(context_, {"a", "b"}), IsOk());
  EXPECT_THAT(catalog_->drop_namespace(context_, {"a"}), IsOk());
  EXPECT_THAT(catalog_->drop_namespace(context_, {"a"}), FailsWith(ErrorCode::NotFound));
}

// Names that work in one place and not in another would be worse than names that are refused.
TEST_F(NamespacesTest, HostileNamesWorkEverywhereOrNowhere) {
  for (const std::string_view name :
       {"it's", "\"q\"", "a b", "a/b", "a%2Fb", "*", "...", "_staging", ".lakehouse", "-", "日本",
        "ａ", "a\\b", "..x", "a?b#c", "%", "{x}"}) {
    SCOPED_TRACE(name);
    const Namespace name_space{std::string(name), std::string(name)};
    const TableIdentifier table = id(std::string(name), name_space);
    ASSERT_THAT(catalog_->create_namespace(context_, name_space, {}), IsOk());
    const LoadedTable made = make(table);
    EXPECT_THAT(buckets_->resolve(made.metadata->location), IsOk());
    EXPECT_THAT(set_property(table, "k", "v"), IsOk());
    EXPECT_EQ(property(table, "k"), "v");
    EXPECT_THAT(catalog_->list_tables(context_, name_space, {})->items, ElementsAre(table));
    EXPECT_THAT(catalog_->rename_table(context_, table, id("plain", name_space)), IsOk());
    EXPECT_THAT(catalog_->drop_table(context_, id("plain", name_space), true), IsOk());
    EXPECT_THAT(catalog_->drop_namespace(context_, name_space), IsOk());
  }
  const std::string longest(255, 'x');
  ASSERT_THAT(catalog_->create_namespace(context_, Namespace(16, longest), {}), IsOk());
  make(id(longest, Namespace(16, longest)));
  std::string wide;
  for (int i = 0; i < 85; ++i) {
    wide += "語";  // 255 bytes, 765 when percent-encoded.
  }
  make(id(wide));

  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string(256, 'x'),
        std::string("a\nb"), std::string("a\0b", 3), std::string("a\x1F") + "b",
        std::string("\x7F"), std::string("\xC2\x85"), std::string("\xFF")}) {
    EXPECT_THAT(catalog_->create_namespace(context_, {name}, {}),
                FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(catalog_->load_namespace(context_, {name}), FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(catalog_->create_table(context_, request(id(name))),
                FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(catalog_->load_table(context_, id(name)), FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(catalog_->rename_table(context_, id("a"), id(name)),
                FailsWith(ErrorCode::InvalidArgument));
  }
  EXPECT_THAT(catalog_->create_namespace(context_, {}, {}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(catalog_->create_namespace(context_, Namespace(17, "x"), {}),
              FailsWith(ErrorCode::InvalidArgument));
}

}  // namespace
}  // namespace lakehouse::catalog
