#include "ai/json_schema_grammar.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;

constexpr std::size_t kGrammarBytesMax = std::size_t{256} << 10U;
constexpr int kGrammarDepthMax = 64;
constexpr int kDepthMax = 32;
constexpr std::size_t kPropertiesMax = 256;
/// llama.cpp's own limit of a repetition.
constexpr std::int64_t kRepeatMax = 2'000;

// As short as JSON is usually written: a model that may put spaces anywhere does little else.
constexpr std::string_view kBasicRules = R"(
ws ::= [ \n]?
string ::= "\"" char* "\""
char ::= [^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})
integer ::= "-"? ("0" | [1-9] [0-9]{0,17})
number ::= integer ("." [0-9]{1,17})? ([eE] [-+]? [0-9]{1,3})?
boolean ::= "true" | "false"
null ::= "null"
value ::= object | array | string | number | boolean | null
object ::= "{" ws (string ws ":" ws value (ws "," ws string ws ":" ws value)*)? ws "}"
array ::= "[" ws (value (ws "," ws value)*)? ws "]"
)";

// What says nothing about which texts are valid, or what we make of it elsewhere.
constexpr std::array<std::string_view, 33> kKnown = {"$schema",
                                                     "$id",
                                                     "$comment",
                                                     "$defs",
                                                     "definitions",
                                                     "$ref",
                                                     "title",
                                                     "description",
                                                     "default",
                                                     "examples",
                                                     "deprecated",
                                                     "readOnly",
                                                     "writeOnly",
                                                     "type",
                                                     "properties",
                                                     "required",
                                                     "items",
                                                     "minItems",
                                                     "maxItems",
                                                     "enum",
                                                     "const",
                                                     "anyOf",
                                                     "oneOf",
                                                     "minLength",
                                                     "maxLength",
                                                     "nullable",
                                                     "strict",
                                                     "name",
                                                     "uniqueItems",
                                                     "$anchor",
                                                     "additionalProperties",
                                                     "propertyOrdering",
                                                     "format"};

/// A text in quotes, as GBNF writes it.
std::string literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class SchemaGrammar {
 public:
  explicit SchemaGrammar(const json::object& root) : root_(root) {}

  Result<std::string> make() {
    LH_ASSIGN_OR_RETURN(const std::string body, rule_of(root_, 0));
    std::string grammar = "root ::= " + body + "\n";
    for (const std::string& rule : rules_) {
      grammar += rule + "\n";
    }
    return grammar + std::string(kBasicRules.substr(1));
  }

 private:
  // A rule of its own keeps the expression that uses it short.
  std::string add_rule(const std::string& body) {
    std::string name = fmt::format("r{}", ++count_);
    rules_.push_back(fmt::format("{} ::= {}", name, body));
    return name;
  }

  static std::unexpected<Error> wrong(std::string_view what) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'json_schema': {}", what));
  }

  Result<std::string> rule_of(const json::value& value, int depth) {
    if (value.is_bool() && value.get_bool()) {
      return "value";
    }
    return value.is_object() ? rule_of(value.get_object(), depth)
                             : Result<std::string>(wrong("a schema must be an object"));
  }

  Result<std::string> rule_of(const json::object& schema, int depth) {
    if (depth > kDepthMax) {
      return wrong("it is nested too deep");
    }
    for (const auto& member : schema) {
      if (std::ranges::find(kKnown, std::string_view(member.key())) == kKnown.end()) {
        return fail(ErrorCode::Unimplemented,
                    fmt::format("'json_schema': the keyword '{}' is not known here",
                                as_utf8(std::string_view(member.key()).substr(0, 60))),
                    "Leave it out, or give a grammar.");
      }
    }
    if (const json::value* reference = schema.if_contains("$ref")) {
      return rule_of_reference(*reference, depth);
    }
    if (const json::value* constant = schema.if_contains("const")) {
      return literal(json::serialize(*constant));
    }
    for (const std::string_view name : {"enum", "anyOf", "oneOf"}) {
      if (const json::value* list = schema.if_contains(name)) {
        return rule_of_choices(*list, name == "enum", depth);
      }
    }
    return rule_of_type(schema, depth);
  }

  Result<std::string> rule_of_reference(const json::value& reference, int depth) {
    const std::string_view path =
        reference.is_string() ? std::string_view(reference.get_string()) : std::string_view();
    if (path == "#") {
      return "root";
    }
    const std::size_t slash = path.rfind('/');
    const std::string_view folder = path.substr(0, std::min(slash, path.size()));
    if (folder != "#/$defs" && folder != "#/definitions") {
      return wrong("a '$ref' must be one of '#/$defs/NAME'");
    }
    if (const auto known = references_.find(std::string(path)); known != references_.end()) {
      return known->second;
    }
    const json::value* definitions = root_.if_contains(folder.substr(2));
    const json::value* found = definitions != nullptr && definitions->is_object()
                                   ? definitions->get_object().if_contains(path.substr(slash + 1))
                                   : nullptr;
    if (found == nullptr) {
      return wrong(fmt::format("there is no '{}'", as_utf8(path.substr(0, 60))));
    }
    const std::string name = fmt::format("d{}", references_.size() + 1);
    references_.emplace(path, name);  // Before its rule, which may refer to itself.
    LH_ASSIGN_OR_RETURN(const std::string body, rule_of(*found, depth + 1));
    if (body == name) {
      return wrong("a '$ref' that only refers to itself");
    }
    rules_.push_back(fmt::format("{} ::= {}", name, body));
    return name;
  }

  Result<std::string> rule_of_choices(const json::value& list, bool are_values, int depth) {
    if (!list.is_array() || list.get_array().empty()) {
      return wrong("'enum', 'anyOf' and 'oneOf' must be lists that hold something");
    }
    std::string body;
    for (const json::value& choice : list.get_array()) {
      body += body.empty() ? "" : " | ";
      if (are_values) {
        body += literal(json::serialize(choice));
      } else {
        LH_ASSIGN_OR_RETURN(const std::string one, rule_of(choice, depth + 1));
        body += one;
      }
    }
    return add_rule(body);
  }

  Result<std::string> rule_of_type(const json::object& schema, int depth) {
    const json::value* type = schema.if_contains("type");
    if (type == nullptr) {
      return schema.contains("properties") ? rule_of_object(schema, depth)
                                           : Result<std::string>("value");
    }
    if (type->is_string()) {
      return rule_of_named_type(schema, std::string_view(type->get_string()), depth);
    }
    if (!type->is_array() || type->get_array().empty()) {
      return wrong("'type' must be a text or a list of texts");
    }
    std::string body;
    for (const json::value& one : type->get_array()) {
      const std::string_view name =
          one.is_string() ? std::string_view(one.get_string()) : std::string_view();
      LH_ASSIGN_OR_RETURN(const std::string rule, rule_of_named_type(schema, name, depth));
      body += (body.empty() ? "" : " | ") + rule;
    }
    return add_rule(body);
  }

  Result<std::string> rule_of_named_type(const json::object& schema, std::string_view type,
                                         int depth) {
    if (type == "integer" || type == "number" || type == "boolean" || type == "null") {
      return std::string(type);
    }
    if (type == "string") {
      LH_ASSIGN_OR_RETURN(const std::string times, repetition(schema, "minLength", "maxLength"));
      return times == "*" ? Result<std::string>("string")
                          : Result<std::string>(add_rule("\"\\\"\" char" + times + " \"\\\"\""));
    }
    if (type == "array") {
      return rule_of_array(schema, depth);
    }
    if (type == "object") {
      return schema.contains("properties") ? rule_of_object(schema, depth)
                                           : Result<std::string>("object");
    }
    return wrong(fmt::format("there is no type '{}'", as_utf8(type.substr(0, 60))));
  }

  // "*", "{2,5}"; `minus` is taken off both.
  static Result<std::string> repetition(const json::object& schema, std::string_view least_name,
                                        std::string_view most_name, std::int64_t minus = 0) {
    std::array<std::optional<std::int64_t>, 2> bounds;
    const std::array<std::string_view, 2> names = {least_name, most_name};
    for (std::size_t i = 0; i < 2; ++i) {
      if (const json::value* bound = schema.if_contains(names[i])) {
        if (!bound->is_int64() || bound->get_int64() < 0 || bound->get_int64() > kRepeatMax) {
          return wrong(fmt::format("'{}' must be a whole number up to {}", names[i], kRepeatMax));
        }
        bounds[i] = bound->get_int64();
      }
    }
    if (!bounds[0] && !bounds[1]) {
      return "*";
    }
    const std::int64_t least = std::max<std::int64_t>(bounds[0].value_or(0) - minus, 0);
    if (!bounds[1]) {
      return fmt::format("{{{},}}", least);
    }
    const std::int64_t most = *bounds[1] - minus;
    return most < least ? Result<std::string>(wrong("the least is more than the most"))
                        : Result<std::string>(fmt::format("{{{},{}}}", least, most));
  }

  Result<std::string> rule_of_array(const json::object& schema, int depth) {
    const json::value* items = schema.if_contains("items");
    LH_ASSIGN_OR_RETURN(const std::string item, items == nullptr ? Result<std::string>("value")
                                                                 : rule_of(*items, depth + 1));
    const json::value* most = schema.if_contains("maxItems");
    if (most != nullptr && most->is_int64() && most->get_int64() == 0) {
      return add_rule(R"("[" ws "]")");
    }
    LH_ASSIGN_OR_RETURN(const std::string times, repetition(schema, "minItems", "maxItems", 1));
    const json::value* least = schema.if_contains("minItems");
    const bool may_be_empty = least == nullptr || (least->is_int64() && least->get_int64() == 0);
    const std::string list = fmt::format("{} (ws \",\" ws {}){}", item, item, times);
    return add_rule(may_be_empty ? fmt::format("\"[\" ws ({})? ws \"]\"", list)
                                 : fmt::format("\"[\" ws {} ws \"]\"", list));
  }

  Result<std::string> rule_of_object(const json::object& schema, int depth) {
    const json::value& properties = schema.at("properties");
    if (!properties.is_object() || properties.get_object().size() > kPropertiesMax) {
      return wrong("'properties' must be an object of at most 256 members");
    }
    std::set<std::string, std::less<>> required;
    if (const json::value* names = schema.if_contains("required")) {
      if (!names->is_array()) {
        return wrong("'required' must be a list");
      }
      for (const json::value& name : names->get_array()) {
        if (!name.is_string() || !properties.get_object().contains(name.get_string())) {
          return wrong("'required' must name properties");
        }
        required.emplace(name.get_string());
      }
    }
    // From the last member to the first: what may follow if nothing stands before, and if something
    // does.
    std::string first;  // Nothing was written yet.
    std::string later;  // Something was, so a comma stands before the next.
    std::vector<const json::object::value_type*> members;
    for (const auto& member : properties.get_object()) {
      members.push_back(&member);
    }
    for (auto member = members.rbegin(); member != members.rend(); ++member) {
      LH_ASSIGN_OR_RETURN(const std::string value, rule_of((*member)->value(), depth + 1));
      const std::string key = literal(json::serialize(json::value((*member)->key())));
      const std::string pair = fmt::format("{} ws \":\" ws {}", key, value);
      const std::string rest = later.empty() ? "" : " " + later;
      const bool must = required.contains(std::string_view((*member)->key()));
      const std::string with = fmt::format("{}{}", pair, rest);
      std::string new_first = with;
      if (!must) {
        new_first =
            first.empty() ? fmt::format("({})?", with) : fmt::format("({} | {})", with, first);
      }
      later = must ? add_rule(fmt::format("ws \",\" ws {}{}", pair, rest))
                   : add_rule(fmt::format("(ws \",\" ws {})?{}", pair, rest));
      first = add_rule(new_first);
    }
    return add_rule(fmt::format("\"{{\" ws {} ws \"}}\"", first));
  }

  const json::object& root_;
  std::vector<std::string> rules_;
  std::map<std::string, std::string> references_;
  std::size_t count_ = 0;
};

}  // namespace

Result<std::string> grammar_of_json_schema(std::string_view schema) {
  LH_ASSIGN_OR_RETURN(const json::value document, parse_json(schema, "'json_schema'"));
  if (!document.is_object()) {
    return fail(ErrorCode::InvalidArgument, "'json_schema' must be a JSON object");
  }
  return SchemaGrammar(document.get_object()).make();
}

Status check_grammar(std::string_view grammar) {
  if (grammar.size() > kGrammarBytesMax) {
    return fail(ErrorCode::InvalidArgument, "the grammar is longer than 256 KiB");
  }
  int depth = 0;
  bool quoted = false;
  bool in_class = false;
  for (std::size_t i = 0; i < grammar.size(); ++i) {
    const char c = grammar[i];
    if (c == '\0') {
      return fail(ErrorCode::InvalidArgument, "the grammar holds a zero byte");
    }
    if (c == '\\') {
      ++i;
    } else if (quoted || in_class) {
      quoted = quoted && c != '"';
      in_class = in_class && c != ']';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[') {
      in_class = true;
    } else if (c == '#') {
      i = std::min(grammar.find('\n', i), grammar.size());
    } else if (c == '(' && ++depth > kGrammarDepthMax) {
      return fail(ErrorCode::InvalidArgument, "the grammar's brackets are nested too deep");
    } else if (c == ')') {
      --depth;
    }
  }
  return {};
}

}  // namespace lakehouse::ai
