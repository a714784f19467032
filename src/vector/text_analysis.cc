#include "vector/text_analysis.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "vector/text/words.h"

namespace lakehouse::vector {

std::string_view to_string(Analysis analysis) {
  switch (analysis) {
    case Analysis::Plain: return "plain";
    case Analysis::English: return "english";
  }
  return "plain";
}

std::vector<TermAt> analyse(std::string_view text, Analysis analysis) {
  std::vector<TermAt> terms;
  WordReader reader(text);
  Stemmer stemmer(analysis);
  while (reader.next()) {
    const std::string_view term = stemmer.term(reader);
    if (!term.empty()) {
      terms.push_back({.term = std::string(term), .begin = reader.begin(), .end = reader.end()});
    }
  }
  return terms;
}

namespace {

bool has_small_letter(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

bool is_left_out(const WordReader& reader, std::string_view text, bool text_has_small) {
  if (!reader.has_stem()) {
    return false;
  }
  std::string word = reader.word();
  std::erase(word, '\'');
  if (!is_stop_word(word)) {
    return false;
  }
  const std::string_view written = text.substr(reader.begin(), reader.end() - reader.begin());
  return !text_has_small || written.size() < 2 || has_small_letter(written);
}

}  // namespace

std::vector<QueryTerm> query_terms(std::string_view text, Analysis analysis) {
  Stemmer stemmer(analysis);
  const bool text_has_small = has_small_letter(text);
  for (const bool leave_out : {analysis == Analysis::English, false}) {
    std::vector<QueryTerm> terms;
    std::unordered_map<std::string, std::size_t> places;
    WordReader reader(text);
    while (reader.next()) {
      const std::string_view term = stemmer.term(reader);
      if (term.empty() || (leave_out && is_left_out(reader, text, text_has_small))) {
        continue;
      }
      const auto [place, is_new] = places.try_emplace(std::string(term), terms.size());
      if (is_new) {
        terms.push_back({.term = place->first, .count = 1});
      } else {
        ++terms[place->second].count;
      }
    }
    if (!terms.empty() || !leave_out) {
      return terms;
    }
  }
  return {};
}

}  // namespace lakehouse::vector
