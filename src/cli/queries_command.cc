#include "cli/queries_command.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/calls.h"
#include "cli/display.h"
#include "cli/http_client.h"
#include "cli/report.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kSqlShown = 60;

/// A statement on one line, cut.
std::string one_line(std::string_view sql) {
  std::string line;
  for (const char c : sql) {
    const bool blank = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!blank || (!line.empty() && line.back() != ' ')) {
      line.push_back(blank ? ' ' : c);
    }
  }
  std::size_t size = std::min(line.size(), kSqlShown);
  while (size < line.size() && size > 0 &&
         (static_cast<unsigned char>(line[size]) & 0xC0U) == 0x80U) {
    --size;  // Not within a character.
  }
  return size < line.size() ? line.substr(0, size) + "..." : line;
}

void print_queries(json::array queries, const std::vector<std::string>& wanted, bool as_json) {
  if (!as_json) {
    for (json::value& query : queries) {
      json::object& row = query.as_object();
      row["sql"] = one_line(row["sql"].as_string());
      if (const json::value* progress = row.if_contains("progress")) {
        row["progress"] = fmt::format("{:.0f} %", progress->to_number<double>() * 100);
      }
    }
  }
  print_rows(queries, wanted, as_json);
}

int list(HttpClient& client, const QueriesOptions& options) {
  const Called answer = call(client, "GET", "/query/running");
  if (!answer) {
    return answer.error();
  }
  print_queries(answer->at("queries").as_array(),
                {"id", "principal", "state", "lane", "progress", "elapsed_ms", "attempts", "sql"},
                options.json);
  return kExitOk;
}

int log(HttpClient& client, const QueriesOptions& options) {
  std::string path = fmt::format("/query/log?limit={}", options.limit);
  if (!options.principal.empty()) {
    path += "&principal=" + encode_path_segment(options.principal);
  }
  if (options.failed) {
    path += "&failed=true";
  }
  const Called answer = call(client, "GET", path);
  if (!answer) {
    return answer.error();
  }
  print_queries(answer->at("queries").as_array(),
                {"id", "started", "principal", "code", "lane", "elapsed_ms", "rows", "scan_bytes",
                 "memory_peak_bytes", "sql"},
                options.json);
  return kExitOk;
}

int show(HttpClient& client, const QueriesOptions& options) {
  const Called answer = call(client, "GET", "/query/log/" + encode_path_segment(options.id));
  if (!answer) {
    return answer.error();
  }
  for (const auto& [name, value] : answer->as_object()) {
    fmt::print("{}: {}\n", std::string_view(name),
               printable(value.is_string() ? std::string(value.get_string()) : to_json(value)));
  }
  if (!options.plan) {
    return kExitOk;
  }
  const Called plan =
      call(client, "GET", "/query/log/" + encode_path_segment(options.id) + "/plan");
  if (!plan) {
    return plan.error();
  }
  fmt::print("\n{}", std::string_view(plan->at("plan").as_string()));
  return kExitOk;
}

int cancel(HttpClient& client, const QueriesOptions& options) {
  const Called answer = call(client, "DELETE", "/query/" + encode_path_segment(options.id));
  if (!answer) {
    return answer.error();
  }
  fmt::print("It does not run any more.\n");
  return kExitOk;
}

}  // namespace

int run_queries(const QueriesOptions& options) {
  const auto client = HttpClient::open(options.server);
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  switch (options.action) {
    case QueriesOptions::Action::List: return list(**client, options);
    case QueriesOptions::Action::Log: return log(**client, options);
    case QueriesOptions::Action::Show: return show(**client, options);
    case QueriesOptions::Action::Cancel: return cancel(**client, options);
  }
  return kExitUsage;
}

}  // namespace lakehouse::cli
