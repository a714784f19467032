#include "cli/datasets_command.h"

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/display.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/table.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

/// A failed call: what was printed about it, as an exit code.
using Called = std::expected<json::value, int>;

Called call(HttpClient& client, const std::string& method, const std::string& path) {
  HttpRequest request;
  request.method = method;
  request.path = path;
  const Result<HttpResponse> response = client.send(request);
  if (!response) {
    return std::unexpected(report_no_answer(response.error()));
  }
  if (!response->ok()) {
    return std::unexpected(report(problem_of(*response)));
  }
  if (response->body.empty()) {
    return json::value();
  }
  Result<json::value> answer = parse_json(response->body, "the server's answer");
  if (!answer) {
    return std::unexpected(report_no_answer(answer.error()));
  }
  return std::move(*answer);
}

Cell cell_of(const json::value* value) {
  if (value == nullptr || value->is_null()) {
    return {};
  }
  if (value->is_string()) {
    return {.kind = Cell::Kind::Text, .text = std::string(value->as_string())};
  }
  const Cell::Kind kind = value->is_number() ? Cell::Kind::Number
                          : value->is_bool() ? Cell::Kind::Bool
                                             : Cell::Kind::Nested;
  return {.kind = kind, .text = to_json(*value)};
}

// One column a member, in the order of `wanted`, without those that no row has.
Answer table_of(const json::array& rows, const std::vector<std::string>& wanted) {
  Answer answer;
  answer.rows.resize(rows.size());
  for (const std::string& name : wanted) {
    std::vector<Cell> cells;
    bool any = false;
    for (const json::value& row : rows) {
      const json::value* member = row.is_object() ? row.as_object().if_contains(name) : nullptr;
      cells.push_back(cell_of(member));
      any = any || cells.back().kind != Cell::Kind::Null;
    }
    if (!any) {
      continue;
    }
    answer.columns.push_back({.name = name, .type = {}});
    for (std::size_t at = 0; at < rows.size(); ++at) {
      answer.rows[at].push_back(std::move(cells[at]));
    }
  }
  return answer;
}

int list(HttpClient& client, const DatasetsOptions& options) {
  json::array all;
  std::string path = "/datasets?limit=1000";
  while (true) {
    Called page = call(client, "GET", path);
    if (!page) {
      return page.error();
    }
    const json::object* members = page->if_object();
    const json::value* datasets = members == nullptr ? nullptr : members->if_contains("datasets");
    if (datasets == nullptr || !datasets->is_array()) {
      fmt::print(stderr, "error: the server's answer lists no datasets\n");
      return kExitFailed;
    }
    for (const json::value& dataset : datasets->as_array()) {
      all.push_back(dataset);
    }
    const json::value* next = members->if_contains("next_page_token");
    if (next == nullptr || !next->is_string() || next->as_string().empty()) {
      break;
    }
    path = "/datasets?limit=1000&page_token=" +
           encode_path_segment(std::string_view(next->as_string()));
  }
  if (options.json) {
    fmt::print("{}\n", to_json(all));
    return kExitOk;
  }
  const Answer answer = table_of(
      all, {"name", "rows", "files", "size_bytes", "column_count", "bucket", "updated_at"});
  fmt::print("{}{}", render_table(answer, terminal_width(STDOUT_FILENO)),
             render_summary(answer, false));
  return kExitOk;
}

int show(HttpClient& client, const DatasetsOptions& options) {
  const Called dataset = call(client, "GET", "/datasets/" + encode_path_segment(options.name));
  if (!dataset) {
    return dataset.error();
  }
  if (options.json || !dataset->is_object()) {
    fmt::print("{}\n", to_json(*dataset));
    return kExitOk;
  }
  const json::object& members = dataset->as_object();
  for (const auto& [name, value] : members) {
    if (!value.is_array() && !value.is_object() && !value.is_null()) {
      fmt::print("{}: {}\n", printable(std::string_view(name)), printable(cell_of(&value).text));
    }
  }
  const json::value* columns = members.if_contains("columns");
  if (columns != nullptr && columns->is_array()) {
    const Answer answer =
        table_of(columns->as_array(), {"id", "name", "sql_type", "type", "required", "doc"});
    fmt::print("\n{}", render_table(answer, terminal_width(STDOUT_FILENO)));
  }
  return kExitOk;
}

bool confirmed(const std::string& name, bool purge) {
  fmt::print("Drop {}{}? [y/N] ", name, purge ? " and delete its files" : "");
  std::fflush(stdout);
  std::string reply;
  std::getline(std::cin, reply);
  return to_lower(reply) == "y" || to_lower(reply) == "yes";
}

int drop(HttpClient& client, const DatasetsOptions& options) {
  const std::string path = "/datasets/" + encode_path_segment(options.name);
  // A delete of nothing succeeds; who names a dataset wants to know that it is not there.
  if (const Called there = call(client, "GET", path); !there) {
    return there.error();
  }
  if (!options.yes) {
    if (::isatty(STDIN_FILENO) == 0) {
      fmt::print(stderr, "error: nobody is there to confirm it\nhint: Add --yes.\n");
      return kExitUsage;
    }
    if (!confirmed(options.name, options.purge)) {
      fmt::print("nothing was dropped\n");
      return kExitFailed;
    }
  }
  const Called dropped = call(client, "DELETE", path + (options.purge ? "?purge=true" : ""));
  if (!dropped) {
    return dropped.error();
  }
  if (!options.json) {
    fmt::print("dropped {}\n", options.name);
  }
  return kExitOk;
}

}  // namespace

int run_datasets(const DatasetsOptions& options) {
  const Result<std::unique_ptr<HttpClient>> client = HttpClient::open(options.server);
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  switch (options.action) {
    case DatasetsOptions::Action::List: return list(**client, options);
    case DatasetsOptions::Action::Show: return show(**client, options);
    case DatasetsOptions::Action::Drop: return drop(**client, options);
  }
  return kExitUsage;
}

}  // namespace lakehouse::cli
