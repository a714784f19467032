#include "storage/local_object_store.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"
#include "base/testing/matchers.h"

namespace lakehouse::storage {
namespace {

namespace fs = std::filesystem;
using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using lakehouse::testing::IsOkAnd;
using ::testing::IsEmpty;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

class LocalObjectStoreTest : public ::testing::Test {
 protected:
  LocalObjectStoreTest() { fs::create_directories(folder_ / "outside"); }
  ~LocalObjectStoreTest() override {
    store_.reset();
    fs::remove_all(folder_);
  }

  void reopen() {
    store_.reset();
    store_ = LocalObjectStore::open(root_).value();
  }

  // How many unfinished writes lie in the hidden folder.
  [[nodiscard]] std::size_t leftovers() const {
    std::size_t count = 0;
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(root_) / ".lakehouse/scratch")) {
      count += entry.is_regular_file() ? 1U : 0U;
    }
    return count;
  }

  const fs::path folder_ = fs::temp_directory_path() / ("local-" + new_token(8));
  const std::string root_ = (folder_ / "root").string();
  std::unique_ptr<LocalObjectStore> store_ = LocalObjectStore::open(root_).value();
  RequestContext context_;
};

TEST_F(LocalObjectStoreTest, AnObjectIsTheFileOfItsName) {
  ASSERT_THAT(store_->put_object(context_, "a/b c", bytes_of("x"), {}), IsOk());
  EXPECT_EQ(store_->local_path("a/b c"), root_ + "/a/b c");
  EXPECT_EQ(fs::file_size(root_ + "/a/b c"), 1U);
}

TEST_F(LocalObjectStoreTest, VersionsSurviveAReopen) {
  const auto etag = store_->put_object(context_, "k", bytes_of("1"), {});
  ASSERT_THAT(etag, IsOk());
  reopen();
  const auto info = store_->head_object(context_, "k");
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->etag, *etag);
}

TEST_F(LocalObjectStoreTest, AFileChangedFromOutsideHasAnotherVersion) {
  const auto etag = store_->put_object(context_, "k", bytes_of("1"), {});
  ASSERT_THAT(etag, IsOk());
  std::ofstream(root_ + "/k") << "2";
  const PutCondition if_match{.kind = PutCondition::Kind::IfMatch, .etag = *etag};
  EXPECT_THAT(store_->put_object(context_, "k", bytes_of("3"), if_match),
              FailsWith(ErrorCode::Aborted));
}

TEST_F(LocalObjectStoreTest, SymbolicLinksAreNotFollowed) {
  std::ofstream(folder_ / "outside/secret") << "secret";
  fs::create_symlink(folder_ / "outside", root_ + "/link");
  fs::create_symlink(folder_ / "outside/secret", root_ + "/file");
  for (const std::string_view key : {"link/secret", "file"}) {
    EXPECT_THAT(store_->get_object(context_, key, {}), FailsWith(ErrorCode::NotFound)) << key;
  }
  EXPECT_FALSE(store_->put_object(context_, "link/new", bytes_of("x"), {}).has_value());
  EXPECT_FALSE(fs::exists(folder_ / "outside/new"));
  EXPECT_THAT(store_->delete_object(context_, "link/secret"), IsOk());
  EXPECT_THAT(store_->remove_empty_folders(context_, "link"), IsOk());
  EXPECT_TRUE(fs::exists(folder_ / "outside/secret"));
  const auto list = store_->list_objects(context_, "", "", "", 10);
  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(list->objects, IsEmpty());
  const auto below = store_->list_objects(context_, "link/", "", "", 10);
  ASSERT_THAT(below, IsOk());
  EXPECT_THAT(below->objects, IsEmpty());
}

TEST_F(LocalObjectStoreTest, AKeyIsAnObjectOrAFolderAndNotBoth) {
  ASSERT_THAT(store_->put_object(context_, "a", bytes_of("x"), {}), IsOk());
  EXPECT_THAT(store_->put_object(context_, "a/b", bytes_of("x"), {}),
              FailsWith(ErrorCode::FailedPrecondition));
  ASSERT_THAT(store_->put_object(context_, "f/b", bytes_of("x"), {}), IsOk());
  EXPECT_THAT(store_->put_object(context_, "f", bytes_of("x"), {}),
              FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_EQ(leftovers(), 0U);
}

TEST_F(LocalObjectStoreTest, TheHiddenFolderIsOutOfReach) {
  EXPECT_THAT(store_->put_object(context_, ".lakehouse/x", bytes_of("x"), {}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(store_->list_objects(context_, ".lakehouse/", "", "", 10),
              IsOkAnd(::testing::Field(&ObjectList::objects, IsEmpty())));
  ASSERT_THAT(store_->put_object(context_, ".lakehouse2", bytes_of("x"), {}), IsOk());
}

TEST_F(LocalObjectStoreTest, WhatACrashedWriterLeftIsSweptAtOpen) {
  const pid_t child = ::fork();
  if (child == 0) {  // Dies in the middle of a write.
    const auto store = LocalObjectStore::open(root_).value();
    const auto writer = store->create_object(context_, "k").value();
    if (!writer->write(bytes_of("half"))) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(leftovers(), 1U);
  reopen();
  EXPECT_EQ(leftovers(), 0U);
}

TEST_F(LocalObjectStoreTest, OpeningSweepsNoWriteThatIsUnderWay) {
  auto writer = store_->create_object(context_, "k");
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT((*writer)->write(bytes_of("x")), IsOk());
  const auto other = LocalObjectStore::open(root_);
  ASSERT_THAT(other, IsOk());
  EXPECT_THAT((*writer)->commit(context_, {}), IsOk());
  EXPECT_THAT((*other)->get_object(context_, "k", {}), IsOk());
}

TEST_F(LocalObjectStoreTest, FoldersAreMadeAndEmptyOnesRemoved) {
  ASSERT_THAT(store_->make_folder(context_, "t/data"), IsOk());
  ASSERT_THAT(store_->make_folder(context_, "t/metadata"), IsOk());
  EXPECT_TRUE(fs::is_directory(root_ + "/t/data"));
  ASSERT_THAT(store_->put_object(context_, "t/data/x", bytes_of("x"), {}), IsOk());
  ASSERT_THAT(store_->remove_empty_folders(context_, "t"), IsOk());
  EXPECT_TRUE(fs::exists(root_ + "/t/data/x"));
  EXPECT_FALSE(fs::exists(root_ + "/t/metadata"));
  ASSERT_THAT(store_->delete_object(context_, "t/data/x"), IsOk());
  ASSERT_THAT(store_->remove_empty_folders(context_, "t"), IsOk());
  EXPECT_FALSE(fs::exists(root_ + "/t"));
  ASSERT_THAT(store_->put_object(context_, "t/data/y", bytes_of("x"), {}), IsOk());
}

TEST_F(LocalObjectStoreTest, SegmentsAreAsLongAsTheFileSystemAllows) {
  EXPECT_THAT(store_->put_object(context_, std::string(255, 'x'), bytes_of("x"), {}), IsOk());
  EXPECT_THAT(store_->put_object(context_, std::string(256, 'x'), bytes_of("x"), {}),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(LocalObjectStoreTest, AFifoIsNoObjectAndDoesNotHang) {
  ASSERT_EQ(::mkfifo((root_ + "/fifo").c_str(), 0600), 0);
  EXPECT_THAT(store_->get_object(context_, "fifo", {}), FailsWith(ErrorCode::NotFound));
}

TEST_F(LocalObjectStoreTest, FilesAreAdoptedAcrossFileSystems) {
  const fs::path elsewhere = fs::path("/dev/shm") / ("adopt-" + new_token(8));
  std::ofstream out(elsewhere);
  if (!out) {
    GTEST_SKIP() << "no second file system here";
  }
  out << "far";
  out.close();
  ASSERT_THAT(store_->adopt_file(context_, elsewhere.string(), "k"), IsOk());
  EXPECT_FALSE(fs::exists(elsewhere));
  EXPECT_EQ(fs::file_size(root_ + "/k"), 3U);
}

}  // namespace
}  // namespace lakehouse::storage
