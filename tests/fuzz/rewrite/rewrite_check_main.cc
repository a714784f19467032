/// Random statements, with and without policies: the lake answers as plain DuckDB does on tables
/// that hold only what the principal may see.
///
///   rewrite_check [--cases N] [--seed N] [--jobs N] [--show N] [--statement SQL] [--verbose]
///                 [--canary]
///
/// The seed is printed; the same one makes the same statements. A failing statement is shortened
/// and printed, with the policies that it failed under. Ends with 1 if there was one. The canary's
/// policies have holes: it ends with 0 if they are found.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "checker.h"
#include "generator.h"
#include "mutator.h"
#include "query/testing/lake_fixture.h"
#include "tables.h"

namespace lakehouse::query::fuzz {
namespace {

constexpr std::size_t kCasesPerPolicy = 50;

struct Options {
  std::size_t cases = 5000;
  std::uint64_t seed = std::random_device{}();
  std::size_t jobs = 2;
  std::size_t shown_max = 10;  ///< Failures that are shortened and printed.
  std::optional<std::string> statement;
  bool verbose = false;
  bool canary = false;
};

/// What has been seen so far, of all threads.
class Tally {
 public:
  void add(bool has_policies, Verdict verdict) {
    const std::lock_guard lock(mutex_);
    ++counts_[{has_policies, verdict}];
  }
  void add_refusal(const std::string& message) {
    const std::lock_guard lock(mutex_);
    ++refusals_[message.substr(0, message.find('\n'))];
  }
  /// Nothing once enough has been shown.
  bool wants_more(std::size_t shown_max) {
    const std::lock_guard lock(mutex_);
    return ++failures_ <= shown_max;
  }

  void print(bool verbose) const {
    for (const bool has_policies : {false, true}) {
      std::string line;
      std::size_t all = 0;
      for (const auto& [key, count] : counts_) {
        if (key.first == has_policies) {
          all += count;
          line += fmt::format(", {} {}", count, to_string(key.second));
        }
      }
      fmt::print("{} policies: {} cases{}\n", has_policies ? "with" : "without", all, line);
    }
    std::size_t shown = 0;
    for (const auto& [message, count] : refusals_) {
      if (verbose && ++shown < 60) {
        fmt::print("  {} x {}\n", count, message);
      }
    }
  }
  [[nodiscard]] std::size_t count(Verdict verdict) const {
    std::size_t out = 0;
    for (const auto& [key, count] : counts_) {
      out += key.second == verdict ? count : 0;
    }
    return out;
  }
  [[nodiscard]] bool has_failed() const {
    return std::ranges::any_of(counts_,
                               [](const auto& entry) { return is_failure(entry.first.second); });
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<bool, Verdict>, std::size_t> counts_;
  std::map<std::string, std::size_t> refusals_;
  std::size_t failures_ = 0;
};

/// One lake for all threads; each has a peer of its own.
class Run {
 public:
  explicit Run(const Options& options)
      : options_(options), policies_(options.canary), lake_(service_options()) {
    for (const Table& table : tables()) {
      for (std::string step : table.history) {
        step.replace(step.find("{}"), 2, "");
        testing::value_or_throw(lake_.rows(step));
      }
    }
    for (const std::string& definition : definitions()) {
      testing::value_or_throw(lake_.rows(definition));
    }
  }

  void work(std::size_t thread) {
    Peer peer;
    for (std::size_t set = thread; set * kCasesPerPolicy < options_.cases; set += options_.jobs) {
      Dice dice(options_.seed * 1'000'003 + set);
      // The first of three sets sees everything.
      const PolicySet policies = set % 3 == 0 ? PolicySet() : random_policies(dice, set);
      const std::string principal = fmt::format("p{}", set);
      policies_.set(principal, policies);
      peer.show(principal, policies);
      Generator generator(dice, set % 3 == 2);
      Mutator mutator(dice, peer.engine());
      const std::size_t end = std::min(options_.cases, (set + 1) * kCasesPerPolicy);
      for (std::size_t i = set * kCasesPerPolicy; i < end; ++i) {
        const std::string sql = options_.statement ? *options_.statement
                                : dice.percent(45) ? generator.statement()
                                                   : mutator.statement(generator.statement());
        one(peer, principal, policies, sql, dice.percent(20));
      }
    }
  }

  Tally& tally() { return tally_; }

 private:
  QueryService::Options service_options() {
    QueryService::Options options;
    options.planner.policies = &policies_;
    return options;
  }

  void one(Peer& peer, const std::string& principal, const PolicySet& policies,
           const std::string& sql, bool also_by_another) {
    if (also_by_another) {
      // What is kept of one principal's statement must not be another's answer.
      (void)ask(lake_.service(), "admin", sql);
    }
    std::string detail;
    Verdict verdict = check(lake_.service(), peer, principal, policies, sql, &detail);
    if (options_.verbose && (verdict == Verdict::Refused || verdict == Verdict::BothFailed ||
                             verdict == Verdict::LateError)) {
      tally_.add_refusal(fmt::format("{}: {}", to_string(verdict), detail));
    }
    if (!policies.empty() && verdict == Verdict::Same && also_by_another) {
      verdict = explains(lake_.service(), peer, principal, sql, &detail);
    }
    tally_.add(!policies.empty(), verdict);
    if (verdict == Verdict::EndsDuckDb) {
      const std::lock_guard lock(print_mutex_);
      fmt::print("{}:\n  {}\n{}\n", to_string(verdict), sql, detail);
      std::fflush(stdout);
    }
    if (!is_failure(verdict) || !tally_.wants_more(options_.shown_max)) {
      return;
    }
    std::string shorter = sql;
    if (options_.shown_max > 0 && !options_.canary) {
      shorter = shrink(lake_.service(), peer, principal, policies, sql, verdict);
      (void)check(lake_.service(), peer, principal, policies, shorter, &detail);
    }
    const std::lock_guard lock(print_mutex_);
    fmt::print("{}:\n  {}\n{}\n  as generated: {}\n{}\n", to_string(verdict), shorter, detail, sql,
               policies.empty() ? "" : " policies:\n" + to_text(policies));
    std::fflush(stdout);
  }

  const Options& options_;
  FuzzPolicies policies_;
  testing::TestLake lake_;
  Tally tally_;
  std::mutex print_mutex_;
};

Options parse_options(const std::vector<std::string>& arguments) {
  Options out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    const std::string value = i + 1 < arguments.size() ? arguments[i + 1] : "";
    if (name == "--verbose" || name == "--canary") {
      (name == "--verbose" ? out.verbose : out.canary) = true;
      continue;
    }
    ++i;
    if (name == "--cases") {
      out.cases = std::stoull(value);
    } else if (name == "--seed") {
      out.seed = std::stoull(value);
    } else if (name == "--jobs") {
      out.jobs = std::stoull(value);
    } else if (name == "--show") {
      out.shown_max = std::stoull(value);
    } else if (name == "--statement") {
      out.statement = value;
    } else {
      throw std::invalid_argument("unknown option " + name);
    }
  }
  return out;
}

int run(const Options& options) {
  fmt::print("rewrite_check --seed {} --cases {}\n", options.seed, options.cases);
  std::fflush(stdout);
  const auto begin = std::chrono::steady_clock::now();
  Run run(options);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < options.jobs; ++i) {
      threads.emplace_back([&run, i] { run.work(i); });
    }
  }
  run.tally().print(options.verbose);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{:.0f} s, {:.1f} cases a second\n", took.count(),
             static_cast<double>(options.cases) / took.count());
  // A fuzzer whose statements all fail proves nothing.
  const std::size_t same = run.tally().count(Verdict::Same);
  if (!options.statement && same * 3 < options.cases) {
    fmt::print("only {} of {} statements were compared\n", same, options.cases);
    return 1;
  }
  const std::size_t late = run.tally().count(Verdict::LateError);
  if (late > 10 + options.cases / 100) {
    fmt::print("{} statements failed on one side while they ran: are hidden rows looked at?\n",
               late);
    return 1;
  }
  return run.tally().has_failed() == options.canary ? 0 : 1;
}

}  // namespace
}  // namespace lakehouse::query::fuzz

int main(int count, char** values) {
  try {
    return lakehouse::query::fuzz::run(
        lakehouse::query::fuzz::parse_options({values + 1, values + count}));
  } catch (const std::exception& error) {
    fmt::print(stderr, "rewrite_check: {}\n", error.what());
    return 2;
  }
}
