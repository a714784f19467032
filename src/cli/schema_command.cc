#include "cli/schema_command.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/calls.h"
#include "cli/display.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

/// Of a longer file the first lines are sent, if it has lines.
constexpr std::size_t kHeadBytesMax = std::size_t{4} << 20U;
/// A whole file that cannot be cut; in base64 it is a third longer, and a body has 16 MiB.
constexpr std::size_t kWholeBytesMax = std::size_t{11} << 20U;

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = (bits << 8U) | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j > bytes.size() ? '=' : kAlphabet[(bits >> (18U - 6U * j)) & 63U];
    }
  }
  return out;
}

/// Puts the file, or its first lines, into the request. False, and says why, if that cannot be.
bool add_sample(const std::filesystem::path& file, json::object* body) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes(kWholeBytesMax + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!in && !in.eof()) {
    fmt::print(stderr, "error: cannot read {}\n", printable(file.string()));
    return false;
  }
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  const bool array = bytes.substr(0, bytes.find_first_not_of(" \t\r\n") + 1).ends_with('[');
  if (bytes.size() > kHeadBytesMax && !array) {
    const std::size_t end = bytes.rfind('\n', kHeadBytesMax);
    if (end != std::string::npos && is_valid_utf8(std::string_view(bytes).substr(0, end + 1))) {
      bytes.resize(end + 1);
    }
  }
  if (bytes.size() > kWholeBytesMax) {
    fmt::print(stderr,
               "error: {} is too long to be compared\nhint: Give its first rows as a file.\n",
               printable(file.string()));
    return false;
  }
  (*body)["file_name"] = file.filename().string();
  if (is_valid_utf8(bytes)) {
    (*body)["sample"] = std::move(bytes);
  } else {
    (*body)["sample_base64"] = base64(bytes);
  }
  return true;
}

Called ask_for_diff(HttpClient& client, const DatasetsOptions& options) {
  json::object body{{"dataset", options.name}};
  if (!options.source.empty()) {
    body["source"] = options.source;
  }
  if (options.snapshot_id != 0) {
    body["snapshot_id"] = options.snapshot_id;
  } else if (!add_sample(options.file, &body)) {
    return std::unexpected(kExitFailed);
  }
  return call(client, "POST", "/catalog/schema/diff", body);
}

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? printable(std::string_view(value->get_string()))
                                                : std::string();
}

double number_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

const json::array& list_at(const json::object& object, std::string_view name) {
  static const json::array none;
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_array() ? value->get_array() : none;
}

void print_renames(const json::object& diff, std::string_view name, std::string_view sign) {
  for (const json::value& one : list_at(diff, name)) {
    if (const json::object* rename = one.if_object()) {
      fmt::print("{} {} -> {}  ({:.2f})\n", sign, text_at(*rename, "from"), text_at(*rename, "to"),
                 number_at(*rename, "confidence"));
    }
  }
}

void print_names(const json::object& diff, std::string_view name, std::string_view sign) {
  for (const json::value& one : list_at(diff, name)) {
    fmt::print("{} {}\n", sign,
               one.is_string() ? printable(std::string_view(one.get_string())) : "");
  }
}

/// "~" renamed, "?" perhaps renamed, "+" new, "-" missing, "!" of another type, "/" split.
void print_diff(const json::object& diff) {
  print_renames(diff, "renamed", "~");
  print_renames(diff, "unclear", "?");
  print_names(diff, "added", "+");
  print_names(diff, "removed", "-");
  for (const json::value& one : list_at(diff, "retyped")) {
    if (const json::object* retyped = one.if_object()) {
      fmt::print("! {}: {} -> {}  ({})\n", text_at(*retyped, "to"), text_at(*retyped, "from_type"),
                 text_at(*retyped, "to_type"), text_at(*retyped, "change"));
    }
  }
  for (const json::value& one : list_at(diff, "splits")) {
    if (const json::object* split = one.if_object()) {
      fmt::print("/ {} {} {}  ({:.2f})\n", text_at(*split, "whole"),
                 split->contains("merged") && split->at("merged") == true ? "from" : "into",
                 printable(to_json(split->at("parts"))), number_at(*split, "confidence"));
    }
  }
}

/// The recommended rules, and casts and drops that are asked for.
json::array chosen_rules(const json::object& diff, const DatasetsOptions& options) {
  json::array chosen;
  for (const json::value& one : list_at(diff, "rules")) {
    const json::object* rule = one.if_object();
    if (rule == nullptr) {
      continue;
    }
    const bool recommended = rule->contains("recommended") && rule->at("recommended") == true;
    const std::string kind = text_at(*rule, "kind");
    const bool wanted = (kind == "drop" && options.drops) || (kind == "cast" && options.casts);
    if ((recommended && number_at(*rule, "confidence") >= options.confidence_min) || wanted) {
      chosen.push_back(one);
    }
  }
  return chosen;
}

bool confirmed() {
  fmt::print("Apply and remember this? [y/N] ");
  std::fflush(stdout);
  std::string reply;
  std::getline(std::cin, reply);
  return to_lower(reply) == "y" || to_lower(reply) == "yes";
}

}  // namespace

int diff_schema(HttpClient& client, const DatasetsOptions& options) {
  if (options.file.empty() == (options.snapshot_id == 0)) {
    fmt::print(stderr, "error: give a file or --snapshot\n");
    return kExitUsage;
  }
  const Called diff = ask_for_diff(client, options);
  if (!diff) {
    return diff.error();
  }
  if (options.json || !diff->is_object()) {
    fmt::print("{}\n", to_json(*diff));
    return kExitOk;
  }
  const json::object& answer = diff->as_object();
  print_diff(answer);
  for (const json::value& rule : list_at(answer, "rules")) {
    if (rule.is_object()) {
      const bool recommended =
          rule.as_object().contains("recommended") && rule.as_object().at("recommended") == true;
      fmt::print("{}{}\n",
                 recommended ? "" : "-- not recommended: ", text_at(rule.as_object(), "sql"));
    }
  }
  if (options.prompt) {
    const json::value* prompt = answer.if_contains("prompt");
    fmt::print("{}", prompt != nullptr && prompt->is_string()
                         ? std::string_view(prompt->get_string())
                         : std::string_view());
  }
  return kExitOk;
}

int migrate_schema(HttpClient& client, const DatasetsOptions& options) {
  const Called diff = ask_for_diff(client, options);
  if (!diff) {
    return diff.error();
  }
  const json::object& answer = diff->as_object();
  json::object body{{"dataset", options.name},
                    {"source", answer.at("source")},
                    {"schema_id", answer.at("schema_id")},
                    {"rules", chosen_rules(answer, options)}};
  const json::array& rules = body["rules"].as_array();
  if (rules.empty()) {
    fmt::print("nothing to be done\n");
    return kExitOk;
  }
  if (!options.json) {
    for (const json::value& rule : rules) {
      fmt::print("{}\n", text_at(rule.as_object(), "sql"));
    }
  }
  if (!options.yes && !options.dry_run) {
    if (::isatty(STDIN_FILENO) == 0) {
      fmt::print(stderr, "error: nobody is there to confirm it\nhint: Add --yes or --dry-run.\n");
      return kExitUsage;
    }
    if (!confirmed()) {
      fmt::print("nothing was changed\n");
      return kExitFailed;
    }
  }
  body["dry_run"] = options.dry_run;
  const Called done = call(client, "POST", "/catalog/schema/migrate", body);
  if (!done) {
    return done.error();
  }
  if (options.json) {
    fmt::print("{}\n", to_json(*done));
  } else {
    fmt::print("{} {} rules{}\n", options.dry_run ? "would apply" : "applied", rules.size(),
               text_at(answer, "source").empty()
                   ? ""
                   : fmt::format(", for files of {}", text_at(answer, "source")));
  }
  return kExitOk;
}

}  // namespace lakehouse::cli
