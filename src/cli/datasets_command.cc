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
#include "cli/calls.h"
#include "cli/display.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/profile_command.h"
#include "cli/registry_command.h"
#include "cli/report.h"
#include "cli/schema_command.h"
#include "cli/table.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

int list(HttpClient& client, const DatasetsOptions& options) {
  std::string path = "/datasets";
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) {
      path +=
          fmt::format("{}{}={}", path.contains('?') ? '&' : '?', name, encode_path_segment(value));
    }
  };
  add("owner", options.owner);
  add("tag", options.tag);
  add("sensitivity", options.sensitivity);
  add("stale", options.stale ? "true" : "");
  const auto all = call_pages(client, path, "datasets");
  if (!all) {
    return all.error();
  }
  print_rows(*all,
             {"name", "rows", "files", "size_bytes", "column_count", "sensitivity", "owner",
              "bucket", "updated_at"},
             options.json);
  return kExitOk;
}

void print_freshness(const json::object& dataset) {
  const json::value* tags = dataset.if_contains("tags");
  if (tags != nullptr && tags->is_array() && !tags->get_array().empty()) {
    std::string line;
    for (const json::value& tag : tags->get_array()) {
      line += fmt::format(" {}", printable(tag.is_string() ? tag.get_string() : ""));
    }
    fmt::print("tags:{}\n", line);
  }
  const json::value* freshness = dataset.if_contains("freshness");
  if (freshness == nullptr || !freshness->is_object()) {
    return;
  }
  for (const auto& [name, value] : freshness->get_object()) {
    if (!value.is_null()) {
      fmt::print("{}: {}\n", printable(std::string_view(name)),
                 printable(value.is_string() ? std::string(value.get_string()) : to_json(value)));
    }
  }
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
      fmt::print("{}: {}\n", printable(std::string_view(name)),
                 printable(value.is_string() ? std::string(value.get_string()) : to_json(value)));
    }
  }
  print_freshness(members);
  const json::value* columns = members.if_contains("columns");
  if (columns != nullptr && columns->is_array()) {
    const Answer answer = table_of(
        columns->as_array(),
        {"id", "name", "sql_type", "type", "required", "doc", "sensitivity", "category", "note"});
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
    case DatasetsOptions::Action::Describe: return describe_dataset(**client, options);
    case DatasetsOptions::Action::Lineage: return show_lineage(**client, options);
    case DatasetsOptions::Action::History: return list_history(**client, options);
    case DatasetsOptions::Action::Snapshots: return list_snapshots(**client, options);
    case DatasetsOptions::Action::Rollback: return roll_back(**client, options);
    case DatasetsOptions::Action::Profile: return show_profile(**client, options);
    case DatasetsOptions::Action::Pii: return show_pii(**client, options);
    case DatasetsOptions::Action::Diff: return diff_schema(**client, options);
    case DatasetsOptions::Action::Migrate: return migrate_schema(**client, options);
  }
  return kExitUsage;
}

}  // namespace lakehouse::cli
