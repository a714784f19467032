#include "query/function_calls.h"

#include <charconv>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::optional<std::size_t> place_of(const json::object& node) {
  const json::value* at = node.if_contains("query_location");
  return at != nullptr && at->is_int64() ? std::optional(static_cast<std::size_t>(at->get_int64()))
                                         : std::nullopt;
}

/// A number's value without its sign and point: DECIMAL constants hold digits and a scale.
Result<json::value> constant_value(const json::object& holder) {
  if (const json::value* is_null = holder.if_contains("is_null");
      is_null != nullptr && is_null->is_bool() && is_null->get_bool()) {
    return json::value(nullptr);
  }
  const json::object& type = holder.at("type").as_object();
  const json::value& value = holder.at("value");
  if (text_of(type, "id") == "DECIMAL" && value.is_number()) {
    double scaled = value.to_number<double>();
    const json::value* info = type.if_contains("type_info");
    const auto scale =
        info == nullptr || !info->is_object() ? 0 : info->get_object().at("scale").to_number<int>();
    for (int i = 0; i < scale; ++i) {
      scaled /= 10;
    }
    return json::value(scaled);
  }
  return value;
}

class Evaluator {
 public:
  explicit Evaluator(const json::value& parameters) : parameters_(parameters) {}

  Result<json::value> value_of(const json::object& node) {
    const std::string kind = text_of(node, "class");
    if (kind == "CONSTANT") {
      return constant_value(node.at("value").as_object());
    }
    if (kind == "PARAMETER") {
      return parameter(text_of(node, "identifier"));
    }
    if (kind == "CAST") {
      return cast(node);
    }
    const std::string function = text_of(node, "function_name");
    if (kind == "FUNCTION" && function == "list_value") {
      json::array list;
      for (const json::value& child : node.at("children").as_array()) {
        LH_ASSIGN_OR_RETURN(json::value one, value_of(child.as_object()));
        list.push_back(std::move(one));
      }
      return list;
    }
    if (kind == "FUNCTION" && function == "-" && node.at("children").as_array().size() == 1) {
      LH_ASSIGN_OR_RETURN(const json::value inner,
                          value_of(node.at("children").as_array()[0].as_object()));
      if (inner.is_int64()) {
        return json::value(-inner.get_int64());
      }
      if (inner.is_double()) {
        return json::value(-inner.get_double());
      }
    }
    return fail(ErrorCode::InvalidArgument,
                "an argument is a constant, a parameter, or a list of them");
  }

 private:
  /// TRUE is CAST('t' AS BOOLEAN), DATE '...' a cast of its text.
  Result<json::value> cast(const json::object& node) {
    LH_ASSIGN_OR_RETURN(json::value inner, value_of(node.at("child").as_object()));
    if (text_of(node.at("cast_type").as_object(), "id") == "BOOLEAN" && inner.is_string()) {
      return json::value(inner.get_string() == "t" || inner.get_string() == "true");
    }
    return inner;
  }

  Result<json::value> parameter(const std::string& identifier) {
    if (const json::array* list = parameters_.if_array()) {
      std::size_t number = 0;
      const auto [end, error] =
          std::from_chars(identifier.data(), identifier.data() + identifier.size(), number);
      if (error == std::errc() && number >= 1 && number <= list->size()) {
        return (*list)[number - 1];
      }
    } else if (const json::object* named = parameters_.if_object()) {
      if (const json::value* found = named->if_contains(identifier)) {
        return *found;
      }
    }
    return fail(ErrorCode::InvalidArgument, fmt::format("there is no parameter ${}", identifier));
  }

  const json::value& parameters_;
};

}  // namespace

Result<TableFunctionCall> constant_call(const json::object& call, const json::value& parameters) {
  TableFunctionCall out;
  out.name = to_lower(text_of(call, "function_name"));
  out.position = place_of(call);
  Evaluator evaluator(parameters);
  for (const json::value& child : call.at("children").as_array()) {
    const json::object* argument = child.if_object();
    if (argument == nullptr) {
      return fail(ErrorCode::InvalidArgument, "the statement's tree is not understood");
    }
    auto value = evaluator.value_of(*argument);
    if (!value) {
      Error error = std::move(value).error().with_context("the function " + out.name);
      error.position_bytes = place_of(*argument) ? place_of(*argument) : out.position;
      return std::unexpected(std::move(error));
    }
    if (std::string name = text_of(*argument, "alias"); !name.empty()) {
      out.named[to_lower(name)] = *std::move(value);
    } else {
      out.arguments.push_back(*std::move(value));
    }
  }
  return out;
}

}  // namespace lakehouse::query
