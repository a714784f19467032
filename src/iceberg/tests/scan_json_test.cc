#include "iceberg/scan_json.h"

#include <gtest/gtest.h>

#include "iceberg/tests/files_fixture.h"

namespace lakehouse::iceberg {
namespace {

class ScanJsonTest : public FilesTest {
 protected:
  /// The members, with the table's folder as T.
  std::string text_of(const ScanRequest& request, const std::vector<std::int32_t>& stats = {}) {
    const auto plan = plan_scan(context_, *buckets_, cache_, metadata_, request);
    EXPECT_THAT(plan, testing::IsOk());
    std::string out;
    append_scan_tasks(out, *plan, request.filter, *metadata_.current_schema(), stats);
    for (std::size_t at = 0; (at = out.find(metadata_.location, at)) != std::string::npos;) {
      out.replace(at, metadata_.location.size(), "T");
    }
    return out;
  }
  ScanRequest request() {
    ScanRequest out;
    out.snapshot_id = *metadata_.current_snapshot_id;
    out.with_residuals = true;
    return out;
  }
};

TEST_F(ScanJsonTest, FilesHaveWhatClientsNeed) {
  DataFile file = partitioned("a \"quoted\".parquet", "nörth", 2);
  file.partition[1].reset();
  file.lower_bounds.set(1, literal_to_bytes(Literal::of_long(-1)));
  file.lower_bounds.set(2, "ab");
  file.split_offsets = {4, 500};
  file.sort_order_id = 3;
  file.key_metadata = "\x01\xFF";
  commit(SnapshotProducer::append({file}));
  EXPECT_EQ(text_of(request(), {1, 4}),
            R"("file-scan-tasks":[{"data-file":{"spec-id":1,"content":"data",)"
            R"("file-path":"T/data/a \"quoted\".parquet","file-format":"parquet",)"
            R"("partition":["nörth",null],"file-size-in-bytes":1000,"record-count":10,)"
            R"("value-counts":{"keys":[1],"values":[10]},)"
            R"("null-value-counts":{"keys":[1],"values":[0]},)"
            R"("lower-bounds":{"keys":[1],"values":["FFFFFFFFFFFFFFFF"]},)"
            R"("key-metadata":"01FF","split-offsets":[4,500],"sort-order-id":3},)"
            R"("residual-filter":true}])");
}

TEST_F(ScanJsonTest, DeletesAreListedOnceAndReferredTo) {
  commit(SnapshotProducer::append({data_file("a"), data_file("b")}));
  metadata_.format_version = 3;
  DataFile vector = position_deletes("dv");
  vector.file_format = FileFormat::Puffin;
  vector.referenced_data_file = location("a");
  vector.content_offset = 4;
  vector.content_size_in_bytes = 40;
  commit(SnapshotProducer::row_delta({}, {equality_deletes("e"), vector}, {location("a")}));
  ScanRequest wanted = request();
  wanted.filter = {{.field_id = 1, .op = CompareOp::Gt, .values = {Literal::of_long(7)}}};
  const std::string text = text_of(wanted);
  const auto has = [&](std::string_view part) { EXPECT_TRUE(text.contains(part)) << text; };
  has(R"("delete-file-references":[0,1],"residual-filter":{"type":"gt","term":"id","value":7}})");
  has(R"("delete-file-references":[0],"residual-filter")");
  has(R"("content":"equality-deletes","file-path":"T/data/e","file-format":"parquet")");
  has(R"("equality-ids":[1])");
  has(R"("content":"position-deletes","file-path":"T/data/dv","file-format":"puffin")");
  has(R"("referenced-data-file":"T/data/a","content-offset":4,"content-size-in-bytes":40)");
  EXPECT_FALSE(text.contains("value-counts"));
}

}  // namespace
}  // namespace lakehouse::iceberg
