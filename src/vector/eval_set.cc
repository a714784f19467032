#include "vector/eval_set.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::vector {
namespace {

namespace json = boost::json;

constexpr std::size_t kNameMax = 64;
constexpr std::size_t kQueryNameMax = 200;
constexpr std::size_t kWordsMin = 6;
constexpr std::size_t kWordsMax = 14;

std::unexpected<Error> invalid(std::string message, std::string hint = {}) {
  return fail(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
}

Status check_key(const json::value& key) {
  return key.is_string() || key.is_int64() ? Status()
                                           : invalid("a key is a string or a whole number");
}

Result<EvalTruth> truth_of(const json::value& value) {
  EvalTruth truth;
  if (!value.is_object()) {
    truth.key = value;
    LH_RETURN_IF_ERROR(check_key(truth.key));
    return truth;
  }
  JsonFields fields(value.get_object(), "a query's truth");
  const json::value* key = fields.optional_value("key");
  if (key == nullptr) {
    return invalid("a query's truth has no key");
  }
  truth.key = *key;
  LH_RETURN_IF_ERROR(check_key(truth.key));
  LH_ASSIGN_OR_RETURN(const auto chunk, fields.optional_int64("chunk"));
  if (chunk && (*chunk < 0 || *chunk > 1'000'000)) {
    return invalid("a chunk is numbered from 0 on");
  }
  if (chunk) {
    truth.chunk = static_cast<std::uint32_t>(*chunk);
  }
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return truth;
}

Result<std::vector<float>> vector_of(const json::array& array) {
  if (array.size() > EvalSet::kDimensionsMax) {
    return invalid(fmt::format("a vector has at most {} numbers", EvalSet::kDimensionsMax));
  }
  std::vector<float> vector;
  for (const json::value& number : array) {
    const float value =
        number.is_number() ? static_cast<float>(number.to_number<double>()) : std::nanf("");
    if (!std::isfinite(value)) {
      return invalid("a vector is a list of numbers");
    }
    vector.push_back(value);
  }
  return vector;
}

Result<EvalQuery> query_of(const json::value& value, std::size_t place) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a query"));
  EvalQuery query;
  LH_ASSIGN_OR_RETURN(const auto name, fields.optional_string("name"));
  query.name = name.value_or(fmt::format("q{}", place + 1));
  LH_ASSIGN_OR_RETURN(const auto text, fields.optional_string("text"));
  query.text = text.value_or("");
  LH_ASSIGN_OR_RETURN(const json::array* vector, fields.optional_array("vector"));
  if (vector != nullptr) {
    LH_ASSIGN_OR_RETURN(query.vector, vector_of(*vector));
  }
  LH_ASSIGN_OR_RETURN(const json::array* truth, fields.optional_array("truth"));
  if (truth != nullptr) {
    for (const json::value& one : *truth) {
      LH_ASSIGN_OR_RETURN(EvalTruth known, truth_of(one));
      query.truth.push_back(std::move(known));
    }
  }
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return query;
}

json::object query_json(const EvalQuery& query) {
  json::object object{{"name", query.name}};
  if (!query.text.empty()) {
    object["text"] = query.text;
  }
  if (!query.vector.empty()) {
    object["vector"] = json::array(query.vector.begin(), query.vector.end());
  }
  if (!query.truth.empty()) {
    json::array truths;
    for (const EvalTruth& truth : query.truth) {
      json::object one{{"key", truth.key}};
      if (truth.chunk) {
        one["chunk"] = *truth.chunk;
      }
      truths.push_back(std::move(one));
    }
    object["truth"] = std::move(truths);
  }
  return object;
}

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/// A literal in single quotes at `at`; nothing if there is none. `at` is then behind it.
std::optional<std::string> literal_at(std::string_view sql, std::size_t* at) {
  std::size_t i = *at;
  while (i < sql.size() && (is_blank(sql[i]) || sql[i] == ',')) {
    ++i;
  }
  if (i >= sql.size() || sql[i] != '\'') {
    return std::nullopt;
  }
  std::string text;
  for (++i; i < sql.size(); ++i) {
    if (sql[i] != '\'') {
      text.push_back(sql[i]);
    } else if (i + 1 < sql.size() && sql[i + 1] == '\'') {
      text.push_back(sql[i++]);
    } else {
      *at = i + 1;
      return text;
    }
  }
  return std::nullopt;
}

}  // namespace

std::size_t EvalSet::with_truth() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(queries, [](const EvalQuery& query) { return !query.truth.empty(); }));
}

Status check_eval_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  if (name.empty() || name.size() > kNameMax ||
      name.find_first_not_of(kAllowed) != std::string_view::npos) {
    return invalid(fmt::format("'{}' cannot name an eval set", as_utf8(name.substr(0, kNameMax))),
                   "Names are 1 to 64 of a-z, 0-9, _ and -.");
  }
  return {};
}

Status check(const EvalSet& set) {
  LH_RETURN_IF_ERROR(check_eval_name(set.name));
  if (set.queries.empty() || set.queries.size() > EvalSet::kQueriesMax) {
    return invalid(fmt::format("an eval set has 1 to {} queries", EvalSet::kQueriesMax));
  }
  std::set<std::string_view> names;
  for (const EvalQuery& query : set.queries) {
    if (query.name.empty() || query.name.size() > kQueryNameMax) {
      return invalid(fmt::format("a query's name has 1 to {} bytes", kQueryNameMax));
    }
    if (!names.insert(query.name).second) {
      return invalid(fmt::format("two queries are named '{}'", query.name));
    }
    if (query.text.empty() == query.vector.empty()) {
      return invalid(fmt::format("the query '{}' needs either a text or a vector", query.name));
    }
    if (query.text.size() > EvalSet::kTextMax) {
      return invalid(fmt::format("the text of '{}' is longer than 64 KiB", query.name));
    }
    if (query.truth.size() > EvalSet::kTruthsMax) {
      return invalid(
          fmt::format("the query '{}' has more than {} truths", query.name, EvalSet::kTruthsMax));
    }
  }
  return {};
}

json::object summary_json(const EvalSet& set) {
  return {{"name", set.name},
          {"index", set.index},
          {"description", set.description},
          {"made_by", set.made_by},
          {"principal", set.principal},
          {"created_at_ms", set.created_at_ms},
          {"query_count", set.queries.size()},
          {"with_truth", set.with_truth()}};
}

json::object to_json(const EvalSet& set) {
  json::object object = summary_json(set);
  json::array queries;
  for (const EvalQuery& query : set.queries) {
    queries.push_back(query_json(query));
  }
  object["queries"] = std::move(queries);
  return object;
}

Result<std::vector<EvalQuery>> eval_queries_from_json(const json::array& array) {
  if (array.size() > EvalSet::kQueriesMax) {
    return invalid(fmt::format("an eval set has 1 to {} queries", EvalSet::kQueriesMax));
  }
  std::vector<EvalQuery> queries;
  for (std::size_t i = 0; i < array.size(); ++i) {
    LH_ASSIGN_OR_RETURN(EvalQuery query, query_of(array[i], i));
    queries.push_back(std::move(query));
  }
  return queries;
}

Result<EvalSet> eval_set_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "the eval set"));
  EvalSet set;
  LH_ASSIGN_OR_RETURN(set.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(set.index, fields.require_string("index"));
  LH_ASSIGN_OR_RETURN(set.description, fields.require_string("description"));
  LH_ASSIGN_OR_RETURN(set.made_by, fields.require_string("made_by"));
  LH_ASSIGN_OR_RETURN(set.principal, fields.require_string("principal"));
  LH_ASSIGN_OR_RETURN(set.created_at_ms, fields.require_int64("created_at_ms"));
  LH_ASSIGN_OR_RETURN(const json::array* queries, fields.require_array("queries"));
  LH_ASSIGN_OR_RETURN(set.queries, eval_queries_from_json(*queries));
  LH_RETURN_IF_ERROR(check(set));
  return set;
}

std::string question_from(std::string_view text, std::uint64_t seed) {
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < text.size();) {
    while (i < text.size() && is_blank(text[i])) {
      ++i;
    }
    const std::size_t begin = i;
    while (i < text.size() && !is_blank(text[i])) {
      ++i;
    }
    if (i > begin) {
      words.push_back(text.substr(begin, i - begin));
    }
  }
  std::mt19937_64 dice(seed);
  const std::size_t wanted = kWordsMin + dice() % (kWordsMax - kWordsMin + 1);
  const std::size_t count = std::min(wanted, words.size());
  const std::size_t first = words.size() > count ? dice() % (words.size() - count + 1) : 0;
  std::string question;
  for (std::size_t i = first; i < first + count; ++i) {
    question += (question.empty() ? "" : " ");
    question += words[i];
  }
  return question.size() <= EvalSet::kTextMax ? question : std::string();
}

std::vector<std::string> searches_in(std::string_view sql, std::string_view index) {
  const std::string lower = to_lower(sql);
  std::vector<std::string> texts;
  for (const std::string_view function : {"vector_search", "hybrid_search"}) {
    for (std::size_t at = lower.find(function); at != std::string::npos;
         at = lower.find(function, at + 1)) {
      std::size_t next = at + function.size();
      while (next < sql.size() && is_blank(sql[next])) {
        ++next;
      }
      if (next >= sql.size() || sql[next] != '(') {
        continue;
      }
      ++next;
      const auto name = literal_at(sql, &next);
      const auto text = name == index ? literal_at(sql, &next) : std::nullopt;
      if (text && !text->empty() && text->size() <= EvalSet::kTextMax) {
        texts.push_back(*text);
      }
    }
  }
  return texts;
}

}  // namespace lakehouse::vector
