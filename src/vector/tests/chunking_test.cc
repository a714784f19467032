#include "vector/chunking.h"

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.h"

namespace lakehouse::vector {
namespace {

std::vector<std::string> chunks_of(std::string_view text, const ChunkOptions& options) {
  std::vector<std::string> out;
  for (const ChunkSpan& one : chunk_text(text, options)) {
    out.emplace_back(text.substr(one.start, one.end - one.start));
  }
  return out;
}

using Texts = std::vector<std::string>;

TEST(Chunking, ShortTextsAreOneChunkWithoutTheSpaceAround) {
  EXPECT_EQ(chunks_of("  One line.\n", {}), Texts{"One line."});
  EXPECT_TRUE(chunk_text("", {}).empty());
  EXPECT_TRUE(chunk_text(" \n\t\u3000 ", {}).empty());
}

TEST(Chunking, CutsBehindParagraphsThenSentencesThenWords) {
  const ChunkOptions options{.size = 50, .overlap = 0};
  EXPECT_EQ(
      chunks_of("A first sentence that is so long. A second.\n\nA new paragraph here.", options),
      (Texts{"A first sentence that is so long. A second.", "A new paragraph here."}));
  EXPECT_EQ(
      chunks_of("A first sentence that is so long (\"quite.\") A second one follows it.", options),
      (Texts{"A first sentence that is so long (\"quite.\")", "A second one follows it."}));
  EXPECT_EQ(chunks_of("no sentence ends here but words do and so it is cut at words", options),
            (Texts{"no sentence ends here but words do and so it is", "cut at words"}));
}

TEST(Chunking, WhatHasNoWordsIsCutWhereItIsFull) {
  const ChunkOptions options{.size = 50, .overlap = 0};
  EXPECT_EQ(chunks_of(std::string(120, 'x'), options),
            (Texts{std::string(50, 'x'), std::string(50, 'x'), std::string(20, 'x')}));
}

TEST(Chunking, SignsOfSeveralCodePointsStayWhole) {
  std::string text(49, 'x');
  text += "e\u0301 and more";  // The accent would be the 51st character.
  const Texts chunks = chunks_of(text, {.size = 50, .overlap = 0, .sentences = false});
  EXPECT_EQ(chunks[0], std::string(49, 'x'));
  EXPECT_TRUE(chunks[1].starts_with("e\u0301"));
}

TEST(Chunking, ChunksOverlapAtWords) {
  const Texts chunks =
      chunks_of("one two three four five six seven eight nine ten eleven twelve thirteen",
                {.size = 50, .overlap = 12});
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_EQ(chunks[0], "one two three four five six seven eight nine ten");
  EXPECT_EQ(chunks[1], "nine ten eleven twelve thirteen");
}

RC_GTEST_PROP(Chunking, LosesNoTextAndSplitsNoCharacter, ()) {
  static const std::vector<std::string> kParts = {"a",
                                                  "word",
                                                  " ",
                                                  "  ",
                                                  "\n",
                                                  "\n\n",
                                                  ".",
                                                  ". ",
                                                  "? ",
                                                  "\u00e4",
                                                  "\u4e2d",
                                                  "\u3002",
                                                  "\U0001F469\u200D\U0001F680",
                                                  "e\u0301",
                                                  "\u00a0",
                                                  "\xff",
                                                  "\xe4\xb8",
                                                  "longerword"};
  std::string text;
  for (const std::size_t i : *rc::gen::container<std::vector<std::size_t>>(
           rc::gen::inRange<std::size_t>(0, kParts.size()))) {
    text += kParts[i];
    text += kParts[(i * 7 + text.size()) % kParts.size()];
  }
  const ChunkOptions options{.size = *rc::gen::inRange(1U, 60U),
                             .overlap = *rc::gen::inRange(0U, 20U),
                             .sentences = *rc::gen::arbitrary<bool>()};
  const std::vector<ChunkSpan> chunks = chunk_text(text, options);
  std::size_t covered = 0;
  std::size_t last_start = 0;
  const bool was_utf8 = is_valid_utf8(text);
  for (const ChunkSpan& one : chunks) {
    RC_ASSERT(one.start < one.end);
    RC_ASSERT(one.end <= text.size());
    RC_ASSERT(&one == chunks.data() || one.start > last_start);
    last_start = one.start;
    if (one.start > covered) {  // Only white space is left out.
      RC_ASSERT(chunk_text(text.substr(covered, one.start - covered), {}).empty());
    }
    covered = std::max(covered, one.end);
    if (was_utf8) {
      RC_ASSERT(is_valid_utf8(text.substr(one.start, one.end - one.start)));
    }
  }
  RC_ASSERT(chunk_text(text.substr(covered), {}).empty());
}

}  // namespace
}  // namespace lakehouse::vector
