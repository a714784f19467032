#include "iceberg/snapshot_producer.h"

#include <set>

#include <fmt/format.h>

#include "iceberg/tests/files_fixture.h"

namespace lakehouse::iceberg {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::SizeIs;

class SnapshotProducerTest : public FilesTest {
 protected:
  std::string summary(const std::string& name) {
    const Properties& all = metadata_.current_snapshot()->summary;
    const auto found = all.find(name);
    return found == all.end() ? "(none)" : found->second;
  }

  std::set<std::string> stored_metadata() const {
    std::set<std::string> out;
    for (const auto& each : std::filesystem::directory_iterator(root_ / "main/t/metadata")) {
      out.insert("file://" + each.path().string());
    }
    return out;
  }
};

TEST_F(SnapshotProducerTest, AnAppendAddsItsFilesAndCountsThem) {
  const ProducedSnapshot first =
      commit(SnapshotProducer::append({data_file("a", 10), data_file("b", 5)}));
  EXPECT_EQ(first.snapshot.sequence_number, 1);
  EXPECT_EQ(first.snapshot.parent_snapshot_id, std::nullopt);
  EXPECT_EQ(first.snapshot.schema_id, 0);
  EXPECT_EQ(summary("operation"), "append");
  EXPECT_EQ(summary("added-data-files"), "2");
  EXPECT_EQ(summary("added-records"), "15");
  EXPECT_EQ(summary("added-files-size"), "1500");
  EXPECT_EQ(summary("changed-partition-count"), "1");
  EXPECT_EQ(summary("total-records"), "15");
  EXPECT_EQ(summary("total-delete-files"), "0");

  const ProducedSnapshot second = commit(SnapshotProducer::append({data_file("c", 1)}));
  EXPECT_EQ(second.snapshot.sequence_number, 2);
  EXPECT_EQ(second.snapshot.parent_snapshot_id, first.snapshot.snapshot_id);
  EXPECT_EQ(summary("total-data-files"), "3");
  EXPECT_EQ(summary("total-records"), "16");
  EXPECT_EQ(summary("total-files-size"), "1600");
  EXPECT_THAT(plan_text(), ElementsAre("a", "b", "c"));
  const auto files = manifests();
  ASSERT_THAT(files, SizeIs(2));
  EXPECT_EQ(files[0].sequence_number, 2);
  EXPECT_EQ(files[0].min_sequence_number, 2);
  EXPECT_EQ(files[1].sequence_number, 1);
  for (const ScanTask& task : plan().tasks) {
    EXPECT_EQ(task.sequence_number, task.file->file_path.ends_with("c") ? 2 : 1);
  }
}

TEST_F(SnapshotProducerTest, NamesAreThoseOfTheReferenceImplementation) {
  const ProducedSnapshot produced = commit(SnapshotProducer::append({data_file("a")}));
  EXPECT_THAT(produced.snapshot.manifest_list,
              ::testing::MatchesRegex(".*/metadata/snap-[0-9]+-1-[0-9a-f-]+\\.avro"));
  EXPECT_THAT(manifests()[0].manifest_path,
              ::testing::MatchesRegex(".*/metadata/[0-9a-f-]+-m0\\.avro"));
}

TEST_F(SnapshotProducerTest, AnOverwriteMarksWhatItRemovesAndKeepsTheRest) {
  commit(SnapshotProducer::append({data_file("a"), data_file("b")}));
  commit(SnapshotProducer::append({data_file("c")}));
  const ProducedSnapshot produced =
      commit(SnapshotProducer::overwrite({data_file("d")}, {location("a")}));
  EXPECT_EQ(summary("operation"), "overwrite");
  EXPECT_EQ(summary("deleted-data-files"), "1");
  EXPECT_EQ(summary("deleted-records"), "10");
  EXPECT_EQ(summary("removed-files-size"), "1000");
  EXPECT_EQ(summary("total-data-files"), "3");
  EXPECT_THAT(plan_text(), ElementsAre("b", "c", "d"));

  const auto files = manifests();
  ASSERT_THAT(files, SizeIs(3));
  bool found = false;
  for (const ManifestFile& file : files) {
    if (file.deleted_files_count != 1) {
      continue;
    }
    found = true;
    EXPECT_EQ(file.existing_files_count, 1);
    EXPECT_EQ(file.min_sequence_number, 1);
    for (const ManifestEntry& entry : entries(file)) {
      const bool gone = entry.file->file_path == location("a");
      EXPECT_EQ(entry.status, gone ? EntryStatus::Deleted : EntryStatus::Existing);
      EXPECT_EQ(entry.sequence_number, 1);
      EXPECT_EQ(entry.file_sequence_number, 1);
      EXPECT_EQ(entry.snapshot_id == produced.snapshot.snapshot_id, gone);
    }
  }
  EXPECT_TRUE(found);
  // The next snapshot need not carry what was removed before.
  commit(SnapshotProducer::overwrite({}, {location("b")}));
  commit(SnapshotProducer::append({data_file("e")}));
  for (const ManifestFile& file : manifests()) {
    EXPECT_EQ(file.deleted_files_count, 0);
  }
  EXPECT_THAT(plan_text(), ElementsAre("c", "d", "e"));
}

TEST_F(SnapshotProducerTest, ReplacingAllLeavesOnlyTheNewFiles) {
  commit(SnapshotProducer::append({data_file("a"), data_file("b")}));
  commit(SnapshotProducer::row_delta({}, {position_deletes("x")}, {}));
  commit(SnapshotProducer::replace_all({data_file("c", 3)}));
  EXPECT_THAT(plan_text(), ElementsAre("c"));
  EXPECT_EQ(summary("total-records"), "3");
  EXPECT_EQ(summary("total-delete-files"), "0");
  EXPECT_EQ(summary("total-position-deletes"), "0");
  EXPECT_EQ(summary("deleted-data-files"), "2");
  EXPECT_EQ(summary("removed-delete-files"), "1");
  commit(SnapshotProducer::replace_all({}));
  EXPECT_THAT(plan_text(), IsEmpty());
  EXPECT_EQ(summary("total-records"), "0");
}

TEST_F(SnapshotProducerTest, RowDeltasCountTheirDeletes) {
  commit(SnapshotProducer::append({data_file("a")}));
  commit(SnapshotProducer::row_delta({}, {position_deletes("x", 3), equality_deletes("y")},
                                     {location("a")}));
  EXPECT_EQ(summary("operation"), "delete");
  EXPECT_EQ(summary("added-delete-files"), "2");
  EXPECT_EQ(summary("added-position-delete-files"), "1");
  EXPECT_EQ(summary("added-equality-delete-files"), "1");
  EXPECT_EQ(summary("added-position-deletes"), "3");
  EXPECT_EQ(summary("total-delete-files"), "2");
  EXPECT_EQ(summary("total-position-deletes"), "3");
  EXPECT_EQ(summary("total-equality-deletes"), "1");
  EXPECT_THAT(plan_text(), ElementsAre("a: x y"));
}

TEST_F(SnapshotProducerTest, WhatAnotherCommitRemovedAborts) {
  commit(SnapshotProducer::append({data_file("a")}));
  commit(SnapshotProducer::overwrite({}, {location("a")}));
  SnapshotProducer gone(*buckets_, cache_, SnapshotProducer::overwrite({}, {location("a")}));
  EXPECT_THAT(gone.produce(context_, metadata_, 1), FailsWith(ErrorCode::Aborted));
  SnapshotProducer required(
      *buckets_, cache_, SnapshotProducer::row_delta({}, {position_deletes("x")}, {location("a")}));
  EXPECT_THAT(required.produce(context_, metadata_, 1), FailsWith(ErrorCode::Aborted));
}

TEST_F(SnapshotProducerTest, ARebaseReusesTheManifestAndTakesTheNewNumbers) {
  commit(SnapshotProducer::append({data_file("a")}));
  SnapshotProducer late(*buckets_, cache_, SnapshotProducer::append({data_file("late")}));
  const auto lost = late.produce(context_, metadata_, 10);
  ASSERT_THAT(lost, IsOk());
  commit(SnapshotProducer::append({data_file("b")}));
  EXPECT_THAT(check_requirements(lost->requirements, &metadata_), FailsWith(ErrorCode::Aborted));

  const std::size_t before = late.written().size();
  const auto won = late.produce(context_, metadata_, 11);
  ASSERT_THAT(won, IsOk());
  EXPECT_EQ(late.written().size(), before + 1) << "only the list is new";
  EXPECT_EQ(won->snapshot.snapshot_id, lost->snapshot.snapshot_id);
  EXPECT_EQ(won->snapshot.sequence_number, 3);
  EXPECT_NE(won->snapshot.manifest_list, lost->snapshot.manifest_list);
  EXPECT_GE(won->snapshot.timestamp_ms, metadata_.last_updated_ms);
  accept(*won);
  late.clean_up_after_commit(context_, *won);
  EXPECT_THAT(plan_text(), ElementsAre("a", "b", "late"));
  EXPECT_FALSE(stored_metadata().contains(lost->snapshot.manifest_list));
  EXPECT_TRUE(stored_metadata().contains(won->snapshot.manifest_list));
  for (const ScanTask& task : plan().tasks) {
    if (task.file->file_path == location("late")) {
      EXPECT_EQ(task.sequence_number, 3);
    }
  }
  EXPECT_THAT(late.produce(context_, metadata_, 12), FailsWith(ErrorCode::AlreadyExists));
}

TEST_F(SnapshotProducerTest, AFailedCommitLeavesNothing) {
  commit(SnapshotProducer::append({data_file("a")}));
  const auto before = stored_metadata();
  SnapshotProducer producer(*buckets_, cache_, SnapshotProducer::append({data_file("b")}));
  ASSERT_THAT(producer.produce(context_, metadata_, 10), IsOk());
  ASSERT_THAT(producer.produce(context_, metadata_, 10), IsOk());
  EXPECT_GT(stored_metadata().size(), before.size());
  producer.clean_up_after_failure(context_);
  EXPECT_EQ(stored_metadata(), before);
}

TEST_F(SnapshotProducerTest, SmallManifestsAreMerged) {
  metadata_.properties["commit.manifest.min-count-to-merge"] = "5";
  std::vector<std::string> names;
  for (int i = 0; i < 12; ++i) {
    names.push_back("f" + std::to_string(10 + i));
    commit(SnapshotProducer::append({data_file(names.back())}));
    EXPECT_LE(manifests().size(), 5U);
  }
  EXPECT_EQ(plan_text(), names);
  for (const ScanTask& task : plan().tasks) {
    const std::string name = task.file->file_path.substr(task.file->file_path.rfind('/') + 2);
    EXPECT_EQ(task.sequence_number, std::stoi(name) - 9) << "merging keeps sequence numbers";
  }
  EXPECT_EQ(summary("total-data-files"), "12");
  EXPECT_EQ(summary("added-data-files"), "1");

  metadata_.properties["commit.manifest-merge.enabled"] = "false";
  for (int i = 0; i < 7; ++i) {
    commit(SnapshotProducer::append({data_file("g" + std::to_string(i))}));
  }
  EXPECT_GE(manifests().size(), 8U);
}

TEST_F(SnapshotProducerTest, AMergeSurvivesARebase) {
  metadata_.properties["commit.manifest.min-count-to-merge"] = "2";
  commit(SnapshotProducer::append({data_file("a")}));
  SnapshotProducer late(*buckets_, cache_, SnapshotProducer::append({data_file("late")}));
  ASSERT_THAT(late.produce(context_, metadata_, 10), IsOk());
  commit(SnapshotProducer::append({data_file("b")}));
  const auto won = late.produce(context_, metadata_, 11);
  ASSERT_THAT(won, IsOk());
  accept(*won);
  late.clean_up_after_commit(context_, *won);
  ManifestCache cold;
  const auto planned =
      plan_scan(context_, *buckets_, cold, metadata_, *metadata_.current_snapshot_id);
  ASSERT_THAT(planned, IsOk());
  EXPECT_THAT(planned->tasks, SizeIs(3));
  for (const ScanTask& task : planned->tasks) {
    if (task.file->file_path == location("late")) {
      EXPECT_EQ(task.sequence_number, 3);
    }
  }
}

TEST_F(SnapshotProducerTest, EachSpecHasItsOwnManifest) {
  commit(SnapshotProducer::append(
      {data_file("a"), partitioned("b", "north", 3), partitioned("c", "south", 3)}));
  EXPECT_THAT(manifests(), SizeIs(2));
  EXPECT_EQ(summary("changed-partition-count"), "3");
  EXPECT_THAT(plan_text(), ElementsAre("a", "b", "c"));
}

TEST_F(SnapshotProducerTest, RowIdsAreAssignedInVersion3) {
  metadata_ = make_table(3);
  const ProducedSnapshot first =
      commit(SnapshotProducer::append({data_file("a", 10), data_file("b", 5)}));
  EXPECT_EQ(first.snapshot.first_row_id, 0);
  EXPECT_EQ(first.snapshot.added_rows, 15);
  EXPECT_EQ(metadata_.next_row_id, 15);
  const ProducedSnapshot second = commit(SnapshotProducer::append({data_file("c", 7)}));
  EXPECT_EQ(second.snapshot.first_row_id, 15);
  EXPECT_EQ(second.snapshot.added_rows, 7);
  commit(SnapshotProducer::overwrite({}, {location("a")}));
  for (const ScanTask& task : plan().tasks) {
    EXPECT_EQ(task.file->first_row_id, task.file->file_path == location("b") ? 10 : 15);
  }
}

TEST_F(SnapshotProducerTest, DeletionVectorsGoWithTheirDataFile) {
  metadata_ = make_table(3);
  commit(SnapshotProducer::append({data_file("a"), data_file("b")}));
  const auto vector_of = [&](const std::string& name, const std::string& data) {
    DataFile file = position_deletes(name);
    file.file_format = FileFormat::Puffin;
    file.referenced_data_file = location(data);
    file.content_offset = 4;
    file.content_size_in_bytes = 50;
    return file;
  };
  // One Puffin file, two vectors.
  commit(SnapshotProducer::row_delta({}, {vector_of("p", "a"), vector_of("p", "b")}, {}));
  EXPECT_THAT(plan_text(), ElementsAre("a: p", "b: p"));
  EXPECT_EQ(summary("added-dvs"), "2");

  SnapshotProducer unaware(*buckets_, cache_,
                           SnapshotProducer::row_delta({}, {vector_of("q", "a")}, {}));
  EXPECT_THAT(unaware.produce(context_, metadata_, 1), FailsWith(ErrorCode::Aborted));

  SnapshotChange replaces = SnapshotProducer::row_delta({}, {vector_of("q", "a")}, {});
  replaces.removed_delete_files = {location("p")};
  commit(std::move(replaces));
  EXPECT_THAT(plan_text(), ElementsAre("a: q", "b: p"));
  EXPECT_EQ(summary("removed-dvs"), "1");

  commit(SnapshotProducer::overwrite({}, {location("b")}));
  EXPECT_THAT(plan_text(), ElementsAre("a: q"));
  EXPECT_EQ(summary("removed-dvs"), "1");
  EXPECT_EQ(summary("total-delete-files"), "1");
}

TEST_F(SnapshotProducerTest, ACompactionKeepsWhatDeletesApplyTo) {
  for (const char* merge : {"100", "2"}) {
    SCOPED_TRACE(merge);
    metadata_ = make_table(2);
    metadata_.properties["commit.manifest.min-count-to-merge"] = merge;
    commit(SnapshotProducer::append({data_file("a", 6), data_file("b", 4)}));
    commit(SnapshotProducer::row_delta({}, {position_deletes("p")}, {}));
    const Snapshot planned_on = *metadata_.current_snapshot();
    // While the compaction ran: rows of all files deleted by value, and new ones.
    commit(SnapshotProducer::row_delta({}, {equality_deletes("e")}, {}));
    commit(SnapshotProducer::append({data_file("new")}));
    commit(SnapshotProducer::replace({data_file("ab", 8)}, {location("a"), location("b")},
                                     planned_on));
    EXPECT_EQ(summary("operation"), "replace");
    EXPECT_EQ(summary("total-records"), "18");
    EXPECT_THAT(plan_text(), ElementsAre("ab: e p", "new"));
    for (const ScanTask& task : plan().tasks) {
      if (task.file->file_path == location("ab")) {
        EXPECT_EQ(task.sequence_number, planned_on.sequence_number);
      }
    }
    for (const ManifestFile& manifest : manifests()) {
      for (const ManifestEntry& entry : entries(manifest)) {
        EXPECT_TRUE(!entry.is_live() || *entry.sequence_number >= manifest.min_sequence_number);
      }
    }
    commit(SnapshotProducer::append({data_file("later")}));
    EXPECT_THAT(plan_text(), ElementsAre("ab: e p", "later", "new"));
  }
}

TEST_F(SnapshotProducerTest, ACompactionThatADeleteOvertookAborts) {
  for (const int version : {2, 3}) {
    SCOPED_TRACE(version);
    metadata_ = make_table(version);
    commit(SnapshotProducer::append(
        {data_file(fmt::format("a{}", version)), data_file(fmt::format("b{}", version))}));
    const Snapshot planned_on = *metadata_.current_snapshot();
    DataFile deletes = position_deletes(fmt::format("p{}", version));
    deletes.referenced_data_file = location(fmt::format("a{}", version));
    if (version == 3) {
      deletes.file_format = FileFormat::Puffin;
      deletes.content_offset = 4;
      deletes.content_size_in_bytes = 50;
    }
    commit(SnapshotProducer::row_delta({}, {deletes}, {}));
    const auto compact = [&](const std::string& name) {
      SnapshotProducer producer(
          *buckets_, cache_,
          SnapshotProducer::replace({data_file("c" + name)}, {location(name)}, planned_on));
      return producer.produce(context_, metadata_, 1);
    };
    EXPECT_THAT(compact(fmt::format("a{}", version)), FailsWith(ErrorCode::Aborted));
    EXPECT_THAT(compact(fmt::format("b{}", version)), IsOk()) << "the delete is of another file";
  }
  // Deletes that do not say of which file they are may be of any.
  metadata_ = make_table(2);
  commit(SnapshotProducer::append({data_file("x")}));
  const Snapshot planned_on = *metadata_.current_snapshot();
  commit(SnapshotProducer::row_delta({}, {position_deletes("px")}, {}));
  SnapshotProducer late(*buckets_, cache_,
                        SnapshotProducer::replace({data_file("cx")}, {location("x")}, planned_on));
  EXPECT_THAT(late.produce(context_, metadata_, 1), FailsWith(ErrorCode::Aborted));
}

TEST_F(SnapshotProducerTest, Version1TablesAreAppendedTo) {
  metadata_ = make_table(1);
  metadata_.properties["commit.manifest.min-count-to-merge"] = "3";
  for (const char* name : {"a", "b", "c", "d"}) {
    commit(SnapshotProducer::append({data_file(name)}));
  }
  commit(SnapshotProducer::overwrite({}, {location("a")}));
  EXPECT_THAT(plan_text(), ElementsAre("b", "c", "d"));
  EXPECT_EQ(metadata_.current_snapshot()->sequence_number, 0);
  SnapshotProducer deletes(*buckets_, cache_,
                           SnapshotProducer::row_delta({}, {position_deletes("x")}, {}));
  EXPECT_THAT(deletes.produce(context_, metadata_, 1), FailsWith(ErrorCode::FailedPrecondition));

  // After an upgrade the old files have sequence number 0, and deletes apply to them.
  metadata_.format_version = 2;
  commit(SnapshotProducer::row_delta({}, {equality_deletes("eq")}, {location("b")}));
  EXPECT_THAT(plan_text(), ElementsAre("b: eq", "c: eq", "d: eq"));
}

TEST_F(SnapshotProducerTest, FilesThatDoNotFitTheTableAreRefused) {
  const auto refused = [&](SnapshotChange change) {
    SnapshotProducer producer(*buckets_, cache_, std::move(change));
    const auto result = producer.produce(context_, metadata_, 1);
    EXPECT_THAT(producer.written(), IsEmpty());
    return result.has_value() ? ErrorCode::Internal : result.error().code;
  };
  DataFile outside = data_file("a");
  outside.file_path = "file:///elsewhere/a";
  EXPECT_EQ(refused(SnapshotProducer::append({outside})), ErrorCode::FailedPrecondition);
  DataFile no_partition = data_file("a");
  no_partition.spec_id = 1;
  EXPECT_EQ(refused(SnapshotProducer::append({no_partition})), ErrorCode::InvalidArgument);
  EXPECT_EQ(refused(SnapshotProducer::append({data_file("a"), data_file("a")})),
            ErrorCode::InvalidArgument);
  EXPECT_EQ(refused(SnapshotProducer::append({position_deletes("a")})), ErrorCode::InvalidArgument);
  DataFile vector = position_deletes("p");
  vector.file_format = FileFormat::Puffin;
  EXPECT_EQ(refused(SnapshotProducer::row_delta({}, {vector}, {})), ErrorCode::InvalidArgument);
}

TEST_F(SnapshotProducerTest, ABranchKeepsItsRetention) {
  commit(SnapshotProducer::append({data_file("a")}));
  metadata_.refs["main"].min_snapshots_to_keep = 7;
  commit(SnapshotProducer::append({data_file("b")}));
  EXPECT_EQ(metadata_.refs["main"].min_snapshots_to_keep, 7);
}

TEST_F(SnapshotProducerTest, MoreOfTheSummaryIsTheCallers) {
  SnapshotChange change = SnapshotProducer::append({data_file("a")});
  change.summary = {{"engine-name", "lakehouse"}, {"total-records", "99"}};
  commit(std::move(change));
  EXPECT_EQ(summary("engine-name"), "lakehouse");
  EXPECT_EQ(summary("total-records"), "10");
}

}  // namespace
}  // namespace lakehouse::iceberg
