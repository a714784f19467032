// The contract of storage/object_store.h, run against every backend: a backend is done when this
// file passes. What only one backend does is tested in its own file.

#include "storage/object_store.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/testing/matchers.h"
#include "storage/local_object_store.h"
#include "storage/testing/faulty_object_store.h"

namespace lakehouse::storage {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using lakehouse::testing::IsOkAnd;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const PutCondition kAlways{};
const PutCondition kIfAbsent{.kind = PutCondition::Kind::IfAbsent, .etag = {}};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Bytes owned(std::string_view text) {
  const auto view = bytes_of(text);
  return {view.begin(), view.end()};
}

struct Backend {
  std::string name;
  std::function<std::unique_ptr<ObjectStore>(const std::string& folder)> open;
};

class ObjectStoreTest : public ::testing::TestWithParam<Backend> {
 protected:
  ObjectStoreTest() : store_(GetParam().open(folder_)) {}
  ~ObjectStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void put(std::string_view key, std::string_view text = "") {
    ASSERT_THAT(store_->put_object(context_, key, bytes_of(text), kAlways), IsOk());
  }

  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("store-" + new_token(8))).string();
  std::unique_ptr<ObjectStore> store_;
  RequestContext context_;
};

TEST_P(ObjectStoreTest, GetReturnsWhatWasPut) {
  put("a/b", "hello");
  EXPECT_THAT(store_->get_object(context_, "a/b", {}), IsOkAnd(owned("hello")));
}

TEST_P(ObjectStoreTest, GetOfAnAbsentKeyIsNotFound) {
  put("folder/object");
  for (const std::string_view key : {"absent", "folder", "folder/absent", "folder/object/below"}) {
    SCOPED_TRACE(key);
    EXPECT_THAT(store_->get_object(context_, key, {}), FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(store_->head_object(context_, key), FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(store_->open_object(context_, key, {}), FailsWith(ErrorCode::NotFound));
  }
}

TEST_P(ObjectStoreTest, RangeIsCutAtTheEndOfTheObject) {
  put("k", "0123456789");
  struct Case {
    ByteRange range;
    std::string_view want;
  };
  for (const auto& [range, want] : {
           Case{{.offset_bytes = 0, .length_bytes = 3}, "012"},
           Case{{.offset_bytes = 8, .length_bytes = 5}, "89"},
           Case{{.offset_bytes = 8, .length_bytes = ~std::uint64_t{0}}, "89"},
           Case{{.offset_bytes = 4, .length_bytes = 0}, ""},
           Case{{.offset_bytes = 10, .length_bytes = 1}, ""},  // At the end, not past it.
       }) {
    SCOPED_TRACE(::testing::Message() << range.offset_bytes << "+" << range.length_bytes);
    EXPECT_THAT(store_->get_object(context_, "k", range), IsOkAnd(owned(want)));
  }
  EXPECT_THAT(store_->get_object(context_, "k", ByteRange{.offset_bytes = 11, .length_bytes = 1}),
              FailsWith(ErrorCode::OutOfRange));
}

TEST_P(ObjectStoreTest, HeadTellsSizeAndVersion) {
  const auto etag = store_->put_object(context_, "k", bytes_of("12345"), kAlways);
  ASSERT_THAT(etag, IsOk());
  const auto info = store_->head_object(context_, "k");
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->key, "k");
  EXPECT_EQ(info->size_bytes, 5U);
  EXPECT_EQ(info->etag, *etag);
}

TEST_P(ObjectStoreTest, PutIfAbsentLeavesAnExistingObjectAsItIs) {
  put("k", "1");
  EXPECT_THAT(store_->put_object(context_, "k", bytes_of("2"), kIfAbsent),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(store_->get_object(context_, "k", {}), IsOkAnd(owned("1")));
}

TEST_P(ObjectStoreTest, PutIfMatchReplacesOnlyTheVersionItNames) {
  const auto first = store_->put_object(context_, "k", bytes_of("1"), kAlways);
  ASSERT_THAT(first, IsOk());
  const PutCondition if_first{.kind = PutCondition::Kind::IfMatch, .etag = *first};

  EXPECT_THAT(store_->put_object(context_, "k", bytes_of("2"), if_first), IsOk());
  EXPECT_THAT(store_->put_object(context_, "k", bytes_of("3"), if_first),
              FailsWith(ErrorCode::Aborted));
  EXPECT_THAT(store_->put_object(context_, "absent", bytes_of("3"), if_first),
              FailsWith(ErrorCode::Aborted));
  EXPECT_THAT(store_->get_object(context_, "k", {}), IsOkAnd(owned("2")));
}

TEST_P(ObjectStoreTest, NoTwoVersionsOfAnObjectLookAlike) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {  // The same bytes, as fast as can be.
    const auto etag = store_->put_object(context_, "k", bytes_of("same"), kAlways);
    ASSERT_THAT(etag, IsOk());
    EXPECT_TRUE(seen.insert(etag->value).second) << etag->value;
  }
}

// A catalog commit creates metadata files this way: two winners would lose one's snapshot.
TEST_P(ObjectStoreTest, OfManyConcurrentPutsIfAbsentExactlyOneWins) {
  constexpr int writer_count = 8;
  std::atomic<int> winners = 0;
  {
    std::vector<std::jthread> writers;
    writers.reserve(writer_count);
    for (int i = 0; i < writer_count; ++i) {
      writers.emplace_back([&, i] {
        const auto put =
            store_->put_object(context_, "new/v1.json", bytes_of(std::to_string(i)), kIfAbsent);
        winners += put.has_value() ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(winners, 1);
}

// Each writer adds one to a counter; none of the additions may be lost.
TEST_P(ObjectStoreTest, ConcurrentPutsIfMatchLoseNoUpdate) {
  put("counter", "0");
  constexpr int writer_count = 4;
  constexpr int additions = 15;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < writer_count; ++i) {
      writers.emplace_back([&] {
        for (int done = 0; done < additions;) {
          // The version first: bytes that are newer than it make the put fail, never succeed.
          const auto info = store_->head_object(context_, "counter");
          const auto bytes = store_->get_object(context_, "counter", {});
          ASSERT_THAT(info, IsOk());
          ASSERT_THAT(bytes, IsOk());
          std::string text;
          for (const std::byte byte : *bytes) {
            text += static_cast<char>(byte);
          }
          const std::string next = std::to_string(std::stoi(text) + 1);
          const auto put = store_->put_object(
              context_, "counter", bytes_of(next),
              PutCondition{.kind = PutCondition::Kind::IfMatch, .etag = info->etag});
          done += put.has_value() ? 1 : 0;
        }
      });
    }
  }
  EXPECT_THAT(store_->get_object(context_, "counter", {}),
              IsOkAnd(owned(std::to_string(writer_count * additions))));
}

TEST_P(ObjectStoreTest, AWriterShowsNothingBeforeItsCommit) {
  auto writer = store_->create_object(context_, "a/k");
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT((*writer)->write(bytes_of("one ")), IsOk());
  ASSERT_THAT((*writer)->write(bytes_of("two")), IsOk());
  EXPECT_THAT(store_->head_object(context_, "a/k"), FailsWith(ErrorCode::NotFound));
  ASSERT_THAT((*writer)->commit(context_, kIfAbsent), IsOk());
  EXPECT_THAT(store_->get_object(context_, "a/k", {}), IsOkAnd(owned("one two")));
}

TEST_P(ObjectStoreTest, AnAbandonedWriterLeavesNothing) {
  {
    auto writer = store_->create_object(context_, "k");
    ASSERT_THAT(writer, IsOk());
    ASSERT_THAT((*writer)->write(bytes_of("lost")), IsOk());
  }
  const auto list = store_->list_objects(context_, "", "", "", 10);
  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(list->objects, IsEmpty());
}

TEST_P(ObjectStoreTest, AReaderSeesTheObjectAsItWasWhenItWasOpened) {
  put("k", "old bytes");
  auto reader = store_->open_object(context_, "k", ByteRange{.offset_bytes = 4, .length_bytes = 9});
  ASSERT_THAT(reader, IsOk());
  put("k", "new");
  Bytes buffer(3);
  EXPECT_THAT((*reader)->read(buffer), IsOkAnd(3U));
  EXPECT_EQ(buffer, owned("byt"));
  EXPECT_THAT((*reader)->read(buffer), IsOkAnd(2U));
  EXPECT_THAT((*reader)->read(buffer), IsOkAnd(0U));
  EXPECT_EQ((*reader)->info().size_bytes, 9U);
}

std::vector<std::string> keys_of(const ObjectList& list) {
  std::vector<std::string> keys;
  for (const ObjectInfo& info : list.objects) {
    keys.push_back(info.key);
  }
  return keys;
}

TEST_P(ObjectStoreTest, ListsInByteOrderOfWholeKeys) {
  // '-' and '.' sort before '/', '0' after it: folders must not be listed as they are named.
  for (const std::string_view key : {"a/x", "a.txt", "a-b", "a0", "a/b/c", "B", "ä"}) {
    put(key);
  }
  const auto list = store_->list_objects(context_, "", "", "", 100);
  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(keys_of(*list), ElementsAre("B", "a-b", "a.txt", "a/b/c", "a/x", "a0", "ä"));
  EXPECT_EQ(list->next_start_after, "");
}

TEST_P(ObjectStoreTest, ListPagesThroughAPrefix) {
  for (const std::string_view key : {"a/2", "a/1", "a/3", "a/22", "b/1"}) {
    put(key);
  }
  const auto first = store_->list_objects(context_, "a/", "", "", 2);
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(keys_of(*first), ElementsAre("a/1", "a/2"));
  ASSERT_EQ(first->next_start_after, "a/2");
  const auto second = store_->list_objects(context_, "a/", "", first->next_start_after, 2);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(keys_of(*second), ElementsAre("a/22", "a/3"));
  EXPECT_EQ(second->next_start_after, "");

  const auto partial = store_->list_objects(context_, "a/2", "", "", 10);
  ASSERT_THAT(partial, IsOk());
  EXPECT_THAT(keys_of(*partial), ElementsAre("a/2", "a/22"));
  for (const std::string_view prefix : {"c/", "a/1/", "../", "/"}) {
    const auto none = store_->list_objects(context_, prefix, "", "", 10);
    ASSERT_THAT(none, IsOk());
    EXPECT_THAT(none->objects, IsEmpty()) << prefix;
  }
}

TEST_P(ObjectStoreTest, ADelimiterRollsUpWhatIsBelowIt) {
  for (const std::string_view key : {"p/a/1", "p/a/2", "p/b", "p/c/d/1", "p/e", "q"}) {
    put(key);
  }
  const auto all = store_->list_objects(context_, "p/", "/", "", 10);
  ASSERT_THAT(all, IsOk());
  EXPECT_THAT(keys_of(*all), ElementsAre("p/b", "p/e"));
  EXPECT_THAT(all->common_prefixes, ElementsAre("p/a/", "p/c/"));

  std::vector<std::string> seen;
  std::string start_after;
  do {  // In pages of one: each item once, in order.
    const auto page = store_->list_objects(context_, "p/", "/", start_after, 1);
    ASSERT_THAT(page, IsOk());
    for (const std::string& prefix : page->common_prefixes) {
      seen.push_back(prefix);
    }
    for (const std::string& key : keys_of(*page)) {
      seen.push_back(key);
    }
    start_after = page->next_start_after;
  } while (!start_after.empty());
  EXPECT_THAT(seen, ElementsAre("p/a/", "p/b", "p/c/", "p/e"));

  put("x-1-y");
  put("x-2-z");
  put("x-2/w");
  const auto dashes = store_->list_objects(context_, "x-", "-", "", 10);
  ASSERT_THAT(dashes, IsOk());
  EXPECT_THAT(dashes->common_prefixes, ElementsAre("x-1-", "x-2-"));
  EXPECT_THAT(keys_of(*dashes), ElementsAre("x-2/w"));
}

TEST_P(ObjectStoreTest, FoldersWithoutObjectsAreNotListed) {
  ASSERT_THAT(store_->make_folder(context_, "t/data"), IsOk());
  const auto list = store_->list_objects(context_, "", "/", "", 10);
  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(list->common_prefixes, IsEmpty());
}

TEST_P(ObjectStoreTest, DeleteCanBeRepeated) {
  put("k", "1");
  EXPECT_THAT(store_->delete_object(context_, "k"), IsOk());
  EXPECT_THAT(store_->delete_object(context_, "k"), IsOk());
  EXPECT_THAT(store_->delete_object(context_, "no/such/folder"), IsOk());
  EXPECT_THAT(store_->head_object(context_, "k"), FailsWith(ErrorCode::NotFound));
}

TEST_P(ObjectStoreTest, RefusesBadKeys) {
  for (const auto& key : {std::string(), std::string("../etc/passwd"), std::string("a/../b"),
                          std::string("a//b"), std::string("/a"), std::string("a/"),
                          std::string("."), std::string("a/./b"), std::string(1025, 'x'),
                          std::string("a\nb"), std::string("a\0b", 3), std::string("\xFF\xFE")}) {
    SCOPED_TRACE(key);
    EXPECT_THAT(store_->get_object(context_, key, {}), FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(store_->put_object(context_, key, {}, kAlways),
                FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(store_->create_object(context_, key), FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(store_->delete_object(context_, key), FailsWith(ErrorCode::InvalidArgument));
    EXPECT_FALSE(store_->local_path(key).has_value());
  }
}

TEST_P(ObjectStoreTest, AwkwardKeysWork) {
  for (const std::string_view key :
       {"a b", "ns=%2F..%00/x", "...", "*", "\"'`$(x)", "日本/語", "-rf"}) {
    put(key, key);
    EXPECT_THAT(store_->get_object(context_, key, {}), IsOkAnd(owned(key)));
  }
  const auto list = store_->list_objects(context_, "", "", "", 100);
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(list->objects.size(), 7U);
}

TEST_P(ObjectStoreTest, PastTheDeadlineNothingIsWritten) {
  RequestContext late = context_;
  late.deadline = std::chrono::steady_clock::now();
  EXPECT_THAT(store_->put_object(late, "k", bytes_of("1"), kAlways),
              FailsWith(ErrorCode::DeadlineExceeded));
  EXPECT_THAT(store_->head_object(context_, "k"), FailsWith(ErrorCode::NotFound));
}

TEST_P(ObjectStoreTest, AnAdoptedFileIsAnObjectAndNoFileAnyMore) {
  const std::string path = folder_ + "-source";
  std::ofstream(path) << "written elsewhere";
  ASSERT_THAT(store_->adopt_file(context_, path, "t/data/f.parquet"), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_THAT(store_->get_object(context_, "t/data/f.parquet", {}),
              IsOkAnd(owned("written elsewhere")));
  EXPECT_THAT(store_->adopt_file(context_, path, "again"), FailsWith(ErrorCode::NotFound));
}

Backend local() {
  return {.name = "Local", .open = [](const std::string& folder) -> std::unique_ptr<ObjectStore> {
            return LocalObjectStore::open(folder).value();
          }};
}

Backend faultless() {
  return {.name = "FaultyWithoutFaults",
          .open = [](const std::string& folder) -> std::unique_ptr<ObjectStore> {
            return std::make_unique<testing::FaultyObjectStore>(
                LocalObjectStore::open(folder).value(), std::make_shared<testing::FaultPlan>());
          }};
}

INSTANTIATE_TEST_SUITE_P(Backends, ObjectStoreTest, ::testing::Values(local(), faultless()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace lakehouse::storage
