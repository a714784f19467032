#include "base/text.h"

#include <string>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "base/testing/matchers.h"
#include "ingest/bad_rows.h"
#include "ingest/decompressor.h"
#include "ingest/names.h"
#include "ingest/struct_type.h"
#include "ingest/text_codec.h"
#include "ingest/upload.h"

namespace lakehouse::ingest {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::Pair;

TEST(NamesTest, BecomeLowerSnakeCase) {
  EXPECT_EQ(normalise_name("Order ID", 0, false), "order_id");
  EXPECT_EQ(normalise_name("unitPrice", 0, false), "unit_price");
  EXPECT_EQ(normalise_name("HTTPServerName", 0, false), "http_server_name");
  EXPECT_EQ(normalise_name("  E-Mail (work)  ", 0, false), "e_mail_work");
  EXPECT_EQ(normalise_name("Größe", 0, false), "groesse");
  EXPECT_EQ(normalise_name("% Rabatt", 0, false), "percent_rabatt");
  EXPECT_EQ(normalise_name("", 2, false), "column_3");
  EXPECT_EQ(normalise_name("---", 2, false), "column_3");
  EXPECT_EQ(normalise_name("who.firstName", 0, true), "who.first_name");
  EXPECT_EQ(normalise_name("who.name", 0, false), "who_name");
  EXPECT_EQ(normalise_name("日本 語", 0, false), "日本_語");
  EXPECT_EQ(normalise_name("customer's", 0, false), "customers");
  EXPECT_EQ(normalise_name("year2024", 0, false), "year2024");
  EXPECT_THAT(normalise_names({"First Name", "first name", "first_name_2", ""}, false),
              ElementsAre("first_name", "first_name_2", "first_name_2_2", "column_4"));
}

RC_GTEST_PROP(NamesTest, AreDifferentAndNeverEmpty, (std::vector<std::string> names)) {
  const std::vector<std::string> out = normalise_names(names, true);
  RC_ASSERT(out.size() == names.size());
  const std::set<std::string> different(out.begin(), out.end());
  RC_ASSERT(different.size() == out.size());
  for (const std::string& name : out) {
    RC_ASSERT(!name.empty());
    RC_ASSERT(is_valid_utf8(name));
  }
}

RC_GTEST_PROP(TextTest, Utf8IsCountedAsTheCheckerSeesIt, (std::string text, std::size_t cut)) {
  Utf8Counter counter;
  const std::size_t at = text.empty() ? 0 : cut % text.size();
  counter.update(std::string_view(text).substr(0, at));
  counter.update(std::string_view(text).substr(at));
  counter.finish();
  RC_ASSERT((counter.invalid() == 0) == is_valid_utf8(text));
}

RC_GTEST_PROP(TextTest, WhateverComesInIsUtf8After, (std::string text, bool big)) {
  for (const TextEncoding from :
       {TextEncoding::Windows1252, big ? TextEncoding::Utf16Be : TextEncoding::Utf16Le}) {
    Transcoder coder(from);
    std::string out;
    for (const char c : text) {
      coder.update({&c, 1}, &out);
    }
    coder.finish(&out);
    RC_ASSERT(is_valid_utf8(out));
  }
}

TEST(TextTest, EncodingsAreTranslated) {
  const auto turn = [](TextEncoding from, std::string_view text) {
    Transcoder coder(from);
    std::string out;
    coder.update(text, &out);
    coder.finish(&out);
    return out;
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(turn(TextEncoding::Windows1252, "M\xFCller \x93q\x94 \x80"), "Müller “q” €");
  EXPECT_EQ(turn(TextEncoding::Utf16Le, "a\0\xA9\x03=\xD8\0\xDE"sv), "aΩ😀");
  EXPECT_EQ(turn(TextEncoding::Utf16Be, "\0a\x03\xA9\xD8=\xDE\0"sv), "aΩ😀");
  EXPECT_EQ(turn(TextEncoding::Utf16Le,
                 "=\xD8"
                 "a\0b"sv),
            "\uFFFDa\uFFFD");
  EXPECT_EQ(encoding_at_start("\xFF\xFE"
                              "a\0"sv)
                .encoding,
            TextEncoding::Utf16Le);
  EXPECT_EQ(encoding_at_start("i\0d\0,\0n\0"sv).encoding, TextEncoding::Utf16Le);
  EXPECT_EQ(encoding_at_start("id,n").encoding, TextEncoding::Utf8);
}

TEST(BadRowLimitTest, IsAShareOrACount) {
  EXPECT_TRUE(parse_bad_row_limit("1%")->allows(1, 100));
  EXPECT_FALSE(parse_bad_row_limit("1%")->allows(2, 100));
  EXPECT_TRUE(parse_bad_row_limit(" 0.5 % ")->allows(1, 200));
  EXPECT_FALSE(parse_bad_row_limit("0.5%")->allows(1, 100));
  EXPECT_TRUE(parse_bad_row_limit("10")->allows(10, 10));
  EXPECT_FALSE(parse_bad_row_limit("10")->allows(11, 1'000'000));
  EXPECT_TRUE(parse_bad_row_limit("0")->allows(0, 0));
  for (const char* wrong : {"", "many", "-1", "101%", "1.5", "%", "1 %%", "nan%"}) {
    EXPECT_THAT(parse_bad_row_limit(wrong), FailsWith(ErrorCode::InvalidArgument)) << wrong;
  }
}

TEST(StructTypeTest, FieldsAreSplit) {
  EXPECT_THAT(
      struct_fields("STRUCT(a BIGINT, \"b c\" STRUCT(d DECIMAL(9,2), e VARCHAR[]), f MAP(A, B))"),
      ElementsAre(Pair("a", "BIGINT"), Pair("b c", "STRUCT(d DECIMAL(9,2), e VARCHAR[])"),
                  Pair("f", "MAP(A, B)")));
  EXPECT_THAT(struct_fields("STRUCT(\"a\"\", (b\" BIGINT)"),
              ElementsAre(Pair("a\", (b", "BIGINT")));
  EXPECT_TRUE(struct_fields("STRUCT(a BIGINT)[]").empty());
  EXPECT_TRUE(struct_fields("BIGINT").empty());
}

TEST(TextFormatTest, ShowsInTheFirstCharacters) {
  EXPECT_EQ(text_format("a,b\n", ""), FileFormat::Csv);
  EXPECT_EQ(text_format("  [{\"a\":1}]", ""), FileFormat::JsonArray);
  EXPECT_EQ(text_format("{\"a\":1}\n{\"a\":2}\n", ""), FileFormat::JsonLines);
  EXPECT_EQ(text_format("{\n \"a\":1\n}\n", ""), FileFormat::JsonValues);
  EXPECT_EQ(text_format("{\"a\":1}", ""), FileFormat::JsonLines);
  EXPECT_EQ(text_format("[x],y\n1,2\n", "data.CSV"), FileFormat::Csv);
  EXPECT_EQ(text_format("nonsense", "x.ndjson.gz"), FileFormat::JsonLines);
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(compressBound(static_cast<uLong>(text.size())) + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

RC_GTEST_PROP(DecompressorTest, GivesBackWhatWasPacked, (std::string a, std::string b)) {
  const auto step = *rc::gen::inRange<std::size_t>(1, 50);
  for (const Compression kind : {Compression::Gzip, Compression::Zstd}) {
    // Two members, as concatenated files have.
    const std::string packed = kind == Compression::Gzip ? gzip(a) + gzip(b) : zstd(a) + zstd(b);
    RC_ASSERT(compression_at_start(packed) == kind);
    const auto unpack = Decompressor::of(kind, 1U << 20U);
    std::string out;
    const auto sink = [&out](std::string_view bytes) {
      out += bytes;
      return Status();
    };
    for (std::size_t at = 0; at < packed.size(); at += step) {
      RC_ASSERT(unpack->update(std::string_view(packed).substr(at, step), sink).has_value());
    }
    RC_ASSERT(unpack->finish().has_value());
    RC_ASSERT(out == a + b);
    const auto cut = Decompressor::of(kind, 1U << 20U);
    RC_ASSERT(cut->update(std::string_view(packed).substr(0, packed.size() - 1), sink).has_value());
    RC_ASSERT(!cut->finish().has_value());
  }
}

TEST(DecompressorTest, DoesNotFillTheDisk) {
  const std::string packed = gzip(std::string(std::size_t{4} << 20U, 'x'));
  const auto unpack = Decompressor::of(Compression::Gzip, 1U << 20U);
  EXPECT_THAT(unpack->update(packed, [](std::string_view) { return Status(); }),
              FailsWith(ErrorCode::ResourceExhausted));
}

}  // namespace
}  // namespace lakehouse::ingest
