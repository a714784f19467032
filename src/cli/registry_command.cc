#include "cli/registry_command.h"

#include <charconv>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/calls.h"
#include "cli/display.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

std::string path_of(const DatasetsOptions& options, std::string_view rest) {
  return fmt::format("/catalog/datasets/by-name/{}{}", encode_path_segment(options.name), rest);
}

/// Sets a member if there is a value; "-" stands for null.
void put(json::object& object, std::string_view name, const std::string& value) {
  if (!value.empty()) {
    object[name] = value == "-" ? json::value() : json::value(value);
  }
}

std::string member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// What `describe` changes.
json::object patch_of(const DatasetsOptions& options) {
  json::object patch;
  put(patch, "description", options.description);
  put(patch, "owner", options.owner);
  if (!options.tags.empty()) {
    const bool removes = options.tags == std::vector<std::string>{"-"};
    patch["tags"] = removes ? json::value()
                            : json::value(json::array(options.tags.begin(), options.tags.end()));
  }
  if (const std::string& sla = options.freshness_sla_s; !sla.empty()) {
    std::int64_t seconds = 0;
    const auto [stop, problem] = std::from_chars(sla.data(), sla.data() + sla.size(), seconds);
    const bool is_number = problem == std::errc() && stop == sla.data() + sla.size();
    // What is no number the server refuses, with its reason.
    patch["freshness_sla_s"] = sla == "-"  ? json::value()
                               : is_number ? json::value(seconds)
                                           : json::value(sla);
  }
  json::object column;
  put(options.column.empty() ? patch : column, "sensitivity", options.sensitivity);
  put(column, "category", options.category);
  put(column, "note", options.note);
  if (!options.column.empty()) {
    patch["columns"] = json::object{{options.column, std::move(column)}};
  }
  return patch;
}

/// A lineage graph as an indented list: jobs and what they read or write, under what they belong
/// to. What was printed before is not opened again.
class LineagePrinter {
 public:
  explicit LineagePrinter(const json::object& graph) {
    for (const json::value& node : graph.at("nodes").as_array()) {
      nodes_[member(node.as_object(), "id")] = &node.as_object();
    }
    for (const json::value& edge : graph.at("edges").as_array()) {
      const std::string from = member(edge.as_object(), "from");
      const std::string to = member(edge.as_object(), "to");
      up_[to].push_back(from);
      down_[from].push_back(to);
    }
  }

  void print(const std::string& root) {
    fmt::print("{}\n", label(root));
    walk(root, up_, "<- ", 1);
    seen_.clear();
    walk(root, down_, "-> ", 1);
  }

 private:
  using Links = std::map<std::string, std::vector<std::string>>;

  void walk(const std::string& id, const Links& links, std::string_view arrow, std::size_t depth) {
    const auto found = links.find(id);
    if (found == links.end() || !seen_.insert(id).second) {
      return;
    }
    for (const std::string& next : found->second) {
      fmt::print("{:{}}{}{}\n", "", depth * 2, arrow, label(next));
      walk(next, links, arrow, depth + 1);
    }
  }

  std::string label(const std::string& id) const {
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) {
      return id;
    }
    const json::object& node = *found->second;
    std::string text = fmt::format("{} {}", member(node, "kind"), printable(member(node, "name")));
    if (node.contains("gone")) {
      text += " (dropped)";
    }
    if (const json::value* runs = node.if_contains("runs")) {
      text += fmt::format(" ({} runs, last {})", to_json(*runs), member(node, "last_run_at"));
    }
    if (const json::value* last = node.if_contains("last_run");
        last != nullptr && last->is_object() && !member(last->get_object(), "file").empty()) {
      text += fmt::format(" {}", printable(member(last->get_object(), "file")));
    }
    return text;
  }

  std::map<std::string, const json::object*> nodes_;
  Links up_;
  Links down_;
  std::set<std::string> seen_;
};

}  // namespace

int describe_dataset(HttpClient& client, const DatasetsOptions& options) {
  if (options.column.empty() && (!options.category.empty() || !options.note.empty())) {
    fmt::print(stderr, "error: --category and --note are of a column\nhint: Add --column NAME.\n");
    return kExitUsage;
  }
  const json::object patch = patch_of(options);
  const Called known = patch.empty() ? call(client, "GET", path_of(options, "/metadata"))
                                     : call(client, "PATCH", path_of(options, "/metadata"), patch);
  if (!known) {
    return known.error();
  }
  if (options.json || !known->is_object()) {
    fmt::print("{}\n", to_json(*known));
    return kExitOk;
  }
  for (const auto& [name, value] : known->get_object()) {
    if (name != "columns" && !value.is_null()) {
      fmt::print("{}: {}\n", printable(std::string_view(name)),
                 printable(value.is_string() ? std::string(value.get_string()) : to_json(value)));
    }
  }
  if (const json::value* columns = known->get_object().if_contains("columns");
      columns != nullptr && columns->is_object() && !columns->get_object().empty()) {
    json::array rows;
    for (const auto& [name, column] : columns->get_object()) {
      json::object row = column.is_object() ? column.get_object() : json::object();
      row["column"] = name;
      rows.push_back(std::move(row));
    }
    fmt::print("\n");
    print_rows(rows, {"column", "sensitivity", "category", "decided_by", "note"}, false);
  }
  return kExitOk;
}

int show_lineage(HttpClient& client, const DatasetsOptions& options) {
  const Called graph = call(client, "GET", path_of(options, "/lineage"));
  if (!graph) {
    return graph.error();
  }
  const json::object* members = graph->if_object();
  const bool is_graph = members != nullptr && members->contains("nodes") &&
                        members->at("nodes").is_array() && members->contains("edges") &&
                        members->at("edges").is_array();
  if (options.json || !is_graph) {
    fmt::print("{}\n", to_json(*graph));
    return kExitOk;
  }
  LineagePrinter(*members).print(member(*members, "root"));
  if (const json::value* cut = members->if_contains("truncated");
      cut != nullptr && cut->is_bool() && cut->get_bool()) {
    fmt::print("(there is more)\n");
  }
  return kExitOk;
}

int list_history(HttpClient& client, const DatasetsOptions& options) {
  const auto changes = call_pages(client, path_of(options, "/metadata/history"), "changes");
  if (!changes) {
    return changes.error();
  }
  print_rows(*changes, {"version", "at", "principal", "by", "changes"}, options.json);
  return kExitOk;
}

int list_snapshots(HttpClient& client, const DatasetsOptions& options) {
  const auto snapshots = call_pages(client, path_of(options, "/snapshots"), "snapshots");
  if (!snapshots) {
    return snapshots.error();
  }
  print_rows(*snapshots,
             {"snapshot_id", "parent_snapshot_id", "sequence_number", "committed_at", "operation",
              "schema_id"},
             options.json);
  return kExitOk;
}

int roll_back(HttpClient& client, const DatasetsOptions& options) {
  const Called done = call(client, "POST", path_of(options, "/rollback"),
                           json::object{{"snapshot_id", options.snapshot_id}});
  if (!done) {
    return done.error();
  }
  if (options.json) {
    fmt::print("{}\n", to_json(*done));
  } else {
    fmt::print("{} is at snapshot {} now\n", printable(options.name), options.snapshot_id);
  }
  return kExitOk;
}

}  // namespace lakehouse::cli
