#include "base/json.h"

#include <charconv>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse {

namespace json = boost::json;

namespace {

/// Builds the document as Boost's own parser does, but for numbers with a point or an exponent:
/// those are read exactly, where Boost 1.81 may be off by the last bit. (1.82 has
/// number_precision::precise.)
struct ExactHandler {
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  using Code = boost::system::error_code;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t count, Code&) {
    stack.push_object(count);
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t count, Code&) {
    stack.push_array(count);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, Code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, Code&) {
    stack.push_key(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, Code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, Code&) {
    stack.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view part, Code&) {
    number += part;
    return true;
  }
  bool on_int64(std::int64_t value, json::string_view, Code&) {
    number.clear();
    stack.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, json::string_view, Code&) {
    number.clear();
    stack.push_uint64(value);
    return true;
  }
  bool on_double(double nearly, json::string_view part, Code&) {
    number += part;
    double exact = 0;
    const char* const end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, exact);
    // Out of range: Boost has made it zero or infinite already.
    stack.push_double(error == std::errc() && stop == end ? exact : nearly);
    number.clear();
    return true;
  }
  bool on_bool(bool value, Code&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(Code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }

  json::value_stack stack;
  std::string number;  ///< What came of the number so far.
};

}  // namespace

Result<json::value> parse_json(std::string_view text, std::string_view what) {
  json::parse_options options;
  options.max_depth = 200;
  json::basic_parser<ExactHandler> parser(options);
  parser.handler().stack.reset();
  boost::system::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  const bool rest_is_space = text.find_first_not_of(" \t\r\n", read) == std::string_view::npos;
  if (!error && !rest_is_space) {
    error = json::error::extra_data;
  }
  if (!error && !parser.done()) {
    error = json::error::incomplete;
  }
  if (error) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} is not JSON: {} at byte {}", what, error.message(), read));
  }
  return parser.handler().stack.release();
}

std::string to_json(const json::value& value) {
  return json::serialize(value);
}

Result<JsonFields> JsonFields::of(const json::value& value, std::string what) {
  if (!value.is_object()) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} must be a JSON object", what));
  }
  return JsonFields(value.get_object(), std::move(what));
}

const json::value* JsonFields::find(std::string_view name) {
  known_.emplace(name);
  const json::value* found = object_->if_contains(name);
  return found != nullptr && found->is_null() ? nullptr : found;
}

std::unexpected<Error> JsonFields::wrong(std::string_view name, std::string_view wanted) const {
  return fail(ErrorCode::InvalidArgument, fmt::format("{}: '{}' must be {}", what_, name, wanted));
}

const json::value* JsonFields::optional_value(std::string_view name) {
  return find(name);
}

Result<std::optional<std::string>> JsonFields::optional_string(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) {
    return std::nullopt;
  }
  if (!found->is_string()) {
    return wrong(name, "a string");
  }
  return std::string(found->get_string());
}

Result<std::optional<std::int64_t>> JsonFields::optional_int64(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) {
    return std::nullopt;
  }
  boost::system::error_code error;
  const auto number = found->to_number<std::int64_t>(error);
  if (error) {
    return wrong(name, "a whole number");
  }
  return number;
}

Result<std::optional<double>> JsonFields::optional_double(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) {
    return std::nullopt;
  }
  boost::system::error_code error;
  const auto number = found->to_number<double>(error);
  if (error) {
    return wrong(name, "a number");
  }
  return number;
}

Result<std::optional<bool>> JsonFields::optional_bool(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) {
    return std::nullopt;
  }
  if (!found->is_bool()) {
    return wrong(name, "true or false");
  }
  return found->get_bool();
}

Result<const json::object*> JsonFields::optional_object(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) {
    return nullptr;
  }
  if (!found->is_object()) {
    return wrong(name, "an object");
  }
  return &found->get_object();
}

Result<const json::array*> JsonFields::optional_array(std::string_view name) {
  const json::value* found = find(name);
  if (found == nullptr) {
    return nullptr;
  }
  if (!found->is_array()) {
    return wrong(name, "an array");
  }
  return &found->get_array();
}

Result<std::vector<std::pair<std::string, std::string>>> JsonFields::optional_string_map(
    std::string_view name) {
  LH_ASSIGN_OR_RETURN(const json::object* object, optional_object(name));
  std::vector<std::pair<std::string, std::string>> map;
  if (object == nullptr) {
    return map;
  }
  for (const auto& member : *object) {
    if (!member.value().is_string()) {
      return wrong(name, "an object of strings");
    }
    map.emplace_back(member.key(), member.value().get_string());
  }
  return map;
}

Result<std::string> JsonFields::require_string(std::string_view name) {
  LH_ASSIGN_OR_RETURN(auto found, optional_string(name));
  if (!found) {
    return wrong(name, "given, as a string");
  }
  return *std::move(found);
}

Result<std::int64_t> JsonFields::require_int64(std::string_view name) {
  LH_ASSIGN_OR_RETURN(const auto found, optional_int64(name));
  if (!found) {
    return wrong(name, "given, as a whole number");
  }
  return *found;
}

Result<bool> JsonFields::require_bool(std::string_view name) {
  LH_ASSIGN_OR_RETURN(const auto found, optional_bool(name));
  if (!found) {
    return wrong(name, "given, as true or false");
  }
  return *found;
}

Result<const json::object*> JsonFields::require_object(std::string_view name) {
  LH_ASSIGN_OR_RETURN(const auto* found, optional_object(name));
  if (found == nullptr) {
    return wrong(name, "given, as an object");
  }
  return found;
}

Result<const json::array*> JsonFields::require_array(std::string_view name) {
  LH_ASSIGN_OR_RETURN(const auto* found, optional_array(name));
  if (found == nullptr) {
    return wrong(name, "given, as an array");
  }
  return found;
}

Result<std::vector<std::string>> JsonFields::require_strings(std::string_view name) {
  LH_ASSIGN_OR_RETURN(const auto* found, require_array(name));
  std::vector<std::string> strings;
  for (const json::value& element : *found) {
    if (!element.is_string()) {
      return wrong(name, "an array of strings");
    }
    strings.emplace_back(element.get_string());
  }
  return strings;
}

Status JsonFields::refuse_unknown() const {
  for (const auto& member : *object_) {
    if (!known_.contains(member.key())) {
      const std::vector<std::string> names(known_.begin(), known_.end());
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} has no field '{}'", what_, std::string_view(member.key())),
                  did_you_mean(member.key(), names));
    }
  }
  return {};
}

json::object JsonFields::unknown() const {
  json::object rest;
  for (const auto& member : *object_) {
    if (!known_.contains(member.key())) {
      rest.emplace(member.key(), member.value());
    }
  }
  return rest;
}

}  // namespace lakehouse
