#include "vector/text_analysis.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vector/text/words.h"

namespace lakehouse::vector {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> terms_of(std::string_view text, Analysis analysis = Analysis::English) {
  std::vector<std::string> terms;
  for (const TermAt& term : analyse(text, analysis)) {
    EXPECT_LE(term.term.size(), kTermBytesMax + 8);
    EXPECT_LT(term.begin, term.end);
    EXPECT_LE(term.end, text.size());
    terms.push_back(term.term);
  }
  return terms;
}

std::vector<std::string> asked(std::string_view text) {
  std::vector<std::string> terms;
  for (const QueryTerm& term : query_terms(text, Analysis::English)) {
    terms.push_back(term.term + "*" + std::to_string(term.count));
  }
  return terms;
}

TEST(TextAnalysisTest, WordsLoseCaseAccentsAndEnglishEndings) {
  EXPECT_THAT(terms_of("Companies' Flows, don't! Résumé"),
              ElementsAre("compani", "flow", "dont", "resum"));
  EXPECT_THAT(terms_of("Companies' Flows", Analysis::Plain), ElementsAre("companies", "flows"));
  EXPECT_THAT(terms_of("Größe Straße Ångström İstanbul ﬁne ＡＢＣ Привет"),
              ElementsAre("gross", "strass", "angstrom", "istanbul", "fine", "abc", "привет"));
  EXPECT_THAT(terms_of("candidate_id=42;3.5"), ElementsAre("candid", "id", "42", "3", "5"));
}

TEST(TextAnalysisTest, SignsWithoutSpacesGiveThemselvesAndPairs) {
  EXPECT_THAT(terms_of("日本語 a"), ElementsAre("日", "日本", "本", "本語", "語", "a"));
}

TEST(TextAnalysisTest, LanguagesWithMarksInTheirNamesAreWords) {
  EXPECT_THAT(terms_of("C++, C# and C"), ElementsAre("c", "c++", "c", "c#", "and", "c"));
  EXPECT_THAT(terms_of("a#tag c++11"), ElementsAre("a", "tag", "c", "11"));
}

TEST(TextAnalysisTest, PlacesAreThoseOfTheText) {
  EXPECT_THAT(analyse("é-Ñandú", Analysis::Plain),
              ElementsAre(TermAt{.term = "e", .begin = 0, .end = 2},
                          TermAt{.term = "nandu", .begin = 3, .end = 10}));
}

TEST(TextAnalysisTest, QuestionsLeaveTheWordsThatSayNothing) {
  EXPECT_THAT(asked("What is the lift of a wing, and of two wings?"),
              ElementsAre("lift*1", "wing*2", "two*1"));
  EXPECT_THAT(asked("IT manager"), ElementsAre("it*1", "manag*1"));
  EXPECT_THAT(asked("is it it"), ElementsAre("is*1", "it*2"));
  EXPECT_THAT(asked("THE WHO"), ElementsAre("the*1", "who*1"));
  EXPECT_THAT(asked(" ?! "), IsEmpty());
}

TEST(TextAnalysisTest, AnyBytesAreRead) {
  std::string bytes;
  std::uint32_t state = 1;
  for (int i = 0; i < 200'000; ++i) {
    state = state * 1'664'525U + 1'013'904'223U;
    bytes.push_back(static_cast<char>(state >> 24U));
  }
  EXPECT_FALSE(terms_of(bytes).empty());
  EXPECT_THAT(terms_of(std::string_view("\0\xC3\xFF", 3)), IsEmpty());
}

TEST(TextAnalysisTest, StopWordsAreSorted) {
  EXPECT_TRUE(is_stop_word("a"));
  EXPECT_TRUE(is_stop_word("whose"));
  EXPECT_TRUE(is_stop_word("yours"));
  EXPECT_FALSE(is_stop_word("wing"));
}

}  // namespace
}  // namespace lakehouse::vector
