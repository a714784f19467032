#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lakehouse {

/// Only grows. Thread-safe, lock-free.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down. Thread-safe, lock-free.
class Gauge {
 public:
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Counts observations into buckets by their upper bounds. Thread-safe, lock-free.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);

  [[nodiscard]] const std::vector<double>& bounds() const { return bounds_; }
  /// How many fell into bucket `i`, not cumulated; the last one has no bound.
  [[nodiscard]] std::uint64_t bucket(std::size_t i) const {
    return counts_[i].load(std::memory_order_relaxed);
  }
  [[nodiscard]] double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;  ///< Ascending.
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

/// From a millisecond to five minutes, in seconds.
std::vector<double> latency_bounds_s();

using Labels = std::vector<std::pair<std::string, std::string>>;

/// The process's metrics, by name and labels, written out in Prometheus' text format.
///
/// Thread-safe. What it gives stays valid as long as it lives: look a metric up once and keep the
/// reference where that matters. Labels must come from closed sets (routes, statuses, kinds), not
/// from requests: each combination lives for ever, and past 10,000 of a name all share one that is
/// labelled "overflow".
class Metrics {
 public:
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {},
                       std::vector<double> bounds = latency_bounds_s());
  /// A value that is asked for at each scrape. `read` must be thread-safe and quick, and outlive
  /// every scrape. `counter` says that it only grows.
  void callback(std::string_view name, std::string_view help, bool counter, const Labels& labels,
                std::function<double()> read);

  /// Prometheus' text format 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  struct Family;
  Family& family(std::string_view name, std::string_view help, std::string_view type);

  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;

 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
};

}  // namespace lakehouse
