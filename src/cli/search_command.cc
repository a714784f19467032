#include "cli/search_command.h"

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

constexpr std::size_t kShownBytes = 600;

std::string index_path(const std::string& name) {
  return "/vectors/indexes/" + encode_path_segment(name);
}

/// On one line, cut where a character ends.
std::string excerpt(std::string_view text) {
  std::string out = printable(text);
  for (char& c : out) {
    c = c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  }
  if (out.size() <= kShownBytes) {
    return out;
  }
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return out.substr(0, end) + " ...";
}

void print_found(const json::value& found) {
  const json::array& results = found.at("results").as_array();
  int rank = 0;
  for (const json::value& one : results) {
    const json::value& key = one.at("key");
    fmt::print("{:>3}. {}  {:.4f}{}\n     {}\n", ++rank,
               key.is_string() ? printable(std::string_view(key.get_string())) : to_json(key),
               one.at("score").to_number<double>(),
               one.at("chunk").to_number<std::int64_t>() == 0
                   ? ""
                   : fmt::format("  chunk {}", one.at("chunk").to_number<std::int64_t>()),
               excerpt(one.at("text").as_string()));
  }
  fmt::print("({} of {} chunks, {}, {:.1f} ms)\n", results.size(),
             with_thousands(found.at("allowed").to_number<std::uint64_t>()),
             std::string_view(found.at("method").as_string()),
             found.at("elapsed_ms").to_number<double>());
}

json::object index_body(const IndexOptions& options) {
  json::object body{{"name", options.name}, {"dataset", options.dataset}, {"key", options.key}};
  if (!options.text.empty()) {
    body["text"] = json::array(options.text.begin(), options.text.end());
  }
  for (const auto& [name, value] :
       {std::pair<std::string_view, const std::string&>{"template", options.text_template},
        {"model", options.model},
        {"backend", options.backend},
        {"refresh", options.refresh}}) {
    if (!value.empty()) {
      body[name] = value;
    }
  }
  if (options.every_s > 0) {
    body["refresh_every_s"] = options.every_s;
  }
  if (options.chunk_size > 0) {
    body["chunk"] = json::object{{"size", options.chunk_size}};
  }
  return body;
}

int follow(HttpClient& client, const Called& answer, bool detach) {
  if (!answer) {
    return answer.error();
  }
  const std::string id(answer->at("job_id").as_string());
  if (detach) {
    fmt::print("{}\n", id);
    return kExitOk;
  }
  json::object over;
  const int code = watch_job(client, id, &over);
  return over.empty() ? code : print_ended(over);
}

int list(HttpClient& client, const IndexOptions& options) {
  auto indexes = call_pages(client, "/vectors/indexes", "indexes");
  if (!indexes) {
    return indexes.error();
  }
  if (!options.json) {
    for (json::value& index : *indexes) {
      json::object& row = index.as_object();
      for (const json::value& one : row.at("generations").as_array()) {
        if (one.at("number") == row.at("active")) {
          for (const std::string_view name : {"state", "model", "dimensions", "rows", "chunks"}) {
            row[name] = one.at(name);
          }
          row["coverage"] = fmt::format("{:.0f} %", one.at("coverage").to_number<double>() * 100);
        }
      }
    }
  }
  print_rows(*indexes,
             {"name", "dataset", "key", "state", "coverage", "rows", "chunks", "model",
              "dimensions", "refresh"},
             options.json);
  return kExitOk;
}

int stale(HttpClient& client, const IndexOptions& options) {
  const auto all = call_pages(client, "/vectors/stale", "stale");
  if (!all) {
    return all.error();
  }
  print_rows(*all, {"dataset", "index", "refresh", "commits_behind"}, options.json);
  return kExitOk;
}

int show(HttpClient& client, const IndexOptions& options) {
  const Called answer = call(client, "GET", index_path(options.name));
  if (!answer) {
    return answer.error();
  }
  fmt::print("{}\n", to_json(*answer));
  return kExitOk;
}

int drop(HttpClient& client, const IndexOptions& options) {
  const Called answer = call(client, "DELETE", index_path(options.name));
  return answer ? kExitOk : answer.error();
}

}  // namespace

int run_search(const SearchOptions& options) {
  const auto client = HttpClient::open(options.server, InterruptGuard::flag());
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  json::object body{{"index", options.index},
                    {"text", options.text},
                    {"k", options.k},
                    {"mode", options.mode},
                    {"rerank", options.rerank},
                    {"exact", options.exact},
                    {"one_per_row", options.one_per_row}};
  if (!options.filter.empty()) {
    body["filter"] = options.filter;
  }
  const Called answer = call(**client, "POST", "/vectors/search", body);
  if (!answer) {
    return answer.error();
  }
  if (options.json) {
    fmt::print("{}\n", to_json(*answer));
  } else {
    print_found(*answer);
  }
  return kExitOk;
}

int run_index(const IndexOptions& options) {
  const auto client = HttpClient::open(options.server, InterruptGuard::flag());
  if (!client) {
    fmt::print(stderr, "{}", describe(client.error()));
    return kExitUsage;
  }
  using Action = IndexOptions::Action;
  switch (options.action) {
    case Action::List: return list(**client, options);
    case Action::Show: return show(**client, options);
    case Action::Create:
      return follow(**client, call(**client, "POST", "/vectors/index", index_body(options)),
                    options.detach);
    case Action::Refresh:
      return follow(**client,
                    call(**client, "POST", "/vectors/refresh/" + encode_path_segment(options.name)),
                    options.detach);
    case Action::Stale: return stale(**client, options);
    case Action::Drop: return drop(**client, options);
  }
  return kExitUsage;
}

}  // namespace lakehouse::cli
