#include "cli/rag_command.h"

#include <cstdio>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "cli/calls.h"
#include "cli/display.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/report.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

std::string shown(const json::value& value) {
  return value.is_string() ? printable(std::string_view(value.get_string())) : to_json(value);
}

void print_answer(const json::value& answer) {
  if (answer.at("abstained").as_bool()) {
    fmt::print("No answer: {}.\n", shown(answer.at("reason")));
  } else {
    fmt::print("{}\n\n", shown(answer.at("answer")));
  }
  for (const json::value& one : answer.at("citations").as_array()) {
    fmt::print("[{}] {}  {}\n", to_json(one.at("n")), shown(one.at("key")), shown(one.at("text")));
  }
  for (const json::value& warning : answer.at("warnings").as_array()) {
    fmt::print(stderr, "note: {}\n", shown(warning));
  }
  fmt::print("(from {} at snapshot {}, {}, {:.0f} ms, receipt {})\n", shown(answer.at("dataset")),
             to_json(answer.at("snapshot_id")), shown(answer.at("model")),
             answer.at("elapsed_ms").to_number<double>(), shown(answer.at("receipt_id")));
}

}  // namespace

int run_rag(const RagOptions& options) {
  const auto client = HttpClient::open(options.server, InterruptGuard::flag());
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  json::object body{{"index", options.index}, {"question", options.question}, {"k", options.k}};
  if (!options.filter.empty()) {
    body["filter"] = options.filter;
  }
  if (!options.model.empty()) {
    body["model"] = options.model;
  }
  const Called answer = call(**client, "POST", "/vectors/rag", body);
  if (!answer) {
    return answer.error();
  }
  if (options.json) {
    fmt::print("{}\n", to_json(*answer));
  } else {
    print_answer(*answer);
  }
  return kExitOk;
}

}  // namespace lakehouse::cli
