#include "cli/job_watch.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/calls.h"
#include "cli/display.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/report.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kBarWidth = 24;
constexpr std::size_t kEventMax = std::size_t{8} << 20U;
constexpr int kReconnectsMax = 120;  // In a row: a server may take its time to start.

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

double number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

bool is_over(const json::object& job) {
  const std::string state = text_of(job, "state");
  return state == "done" || state == "failed" || state == "cancelled";
}

/// The line that is drawn over and over.
class Line {
 public:
  ~Line() { clear(); }
  void draw(const json::object& job) {
    if (width_ > 0) {
      fmt::print(stderr, "\r\x1b[K{}", job_line(job, width_ - 1));
      std::fflush(stderr);
      visible_ = true;
    }
  }
  void clear() {
    if (visible_) {
      fmt::print(stderr, "\r\x1b[K");
      std::fflush(stderr);
      visible_ = false;
    }
  }

 private:
  const std::size_t width_ = terminal_width(STDERR_FILENO);
  bool visible_ = false;
};

/// Takes server-sent events apart; keeps the job of the last.
class Events {
 public:
  explicit Events(Line& line) : line_(line) {}

  bool take(std::string_view bytes) {
    rest_ += bytes;
    for (;;) {
      const std::size_t end = rest_.find('\n');
      if (end == std::string::npos) {
        return rest_.size() <= kEventMax;
      }
      constexpr std::string_view kData = "data: ";
      if (rest_.starts_with(kData)) {
        const auto job = parse_json(
            std::string_view(rest_).substr(kData.size(), end - kData.size()), "an event");
        if (job && job->is_object()) {
          job_ = job->get_object();
          line_.draw(*job_);
        }
      }
      rest_.erase(0, end + 1);
    }
  }
  [[nodiscard]] const std::optional<json::object>& job() const { return job_; }

 private:
  Line& line_;
  std::string rest_;
  std::optional<json::object> job_;
};

int interrupted(const std::string& id) {
  fmt::print(stderr, "The job goes on: lakehouse jobs watch {}\n", id);
  return kExitInterrupted;
}

}  // namespace

std::string job_line(const json::object& job, std::size_t width) {
  std::string line = text_of(job, "kind");
  const std::string subject = printable(text_of(job, "subject"));
  if (!subject.empty()) {
    line += " " + subject;
  }
  const double done = number_of(job, "done");
  const double total = number_of(job, "total");
  if (text_of(job, "state") == "queued") {
    line += "  queued";
  } else if (total > 0) {
    const double part = std::clamp(done / total, 0.0, 1.0);
    const auto filled = static_cast<std::size_t>(part * kBarWidth);
    line += fmt::format("  [{}{}] {:3.0f} %", std::string(filled, '#'),
                        std::string(kBarWidth - filled, '.'), part * 100);
  } else if (done > 0) {
    line += "  " + with_thousands(static_cast<std::uint64_t>(done));
  }
  const double rate = number_of(job, "rate");
  if (rate > 0) {
    line += rate >= 10 ? fmt::format("  {}/s", with_thousands(static_cast<std::uint64_t>(rate)))
                       : fmt::format("  {:.1f}/s", rate);
  }
  if (job.contains("eta_s") && job.at("eta_s").is_number()) {
    line += "  ETA " + human_seconds(number_of(job, "eta_s"));
  }
  const std::string message = printable(text_of(job, "message"));
  if (!message.empty()) {
    line += "  " + message;
  }
  return fit(line, width);
}

int print_ended(const json::object& job) {
  const std::string state = text_of(job, "state");
  fmt::print("{} {}\n", printable(text_of(job, "id")), state);
  if (const json::value* result = job.if_contains("result")) {
    fmt::print("{}\n", to_json(*result));
  }
  const json::value* error = job.if_contains("error");
  if (error != nullptr && error->is_object()) {
    fmt::print(stderr, "{}",
               describe(Problem{.status = 0,
                                .code = text_of(error->get_object(), "code"),
                                .detail = text_of(error->get_object(), "message"),
                                .hint = text_of(error->get_object(), "hint"),
                                .position_bytes = std::nullopt}));
  }
  return state == "done" ? kExitOk : kExitFailed;
}

int watch_job(HttpClient& client, const std::string& id, json::object* over) {
  const InterruptGuard guard;
  Line line;
  for (int failures = 0;;) {
    Events events(line);
    HttpRequest request;
    request.path = "/jobs/" + encode_path_segment(id) + "/events";
    const auto response =
        client.send(request, [&](std::string_view bytes) { return events.take(bytes); });
    if (guard.interrupted()) {
      line.clear();
      return interrupted(id);
    }
    if (response && !response->ok() && response->status != 503) {
      line.clear();
      return report(problem_of(*response));
    }
    if (events.job() && is_over(*events.job())) {
      line.clear();
      if (over != nullptr) {
        *over = *events.job();
        return text_of(*over, "state") == "done" ? kExitOk : kExitFailed;
      }
      return print_ended(*events.job());
    }
    failures = events.job() ? 0 : failures + 1;
    if (failures >= kReconnectsMax || (!response && failures == 1 && !events.job())) {
      line.clear();  // Nobody was there to begin with, or not for a long time.
      return response ? kExitUnreachable : report_no_answer(response.error());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

}  // namespace lakehouse::cli
