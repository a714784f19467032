#include "cli/profile_command.h"

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

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kBarWidth = 40;
constexpr std::size_t kTopShown = 3;

std::string path_of(const DatasetsOptions& options, std::string_view rest) {
  return fmt::format("/catalog/datasets/by-name/{}/{}", encode_path_segment(options.name), rest);
}

/// As a person reads it: text without its quotes.
std::string plain(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : to_json(value);
}

const json::array* list_in(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  return member == nullptr ? nullptr : member->if_array();
}

double count_in(const json::value& bin) {
  return bin.at("count").to_number<double>();
}

/// One line of the overview.
json::object overview(const json::value& column) {
  json::object line = column.as_object();
  if (const json::array* top = list_in(line, "top_values")) {
    std::vector<std::string> shown;
    for (const json::value& one : *top) {
      if (shown.size() < kTopShown) {
        shown.push_back(fmt::format("{} ({})", plain(one.at("value")), plain(one.at("count"))));
      }
    }
    line["top"] = fmt::format("{}", fmt::join(shown, ", "));
  }
  if (const json::value* quantiles = line.if_contains("quantiles")) {
    if (const json::value* median = quantiles->as_object().if_contains("0.5")) {
      line["median"] = *median;
    }
  }
  return line;
}

void print_bars(const json::array& bins) {
  double most = 0;
  std::vector<std::string> labels;
  std::size_t width = 0;
  for (const json::value& bin : bins) {
    most = std::max(most, count_in(bin));
    labels.push_back(printable(plain(bin.at("from"))));
    width = std::max(width, labels.back().size());
  }
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const double share = most > 0 ? count_in(bins[i]) / most : 0;
    const auto bar = static_cast<std::size_t>(share * static_cast<double>(kBarWidth));
    fmt::print("  {:>{}} {:<{}} {}\n", labels[i], width, std::string(bar, '#'), kBarWidth,
               plain(bins[i].at("count")));
  }
}

void print_column(const json::object& column) {
  for (const auto& [name, value] : column) {
    if (!value.is_array() && !value.is_object()) {
      fmt::print("{}: {}\n", printable(std::string_view(name)), printable(plain(value)));
    }
  }
  if (const json::value* quantiles = column.if_contains("quantiles")) {
    for (const auto& [share, value] : quantiles->as_object()) {
      fmt::print("quantile {}: {}\n", std::string_view(share), printable(plain(value)));
    }
  }
  if (const json::array* top = list_in(column, "top_values"); top != nullptr && !top->empty()) {
    fmt::print("\n");
    print_rows(*top, {"value", "count"}, false);
  }
  if (const json::array* bins = list_in(column, "histogram")) {
    fmt::print("\nhistogram, from:\n");
    print_bars(*bins);
  }
}

}  // namespace

int show_profile(HttpClient& client, const DatasetsOptions& options) {
  std::string path = path_of(options, "profile");
  if (options.snapshot_id != 0) {
    path += fmt::format("?snapshot_id={}", options.snapshot_id);
  }
  const Called profile = call(client, "GET", path);
  if (!profile) {
    return profile.error();
  }
  const json::array* columns =
      profile->is_object() ? list_in(profile->get_object(), "columns") : nullptr;
  if (options.json || columns == nullptr) {
    fmt::print("{}\n", to_json(*profile));
    return kExitOk;
  }
  if (!options.column.empty()) {
    for (const json::value& column : *columns) {
      if (plain(column.at("name")) == options.column) {
        print_column(column.as_object());
        return kExitOk;
      }
    }
    fmt::print(stderr, "error: {} has no column '{}'\n", options.name, options.column);
    return kExitFailed;
  }
  json::array lines;
  for (const json::value& column : *columns) {
    lines.push_back(overview(column));
  }
  fmt::print("rows: {}\nsnapshot: {}\n\n", plain(profile->at("rows")),
             plain(profile->at("snapshot_id")));
  print_rows(
      lines,
      {"name", "type", "count", "nulls", "distinct", "personal", "min", "median", "max", "top"},
      false);
  return kExitOk;
}

int show_pii(HttpClient& client, const DatasetsOptions& options) {
  if (options.scan) {
    if (const Called scanned = call(client, "POST", path_of(options, "pii/scan")); !scanned) {
      return scanned.error();
    }
  }
  const auto findings = call_pages(client, path_of(options, "pii"), "findings");
  if (!findings) {
    return findings.error();
  }
  print_rows(*findings,
             {"column", "kind", "confidence", "sensitivity", "decided_by", "sample_size", "reason"},
             options.json);
  return kExitOk;
}

}  // namespace lakehouse::cli
