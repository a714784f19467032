#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"

/// \file
/// Questions with known answers, by which indexes and their settings are judged. Values.

namespace lakehouse::vector {

/// A right answer to a question.
struct EvalTruth {
  boost::json::value key;              ///< Of the source's row: a string or a whole number.
  std::optional<std::uint32_t> chunk;  ///< Nothing: any chunk of the row will do.
};

struct EvalQuery {
  std::string name;                ///< Unique in its set.
  std::string text = {};           ///< Or else:
  std::vector<float> vector = {};  ///< of the index's dimensions.
  /// What should be found. May be empty: then the query says how well the graph finds what an exact
  /// search would, and nothing about meaning.
  std::vector<EvalTruth> truth = {};
};

struct EvalSet {
  static constexpr std::size_t kQueriesMax = 10'000;
  static constexpr std::size_t kTruthsMax = 1'000;  ///< Of one query.
  static constexpr std::size_t kTextMax = std::size_t{64} << 10U;
  static constexpr std::size_t kDimensionsMax = 4'096;

  std::string name;  ///< [a-z0-9_-], 1 to 64.
  std::string index;
  std::string description = {};
  std::string made_by = "hand";  ///< "hand", "autogen", "log".
  std::string principal = {};
  std::int64_t created_at_ms = 0;
  std::vector<EvalQuery> queries = {};

  [[nodiscard]] std::size_t with_truth() const;  ///< Queries that have one.
};

/// InvalidArgument, naming what is wrong.
Status check(const EvalSet& set);

boost::json::object to_json(const EvalSet& set);
/// Without its queries: how many there are instead.
boost::json::object summary_json(const EvalSet& set);
/// What `to_json` wrote.
Result<EvalSet> eval_set_from_json(const boost::json::value& json);
/// The queries of a request: [{name?, text | vector, truth?: [{key, chunk?} | key]}].
Result<std::vector<EvalQuery>> eval_queries_from_json(const boost::json::array& json);

/// InvalidArgument unless it is [a-z0-9_-], 1 to 64 of them.
Status check_eval_name(std::string_view name);

/// A question out of a text: some words that follow each other, the same for the same `seed`.
[[nodiscard]] std::string question_from(std::string_view text, std::uint64_t seed);

/// The texts that a SQL statement searches `index` for: the literals in vector_search('index',
/// 'text'...) and hybrid_search.
[[nodiscard]] std::vector<std::string> searches_in(std::string_view sql, std::string_view index);

}  // namespace lakehouse::vector
