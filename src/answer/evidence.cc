#include "answer/evidence.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/text.h"
#include "vector/text_analysis.h"

namespace lakehouse::answer {

namespace {

/// Below, a chunk has nothing to do with the question. Of a sentence model (MiniLM): the nearest of
/// 1,400 abstracts and of 1,500 résumés to questions about other things lay at 0.07 to 0.35, to
/// questions about theirs at 0.48 and more.
constexpr double kCosineWeak = 0.30;
/// With so near a chunk words need not be shared.
constexpr double kCosineStrong = 0.45;
/// What lies between must have so many of the question's words.
constexpr double kCoverageStrong = 0.75;
/// Where there are only words to go by.
constexpr double kCoverageAlone = 0.5;

std::size_t cut_at_character(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) {
    return text.size();
  }
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) {
    --end;
  }
  return end;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

}  // namespace

std::vector<Evidence> choose_evidence(std::span<const vector::SearchHit> hits,
                                      std::size_t count_max, std::size_t bytes_max) {
  std::vector<Evidence> chosen;
  std::set<std::string_view> texts;
  std::size_t bytes_left = bytes_max;
  for (const vector::SearchHit& hit : hits) {
    if (chosen.size() == count_max) {
      break;
    }
    if (std::ranges::all_of(hit.text, is_space) || texts.contains(hit.text)) {
      continue;
    }
    const std::size_t size =
        chosen.empty() ? cut_at_character(hit.text, bytes_left) : hit.text.size();
    if (size > bytes_left || size == 0) {
      continue;  // A shorter one may still fit.
    }
    texts.insert(hit.text);
    bytes_left -= size;
    chosen.push_back({.n = static_cast<std::uint32_t>(chosen.size() + 1),
                      .key = hit.key,
                      .chunk = hit.chunk,
                      .start = hit.start,
                      .end = hit.start + size,
                      .score = hit.score,
                      .vector_score = hit.vector_score,
                      .text_score = hit.text_score,
                      .text = hit.text.substr(0, size)});
  }
  return chosen;
}

bool Strength::is_weak() const {
  if (!cosine) {
    return coverage < kCoverageAlone;
  }
  return *cosine < kCosineWeak || (*cosine < kCosineStrong && coverage < kCoverageStrong);
}

Strength strength_of(std::string_view question, std::span<const Evidence> evidence) {
  Strength strength;
  std::set<std::string> wanted;
  for (vector::QueryTerm& term : vector::query_terms(question, vector::Analysis::English)) {
    wanted.insert(std::move(term.term));
  }
  for (const Evidence& item : evidence) {
    if (item.vector_score) {
      strength.cosine = std::max(strength.cosine.value_or(*item.vector_score), *item.vector_score);
    }
    std::set<std::string> found;
    for (const Span& span : sentences_of(item.text)) {
      // What nobody will be told speaks for nothing.
      const std::string_view text =
          std::string_view(item.text).substr(span.begin, span.end - span.begin);
      if (reads_like_instructions(text)) {
        continue;
      }
      for (vector::TermAt& term : vector::analyse(text, vector::Analysis::English)) {
        if (wanted.contains(term.term)) {
          found.insert(std::move(term.term));
        }
      }
    }
    if (!wanted.empty()) {
      strength.coverage = std::max(strength.coverage, static_cast<double>(found.size()) /
                                                          static_cast<double>(wanted.size()));
    }
  }
  return strength;
}

bool reads_like_instructions(std::string_view sentence) {
  // Pairs that must both be there: an order, and what only a program's prompt is about.
  static constexpr std::array<std::string_view, 14> kOrders = {
      "ignore ", "disregard ", "forget ", "override ", "you must ", "you are now",   "pretend ",
      "act as ", "respond ",   "answer ", "reply ",    "output ",   "do not follow", "reveal "};
  static constexpr std::array<std::string_view, 20> kAbout = {"previous instruction",
                                                              "prior instruction",
                                                              "above instruction",
                                                              "all instruction",
                                                              "earlier instruction",
                                                              "your instruction",
                                                              "these instruction",
                                                              "the instruction",
                                                              "any instruction",
                                                              "system prompt",
                                                              "system message",
                                                              "your prompt",
                                                              "language model",
                                                              " ai ",
                                                              "an ai",
                                                              "assistant",
                                                              "chatbot",
                                                              "only with",
                                                              "with the word",
                                                              "hidden prompt"};
  static constexpr std::array<std::string_view, 29> kAlone = {
      "note to the assistant:", "note to the ai:", "note to ai:",     "note to the model",
      "whoever asks",           "anyone who asks", "if anyone asks",  "should be told that",
      "must be told that",      "tell the user",   "tell whoever",    "inform the user",
      "<|im_start|>",           "<|im_end|>",      "[inst]",          "<<sys>>",
      "### instruction",        "### system",      "<|system|>",      "begin system",
      "developer mode",         "you must say",    "you must answer", "you must reply",
      "you must respond",       "you must output", "you should say",  "you will say",
      "you are to say"};
  const std::string text = " " + to_lower(sentence) + " ";
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  return std::ranges::any_of(kAlone, has) ||
         (std::ranges::any_of(kOrders, has) && std::ranges::any_of(kAbout, has));
}

namespace {

/// "Dr.", "e.g.", "J.": a dot that ends no sentence.
bool is_abbreviation(std::string_view text, std::size_t dot) {
  std::size_t begin = dot;
  while (begin > 0 && !is_space(text[begin - 1]) && text[begin - 1] != '(') {
    --begin;
  }
  const std::string word = to_lower(text.substr(begin, dot - begin));
  if (word.size() == 1 && std::isalpha(static_cast<unsigned char>(word[0])) != 0) {
    return word != "i";
  }
  static constexpr std::array<std::string_view, 22> kWords = {
      "dr",  "mr", "mrs", "ms",  "prof", "st", "vs", "etc", "e.g",    "i.e", "inc",
      "ltd", "co", "no",  "fig", "eq",   "al", "cf", "ca",  "approx", "jan", "u.s"};
  return std::ranges::find(kWords, word) != kWords.end();
}

bool ends_sentence(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c == '\n') {
    const std::string_view rest = text.substr(at + 1);
    return rest.starts_with('\n') || rest.starts_with("\r\n") || rest.starts_with("- ") ||
           rest.starts_with("* ");
  }
  if (c != '.' && c != '!' && c != '?') {
    return false;
  }
  if (at + 1 < text.size() && !is_space(text[at + 1])) {
    return false;
  }
  return c != '.' || !is_abbreviation(text, at);
}

}  // namespace

std::vector<Span> sentences_of(std::string_view text) {
  std::vector<Span> sentences;
  const auto add = [&](std::size_t begin, std::size_t end) {
    while (begin < end && is_space(text[begin])) {
      ++begin;
    }
    while (end > begin && is_space(text[end - 1])) {
      --end;
    }
    if (begin < end) {
      sentences.push_back({.begin = begin, .end = end});
    }
  };
  constexpr std::array<std::string_view, 3> kWide = {"\u3002", "\uFF01", "\uFF1F"};
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool is_wide = std::ranges::any_of(
        kWide, [&](std::string_view mark) { return text.substr(at).starts_with(mark); });
    if (is_wide) {
      at += 2;
    }
    if (is_wide || ends_sentence(text, at)) {
      add(begin, at + 1);
      begin = at + 1;
    }
  }
  add(begin, text.size());
  return sentences;
}

}  // namespace lakehouse::answer
