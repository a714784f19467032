#include "base/metrics.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace lakehouse {
namespace {

constexpr std::size_t kSeriesMax = 10'000;

std::string escape(std::string_view text, bool quotes) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\\\";
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '"' && quotes) {
      escaped += "\\\"";
    } else {
      escaped.push_back(c);
    }
  }
  return escaped;
}

std::string format_labels(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", name, escape(value, true));
  }
  return text;
}

std::string in_braces(const std::string& labels, std::string_view more = {}) {
  if (labels.empty() && more.empty()) {
    return {};
  }
  return fmt::format("{{{}{}{}}}", labels, labels.empty() || more.empty() ? "" : ",", more);
}

std::string number(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  return fmt::format("{}", value);
}

}  // namespace

struct Metrics::Family {
  struct Callback {
    std::function<double()> read;
  };
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> read;
  };
  std::string help;
  std::string type;
  std::map<std::string, Series> series;  // By the labels' text.

  Series& at(const Labels& labels) {
    std::string text = format_labels(labels);
    if (series.size() >= kSeriesMax && !series.contains(text)) {
      text = "overflow=\"true\"";
    }
    return series[std::move(text)];
  }
};

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::observe(double value) {
  const auto i =
      static_cast<std::size_t>(std::ranges::lower_bound(bounds_, value) - bounds_.begin());
  counts_[i].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<double> latency_bounds_s() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
}

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Metrics::Family& Metrics::family(std::string_view name, std::string_view help,
                                 std::string_view type) {
  const auto found = families_.find(name);
  if (found == families_.end()) {
    auto family = std::make_unique<Family>();
    family->help = help;
    family->type = type;
    return *families_.emplace(std::string(name), std::move(family)).first->second;
  }
  if (found->second->type != type) {
    throw std::logic_error(fmt::format("the metric {} has two types", name));
  }
  return *found->second;
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(mutex_);
  auto& series = family(name, help, "counter").at(labels);
  if (!series.counter) {
    series.counter = std::make_unique<Counter>();
  }
  return *series.counter;
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(mutex_);
  auto& series = family(name, help, "gauge").at(labels);
  if (!series.gauge) {
    series.gauge = std::make_unique<Gauge>();
  }
  return *series.gauge;
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, const Labels& labels,
                              std::vector<double> bounds) {
  const std::lock_guard lock(mutex_);
  auto& series = family(name, help, "histogram").at(labels);
  if (!series.histogram) {
    series.histogram = std::make_unique<Histogram>(std::move(bounds));
  }
  return *series.histogram;
}

void Metrics::callback(std::string_view name, std::string_view help, bool counter,
                       const Labels& labels, std::function<double()> read) {
  const std::lock_guard lock(mutex_);
  family(name, help, counter ? "counter" : "gauge").at(labels).read = std::move(read);
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const auto& [name, family] : families_) {
    text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escape(family->help, false), name,
                        family->type);
    for (const auto& [labels, series] : family->series) {
      if (series.read) {
        text += fmt::format("{}{} {}\n", name, in_braces(labels), number(series.read()));
      } else if (series.counter) {
        text += fmt::format("{}{} {}\n", name, in_braces(labels), series.counter->value());
      } else if (series.gauge) {
        text += fmt::format("{}{} {}\n", name, in_braces(labels), series.gauge->value());
      } else if (series.histogram) {
        const Histogram& histogram = *series.histogram;
        std::uint64_t count = 0;
        for (std::size_t i = 0; i <= histogram.bounds().size(); ++i) {
          count += histogram.bucket(i);
          const std::string bound =
              i < histogram.bounds().size() ? number(histogram.bounds()[i]) : "+Inf";
          text += fmt::format("{}_bucket{} {}\n", name,
                              in_braces(labels, fmt::format("le=\"{}\"", bound)), count);
        }
        text += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, in_braces(labels),
                            number(histogram.sum()), name, in_braces(labels), count);
      }
    }
  }
  return text;
}

}  // namespace lakehouse
