#include "base/secrets.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>
#define TOML_EXCEPTIONS 0  // NOLINT(readability-identifier-naming): theirs.
#include <toml++/toml.h>

namespace lakehouse {
namespace {

constexpr std::string_view kScheme = "secret://";
constexpr std::uintmax_t kFileBytesMax = std::uintmax_t{1} << 20U;

Result<std::string> name_in(std::string_view reference) {
  if (!reference.starts_with(kScheme) || reference.size() == kScheme.size()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a secret is referred to as \"{}NAME\"", kScheme),
                "Put the secret itself into the file of [secrets].");
  }
  return std::string(reference.substr(kScheme.size()));
}

// A text or a list of texts; nothing if it is anything else.
std::optional<std::vector<std::string>> texts_of(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) {
    return std::vector{*text};
  }
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const toml::node& element : *array) {
    const auto text = element.value_exact<std::string>();
    if (!text) {
      return std::nullopt;
    }
    texts.push_back(*text);
  }
  return texts;
}

}  // namespace

Result<Secrets> Secrets::parse(std::string_view toml, const std::string& name) {
  const toml::parse_result parsed = toml::parse(toml, name);
  const auto at = [&](const toml::source_region& source, std::string_view what) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}, line {}: {}", name, source.begin.line, what));
  };
  if (!parsed) {
    return at(parsed.error().source(), "this is no TOML");  // Its own words quote the line.
  }
  Secrets secrets;
  secrets.name_ = name;
  for (const auto& [key, node] : parsed.table()) {
    if (const auto text = node.value_exact<std::string>()) {
      secrets.texts_.emplace(key.str(), *text);
      continue;
    }
    const toml::table* const table = node.as_table();
    if (table == nullptr) {
      return at(node.source(), fmt::format("'{}' must be a text or a table of texts", key.str()));
    }
    Table& members = secrets.tables_[std::string(key.str())];
    for (const auto& [member, value] : *table) {
      auto texts = texts_of(value);
      if (!texts) {
        return at(value.source(), fmt::format("'{}.{}' must be a text or a list of texts",
                                              key.str(), member.str()));
      }
      members.emplace(member.str(), *std::move(texts));
    }
  }
  return secrets;
}

Result<Secrets> Secrets::load(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size > kFileBytesMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("the file of secrets {} {}", path,
                                                        error ? "cannot be read" : "is too long"));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the file of secrets {} cannot be read", path));
  }
  return parse(text, path);
}

Result<std::string> Secrets::text(std::string_view reference) const {
  LH_ASSIGN_OR_RETURN(const std::string name, name_in(reference));
  const auto found = texts_.find(name);
  if (found == texts_.end()) {
    return fail(ErrorCode::NotFound, fmt::format("{} has no secret '{}'", name_, name));
  }
  return found->second;
}

Result<Secrets::Table> Secrets::table(std::string_view reference) const {
  LH_ASSIGN_OR_RETURN(const std::string name, name_in(reference));
  const auto found = tables_.find(name);
  if (found == tables_.end()) {
    return fail(ErrorCode::NotFound, fmt::format("{} has no table [{}]", name_, name));
  }
  return found->second;
}

}  // namespace lakehouse
