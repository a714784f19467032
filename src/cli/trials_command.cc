#include "cli/trials_command.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/calls.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/job_watch.h"
#include "cli/report.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kEvals = "/vectors/hnsw/evals";

std::string trials_path(const TrialsOptions& options) {
  return "/vectors/hnsw/trials/" + encode_path_segment(options.index);
}

double rounded(const json::value& number, double unit) {
  return number.is_number() ? std::round(number.to_number<double>() / unit) * unit : 0;
}

void print_trials(json::array trials, bool as_json) {
  if (!as_json) {
    for (json::value& trial : trials) {
      json::object& row = trial.as_object();
      for (const auto& setting : json::object(row.at("graph").as_object())) {
        row[setting.key()] = setting.value();
      }
      for (const std::string_view name : {"recall", "recall_min", "relevance"}) {
        if (row.at(name).is_number()) {
          row[name] = fmt::format("{:.4f}", row.at(name).to_number<double>());
        }
      }
      row["latency_us"] = static_cast<std::int64_t>(rounded(row.at("latency_us"), 1));
      row["searches_per_s"] = static_cast<std::int64_t>(rounded(row.at("searches_per_s"), 1));
      row["build_s"] = fmt::format("{:.1f}", row.at("build_s").to_number<double>());
    }
  }
  print_rows(trials,
             {"id", "eval_set", "k", "m", "ef_construction", "ef_search", "quantization", "seed",
              "recall", "relevance", "latency_us", "searches_per_s", "build_s", "memory_bytes"},
             as_json);
}

template <class T>
void put_list(json::object& grid, std::string_view name, const std::vector<T>& values) {
  if (!values.empty()) {
    grid[name] = json::array(values.begin(), values.end());
  }
}

int run(HttpClient& client, const TrialsOptions& options) {
  json::object grid;
  put_list(grid, "m", options.m);
  put_list(grid, "ef_construction", options.ef_construction);
  put_list(grid, "ef_search", options.ef_search);
  put_list(grid, "seed", options.seeds);
  put_list(grid, "quantization", options.quantization);
  const Called answer = call(client, "POST", "/vectors/hnsw/trial",
                             json::object{{"index", options.index},
                                          {"eval_set", options.eval_set},
                                          {"k", options.k},
                                          {"grid", std::move(grid)}});
  if (!answer) {
    return answer.error();
  }
  const std::string id(answer->at("job_id").as_string());
  if (options.detach) {
    fmt::print("{}\n", id);
    return kExitOk;
  }
  json::object over;
  const int code = watch_job(client, id, &over);
  if (code != kExitOk) {
    return over.empty() ? code : print_ended(over);
  }
  print_trials(over.at("result").at("pareto").as_array(), options.json);
  return kExitOk;
}

int list(HttpClient& client, const TrialsOptions& options) {
  auto trials = call_pages(client, trials_path(options), "trials");
  if (!trials) {
    return trials.error();
  }
  print_trials(*std::move(trials), options.json);
  return kExitOk;
}

int best(HttpClient& client, const TrialsOptions& options) {
  std::string path = fmt::format("{}/best?min_recall={}", trials_path(options), options.recall_min);
  for (const auto& [name, value] :
       {std::pair<std::string_view, const std::string&>{"metric", options.metric},
        {"eval_set", options.eval_set}}) {
    if (!value.empty()) {
      path += fmt::format("&{}={}", name, encode_path_segment(value));
    }
  }
  const Called answer = call(client, "GET", path);
  if (!answer) {
    return answer.error();
  }
  print_trials(answer->at("trials").as_array(), options.json);
  return kExitOk;
}

int promote(HttpClient& client, const TrialsOptions& options) {
  json::object body{{"min_recall", options.recall_min}};
  for (const auto& [name, value] :
       {std::pair<std::string_view, const std::string&>{"trial_id", options.trial_id},
        {"metric", options.metric},
        {"eval_set", options.eval_set}}) {
    if (!value.empty()) {
      body[name] = value;
    }
  }
  const Called answer = call(client, "POST", trials_path(options) + "/promote", std::move(body));
  if (!answer) {
    return answer.error();
  }
  const std::string id(answer->at("job_id").as_string());
  if (options.detach) {
    fmt::print("{}\n", id);
    return kExitOk;
  }
  return watch_job(client, id);
}

int evals(HttpClient& client, const TrialsOptions& options) {
  const auto sets = call_pages(client, std::string(kEvals), "evals");
  if (!sets) {
    return sets.error();
  }
  print_rows(*sets,
             {"name", "index", "made_by", "query_count", "with_truth", "principal", "created",
              "description"},
             options.json);
  return kExitOk;
}

int print_made(const Called& answer, bool as_json) {
  if (!answer) {
    return answer.error();
  }
  if (as_json) {
    fmt::print("{}\n", to_json(*answer));
  } else {
    fmt::print("{}: {} queries, {} of them say what should be found\n",
               std::string_view(answer->at("name").as_string()),
               answer->at("query_count").to_number<std::int64_t>(),
               answer->at("with_truth").to_number<std::int64_t>());
  }
  return kExitOk;
}

int make(HttpClient& client, const TrialsOptions& options) {
  json::object body{{"index", options.index}, {"queries", options.queries}};
  const bool autogen = options.action == TrialsOptions::Action::Autogen;
  if (autogen) {
    body["seed"] = options.seed;
  } else {
    body["everybody"] = options.everybody;
  }
  return print_made(call(client, "POST",
                         fmt::format("{}/{}/{}", kEvals, encode_path_segment(options.eval_set),
                                     autogen ? "autogen" : "from-log"),
                         std::move(body)),
                    options.json);
}

int import(HttpClient& client, const TrialsOptions& options) {
  std::ifstream file(options.file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) {
    fmt::print(stderr, "error: the file '{}' cannot be read\n", options.file);
    return kExitFailed;
  }
  auto document = parse_json(text, "the file");
  if (!document) {
    fmt::print(stderr, "{}", describe(document.error()));
    return kExitFailed;
  }
  json::value queries = *std::move(document);
  if (queries.is_object() && queries.get_object().contains("queries")) {
    queries = json::value(queries.get_object().at("queries"));
  }
  return print_made(call(client, "POST", std::string(kEvals),
                         json::object{{"name", options.eval_set},
                                      {"index", options.index},
                                      {"queries", std::move(queries)}}),
                    options.json);
}

int drop(HttpClient& client, const TrialsOptions& options) {
  const Called answer =
      call(client, "DELETE", fmt::format("{}/{}", kEvals, encode_path_segment(options.eval_set)));
  return answer ? kExitOk : answer.error();
}

}  // namespace

int run_trials(const TrialsOptions& options) {
  const auto client = HttpClient::open(options.server, InterruptGuard::flag());
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  switch (options.action) {
    case TrialsOptions::Action::Run: return run(**client, options);
    case TrialsOptions::Action::List: return list(**client, options);
    case TrialsOptions::Action::Best: return best(**client, options);
    case TrialsOptions::Action::Promote: return promote(**client, options);
    case TrialsOptions::Action::Evals: return evals(**client, options);
    case TrialsOptions::Action::Autogen:
    case TrialsOptions::Action::FromLog: return make(**client, options);
    case TrialsOptions::Action::Import: return import(**client, options);
    case TrialsOptions::Action::DropEval: return drop(**client, options);
  }
  return kExitUsage;
}

}  // namespace lakehouse::cli
