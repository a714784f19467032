#include "cli/ask_command.h"

#include <cstdio>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/answer.h"
#include "cli/calls.h"
#include "cli/display.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/table.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

std::string text_at(const json::value& answer, std::string_view name) {
  const json::value& value = answer.at(name);
  return value.is_string() ? printable(std::string_view(value.get_string())) : std::string();
}

/// The rows as POST /query/sql would give them.
Result<Answer> rows_of(const json::value& answer) {
  AnswerReader reader;
  const std::string text = to_json(answer);
  if (!reader.write(text)) {
    return fail(ErrorCode::DataLoss, "the server's answer holds no rows");
  }
  return reader.finish();
}

int print_answer(const json::value& answer) {
  if (answer.at("abstained").as_bool()) {
    fmt::print("No answer: {}.\n", text_at(answer, "reason"));
    const std::string sql = text_at(answer, "sql");
    if (!sql.empty()) {
      fmt::print("The likeliest statement, not to be relied on:\n  {}\n", sql);
    }
    return kExitPartly;
  }
  const auto rows = rows_of(answer);
  if (!rows) {
    fmt::print(stderr, "{}", describe(rows.error()));
    return kExitFailed;
  }
  fmt::print("{}\n\n{}{}\n", text_at(answer, "sql"),
             render_table(*rows, terminal_width(STDOUT_FILENO)), render_summary(*rows, true));
  const std::string explanation = text_at(answer, "explanation");
  fmt::print("{}{}(confidence {:.0f} %, {} attempts, {})\n", explanation,
             explanation.empty() ? "" : "\n", answer.at("confidence").to_number<double>() * 100,
             answer.at("attempts").to_number<std::int64_t>(), text_at(answer, "model"));
  return kExitOk;
}

}  // namespace

int run_ask(const AskOptions& options) {
  const auto client = HttpClient::open(options.server, InterruptGuard::flag());
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  json::object body{{"question", options.question}, {"row_limit", options.row_limit}};
  for (const auto& [name, value] :
       {std::pair<std::string_view, const std::string&>{"hint", options.hint},
        {"model", options.model}}) {
    if (!value.empty()) {
      body[name] = value;
    }
  }
  if (!options.datasets.empty()) {
    body["datasets"] = json::array(options.datasets.begin(), options.datasets.end());
  }
  const Called answer = call(**client, "POST", "/ai/ask", body);
  if (!answer) {
    return answer.error();
  }
  if (options.json) {
    fmt::print("{}\n", to_json(*answer));
    return answer->at("abstained").as_bool() ? kExitPartly : kExitOk;
  }
  return print_answer(*answer);
}

}  // namespace lakehouse::cli
