#include "cli/calls.h"

#include <cstdio>
#include <utility>

#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/display.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/table.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

Cell cell_of(const json::value* value) {
  if (value == nullptr || value->is_null()) {
    return {};
  }
  if (value->is_string()) {
    return {.kind = Cell::Kind::Text, .text = std::string(value->as_string())};
  }
  if (value->is_double()) {  // Not as JSON writes it: 9.2E-1.
    return {.kind = Cell::Kind::Number, .text = fmt::format("{}", value->get_double())};
  }
  const Cell::Kind kind = value->is_number() ? Cell::Kind::Number
                          : value->is_bool() ? Cell::Kind::Bool
                                             : Cell::Kind::Nested;
  return {.kind = kind, .text = to_json(*value)};
}

}  // namespace

Called call(HttpClient& client, const std::string& method, const std::string& path,
            const json::value& body) {
  HttpRequest request;
  request.method = method;
  request.path = path;
  if (!body.is_null()) {
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = to_json(body);
  }
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

void print_rows(const json::array& rows, const std::vector<std::string>& wanted, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", to_json(rows));
    return;
  }
  const Answer answer = table_of(rows, wanted);
  fmt::print("{}{}", render_table(answer, terminal_width(STDOUT_FILENO)),
             render_summary(answer, false));
}

std::expected<json::array, int> call_pages(HttpClient& client, const std::string& path,
                                           const std::string& list) {
  json::array all;
  const std::string first = fmt::format("{}{}limit=1000", path, path.contains('?') ? '&' : '?');
  std::string next = first;
  while (true) {
    const Called page = call(client, "GET", next);
    if (!page) {
      return std::unexpected(page.error());
    }
    const json::object* members = page->if_object();
    const json::value* rows = members == nullptr ? nullptr : members->if_contains(list);
    if (rows == nullptr || !rows->is_array()) {
      fmt::print(stderr, "error: the server's answer has no list '{}'\n", list);
      return std::unexpected(kExitFailed);
    }
    for (const json::value& row : rows->get_array()) {
      all.push_back(row);
    }
    const json::value* token = members->if_contains("next_page_token");
    if (token == nullptr || !token->is_string() || token->get_string().empty()) {
      return all;
    }
    next = first + "&page_token=" + encode_path_segment(std::string_view(token->get_string()));
  }
}

}  // namespace lakehouse::cli
