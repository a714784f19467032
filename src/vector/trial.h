#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "vector/index_spec.h"

/// \file
/// Trials: a graph built with some settings and searched with an eval set. Values.

namespace lakehouse::vector {

/// The settings that are tried: every combination.
struct TrialGrid {
  static constexpr std::size_t kBuildsMax = 64;
  static constexpr std::size_t kTrialsMax = 1'000;

  std::vector<std::uint32_t> m = {8, 16, 32};
  std::vector<std::uint32_t> ef_construction = {100, 200};
  std::vector<std::uint32_t> ef_search = {32, 64, 128, 256};
  std::vector<std::string> quantization = {"int8"};
  std::vector<std::uint64_t> seed = {1};

  /// One for each graph that must be built, with the first `ef_search`.
  [[nodiscard]] std::vector<GraphSettings> builds() const;
};

struct TrialSpec {
  std::string index;
  std::string eval_set;
  std::uint32_t k = 10;
  TrialGrid grid;
  std::uint32_t threads = 0;  ///< That build a graph; searches are timed on one. 0: all cores.
};

/// InvalidArgument, naming what is wrong.
Status check(const TrialSpec& spec);
boost::json::object to_json(const TrialSpec& spec);
/// A request's body, or what `to_json` wrote.
Result<TrialSpec> trial_spec_from_json(const boost::json::value& json);

/// What came out: one line of the journal.
struct Trial {
  std::string id = {};  ///< "<job>-<number>".
  std::string job_id;
  std::string principal;
  std::int64_t at_ms = 0;
  std::string index;
  std::int64_t generation = 0;
  std::int64_t embeddings_snapshot_id = 0;
  std::string eval_set;
  std::uint32_t k = 0;
  GraphSettings graph;
  std::int64_t queries = 0;
  std::int64_t rows = 0;
  std::uint32_t dimensions = 0;
  double recall = 0;      ///< Of what an exact search finds, the share in the k found: the mean.
  double recall_min = 0;  ///< The worst query's.
  std::optional<double> relevance = {};  ///< The same of the queries' truths, where there are any.
  double latency_us = 0;                 ///< The median of one search, on one thread.
  double latency_p95_us = 0;
  double searches_per_s = 0;
  double build_s = 0;
  std::uint64_t memory_bytes = 0;
};

boost::json::object to_json(const Trial& trial);
Result<Trial> trial_from_json(const boost::json::value& json);

enum class BestBy : std::uint8_t { Recall, Latency, Pareto };
Result<BestBy> best_by_from(std::string_view name);

/// Recall: the most, of equals the fastest. Latency: the fastest of those with `recall_min`, or, if
/// there is none, nothing. Pareto: all that no other beats in both, by rising recall.
[[nodiscard]] std::vector<Trial> best_of(const std::vector<Trial>& trials, BestBy by,
                                         double recall_min);

}  // namespace lakehouse::vector
