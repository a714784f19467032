#include "answer/schema_linking.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "vector/text_analysis.h"

namespace lakehouse::answer {
namespace {

using vector::Analysis;
using vector::TermAt;

constexpr std::size_t kWordsOfPhraseMax = 4;
constexpr std::size_t kPhraseCharsMax = 60;
constexpr double kNameWeight = 3;
constexpr double kColumnWeight = 1.5;
constexpr double kNoteWeight = 0.5;

/// What a term weighs for a table, by the best place where it stands.
std::map<std::string, double> weights_of(const SchemaTable& table) {
  std::map<std::string, double> out;
  const auto add = [&out](std::string_view text, double weight) {
    for (const std::string& term : terms_of(text)) {
      out[term] = std::max(out[term], weight);
    }
  };
  add(words_of_name(table.name), kNameWeight);
  add(table.description, kNoteWeight);
  for (const SchemaColumn& column : table.columns) {
    add(words_of_name(column.name), kColumnWeight);
    add(column.note, kNoteWeight);
  }
  return out;
}

/// "cars" and "categories" without their plural.
std::string singular(std::string name) {
  if (name.size() > 4 && name.ends_with("ies")) {
    return name.substr(0, name.size() - 3) + "y";
  }
  if (name.size() > 4 && (name.ends_with("sses") || name.ends_with("xes"))) {
    return name.substr(0, name.size() - 2);
  }
  if (name.size() > 2 && name.ends_with("s") && !name.ends_with("ss")) {
    name.pop_back();
  }
  return name;
}

const SchemaColumn* column_named(const SchemaTable& table, std::string_view name) {
  const auto found = std::ranges::find_if(
      table.columns, [&](const SchemaColumn& column) { return to_lower(column.name) == name; });
  return found == table.columns.end() ? nullptr : &*found;
}

struct Reference {
  const SchemaColumn* key = nullptr;  ///< Null: none.
  bool is_exact = false;              ///< The table is called as the column says.
};

/// The column of `to` that `column` of another table refers to: "car_id" to cars.id or cars.car_id,
/// "state_name" to state.state_name.
Reference referred(const SchemaColumn& column, const SchemaTable& to) {
  const std::string name = to_lower(column.name);
  for (const std::string_view suffix : {"_id", "_name", "_code", "_key", "_no", "_number"}) {
    if (!name.ends_with(suffix) || name.size() == suffix.size()) {
      continue;
    }
    const std::string subject = name.substr(0, name.size() - suffix.size());
    const std::string table = singular(to_lower(to.name));
    const bool is_exact = table == subject;
    const bool is_named = is_exact || (suffix == "_id" && table.ends_with("_" + subject));
    const SchemaColumn* key = column_named(to, name);
    if (key == nullptr && suffix == "_id") {
      key = column_named(to, "id");
    }
    // The table whose own key it is: others only carry it along.
    return is_named && key != nullptr && key->type == column.type ? Reference{key, is_exact}
                                                                  : Reference{};
  }
  return {};
}

}  // namespace

std::vector<std::string> value_phrases(std::string_view question, std::size_t count_max) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  const auto add = [&](std::string phrase) {
    if (!phrase.empty() && phrase.size() <= kPhraseCharsMax && seen.insert(phrase).second) {
      out.push_back(std::move(phrase));
    }
  };
  for (const char quote : {'\'', '"'}) {
    for (std::size_t at = question.find(quote); at != std::string_view::npos;) {
      const std::size_t end = question.find(quote, at + 1);
      if (end == std::string_view::npos) {
        break;
      }
      add(to_lower(question.substr(at + 1, end - at - 1)));
      at = question.find(quote, end + 1);
    }
  }
  const std::vector<TermAt> words = vector::analyse(question, Analysis::English);
  std::set<std::string> of_weight;
  for (auto& term : vector::query_terms(question, Analysis::English)) {
    of_weight.insert(std::move(term.term));
  }
  for (std::size_t count = kWordsOfPhraseMax; count >= 1; --count) {
    for (std::size_t i = 0; i + count <= words.size(); ++i) {
      const bool is_edge_weak =
          !of_weight.contains(words[i].term) || !of_weight.contains(words[i + count - 1].term);
      if (!is_edge_weak) {
        const std::size_t begin = words[i].begin;
        add(to_lower(question.substr(begin, words[i + count - 1].end - begin)));
      }
    }
  }
  if (out.size() > count_max) {
    // Values of one or two words are the most frequent ones: the longest go first.
    out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(count_max));
  }
  return out;
}

std::vector<double> lexical_scores(std::string_view question,
                                   const std::vector<SchemaTable>& tables) {
  std::vector<std::map<std::string, double>> weights;
  std::map<std::string, std::size_t> tables_with;
  for (const SchemaTable& table : tables) {
    weights.push_back(weights_of(table));
    for (const auto& [term, weight] : weights.back()) {
      ++tables_with[term];
    }
  }
  std::vector<double> scores(tables.size());
  for (const auto& term : vector::query_terms(question, Analysis::English)) {
    const auto with = tables_with.find(term.term);
    if (with == tables_with.end()) {
      continue;
    }
    const double rarity =
        std::log(1 + static_cast<double>(tables.size()) / static_cast<double>(with->second));
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const auto weight = weights[i].find(term.term);
      scores[i] += weight == weights[i].end() ? 0 : weight->second * rarity;
    }
  }
  return scores;
}

std::string words_of_name(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool is_upper = name[i] >= 'A' && name[i] <= 'Z';
    const bool after_lower = i > 0 && name[i - 1] >= 'a' && name[i - 1] <= 'z';
    if (is_upper && after_lower) {
      out += ' ';
    }
    out += name[i] == '_' ? ' ' : name[i];
  }
  return out;
}

std::set<std::string> terms_of(std::string_view text) {
  std::set<std::string> out;
  for (TermAt& term : vector::analyse(text, Analysis::English)) {
    out.insert(std::move(term.term));
  }
  return out;
}

std::string text_of_table(const SchemaTable& table) {
  std::string out = words_of_name(table.name) + ". " + table.description + " ";
  for (const SchemaColumn& column : table.columns) {
    out += words_of_name(column.name) + ", ";
  }
  return out;
}

bool says_more_than_names(std::string_view note, const SchemaTable& table,
                          const SchemaColumn& column) {
  static const std::set<std::string> kSaysNothing = terms_of(
      "primary foreign key unique uniquely identifier identifies table referencing references "
      "record row column value located belongs applicable another entry each");
  const std::set<std::string> names =
      terms_of(words_of_name(table.name) + " " + words_of_name(column.name));
  return std::ranges::any_of(vector::query_terms(note, Analysis::English), [&](const auto& term) {
    return !names.contains(term.term) && !kSaysNothing.contains(term.term);
  });
}

const SchemaColumn* naming_column(const SchemaTable& table) {
  const std::string subject = singular(to_lower(table.name));
  for (const SchemaColumn& column : table.columns) {
    std::string_view name = column.name;
    const std::string lower = to_lower(name);
    name = lower;
    if (name.starts_with(subject)) {
      name.remove_prefix(subject.size());
      name.remove_prefix(name.starts_with('_') ? 1 : 0);
    }
    if (name.empty() || name == "name" || name == "code" || name == "key" || name == "title") {
      return &column;
    }
  }
  return nullptr;
}

std::vector<ValueFound> values_by_relevance(std::string_view question,
                                            std::vector<ValueFound> values) {
  const auto words = [](std::string_view text) {
    return " " + words_of_name(to_lower(text)) + " ";
  };
  std::set<std::string> all;
  for (const ValueFound& found : values) {
    all.insert(words(found.value));
  }
  std::erase_if(values, [&](const ValueFound& found) {
    const std::string part = words(found.value);
    return std::ranges::any_of(all, [&](const std::string& whole) {
      return whole.size() > part.size() && whole.contains(part);
    });
  });
  const std::set<std::string> asked = terms_of(question);
  const auto is_asked = [&](std::string_view name) {
    return std::ranges::any_of(terms_of(words_of_name(name)),
                               [&](const std::string& term) { return asked.contains(term); });
  };
  std::vector<ValueFound> out;
  for (const int relevance : {3, 2, 1, 0}) {
    for (const ValueFound& found : values) {
      if ((is_asked(found.table) ? 2 : 0) + (is_asked(found.column) ? 1 : 0) == relevance) {
        out.push_back(found);
      }
    }
  }
  return out;
}

std::vector<LikelyJoin> likely_joins(const std::vector<SchemaTable>& tables) {
  std::vector<LikelyJoin> out;
  for (std::size_t from = 0; from < tables.size(); ++from) {
    for (const SchemaColumn& column : tables[from].columns) {
      std::optional<LikelyJoin> best;
      bool is_exact = false;
      for (std::size_t to = 0; to < tables.size() && !is_exact; ++to) {
        const Reference one = to == from ? Reference{} : referred(column, tables[to]);
        if (one.key != nullptr && (!best || one.is_exact)) {
          best = LikelyJoin{from, column.name, to, one.key->name};
          is_exact = one.is_exact;
        }
      }
      for (std::size_t to = 0; to < tables.size() && !best && !column.refers_to.empty(); ++to) {
        if (tables[to].dataset() == column.refers_to) {
          best = LikelyJoin{from, column.name, to, naming_column(tables[to])->name};
        }
      }
      if (best) {
        out.push_back(*std::move(best));
      }
    }
  }
  return out;
}

std::vector<SchemaTable> choose_tables(std::vector<SchemaTable> tables,
                                       const std::vector<double>& scores, std::size_t columns_max) {
  std::size_t columns = 0;
  for (const SchemaTable& table : tables) {
    columns += table.columns.size();
  }
  if (columns <= columns_max) {
    return tables;
  }
  const std::vector<LikelyJoin> joins = likely_joins(tables);
  std::set<std::size_t> chosen;
  std::size_t used = 0;
  const auto take = [&](std::size_t i) {
    if (used + tables[i].columns.size() <= columns_max || chosen.empty()) {
      if (chosen.insert(i).second) {
        used += tables[i].columns.size();
      }
    }
  };
  std::vector<std::size_t> order(tables.size());
  std::iota(order.begin(), order.end(), std::size_t{0});  // NOLINT(modernize-use-ranges)
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(-scores[i], i); });
  for (const std::size_t i : order) {
    if (scores[i] <= 0 && !chosen.empty()) {
      break;
    }
    take(i);
    // A table between two chosen ones is named by no question.
    std::map<std::size_t, std::size_t> neighbours;
    for (const LikelyJoin& join : joins) {
      if (chosen.contains(join.to_table) && !chosen.contains(join.from_table)) {
        ++neighbours[join.from_table];
      }
    }
    for (const auto& [table, count] : neighbours) {
      if (count >= 2) {
        take(table);
      }
    }
  }
  std::vector<SchemaTable> out;
  out.reserve(chosen.size());
  for (const std::size_t i : chosen) {
    out.push_back(std::move(tables[i]));
  }
  return out;
}

}  // namespace lakehouse::answer
