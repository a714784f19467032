#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "catalog/schema_diff.h"
#include "iceberg/type_mapping.h"

/// \file
/// How good renames are found, measured on tests/data/renames.

namespace lakehouse::catalog {
namespace {

namespace json = boost::json;

std::vector<json::value> read_lines(const std::string& name) {
  std::ifstream in(std::string(LAKEHOUSE_SOURCE_DIR "/tests/data/renames/") + name);
  std::vector<json::value> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(parse_json(line, name).value());
  }
  return lines;
}

std::string text_of(const json::value& value) {
  return std::string(value.as_string());
}

std::vector<DiffColumn> columns_of(const json::value& list) {
  std::vector<DiffColumn> columns;
  for (const json::value& one : list.as_array()) {
    const json::object& object = one.as_object();
    std::int32_t next_id = 1;
    std::vector<std::optional<std::string>> values;
    for (const json::value& value : object.at("values").as_array()) {
      values.push_back(value.is_null() ? std::nullopt : std::optional(text_of(value)));
    }
    columns.push_back(
        {.name = text_of(object.at("name")),
         .type = iceberg::type_from_duckdb(text_of(object.at("type")), next_id).value(),
         .required = false,
         .field_id = 0,
         .values = sketch_of(values)});
  }
  return columns;
}

struct Guess {
  double confidence;
  bool right;
  std::string what;
};

struct Figures {
  std::size_t pairs = 0;
  std::size_t truths = 0;
  std::size_t split_truths = 0;
  std::vector<Guess> renames;  ///< The surest first.
  std::vector<Guess> splits;

  /// Of the guesses at least so sure: how many are right, and how many of the truths they are.
  [[nodiscard]] std::pair<double, double> at(double confidence) const {
    const auto sure = [&](const Guess& guess) { return guess.confidence >= confidence; };
    const auto guessed = std::ranges::count_if(renames, sure);
    const auto right = std::ranges::count_if(
        renames, [&](const Guess& guess) { return sure(guess) && guess.right; });
    return {guessed == 0 ? 1.0 : static_cast<double>(right) / static_cast<double>(guessed),
            static_cast<double>(right) / static_cast<double>(truths)};
  }
  /// The best precision among the cuts with at least so much recall.
  [[nodiscard]] double precision_at_recall(double wanted) const {
    double best = 0;
    for (const Guess& guess : renames) {
      const auto [precision, recall] = at(guess.confidence);
      best = recall >= wanted ? std::max(best, precision) : best;
    }
    return best;
  }
};

Figures measure(const std::string& file) {
  Figures figures;
  for (const json::value& line : read_lines(file)) {
    const json::object& pair = line.as_object();
    const std::vector<DiffColumn> before = columns_of(pair.at("before"));
    const std::vector<DiffColumn> after = columns_of(pair.at("after"));
    const SchemaDiff diff = diff_schemas(before, after);
    ++figures.pairs;
    std::set<std::pair<std::string, std::string>> truths;
    for (const json::value& one : pair.at("renames").as_array()) {
      truths.emplace(text_of(one.at(0)), text_of(one.at(1)));
    }
    figures.truths += truths.size();
    std::set<std::pair<std::string, std::string>> missed = truths;
    const std::string domain = text_of(pair.at("domain"));
    for (const auto* list : {&diff.renamed, &diff.unclear}) {
      for (const Rename& rename : *list) {
        const bool right = truths.contains({rename.from, rename.to});
        missed.erase({rename.from, rename.to});
        std::string what = fmt::format("{}: {} -> {}", domain, rename.from, rename.to);
        for (const Evidence& one : rename.evidence) {
          what += fmt::format(" [{} {:+.1f} {}]", one.kind, one.weight, one.detail);
        }
        figures.renames.push_back({rename.confidence, right, std::move(what)});
      }
    }
    for (const auto& [from, to] : missed) {
      figures.renames.push_back({0, true, fmt::format("{}: {} -> {} (missed)", domain, from, to)});
    }
    std::set<std::pair<std::string, std::size_t>> splits;
    for (const char* key : {"splits", "merges"}) {
      for (const json::value& one : pair.at(key).as_array()) {
        splits.emplace(text_of(one.at("whole")), one.at("parts").as_array().size());
      }
    }
    figures.split_truths += splits.size();
    for (const Split& split : diff.splits) {
      figures.splits.push_back(
          {split.confidence, splits.contains({split.whole, split.parts.size()}),
           fmt::format("{}: {} of {} parts", domain, split.whole, split.parts.size())});
    }
  }
  std::ranges::sort(figures.renames, std::ranges::greater(), &Guess::confidence);
  return figures;
}

void print(const std::string& file, const Figures& figures) {
  const auto [precision, recall] = figures.at(kRenameSure);
  const auto right = std::ranges::count(figures.splits, true, &Guess::right);
  std::cout << fmt::format(
      "{}: {} pairs of files, {} renames; what is called sure: precision {:.3f}, recall {:.3f}; "
      "precision at recall 0.8: {:.3f}; splits: {} of {} found, {} wrong\n",
      file, figures.pairs, figures.truths, precision, recall, figures.precision_at_recall(0.8),
      right, figures.split_truths, static_cast<std::ptrdiff_t>(figures.splits.size()) - right);
  if (std::getenv("RENAMES_VERBOSE") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
    for (const auto* list : {&figures.renames, &figures.splits}) {
      for (const Guess& guess : *list) {
        if (guess.right != (guess.confidence >= kRenameSure)) {
          std::cout << fmt::format("  {:.2f} {} {}\n", guess.confidence,
                                   guess.right ? "missed" : "wrong ", guess.what);
        }
      }
    }
  }
}

TEST(RenameSet, HeldOutFilesReachTheWantedPrecisionAndRecall) {
  const Figures figures = measure("heldout.ndjson");
  print("heldout", figures);
  EXPECT_GE(figures.pairs, 60U);
  EXPECT_GE(figures.precision_at_recall(0.8), 0.95);
  const auto [precision, recall] = figures.at(kRenameSure);
  EXPECT_GE(precision, 0.95);
  EXPECT_GE(recall, 0.8);
  const auto right = std::ranges::count(figures.splits, true, &Guess::right);
  EXPECT_GE(static_cast<double>(right), 0.8 * static_cast<double>(figures.split_truths));
  EXPECT_GE(static_cast<double>(right), 0.9 * static_cast<double>(figures.splits.size()));
}

TEST(RenameSet, TuningFilesDoNotFallBack) {
  const Figures figures = measure("tuning.ndjson");
  print("tuning", figures);
  EXPECT_GE(figures.precision_at_recall(0.8), 0.95);
}

}  // namespace
}  // namespace lakehouse::catalog
