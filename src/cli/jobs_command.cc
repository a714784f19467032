#include "cli/jobs_command.h"

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/calls.h"
#include "cli/display.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/job_watch.h"
#include "cli/report.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

std::string path_of(const JobsOptions& options) {
  return "/jobs/" + encode_path_segment(options.id);
}

std::string share_done(const json::object& job) {
  const json::value& total = job.at("total");
  const double done = job.at("done").to_number<double>();
  if (!total.is_number()) {
    return done == 0 ? "" : with_thousands(static_cast<std::uint64_t>(done));
  }
  return fmt::format("{:.0f} %", done * 100 / total.to_number<double>());
}

int list(HttpClient& client, const JobsOptions& options) {
  std::string path = fmt::format("/jobs?limit={}", options.limit);
  for (const auto& [name, value] :
       {std::pair<std::string_view, const std::string&>{"state", options.state},
        {"kind", options.kind}}) {
    if (!value.empty()) {
      path += fmt::format("&{}={}", name, encode_path_segment(value));
    }
  }
  const Called answer = call(client, "GET", path);
  if (!answer) {
    return answer.error();
  }
  json::array jobs = answer->at("jobs").as_array();
  if (!options.json) {
    for (json::value& job : jobs) {
      json::object& row = job.as_object();
      row["progress"] = share_done(row);
      if (row.at("eta_s").is_number()) {
        row["eta"] = human_seconds(row.at("eta_s").to_number<double>());
      }
      if (row.at("error").is_object()) {
        row["message"] = row.at("error").at("message");
      }
    }
  }
  print_rows(
      jobs,
      {"id", "kind", "subject", "principal", "state", "progress", "eta", "created", "message"},
      options.json);
  return kExitOk;
}

int show(HttpClient& client, const JobsOptions& options) {
  const Called answer = call(client, "GET", path_of(options));
  if (!answer) {
    return answer.error();
  }
  if (options.json) {
    fmt::print("{}\n", to_json(*answer));
    return kExitOk;
  }
  for (const auto& member : answer->as_object()) {
    if (!member.value().is_null()) {
      const json::string* text = member.value().if_string();
      fmt::print("{:<17} {}\n", std::string_view(member.key()),
                 text != nullptr ? printable(std::string_view(*text)) : to_json(member.value()));
    }
  }
  return kExitOk;
}

int cancel(HttpClient& client, const JobsOptions& options) {
  const Called answer = call(client, "DELETE", path_of(options));
  if (!answer) {
    return answer.error();
  }
  const std::string state(answer->at("state").as_string());
  fmt::print("{}\n", state == "running" ? "It has been told to stop." : "It is " + state + ".");
  return kExitOk;
}

}  // namespace

int run_jobs(const JobsOptions& options) {
  const auto client = HttpClient::open(options.server, InterruptGuard::flag());
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  switch (options.action) {
    case JobsOptions::Action::List: return list(**client, options);
    case JobsOptions::Action::Show: return show(**client, options);
    case JobsOptions::Action::Watch: return watch_job(**client, options.id);
    case JobsOptions::Action::Cancel: return cancel(**client, options);
  }
  return kExitUsage;
}

}  // namespace lakehouse::cli
