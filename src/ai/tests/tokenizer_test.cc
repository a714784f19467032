#include "ai/tokens/tokenizer.h"

#include <array>
#include <fstream>
#include <iterator>
#include <memory>

#include "ai/model_child.h"
#include "base/testing/matchers.h"

// That it equals Hugging Face's on thousands of mixed strings is shown by tests/test_tokenizer.py.
namespace lakehouse::ai {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class MiniLmTokenizer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto folder = find_models_folder();
    ASSERT_THAT(folder, IsOk());
    std::ifstream file(*folder / "minilm" / "tokenizer.json", std::ios::binary);
    auto made = Tokenizer::parse(std::string(std::istreambuf_iterator<char>(file), {}));
    ASSERT_THAT(made, IsOk());
    tokenizer_ = *std::move(made);
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }

  static std::vector<std::int32_t> ids(std::string_view text, std::size_t tokens_max = 512) {
    TokenIds tokens;
    tokenizer_->encode(text, tokens_max, tokens);
    EXPECT_EQ(tokens.ids.size(), tokens.types.size());
    return tokens.ids;
  }

  static std::unique_ptr<Tokenizer> tokenizer_;
};

std::unique_ptr<Tokenizer> MiniLmTokenizer::tokenizer_;

TEST_F(MiniLmTokenizer, WordsAreTakenApart) {
  EXPECT_THAT(ids("hello, world!"), ElementsAre(101, 7592, 1010, 2088, 999, 102));
  EXPECT_THAT(ids("unaffable"), ElementsAre(101, 14477, 20961, 3468, 102));
  EXPECT_THAT(ids(""), ElementsAre(101, 102));
  EXPECT_THAT(ids(" \t\n"), ElementsAre(101, 102));
}

TEST_F(MiniLmTokenizer, CaseAndAccentsDoNotMatter) {
  const auto plain = ids("resume of andre");
  EXPECT_THAT(ids("R\u00c9SUM\u00c9 of Andr\u00e9"), ElementsAreArray(plain));
  EXPECT_THAT(ids("Re\u0301sume\u0301 OF Andre\u0301"), ElementsAreArray(plain));
}

TEST_F(MiniLmTokenizer, WhatIsNoTextIsDroppedOrUnknown) {
  const auto plain = ids("ab");
  EXPECT_THAT(ids("a\u200db"), ElementsAreArray(plain));
  EXPECT_THAT(ids("a\xff\xc3"
                  "b"),
              ElementsAreArray(plain));
  EXPECT_THAT(ids(std::string_view("a\0b", 3)), ElementsAreArray(plain));
  EXPECT_THAT(ids(std::string(101, 'x')), ElementsAre(101, 100, 102));
  EXPECT_THAT(ids("\U0001F680"), ElementsAre(101, 100, 102));
}

TEST_F(MiniLmTokenizer, SpecialTokensInATextAreThemselves) {
  EXPECT_THAT(ids("a[SEP]b"), ElementsAre(101, 1037, 102, 1038, 102));
  EXPECT_THAT(ids("[sep]"), SizeIs(5));
}

TEST_F(MiniLmTokenizer, LongTextsAreCutAndSaySo) {
  TokenIds tokens;
  tokenizer_->encode("one two three four five", 5, tokens);
  EXPECT_THAT(tokens.ids, ElementsAre(101, 2028, 2048, 2093, 102));
  EXPECT_TRUE(tokens.truncated);
  tokenizer_->encode("one two three", 5, tokens);
  EXPECT_FALSE(tokens.truncated);
  // What is cut off costs nothing.
  std::string long_text;
  for (int i = 0; i < 1'000'000; ++i) {
    long_text += "word ";
  }
  tokenizer_->encode(long_text, 256, tokens);
  EXPECT_THAT(tokens.ids, SizeIs(256));
  EXPECT_TRUE(tokens.truncated);
}

TEST_F(MiniLmTokenizer, HostileTextsCostLittle) {
  std::string special;
  std::string marks = "a";
  for (int i = 0; i < 1'000'000; ++i) {
    special += "[MASK]";
    marks += i % 2 == 0 ? "\xcc\x81" : "\xcc\xa3";
  }
  for (const std::string& text : {special, marks, std::string(8U << 20U, '\x80'),
                                  std::string(8U << 20U, 'x'), std::string(8U << 20U, '[')}) {
    TokenIds tokens;
    tokenizer_->encode(text, 256, tokens);
    EXPECT_LE(tokens.ids.size(), 256U);
    EXPECT_GE(tokens.ids.size(), 2U);
  }
}

TEST_F(MiniLmTokenizer, PairsAreOfTwoTypes) {
  TokenIds tokens;
  tokenizer_->encode_pair("one", "two three", 512, tokens);
  EXPECT_THAT(tokens.ids, ElementsAre(101, 2028, 102, 2048, 2093, 102));
  EXPECT_THAT(tokens.types, ElementsAre(0, 0, 0, 1, 1, 1));
  tokenizer_->encode_pair("one", "two three four five", 6, tokens);
  EXPECT_THAT(tokens.ids, ElementsAre(101, 2028, 102, 2048, 2093, 102));
}

TEST(Tokenizer, OfAnotherSortIsRefusedByName) {
  const auto bpe = Tokenizer::parse(R"({"model":{"type":"BPE"}})");
  ASSERT_THAT(bpe, FailsWith(ErrorCode::Unimplemented));
  EXPECT_THAT(bpe.error().message, HasSubstr("BPE"));
}

TEST(Tokenizer, HostileFilesAreErrors) {
  constexpr std::array<std::string_view, 8> kFiles{
      "",
      "[]",
      "{}",
      R"({"model":{"type":"WordPiece"}})",
      R"({"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##",
          "vocab":{"u":-1}},"pre_tokenizer":{"type":"BertPreTokenizer"}})",
      R"({"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##",
          "vocab":{"a":1}},"pre_tokenizer":{"type":"BertPreTokenizer"}})",
      R"({"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##",
          "vocab":{"u":1}},"pre_tokenizer":{"type":"BertPreTokenizer"}})",
      R"({"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##",
          "vocab":{"u":99999999999}},"pre_tokenizer":{"type":"BertPreTokenizer"}})"};
  for (const std::string_view file : kFiles) {
    SCOPED_TRACE(file);
    EXPECT_FALSE(Tokenizer::parse(file).has_value());
  }
}

}  // namespace
}  // namespace lakehouse::ai
