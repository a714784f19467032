#include "query/macro_expand.h"

#include <algorithm>
#include <set>
#include <vector>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "query/functions_allowed.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

/// Of all bodies in one statement: a macro that calls another twice, which does the same...
constexpr std::size_t kNodesMax = 100'000;

std::string text_of(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::unexpected<Error> refuse(const json::object& call, std::string message,
                              std::string hint = {}) {
  auto error = fail(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
  if (const json::value* at = call.if_contains("query_location"); at != nullptr && at->is_int64()) {
    error.error().position_bytes = static_cast<std::size_t>(at->get_int64());
  }
  return error;
}

/// `f(a, b := 1)`, as an error may show it.
std::string spelled(const MacroDefinition& definition) {
  std::string out;
  for (const MacroParameter& parameter : definition.parameters) {
    out.append(out.empty() ? "" : ", ").append(parameter.name);
    if (parameter.default_sql) {
      out.append(" := ").append(*parameter.default_sql);
    }
  }
  return "(" + out + ")";
}

/// A macro's arguments, as a row that its subqueries see.
constexpr std::string_view kRow = "lh_arguments";
constexpr std::string_view kLeftSide = "lh_left";

bool holds_columns(const json::value& at) {
  if (const json::array* list = at.if_array()) {
    return std::ranges::any_of(*list, holds_columns);
  }
  const json::object* node = at.if_object();
  if (node == nullptr) {
    return false;
  }
  const std::string kind = text_of(*node, "class");
  return kind == "COLUMN_REF" || kind == "POSITIONAL_REFERENCE" ||
         std::ranges::any_of(*node, [](const auto& field) { return holds_columns(field.value()); });
}

/// Puts arguments in the place of parameters. `f(a)` means the caller's `a`, whatever columns the
/// tables in f's subqueries have: what stands in one becomes
///
///   (SELECT <the subquery, with lh_arguments.p> FROM (SELECT a AS p) AS lh_arguments)
class Substitution {
 public:
  Substitution(const std::map<std::string, json::object>& arguments, const json::value* location,
               std::size_t* nodes, bool is_table)
      : arguments_(arguments), location_(location), nodes_(nodes), is_table_(is_table) {}

  void walk(json::value& at) {
    if (json::array* list = at.if_array()) {
      for (json::value& entry : *list) {
        walk(entry);
      }
      return;
    }
    json::object* node = at.if_object();
    if (node == nullptr || ++*nodes_ > kNodesMax) {
      return;
    }
    if (const auto found = argument_for(*node); found != arguments_.end()) {
      json::object copy = take(found->first, found->second);
      if (std::string alias = text_of(*node, "alias"); !alias.empty()) {
        copy["alias"] = alias;
      }
      *nodes_ += count(copy);
      *node = std::move(copy);
      return;
    }
    if (!is_table_ && row_ == nullptr && text_of(*node, "class") == "SUBQUERY") {
      walk_subquery(*node);
      return;
    }
    walk_fields(*node);
  }

 private:
  using Arguments = std::map<std::string, json::object>;

  void walk_fields(json::object& node) {
    if (json::value* place = node.if_contains("query_location")) {
      *place = location_ == nullptr ? json::value(nullptr) : *location_;
    }
    std::vector<std::string> hidden;
    if (text_of(node, "class") == "LAMBDA") {
      hide_parameters(node.at("lhs"), hidden);
    }
    for (auto& field : node) {
      if (field.key() != "lhs" || hidden.empty()) {
        walk(field.value());
      }
    }
    for (const std::string& name : hidden) {
      hidden_.erase(hidden_.find(name));
    }
  }

  void walk_subquery(json::object& node) {
    json::value* const child = node.if_contains("child");
    json::object left;
    if (child != nullptr && child->is_object()) {
      // It stands before the subquery, and may hold aggregates over the caller's rows.
      walk(*child);
      left = std::move(child->get_object());
      *child = nullptr;
    }
    json::array row;
    row_ = &row;
    walk_fields(node);
    row_ = nullptr;
    taken_.clear();
    if (!left.empty() && row.empty()) {
      *child = std::move(left);
    } else if (!left.empty()) {
      *child = tree::column({std::string(kRow), std::string(kLeftSide)});
      row.push_back(tree::aliased(std::move(left), kLeftSide));
    }
    if (row.empty()) {
      return;
    }
    const std::string alias = text_of(node, "alias");
    node["alias"] = "";
    node = tree::scalar(
        tree::select(json::array{std::move(node)},
                     tree::subquery(tree::select(std::move(row), tree::empty_table()), kRow)));
    node["alias"] = alias;
  }

  Arguments::const_iterator argument_for(const json::object& node) const {
    if (text_of(node, "class") != "COLUMN_REF") {
      return arguments_.end();
    }
    const json::array& names = node.at("column_names").as_array();
    if (names.size() != 1 || !names.front().is_string()) {
      return arguments_.end();
    }
    const std::string name = to_lower(names.front().get_string());
    return hidden_.contains(name) ? arguments_.end() : arguments_.find(name);
  }

  /// What stands for an argument where the walk is.
  json::object take(const std::string& name, const json::object& argument) {
    if (row_ == nullptr || !holds_columns(argument)) {
      return argument;
    }
    if (taken_.insert(name).second) {
      row_->push_back(tree::aliased(argument, name));
      *nodes_ += count(argument);
    }
    return tree::column({std::string(kRow), name});
  }

  /// The names in front of a lambda's arrow are its own.
  void hide_parameters(const json::value& at, std::vector<std::string>& hidden) {
    if (const json::array* list = at.if_array()) {
      for (const json::value& entry : *list) {
        hide_parameters(entry, hidden);
      }
    } else if (const json::object* node = at.if_object()) {
      if (text_of(*node, "class") == "COLUMN_REF") {
        for (const json::value& name : node->at("column_names").as_array()) {
          hidden.push_back(to_lower(std::string(name.as_string())));
          hidden_.insert(hidden.back());
        }
      } else if (const json::value* children = node->if_contains("children")) {
        hide_parameters(*children, hidden);
      }
    }
  }

  static std::size_t count(const json::value& at) {
    std::size_t out = 0;
    if (const json::array* list = at.if_array()) {
      for (const json::value& entry : *list) {
        out += count(entry);
      }
    } else if (const json::object* node = at.if_object()) {
      out = 1;
      for (const auto& field : *node) {
        out += count(field.value());
      }
    }
    return out;
  }

  const Arguments& arguments_;
  const json::value* location_;
  std::size_t* nodes_;
  bool is_table_;
  json::array* row_ = nullptr;   ///< Of the subquery that the walk is in; null: in none.
  std::set<std::string> taken_;  ///< The arguments in it.
  std::multiset<std::string> hidden_;
};

}  // namespace

Result<const Macro*> MacroExpander::find(const json::object& call) {
  if (store_ == nullptr) {
    return nullptr;
  }
  was_used_ = true;
  const std::string schema = text_of(call, "schema");
  std::pair key(to_lower(schema.empty() ? "main" : schema),
                to_lower(text_of(call, "function_name")));
  auto known = known_.find(key);
  if (known == known_.end()) {
    LH_ASSIGN_OR_RETURN(auto macro, store_->find(context_, key.first, key.second));
    known = known_.emplace(std::move(key), std::move(macro)).first;
  }
  return known->second ? &*known->second : nullptr;
}

Result<MacroExpander::Called> MacroExpander::bind(const json::object& call, const Macro& macro) {
  std::vector<const json::object*> positional;
  std::map<std::string, const json::object*> named;
  for (const json::value& child : call.at("children").as_array()) {
    const json::object& argument = child.as_object();
    if (const std::string alias = text_of(argument, "alias"); !alias.empty()) {
      named[to_lower(alias)] = &argument;
    } else if (!named.empty()) {
      return refuse(call, "an argument without a name stands behind one with a name");
    } else {
      positional.push_back(&argument);
    }
  }
  std::string forms;
  for (const MacroDefinition& definition : macro.definitions) {
    forms.append(forms.empty() ? "" : ", ").append(macro.name).append(spelled(definition));
    Called called{&macro, &definition, {}};
    std::size_t taken = 0;
    bool fits = positional.size() <= definition.parameters.size();
    for (std::size_t i = 0; fits && i < definition.parameters.size(); ++i) {
      const MacroParameter& parameter = definition.parameters[i];
      const std::string name = to_lower(parameter.name);
      const auto by_name = named.find(name);
      if (i < positional.size()) {
        fits = by_name == named.end();
        called.arguments[name] = *positional[i];
      } else if (by_name != named.end()) {
        ++taken;
        called.arguments[name] = *by_name->second;
        called.arguments[name]["alias"] = "";
      } else if (parameter.default_sql) {
        LH_ASSIGN_OR_RETURN(const auto tree, trees_.expression(context_, *parameter.default_sql));
        called.arguments[name] = tree->as_object();
      } else {
        fits = false;
      }
    }
    if (fits && taken == named.size()) {
      return called;
    }
  }
  return refuse(call, fmt::format("the arguments do not fit the macro {}", macro.name),
                fmt::format("It takes {}.", forms));
}

Result<json::value> MacroExpander::body(const json::object& call, const Called& called) {
  const std::string& sql = called.definition->sql;
  LH_ASSIGN_OR_RETURN(const auto tree, called.definition->is_table
                                           ? trees_.select(context_, sql)
                                           : trees_.expression(context_, sql));
  json::value copy = *tree;
  Substitution(called.arguments, call.if_contains("query_location"), &nodes_,
               called.definition->is_table)
      .walk(copy);
  if (nodes_ > kNodesMax) {
    return refuse(call, fmt::format("the macros come to more than {} nodes", kNodesMax));
  }
  return copy;
}

Result<std::optional<json::object>> MacroExpander::expression(const json::object& call) {
  LH_ASSIGN_OR_RETURN(const Macro* macro, find(call));
  if (macro == nullptr) {
    return std::nullopt;
  }
  if (macro->is_table()) {
    return refuse(call, fmt::format("the macro {} gives a table", macro->name),
                  fmt::format("Write SELECT ... FROM {}(...).", macro->name));
  }
  const json::value* filter = call.if_contains("filter");
  const json::value* distinct = call.if_contains("distinct");
  const json::value* orders = call.if_contains("order_bys");
  if ((filter != nullptr && !filter->is_null()) ||
      (distinct != nullptr && distinct->is_bool() && distinct->get_bool()) ||
      (orders != nullptr && orders->is_object() &&
       !orders->get_object().at("orders").as_array().empty())) {
    return refuse(call,
                  fmt::format("the macro {} takes no DISTINCT, FILTER or ORDER BY", macro->name));
  }
  LH_ASSIGN_OR_RETURN(const Called called, bind(call, *macro));
  LH_ASSIGN_OR_RETURN(json::value tree, body(call, called));
  // Every expansion may bring further calls: one that calls itself ends here.
  return std::move(tree.as_object());
}

Result<bool> MacroExpander::is_table(const json::object& call) {
  LH_ASSIGN_OR_RETURN(const Macro* macro, find(call));
  if (macro != nullptr && !macro->is_table()) {
    return refuse(call, fmt::format("the macro {} gives a value", macro->name),
                  fmt::format("Write SELECT {}(...).", macro->name));
  }
  return macro != nullptr;
}

Result<std::optional<MacroExpander::Table>> MacroExpander::table(const json::object& call) {
  LH_ASSIGN_OR_RETURN(const Macro* macro, find(call));
  if (macro == nullptr) {
    return std::nullopt;
  }
  LH_ASSIGN_OR_RETURN(const Called called, bind(call, *macro));
  LH_ASSIGN_OR_RETURN(json::value tree, body(call, called));
  return Table{macro->name_space, std::move(tree)};
}

}  // namespace lakehouse::query
