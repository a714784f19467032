#include "base/metrics.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lakehouse {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, AreWrittenInPrometheusFormat) {
  Metrics metrics;
  metrics.counter("requests_total", "Requests.", {{"route", "/a"}, {"note", "q\"u\\o\nte"}}).add(3);
  metrics.gauge("open", "Open.").set(-2);
  metrics.callback("asked", "Asked.", false, {}, [] { return 1.5; });
  Histogram& seconds = metrics.histogram("seconds", "Time.", {{"route", "/a"}}, {0.1, 1});
  seconds.observe(0.1);
  seconds.observe(0.5);
  seconds.observe(7);
  EXPECT_EQ(metrics.text(),
            "# HELP asked Asked.\n# TYPE asked gauge\nasked 1.5\n"
            "# HELP open Open.\n# TYPE open gauge\nopen -2\n"
            "# HELP requests_total Requests.\n# TYPE requests_total counter\n"
            "requests_total{route=\"/a\",note=\"q\\\"u\\\\o\\nte\"} 3\n"
            "# HELP seconds Time.\n# TYPE seconds histogram\n"
            "seconds_bucket{route=\"/a\",le=\"0.1\"} 1\nseconds_bucket{route=\"/a\",le=\"1\"} 2\n"
            "seconds_bucket{route=\"/a\",le=\"+Inf\"} 3\n"
            "seconds_sum{route=\"/a\"} 7.6\nseconds_count{route=\"/a\"} 3\n");
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  Metrics metrics;
  EXPECT_EQ(&metrics.counter("a", "A."), &metrics.counter("a", "A."));
  EXPECT_NE(&metrics.counter("a", "A.", {{"x", "1"}}), &metrics.counter("a", "A."));
  EXPECT_ANY_THROW(metrics.gauge("a", "A."));
}

TEST(Metrics, TooManyLabelsShareOneSeries) {
  Metrics metrics;
  for (int i = 0; i < 10'100; ++i) {
    metrics.counter("a", "A.", {{"i", std::to_string(i)}}).add();
  }
  EXPECT_THAT(metrics.text(), HasSubstr("a{overflow=\"true\"} 100\n"));
}

TEST(Metrics, CountFromManyThreads) {
  Metrics metrics;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        metrics.counter("a", "A.").add();
        metrics.histogram("h", "H.").observe(0.01);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(metrics.counter("a", "A.").value(), 4000U);
}

}  // namespace
}  // namespace lakehouse
