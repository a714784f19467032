#include "ai/child/text_pieces.h"

#include <gtest/gtest.h>

namespace lakehouse::ai {
namespace {

TEST(TextPieces, GivesWholeCharactersOnly) {
  TextPieces pieces({});
  EXPECT_FALSE(pieces.add("a\xE2\x82"));
  EXPECT_EQ(pieces.take(false), "a");
  EXPECT_FALSE(pieces.add("\xAC"));
  EXPECT_EQ(pieces.take(false), "\xE2\x82\xAC");
  EXPECT_FALSE(pieces.add("b\xF0\x9F"));
  EXPECT_EQ(pieces.take(true), "b");  // What never became a character.
}

TEST(TextPieces, HoldsBackWhatMayBecomeAStopText) {
  TextPieces pieces({"\n\n", "END"});
  EXPECT_FALSE(pieces.add("one\n"));
  EXPECT_EQ(pieces.take(false), "one");
  EXPECT_FALSE(pieces.add("two E"));
  EXPECT_EQ(pieces.take(false), "\ntwo ");
  EXPECT_FALSE(pieces.add("NOUGH"));
  EXPECT_EQ(pieces.take(false), "ENOUGH");
  EXPECT_FALSE(pieces.add("EN"));
  EXPECT_TRUE(pieces.add("D and more"));
  EXPECT_EQ(pieces.take(true), "");
}

TEST(TextPieces, EndsBeforeTheFirstStopText) {
  TextPieces pieces({";", "--"});
  EXPECT_TRUE(pieces.add("SELECT 1 -- one;"));
  EXPECT_EQ(pieces.take(true), "SELECT 1 ");
}

TEST(TextPieces, AtTheEndGivesAllOfIt) {
  TextPieces pieces({"STOP"});
  EXPECT_FALSE(pieces.add("no ST"));
  EXPECT_EQ(pieces.take(false), "no ");
  EXPECT_EQ(pieces.take(true), "ST");
}

}  // namespace
}  // namespace lakehouse::ai
