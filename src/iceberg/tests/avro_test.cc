#include "iceberg/avro.h"

#include <cstring>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/testing/matchers.h"
#include "iceberg/detail/compression.h"

namespace lakehouse::iceberg::avro {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

using Bytes = std::vector<std::byte>;

constexpr std::string_view kSchema = R"({"type": "record", "name": "row", "fields": [
  {"name": "a", "type": "long", "field-id": 1},
  {"name": "b", "type": ["null", "string"], "field-id": 2},
  {"name": "c", "type": {"type": "array", "items": {"type": "record", "name": "kv", "fields": [
     {"name": "key", "type": "int", "field-id": 4}, {"name": "value", "type": "bytes", "field-id": 5}]},
   "logicalType": "map"}, "field-id": 3},
  {"name": "d", "type": "double", "field-id": 6},
  {"name": "e", "type": {"type": "fixed", "name": "f", "size": 3}, "field-id": 7}]})";

struct Row {
  std::int64_t a = 0;
  std::optional<std::string> b;
  std::vector<std::pair<std::int32_t, std::string>> c;
  double d = 0;
  std::string e = "xyz";
  friend bool operator==(const Row&, const Row&) = default;
};

void put(Encoder& out, const Row& row) {
  out.put_long(row.a);
  out.put_present(row.b.has_value());
  if (row.b) {
    out.put_bytes(*row.b);
  }
  out.begin_array(row.c.size());
  for (const auto& [key, value] : row.c) {
    out.put_long(key);
    out.put_bytes(value);
  }
  out.end_array();
  out.put_double(row.d);
  out.put_raw(row.e);
}

Row read(Decoder& in, const Schema& schema) {
  Row row;
  in.read_record(schema, [&](const Field& field) {
    switch (field.id) {
      case 1: row.a = in.read_long(*field.schema).value_or(0); break;
      case 2: {
        const auto text = in.read_bytes(*field.schema);
        row.b = text ? std::optional<std::string>(*text) : std::nullopt;
        break;
      }
      case 3:
        in.read_pairs(*field.schema, [&](const Schema& key, const Schema& value) {
          const auto id = in.read_int(key);
          const auto bytes = in.read_bytes(value);
          row.c.emplace_back(id.value_or(0), bytes.value_or(""));
        });
        break;
      case 6: row.d = in.read_double(*field.schema).value_or(0); break;
      case 7: row.e = in.read_bytes(*field.schema).value_or(""); break;
      default: in.skip(*field.schema);
    }
  });
  return row;
}

Bytes write(const std::vector<Row>& rows, WriteCodec codec) {
  Writer writer(boost::json::parse(kSchema).get_object(), {{"key", "value"}}, codec);
  for (const Row& row : rows) {
    put(writer.record(), row);
    EXPECT_THAT(writer.end_record(), IsOk());
  }
  auto out = writer.finish();
  EXPECT_THAT(out, IsOk());
  return *std::move(out);
}

Result<std::vector<Row>> read_all(const Bytes& bytes, const ReadLimits& limits = {}) {
  LH_ASSIGN_OR_RETURN(const auto reader, Reader::open(bytes, limits));
  std::vector<Row> rows;
  while (true) {
    LH_ASSIGN_OR_RETURN(const bool more, reader->next());
    if (!more) {
      return rows;
    }
    rows.push_back(read(reader->decoder(), reader->schema()));
    LH_RETURN_IF_ERROR(reader->decoder().status());
  }
}

Bytes to_bytes(std::string_view text) {
  Bytes out(text.size());
  std::memcpy(out.data(), text.data(), text.size());
  return out;
}

/// A file by hand: `blocks` is what follows the header.
Bytes file_with(std::string_view schema, std::string_view codec, std::string_view blocks) {
  Encoder out;
  out.put_raw(std::string_view("Obj\x01", 4));
  out.begin_array(2);
  out.put_bytes("avro.schema");
  out.put_bytes(schema);
  out.put_bytes("avro.codec");
  out.put_bytes(codec);
  out.end_array();
  out.put_raw("0123456789abcdef");
  out.put_raw(blocks);
  return to_bytes(out.bytes());
}

std::string block(std::int64_t count, std::string_view data) {
  Encoder out;
  out.put_long(count);
  out.put_bytes(data);
  out.put_raw("0123456789abcdef");
  return out.bytes();
}

Status skip_all(const Bytes& bytes) {
  LH_ASSIGN_OR_RETURN(const auto reader, Reader::open(bytes));
  while (true) {
    LH_ASSIGN_OR_RETURN(const bool more, reader->next());
    if (!more) {
      return {};
    }
    reader->decoder().skip(reader->schema());
    LH_RETURN_IF_ERROR(reader->decoder().status());
  }
}

TEST(Avro, WhatIsWrittenIsReadWithEveryCodec) {
  EXPECT_TRUE(rc::check("rows round-trip", [] {
    const auto numbers = *rc::gen::arbitrary<std::vector<std::int64_t>>();
    std::vector<Row> rows;
    for (const std::int64_t number : numbers) {
      Row row;
      row.a = number;
      row.b = *rc::gen::arbitrary<bool>() ? std::optional(*rc::gen::arbitrary<std::string>())
                                          : std::nullopt;
      row.c = *rc::gen::arbitrary<std::vector<std::pair<std::int32_t, std::string>>>();
      row.d = static_cast<double>(number) / 3;
      rows.push_back(std::move(row));
    }
    const auto codec =
        *rc::gen::element(WriteCodec::Null, WriteCodec::Deflate, WriteCodec::Zstandard);
    const auto back = read_all(write(rows, codec));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == rows);
  }));
}

TEST(Avro, ManyBlocksAreOneFile) {
  std::vector<Row> rows(20'000);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].a = static_cast<std::int64_t>(i) * 1'000'003;
    rows[i].b = std::string(20, static_cast<char>('a' + i % 26));
  }
  const Bytes bytes = write(rows, WriteCodec::Deflate);
  const auto back = read_all(bytes);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(*back, rows);
  const auto reader = Reader::open(bytes);
  ASSERT_THAT(reader, IsOk());
  ASSERT_NE((*reader)->metadata("key"), nullptr);
  EXPECT_EQ(*(*reader)->metadata("key"), "value");
}

TEST(Avro, ExtremeNumbersSurvive) {
  Encoder out;
  const std::vector<std::int64_t> numbers = {0, -1, 1, 63, -64, 64, INT64_MAX, INT64_MIN};
  for (const std::int64_t number : numbers) {
    out.put_long(number);
  }
  Decoder in(out.bytes());
  for (const std::int64_t number : numbers) {
    EXPECT_EQ(in.varint(), number);
  }
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.rest_bytes(), 0U);
}

TEST(Avro, TruncatedAtAnyByteIsAnErrorOrFewerRows) {
  std::vector<Row> rows(50);
  for (const WriteCodec codec : {WriteCodec::Null, WriteCodec::Deflate, WriteCodec::Zstandard}) {
    const Bytes whole = write(rows, codec);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const auto result = read_all(cut);
      // Cut between header and block, the file is a file without records.
      EXPECT_TRUE(!result.has_value() || result->empty()) << size;
    }
  }
}

TEST(Avro, FlippedBytesNeverCrash) {
  std::vector<Row> rows(20);
  for (const WriteCodec codec : {WriteCodec::Null, WriteCodec::Deflate, WriteCodec::Zstandard}) {
    const Bytes whole = write(rows, codec);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const int bit : {0, 3, 7}) {
        Bytes bytes = whole;
        bytes[at] ^= static_cast<std::byte>(1 << bit);
        static_cast<void>(read_all(bytes));
        static_cast<void>(skip_all(bytes));
      }
    }
  }
}

TEST(Avro, HostileCountsAndLengthsAreRefused) {
  Encoder huge;
  huge.put_long(INT64_MAX);
  Encoder negative;
  negative.put_long(-5);
  Encoder least;
  least.put_long(INT64_MIN);
  const std::string text = R"("string")";
  const std::string longs = R"({"type": "array", "items": "long"})";
  const std::string nulls = R"({"type": "array", "items": "null"})";
  const std::string map = R"({"type": "map", "values": "null"})";
  const std::string record = R"({"type": "record", "name": "r", "fields": []})";
  struct Case {
    std::string name;
    std::string schema;
    std::string blocks;
  };
  const std::vector<Case> cases = {
      {"a huge string", text, block(1, huge.bytes())},
      {"a negative string", text, block(1, negative.bytes())},
      {"more records than bytes", text, block(INT64_MAX, "\x02x")},
      {"a negative record count", text, block(-1, "\x02x")},
      {"a huge array", longs, block(1, huge.bytes())},
      {"an array of nulls without end", nulls, block(1, huge.bytes())},
      {"a map of nulls without end", map, block(1, huge.bytes())},
      {"the least count", longs, block(1, least.bytes())},
      {"records that take no bytes", record, block(1'000'000'000, "")},
      {"bytes behind the records", text, block(1, "\x02xyz")},
      {"a union without that branch", R"(["null", "long"])", block(1, "\x08")},
      {"an endless number", R"("long")", block(1, std::string(20, '\xFF'))},
      {"a block without its end", text, "\x02\x04\x02x"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    EXPECT_THAT(skip_all(file_with(each.schema, "null", each.blocks)),
                FailsWith(ErrorCode::DataLoss));
  }
}

TEST(Avro, HostileSchemasAreRefused) {
  std::string deep = "\"long\"";
  for (int i = 0; i < 80; ++i) {
    deep = R"({"type": "array", "items": )" + deep + "}";
  }
  std::string wide =
      R"({"type": "record", "name": "r0", "fields": [{"name": "x", "type": "null"}]})";
  const std::vector<std::string> schemas = {
      "",
      "{",
      "17",
      "[]",
      R"("nothing")",
      R"({"type": "record", "name": "r", "fields": [{"name": "a", "type": "r"}]})",
      R"({"type": "fixed", "name": "f", "size": -1})",
      R"({"type": "record", "fields": []})",
      deep,
  };
  for (const std::string& schema : schemas) {
    SCOPED_TRACE(schema.substr(0, 60));
    EXPECT_THAT(parse_schema(schema), FailsWith(ErrorCode::DataLoss));
  }
  // Each record holds the one before it twice: 2^60 values that take no bytes.
  std::string doubling = R"([{"type":"record","name":"r0","fields":[]})";
  for (int i = 1; i < 50; ++i) {
    const std::string before = "r" + std::to_string(i - 1);
    doubling += R"(,{"type":"record","name":"r)" + std::to_string(i) +
                R"(","fields":[{"name":"a","type":")" + before + R"("},{"name":"b","type":")" +
                before + R"("}]})";
  }
  doubling += "]";
  Encoder branch;
  branch.put_long(49);
  EXPECT_THAT(skip_all(file_with(doubling, "null", block(1, branch.bytes()))), IsOk());
}

TEST(Avro, ABombStopsAtTheLimit) {
  std::vector<Row> rows(1);
  rows[0].b = std::string(std::size_t{4} << 20U, 'x');
  for (const WriteCodec codec : {WriteCodec::Deflate, WriteCodec::Zstandard}) {
    const Bytes bytes = write(rows, codec);
    EXPECT_LT(bytes.size(), 20'000U);
    EXPECT_THAT(read_all(bytes), IsOk());
    ReadLimits limits;
    limits.block_bytes_max = std::size_t{1} << 20U;
    EXPECT_THAT(read_all(bytes, limits), FailsWith(ErrorCode::DataLoss));
  }
}

TEST(Avro, AnUnknownCodecIsNamed) {
  const auto opened = Reader::open(file_with("\"long\"", "bzip2", ""));
  ASSERT_THAT(opened, FailsWith(ErrorCode::Unimplemented));
  EXPECT_THAT(opened.error().message, ::testing::HasSubstr("bzip2"));
}

TEST(Avro, SnappyBlocksAreReadAndTheirChecksumsHold) {
  using namespace std::string_literals;
  // The numbers 1 and 2, as one literal; then their CRC-32.
  std::string good = "\x02\x04\x02\x04"s;
  const std::uint32_t checksum = detail::crc32_of("\x02\x04");
  for (unsigned shift = 32; shift > 0; shift -= 8) {
    good.push_back(static_cast<char>(checksum >> (shift - 8) & 0xFFU));
  }
  EXPECT_THAT(skip_all(file_with("\"long\"", "snappy", block(2, good))), IsOk());
  std::string bad = good;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  EXPECT_THAT(skip_all(file_with("\"long\"", "snappy", block(2, bad))),
              FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(skip_all(file_with("\"long\"", "snappy", block(2, "abc"))),
              FailsWith(ErrorCode::DataLoss));
}

TEST(Avro, NamesResolveAndIdsAreKept) {
  const auto schema = parse_schema(
      R"({"type": "record", "name": "a.b.r", "fields": [
        {"name": "x", "type": {"type": "fixed", "name": "f", "size": 4}, "field-id": 5},
        {"name": "y", "type": ["null", "f"], "field-id": 6},
        {"name": "z", "type": {"type": "array", "items": "a.b.f", "element-id": 8}, "field-id": 7},
        {"name": "w", "type": {"type": "map", "values": {"type": "int", "logicalType": "date"},
                               "key-id": 10, "value-id": 11}, "field-id": 9}]})");
  ASSERT_THAT(schema, IsOk());
  const Schema& record = **schema;
  ASSERT_EQ(record.fields.size(), 4U);
  EXPECT_EQ(record.fields[1].id, 6);
  EXPECT_EQ(record.fields[1].schema->branches[1], record.fields[0].schema);
  EXPECT_EQ(record.fields[2].schema->element_id, 8);
  EXPECT_EQ(record.fields[3].schema->key_id, 10);
  EXPECT_EQ(record.fields[3].schema->value_id, 11);
  EXPECT_EQ(record.fields[3].schema->element->logical_type, "date");
}

TEST(Avro, IcebergTypesBecomeAvroTypes) {
  NestedField field;
  field.id = 1000;
  field.name = "9 lives";
  field.type = decimal(9, 2);
  NestedField other = field;
  other.id = 1001;
  other.name = "b";
  NestedField at = field;
  at.id = 1002;
  at.name = "at";
  at.type = primitive(TypeKind::Timestamptz);
  const auto json = schema_of(*struct_of({field, other, at}), "r");
  EXPECT_EQ(
      boost::json::serialize(json),
      R"({"type":"record","name":"r","fields":[)"
      R"({"name":"_9_x20lives","iceberg-field-name":"9 lives","type":["null",)"
      R"({"type":"fixed","name":"decimal_9_2","size":4,"logicalType":"decimal","precision":9,)"
      R"("scale":2}],"default":null,"field-id":1000},)"
      R"({"name":"b","type":["null",{"type":"fixed","name":"decimal_9_2_1","size":4,)"
      R"("logicalType":"decimal","precision":9,"scale":2}],"default":null,"field-id":1001},)"
      R"({"name":"at","type":["null",{"type":"long","logicalType":"timestamp-micros",)"
      R"("adjust-to-utc":true}],"default":null,"field-id":1002}]})");
}

}  // namespace
}  // namespace lakehouse::iceberg::avro
