#include "cli/display.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

namespace lakehouse::cli {
namespace {

TEST(Display, CountsTheColumnsThatATerminalShows) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("Müller"), 6U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
  EXPECT_EQ(display_width("👍"), 2U);
  EXPECT_EQ(display_width("\xff\xfe"), 2U);
}

TEST(Display, CutsWithAnEllipsisAndNeverThroughACharacter) {
  EXPECT_EQ(fit("abcdef", 6), "abcdef");
  EXPECT_EQ(fit("abcdef", 4), "abc…");
  EXPECT_EQ(fit("日本語", 4), "日…");
  EXPECT_EQ(fit("abc", 0), "");
}

TEST(Display, NothingThatIsCutIsWiderThanAsked) {
  rc::check([](const std::string& text) {
    const auto width = *rc::gen::inRange<std::size_t>(0, 20);
    RC_ASSERT(display_width(fit(text, width)) <= width);
  });
}

TEST(Display, ControlCharactersCannotReachTheTerminal) {
  EXPECT_EQ(printable("a\nb\tc\x1b[31m"), "a\\nb\\tc\\x1b[31m");
  EXPECT_EQ(printable("\x9b"), "\\x9b");
  EXPECT_EQ(printable("\u202e"), "\\u202e");
  EXPECT_EQ(printable("é日"), "é日");
  rc::check([](const std::string& text) {
    for (const char c : printable(text)) {
      RC_ASSERT(static_cast<unsigned char>(c) >= 0x20U);
    }
  });
}

TEST(Display, NumbersAreWrittenForPeople) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1234567), "1,234,567");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1500), "1.5 kB");
  EXPECT_EQ(human_bytes(2.5e9), "2.5 GB");
  EXPECT_EQ(human_seconds(0.012), "12 ms");
  EXPECT_EQ(human_seconds(3.44), "3.4 s");
  EXPECT_EQ(human_seconds(125), "2 min 05 s");
}

}  // namespace
}  // namespace lakehouse::cli
