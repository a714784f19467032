#include "answer/citations.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "vector/text_analysis.h"

namespace lakehouse::answer {

namespace {

constexpr double kSupportMin = 0.5;
/// Two sentences say it together at most.
constexpr std::size_t kSentencesMax = 2;
constexpr std::size_t kMarksMax = 8;

std::set<std::string> content_terms(std::string_view text) {
  std::set<std::string> terms;
  for (vector::QueryTerm& term : vector::query_terms(text, vector::Analysis::English)) {
    terms.insert(std::move(term.term));
  }
  return terms;
}

bool is_number(const std::string& term) {
  return !term.empty() && std::ranges::all_of(term, [](char c) { return c >= '0' && c <= '9'; });
}

std::set<std::string> numbers_in(const std::set<std::string>& terms) {
  std::set<std::string> numbers;
  std::ranges::copy_if(terms, std::inserter(numbers, numbers.end()), is_number);
  return numbers;
}

std::size_t shared(const std::set<std::string>& wanted, const std::set<std::string>& there) {
  return static_cast<std::size_t>(
      std::ranges::count_if(wanted, [&](const std::string& term) { return there.contains(term); }));
}

}  // namespace

MarkedSentence read_marks(std::string_view sentence) {
  MarkedSentence read;
  for (std::size_t at = 0; at < sentence.size();) {
    const std::size_t close = sentence[at] == '[' ? sentence.find(']', at) : std::string_view::npos;
    const std::string_view inside =
        close == std::string_view::npos ? "" : sentence.substr(at + 1, close - at - 1);
    const bool is_mark =
        !inside.empty() && inside.size() < 40 &&
        std::ranges::all_of(
            inside, [](char c) { return (c >= '0' && c <= '9') || c == ',' || c == ' '; });
    if (!is_mark) {
      read.text.push_back(sentence[at++]);
      continue;
    }
    std::uint32_t number = 0;
    for (const char c : std::string(inside) + ",") {
      if (c >= '0' && c <= '9') {
        number = std::min(number * 10 + static_cast<std::uint32_t>(c - '0'), 1'000'000U);
      } else if (number != 0) {
        if (read.marks.size() < kMarksMax) {
          read.marks.push_back(number);
        }
        number = 0;
      }
    }
    while (!read.text.empty() && read.text.back() == ' ') {
      read.text.pop_back();
    }
    at = close + 1;
  }
  while (!read.text.empty() && std::isspace(static_cast<unsigned char>(read.text.back())) != 0) {
    read.text.pop_back();
  }
  return read;
}

SupportChecker::SupportChecker(std::string_view question, std::span<const Evidence> evidence)
    : question_(content_terms(question)), question_numbers_(numbers_in(question_)) {
  for (const Evidence& item : evidence) {
    Piece piece{.n = item.n, .text = item.text, .terms = {}, .sentences = {}, .sentence_terms = {}};
    for (const Span& span : sentences_of(item.text)) {
      const std::string_view text = piece.text.substr(span.begin, span.end - span.begin);
      if (reads_like_instructions(text)) {
        continue;
      }
      piece.sentences.push_back(span);
      piece.sentence_terms.push_back(content_terms(text));
      piece.terms.insert(piece.sentence_terms.back().begin(), piece.sentence_terms.back().end());
    }
    pieces_.push_back(std::move(piece));
  }
}

bool SupportChecker::says_nothing(const MarkedSentence& sentence) const {
  for (const std::string& term : content_terms(sentence.text)) {
    if (term != "yes" && term != "no" && !vector::is_stop_word(term)) {
      return false;
    }
  }
  return true;
}

bool SupportChecker::speaks_to_question(std::string_view text) const {
  return shared(question_, content_terms(text)) > 0;
}

std::optional<Citation> SupportChecker::best_in(const Piece& piece,
                                                const std::set<std::string>& terms) const {
  const std::set<std::string> numbers = numbers_in(terms);
  for (const std::string& number : numbers) {
    if (!piece.terms.contains(number) && !question_numbers_.contains(number)) {
      return std::nullopt;
    }
  }
  const auto share = [&](std::size_t count) {
    return static_cast<double>(count) / static_cast<double>(terms.size());
  };
  if (share(shared(terms, piece.terms)) < kSupportMin) {
    return std::nullopt;
  }
  std::optional<Citation> best;
  for (std::size_t from = 0; from < piece.sentences.size(); ++from) {
    std::set<std::string> there;
    for (std::size_t to = from; to < std::min(from + kSentencesMax, piece.sentences.size()); ++to) {
      there.insert(piece.sentence_terms[to].begin(), piece.sentence_terms[to].end());
      const double support = share(shared(terms, there));
      // A second sentence must add something.
      if (support > (best ? best->support + 1e-9 : 0)) {
        best =
            Citation{.n = piece.n,
                     .span = {.begin = piece.sentences[from].begin, .end = piece.sentences[to].end},
                     .quote = {},
                     .support = support};
      }
    }
  }
  if (best && best->support < kSupportMin) {
    // It is there, but not in one place: the whole chunk is what stands behind it.
    best->span = {.begin = piece.sentences.front().begin, .end = piece.sentences.back().end};
    best->support = share(shared(terms, piece.terms));
  }
  if (best) {
    best->quote = piece.text.substr(best->span.begin, best->span.end - best->span.begin);
  }
  return best;
}

std::vector<Citation> SupportChecker::citations(const MarkedSentence& sentence) const {
  const std::set<std::string> terms = content_terms(sentence.text);
  std::vector<Citation> found;
  if (terms.empty()) {
    return found;
  }
  for (const Piece& piece : pieces_) {
    const bool is_named = std::ranges::find(sentence.marks, piece.n) != sentence.marks.end();
    if (!is_named) {
      continue;
    }
    if (auto citation = best_in(piece, terms)) {
      found.push_back(*std::move(citation));
    }
  }
  if (!found.empty()) {
    return found;
  }
  // It named none, or the wrong one: the one that says it best.
  for (const Piece& piece : pieces_) {
    auto citation = best_in(piece, terms);
    if (citation && (found.empty() || citation->support > found.front().support)) {
      found.assign(1, *std::move(citation));
    }
  }
  return found;
}

std::vector<std::string> SentenceStream::add(std::string_view piece) {
  buffer_ += piece;
  std::vector<std::string> complete;
  for (;;) {
    const std::vector<Span> spans = sentences_of(buffer_);
    // A mark that stands alone belongs to the sentence before it; so the next must have begun.
    std::size_t next = 1;
    while (next < spans.size() && buffer_[spans[next].begin] == '[' &&
           read_marks(std::string_view(buffer_).substr(spans[next].begin,
                                                       spans[next].end - spans[next].begin))
               .text.empty()) {
      ++next;
    }
    if (next >= spans.size()) {
      return complete;
    }
    std::size_t end = spans[next].begin;
    // "It is so. [1] The next": one span from the mark on.
    while (end < buffer_.size() && buffer_[end] == '[') {
      const std::size_t close = buffer_.find(']', end);
      if (close == std::string::npos || close == buffer_.size() - 1) {
        return complete;
      }
      const MarkedSentence mark =
          read_marks(std::string_view(buffer_).substr(end, close + 1 - end));
      if (!mark.text.empty()) {
        break;
      }
      end = close + 1;
      while (end < buffer_.size() && std::isspace(static_cast<unsigned char>(buffer_[end])) != 0) {
        ++end;
      }
    }
    complete.push_back(buffer_.substr(0, end));
    buffer_.erase(0, end);
  }
}

std::vector<std::string> SentenceStream::finish() {
  std::vector<std::string> complete = add(" ");
  if (buffer_.find_first_not_of(" \t\r\n") != std::string::npos) {
    complete.push_back(std::exchange(buffer_, {}));
  }
  return complete;
}

}  // namespace lakehouse::answer
