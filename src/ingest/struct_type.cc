#include "ingest/struct_type.h"

namespace lakehouse::ingest {

namespace {

/// Past a quoted name that begins at `at`; inner quotes are doubled.
std::size_t after_quoted(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') {
      if (at + 1 < text.size() && text[at + 1] == '"') {
        ++at;
      } else {
        return at + 1;
      }
    }
  }
  return at;
}

std::string unquoted(std::string_view name) {
  if (name.size() < 2 || name.front() != '"') {
    return std::string(name);
  }
  std::string out;
  for (std::size_t i = 1; i + 1 < name.size(); ++i) {
    i += name[i] == '"' ? 1U : 0U;
    out += name[i];
  }
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> struct_fields(std::string_view type) {
  constexpr std::string_view start = "STRUCT(";
  if (!type.starts_with(start) || !type.ends_with(')')) {
    return {};
  }
  const std::string_view inner = type.substr(start.size(), type.size() - start.size() - 1);
  std::vector<std::pair<std::string, std::string>> fields;
  for (std::size_t at = 0; at < inner.size();) {
    const std::size_t name_begin = at;
    at = inner[at] == '"' ? after_quoted(inner, at) : std::min(inner.find(' ', at), inner.size());
    const std::string_view name = inner.substr(name_begin, at - name_begin);
    const std::size_t type_begin = std::min(at + 1, inner.size());
    int depth = 0;
    for (at = type_begin; at < inner.size(); ++at) {
      const char c = inner[at];
      if (c == '"') {
        at = after_quoted(inner, at) - 1;
      } else if (c == '(' || c == '[') {
        ++depth;
      } else if (c == ')' || c == ']') {
        if (--depth < 0) {
          return {};  // The struct ended before: this is STRUCT(...)...(...).
        }
      } else if (c == ',' && depth == 0) {
        break;
      }
    }
    fields.emplace_back(unquoted(name), std::string(inner.substr(type_begin, at - type_begin)));
    at += 2;
  }
  return fields;
}

}  // namespace lakehouse::ingest
