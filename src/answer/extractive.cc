#include "answer/extractive.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "vector/text_analysis.h"

namespace lakehouse::answer {

namespace {

constexpr std::size_t kSentencesMax = 3;
constexpr std::size_t kCandidatesMax = 96;
constexpr std::size_t kSentenceBytesMax = 500;
constexpr std::size_t kSentenceBytesMin = 12;
/// Sense and words, as they are added up; and what is too far from the best.
constexpr double kWordsWeight = 0.5;
constexpr double kFarFromBest = 0.8;
constexpr double kScoreMin = 0.35;
/// A sentence that is farther away answers something else, whatever words it has.
constexpr double kSenseMin = 0.3;
/// Two sentences that share so many words say the same.
constexpr double kSame = 0.7;

struct Candidate {
  const Evidence* evidence = nullptr;
  Span span;
  std::string_view text;
  std::set<std::string> terms;
  double score = 0;
};

std::set<std::string> terms_of(std::string_view text) {
  std::set<std::string> terms;
  for (vector::QueryTerm& term : vector::query_terms(text, vector::Analysis::English)) {
    terms.insert(std::move(term.term));
  }
  return terms;
}

double share(const std::set<std::string>& wanted, const std::set<std::string>& there) {
  const auto count =
      std::ranges::count_if(wanted, [&](const std::string& term) { return there.contains(term); });
  return wanted.empty() ? 0 : static_cast<double>(count) / static_cast<double>(wanted.size());
}

std::vector<Candidate> candidates_in(std::span<const Evidence> evidence) {
  std::vector<Candidate> all;
  for (const Evidence& item : evidence) {
    for (const Span& span : sentences_of(item.text)) {
      const std::string_view text =
          std::string_view(item.text).substr(span.begin, span.end - span.begin);
      if (text.size() < kSentenceBytesMin || text.size() > kSentenceBytesMax ||
          reads_like_instructions(text) || all.size() == kCandidatesMax) {
        continue;
      }
      all.push_back({.evidence = &item, .span = span, .text = text, .terms = terms_of(text)});
    }
  }
  return all;
}

Status score_by_sense(const RequestContext& context, std::string_view question,
                      ai::Embedder& embedder, std::vector<Candidate>& candidates) {
  std::vector<std::string_view> texts = {question};
  for (const Candidate& candidate : candidates) {
    texts.push_back(candidate.text);
  }
  LH_ASSIGN_OR_RETURN(const ai::Embeddings embedded, embedder.embed(context, texts));
  if (embedded.size() != texts.size()) {
    return fail(ErrorCode::Internal, "a model gave another number of vectors than of texts");
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double sense = std::inner_product(embedded.row(0).begin(), embedded.row(0).end(),
                                            embedded.row(i + 1).begin(), 0.0);
    candidates[i].score = sense < kSenseMin ? 0 : candidates[i].score + sense;
  }
  return {};
}

}  // namespace

Result<std::vector<AnswerSentence>> extract_sentences(const RequestContext& context,
                                                      std::string_view question,
                                                      std::span<const Evidence> evidence,
                                                      ai::Embedder* embedder) {
  std::vector<Candidate> candidates = candidates_in(evidence);
  std::vector<AnswerSentence> chosen;
  if (candidates.empty()) {
    return chosen;
  }
  const std::set<std::string> wanted = terms_of(question);
  for (Candidate& candidate : candidates) {
    candidate.score = (embedder == nullptr ? 1 : kWordsWeight) * share(wanted, candidate.terms);
  }
  if (embedder != nullptr) {
    LH_RETURN_IF_ERROR(score_by_sense(context, question, *embedder, candidates));
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.score > b.score || (a.score == b.score && a.evidence->n < b.evidence->n) ||
           (a.score == b.score && a.evidence->n == b.evidence->n && a.span.begin < b.span.begin);
  });
  const double best = candidates.front().score;
  std::vector<const Candidate*> taken;
  for (const Candidate& candidate : candidates) {
    if (taken.size() == kSentencesMax || candidate.score < kScoreMin ||
        candidate.score < best * kFarFromBest) {
      break;
    }
    const bool is_said = std::ranges::any_of(taken, [&](const Candidate* other) {
      return share(candidate.terms, other->terms) >= kSame;
    });
    if (!is_said) {
      taken.push_back(&candidate);
      chosen.push_back({.text = std::string(candidate.text),
                        .citations = {{.n = candidate.evidence->n,
                                       .span = candidate.span,
                                       .quote = std::string(candidate.text),
                                       .support = 1}}});
    }
  }
  return chosen;
}

}  // namespace lakehouse::answer
