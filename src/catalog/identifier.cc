#include "catalog/identifier.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace lakehouse::catalog {
namespace {

constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kLevelsMax = 16;

// C0 and DEL, and the C1 controls, which UTF-8 spells C2 80 to C2 9F.
bool has_control(std::string_view name) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    if (byte < 0x20 || byte == 0x7F) {
      return true;
    }
    if (byte == 0xC2 && i + 1 < name.size() && static_cast<unsigned char>(name[i + 1]) < 0xA0) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string to_string(const Namespace& name_space) {
  return fmt::format("{}", fmt::join(name_space, "."));
}

std::string to_string(const TableIdentifier& table) {
  return table.name_space.empty() ? table.name
                                  : fmt::format("{}.{}", to_string(table.name_space), table.name);
}

Status check_name(std::string_view name, std::string_view what) {
  if (name.empty()) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} is empty", what));
  }
  if (name.size() > kNameBytesMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} has {} bytes; at most {} are allowed",
                                                        what, name.size(), kNameBytesMax));
  }
  if (!is_valid_utf8(name) || has_control(name)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} must be valid UTF-8 without control characters", what));
  }
  if (name == "." || name == "..") {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} must not be '{}'", what, name));
  }
  return {};
}

Status check_namespace(const Namespace& name_space) {
  if (name_space.empty()) {
    return fail(ErrorCode::InvalidArgument, "the namespace is empty");
  }
  if (name_space.size() > kLevelsMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the namespace has {} levels; at most {} are allowed",
                            name_space.size(), kLevelsMax));
  }
  for (const std::string& level : name_space) {
    LH_RETURN_IF_ERROR(check_name(level, "a level of the namespace"));
  }
  return {};
}

Status check_identifier(const TableIdentifier& table) {
  LH_RETURN_IF_ERROR(check_namespace(table.name_space));
  return check_name(table.name, "the table's name");
}

}  // namespace lakehouse::catalog
