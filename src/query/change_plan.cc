#include "query/change_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "iceberg/literal.h"
#include "iceberg/type_mapping.h"
#include "query/ddl.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using Action = ChangeClause::Action;
using When = ChangeClause::When;

constexpr std::string_view kSourceMark = "__lakehouse_source";
constexpr std::string_view kActionName = "__lakehouse_action";
constexpr std::string_view kExcluded = "excluded";

std::unexpected<Error> fail_at(std::size_t position, std::string message, std::string hint = {}) {
  auto error = fail(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
  error.error().position_bytes = position;
  return error;
}

template <class List, class Value>
bool holds(const List& list, const Value& value) {
  return std::ranges::find(list, value) != std::ranges::end(list);
}

std::string text_of(const json::object& node, std::string_view member) {
  const json::value* found = node.if_contains(member);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

/// The query node of what json_serialize_sql gave.
json::object& query_node(json::value& document) {
  return document.at("statements").at(0).at("node").as_object();
}

json::value document_of(json::object node) {
  return json::object{
      {"error", false},
      {"statements",
       json::array{json::object{{"node", std::move(node)}, {"named_param_map", json::array()}}}}};
}

bool is_nothing(const json::object& node, std::string_view member) {
  const json::value* found = node.if_contains(member);
  return found == nullptr || found->is_null() || (found->is_array() && found->get_array().empty());
}

/// The SELECT that a statement's parts were put into must have come out as it was meant: as many
/// expressions, and nothing behind its FROM.
Status check_parts(const json::object& node, std::size_t expressions) {
  constexpr std::array kNone = {"modifiers", "where_clause", "group_expressions",
                                "having",    "sample",       "qualify"};
  const json::value* list = node.if_contains("select_list");
  const bool fits =
      text_of(node, "type") == "SELECT_NODE" && list != nullptr && list->is_array() &&
      list->get_array().size() == std::max<std::size_t>(expressions, 1) &&
      std::ranges::all_of(kNone, [&](const char* member) { return is_nothing(node, member); });
  return fits
             ? Status()
             : fail(ErrorCode::InvalidArgument,
                    "the tables behind USING or FROM take no GROUP BY, ORDER BY, LIMIT or the like",
                    "Put them into a subquery: (SELECT ...) AS name.");
}

/// What would make several rows of one, or one of several, has no place in a value or a condition.
/// Subqueries are statements of their own.
Status check_expression(const json::value& at) {
  if (const json::array* list = at.if_array()) {
    for (const json::value& entry : *list) {
      LH_RETURN_IF_ERROR(check_expression(entry));
    }
    return {};
  }
  const json::object* node = at.if_object();
  if (node == nullptr) {
    return {};
  }
  const std::string kind = text_of(*node, "class");
  const std::string function = to_lower(text_of(*node, "function_name"));
  const bool unnests = function == "unnest" || function == "unlist";
  if (kind == "WINDOW" || kind == "STAR" || unnests) {
    Error error{
        .code = ErrorCode::InvalidArgument,
        .message = fmt::format("{} is not allowed here", kind == "WINDOW" ? "a window function"
                                                         : unnests        ? "unnest"
                                                                          : "*"),
        .hint = "Compute it in a subquery.",
        .position_bytes = std::nullopt,
        .details_json = {}};
    if (const json::value* location = node->if_contains("query_location");
        location != nullptr && location->is_int64()) {
      error.position_bytes = static_cast<std::size_t>(location->get_int64());
    }
    return std::unexpected(std::move(error));
  }
  if (kind == "SUBQUERY") {
    const json::value* child = node->if_contains("child");
    return child == nullptr ? Status() : check_expression(*child);
  }
  for (const auto& field : *node) {
    LH_RETURN_IF_ERROR(check_expression(field.value()));
  }
  return {};
}

json::object base_table(const NamePath& name, std::string_view alias) {
  const std::size_t count = name.parts.size();
  const auto dotted = [&](std::size_t from, std::size_t to) {
    return fmt::format("{}", fmt::join(name.parts.begin() + static_cast<std::ptrdiff_t>(from),
                                       name.parts.begin() + static_cast<std::ptrdiff_t>(to), "."));
  };
  return {{"type", "BASE_TABLE"},
          {"alias", alias},
          {"sample", nullptr},
          {"query_location", name.position},
          {"schema_name", count < 2 ? "" : name.parts[count - 2]},
          {"table_name", name.parts.back()},
          {"column_name_alias", json::array()},
          {"catalog_name", count < 3 ? "" : dotted(0, count - 2)},
          {"at_clause", nullptr}};
}

json::object joined(std::string_view type, json::object left, json::object right,
                    std::optional<json::object> condition) {
  json::object out =
      tree::join(type, std::move(left), std::move(right), condition ? *condition : json::object());
  if (!condition) {
    out["condition"] = nullptr;
    out["ref_type"] = "CROSS";
  }
  return out;
}

json::object not_null(json::object expression) {
  return tree::negated(tree::is_null(std::move(expression)));
}

void used_parameters(const json::value& at, std::set<std::string>& out) {
  if (const json::array* list = at.if_array()) {
    for (const json::value& entry : *list) {
      used_parameters(entry, out);
    }
  } else if (const json::object* node = at.if_object()) {
    if (text_of(*node, "class") == "PARAMETER") {
      out.insert(to_lower(text_of(*node, "identifier")));
    }
    for (const auto& field : *node) {
      used_parameters(field.value(), out);
    }
  }
}

/// $4 becomes $p4.
void name_parameters(json::value& at) {
  if (json::array* list = at.if_array()) {
    for (json::value& entry : *list) {
      name_parameters(entry);
    }
  } else if (json::object* node = at.if_object()) {
    if (text_of(*node, "class") == "PARAMETER") {
      (*node)["identifier"] = "p" + text_of(*node, "identifier");
    }
    for (auto& field : *node) {
      name_parameters(field.value());
    }
  }
}

/// The value that DEFAULT stands for.
Result<json::object> default_of(const iceberg::NestedField& field) {
  if (field.write_default && !field.write_default->is_null() && !is_nested(*field.type)) {
    LH_ASSIGN_OR_RETURN(const iceberg::Literal value,
                        iceberg::literal_from_json(*field.type, *field.write_default));
    return tree::literal(value);
  }
  return tree::null_of(*field.type);
}

/// Builds the plan of one statement.
class Builder {
 public:
  Builder(const RequestContext& context, const ChangePlanning& with, const ParsedStatement& parsed,
          const catalog::LoadedTable& table)
      : context_(context),
        with_(with),
        parsed_(parsed),
        schema_(*table.metadata->current_schema()) {
    out_.table = table;
  }

  Result<ChangePlan> run() {
    const auto* change = std::get_if<ChangeStatement>(&parsed_.statement);
    Status planned = change != nullptr ? plan_change_statement(*change)
                                       : plan_insert(std::get<InsertStatement>(parsed_.statement));
    if (!planned) {
      return std::unexpected(std::move(planned).error());
    }
    return std::move(out_);
  }

 private:
  // --- DELETE, UPDATE, MERGE.

  Status plan_change_statement(const ChangeStatement& change) {
    json::value document = parsed_.tree;
    json::object& node = query_node(document);
    LH_RETURN_IF_ERROR(check_parts(node, change.expressions));
    LH_RETURN_IF_ERROR(check_expression(node.at("select_list")));
    json::object target = base_table(change.table, change.alias);
    std::optional<json::object> condition;
    if (change.condition) {
      condition = node.at("select_list").at(*change.condition).as_object();
    }
    LH_RETURN_IF_ERROR(change.verb == ChangeStatement::Verb::Merge
                           ? join_merged(change, node, std::move(target), std::move(condition))
                           : join_source(change, node, std::move(target), std::move(condition)));
    LH_ASSIGN_OR_RETURN(PlannedSelect planned,
                        plan(document, change.has_source ? "right" : "", change.table.position));
    if (change.verb == ChangeStatement::Verb::Merge) {
      source_alias_ = text_of(node.at("from_table").at("left").as_object(), "alias");
      LH_RETURN_IF_ERROR(describe_merged(change, node, planned));
    }
    expressions_ = std::move(node.at("select_list").as_array());
    out_.may_repeat = change.has_source;
    out_.has_values = parsed_.returning.is_object() ||
                      std::ranges::any_of(change.clauses, [](const ChangeClause& clause) {
                        return clause.action == Action::Update || clause.action == Action::Insert;
                      });
    LH_RETURN_IF_ERROR(select_changes(change.clauses, node));
    if (change.has_source && change.verb != ChangeStatement::Verb::Merge) {
      // The same change twice is one.
      node["modifiers"] = json::array{
          json::object{{"type", "DISTINCT_MODIFIER"}, {"distinct_on_targets", json::array()}}};
    }
    return finish(std::move(document), std::move(planned));
  }

  /// DELETE and UPDATE: the rows of the target with those of the source, where the condition holds.
  static Status join_source(const ChangeStatement& change, json::object& node, json::object target,
                            std::optional<json::object> condition) {
    json::object source = std::move(node.at("from_table").as_object());
    node["from_table"] = change.has_source
                             ? joined("INNER", std::move(source), std::move(target), std::nullopt)
                             : std::move(target);
    if (condition) {
      node["where_clause"] = *std::move(condition);
    }
    return {};
  }

  /// MERGE: an outer join as far as rows without a partner are asked for. A source that may be
  /// missing gets a mark that is there when it is not.
  Status join_merged(const ChangeStatement& change, json::object& node, json::object target,
                     std::optional<json::object> condition) {
    json::object source = std::move(node.at("from_table").as_object());
    std::string alias = text_of(source, "alias");
    if (alias.empty()) {
      alias = text_of(source, "table_name");
    }
    if (alias.empty()) {
      return fail(ErrorCode::InvalidArgument,
                  "the source of a MERGE is one table, or a subquery with a name",
                  "Write USING (SELECT ...) AS source.");
    }
    const auto asks = [&](When when) {
      return std::ranges::any_of(change.clauses,
                                 [when](const ChangeClause& one) { return one.when == when; });
    };
    const bool new_rows = asks(When::NotMatched);
    const bool left_rows = asks(When::NotMatchedBySource);
    if (left_rows) {
      json::array marked{tree::star(), tree::aliased(tree::boolean(true), kSourceMark)};
      source = tree::subquery(tree::select(std::move(marked), std::move(source)), alias);
    }
    if (!condition) {
      json::array equal;
      for (const std::string& column : change.using_columns) {
        equal.push_back(tree::compare("COMPARE_EQUAL", target_column(change, column),
                                      tree::column({alias, column})));
      }
      condition = tree::all_of(std::move(equal));
    }
    const std::string_view type = new_rows && left_rows ? "FULL"
                                  : new_rows            ? "LEFT"
                                  : left_rows           ? "RIGHT"
                                                        : "INNER";
    // The source stands first: what is on the right could see the columns on the left.
    node["from_table"] = joined(type, std::move(source), std::move(target), std::move(condition));
    return {};
  }

  /// Before planning, when what stands for the table still has the name that was written.
  static json::object target_column(const ChangeStatement& change, const std::string& column) {
    std::vector<std::string> names =
        change.alias.empty() ? change.table.parts : std::vector<std::string>{change.alias};
    names.push_back(column);
    return tree::column(names);
  }

  /// UPDATE SET * and INSERT *: which columns the source has.
  Status describe_merged(const ChangeStatement& change, const json::object& node,
                         const PlannedSelect& planned) {
    const bool needed = std::ranges::any_of(change.clauses, [](const ChangeClause& clause) {
      return clause.values != ChangeClause::Values::Assigned && clause.assignments.empty();
    });
    if (!needed) {
      return {};
    }
    json::object select = node;
    select["from_table"] = node.at("from_table").at("left");
    select["select_list"] = json::array{tree::star()};
    LH_ASSIGN_OR_RETURN(source_columns_, describe(document_of(std::move(select)), planned));
    std::erase_if(source_columns_, [](const std::string& name) { return name == kSourceMark; });
    return {};
  }

  // --- INSERT.

  Status plan_insert(const InsertStatement& insert) {
    json::value copy = parsed_.tree;
    LH_ASSIGN_OR_RETURN(const PlannedSelect described, plan(copy, std::nullopt, 0));
    LH_ASSIGN_OR_RETURN(const std::vector<std::string> given, describe(copy, described));
    LH_ASSIGN_OR_RETURN(const auto from, insert_columns(insert, given));
    json::value inner = parsed_.tree;
    json::object source = tree::subquery(std::move(query_node(inner)), "lh_given");
    json::array names;
    for (std::size_t i = 0; i < given.size(); ++i) {
      names.emplace_back(fmt::format("c{}", i));
    }
    source["column_name_alias"] = std::move(names);
    json::array select_list;
    for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
      const iceberg::NestedField& field = schema_.fields[i];
      LH_ASSIGN_OR_RETURN(json::object value, default_of(field));
      if (from[i]) {
        value = tree::cast(tree::column({"lh_given", fmt::format("c{}", *from[i])}), *field.type);
      }
      select_list.push_back(tree::aliased(std::move(value), field.name));
    }
    json::object rows = tree::select(std::move(select_list), std::move(source));
    out_.has_values = true;
    return insert.on_conflict ? plan_upsert(insert, *insert.on_conflict, std::move(rows), from)
                              : plan_new_rows(insert, std::move(rows));
  }

  /// For each column of the schema the source's column that goes to it.
  Result<std::vector<std::optional<std::size_t>>> insert_columns(
      const InsertStatement& insert, const std::vector<std::string>& given) {
    std::vector<std::optional<std::size_t>> from(schema_.fields.size());
    std::vector<std::string> names = insert.by_name ? given : insert.columns;
    if (names.empty()) {
      for (const iceberg::NestedField& field : schema_.fields) {
        names.push_back(field.name);
      }
    }
    if (names.size() != given.size()) {
      return fail_at(insert.table.position,
                     fmt::format("{} columns are to be written, but the rows have {}", names.size(),
                                 given.size()),
                     insert.columns.empty() ? "Name the columns that the values are for." : "");
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      LH_ASSIGN_OR_RETURN(const std::size_t place, place_of(names[i], insert.table.position));
      if (from[place]) {
        return fail_at(insert.table.position, fmt::format("column {} is named twice", names[i]));
      }
      from[place] = i;
    }
    return from;
  }

  Status plan_new_rows(const InsertStatement& insert, json::object rows) {
    out_.alias = insert.alias.empty() ? insert.table.parts.back() : insert.alias;
    out_.actions.push_back({Action::Insert, {}});
    for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
      out_.columns.push_back(i);
    }
    out_.restricted.assign(schema_.fields.size(), false);
    json::array list{tree::aliased(null_number(), "f"), tree::aliased(null_number(), "r"),
                     tree::aliased(tree::integer(0), "a")};
    for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
      list.push_back(
          tree::aliased(tree::column({"lh_rows", schema_.fields[i].name}), fmt::format("c{}", i)));
    }
    json::value document =
        document_of(tree::select(std::move(list), tree::subquery(std::move(rows), "lh_rows")));
    LH_ASSIGN_OR_RETURN(PlannedSelect planned, plan(document, std::nullopt, 0));
    return finish(std::move(document), std::move(planned));
  }

  /// ON CONFLICT is a MERGE whose source is called "excluded".
  Status plan_upsert(const InsertStatement& insert, const ConflictClause& conflict,
                     json::object rows, const std::vector<std::optional<std::size_t>>& from) {
    json::value document = parsed_.conflict;
    json::object& node = query_node(document);
    LH_RETURN_IF_ERROR(check_parts(node, conflict.expressions));
    LH_RETURN_IF_ERROR(check_expression(node.at("select_list")));
    LH_ASSIGN_OR_RETURN(const std::vector<std::size_t> key, key_of(conflict));
    const std::string name = insert.alias.empty() ? insert.table.parts.back() : insert.alias;
    json::array equal;
    for (const std::size_t place : key) {
      const std::string& column = schema_.fields[place].name;
      equal.push_back(tree::compare("COMPARE_EQUAL", tree::column({name, column}),
                                    tree::column({std::string(kExcluded), column})));
    }
    node["from_table"] = joined("LEFT", tree::subquery(std::move(rows), kExcluded),
                                base_table(insert.table, name), tree::all_of(std::move(equal)));
    LH_ASSIGN_OR_RETURN(PlannedSelect planned, plan(document, "right", insert.table.position));
    source_alias_ = kExcluded;
    expressions_ = std::move(node.at("select_list").as_array());
    LH_RETURN_IF_ERROR(select_changes(conflict_clauses(conflict, from), node));
    for (const std::size_t place : key) {
      const auto at = std::ranges::find(out_.columns, place);
      if (at == out_.columns.end()) {
        return fail_at(conflict.position, fmt::format("the column {} of the key is not to be seen",
                                                      schema_.fields[place].name));
      }
      out_.key.push_back(static_cast<std::size_t>(at - out_.columns.begin()));
    }
    out_.keeps_first = !conflict.updates;
    out_.may_repeat = true;
    return finish(std::move(document), std::move(planned));
  }

  /// What ON CONFLICT and its statement come to, as clauses.
  std::vector<ChangeClause> conflict_clauses(const ConflictClause& conflict,
                                             const std::vector<std::optional<std::size_t>>& from) {
    ChangeClause matched;
    matched.when = When::Matched;
    if (conflict.updates) {
      matched.action = Action::Update;
      matched.condition = conflict.condition;
      matched.assignments = conflict.assignments;
    }
    if (conflict.all_columns) {
      matched.values = ChangeClause::Values::ByName;
      for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i]) {
          source_columns_.push_back(schema_.fields[i].name);
        }
      }
    }
    ChangeClause inserted;
    inserted.when = When::NotMatched;
    inserted.action = Action::Insert;
    for (const iceberg::NestedField& field : schema_.fields) {
      excluded_columns_.push_back(field.name);
    }
    return {std::move(matched), std::move(inserted)};
  }

  Result<std::vector<std::size_t>> key_of(const ConflictClause& conflict) {
    std::vector<std::size_t> key;
    for (const std::string& name : conflict.key) {
      LH_ASSIGN_OR_RETURN(const std::size_t place, place_of(name, conflict.position));
      key.push_back(place);
    }
    if (conflict.key.empty()) {
      for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
        if (std::ranges::find(schema_.identifier_field_ids, schema_.fields[i].id) !=
            schema_.identifier_field_ids.end()) {
          key.push_back(i);
        }
      }
    }
    return key.empty() ? Result<std::vector<std::size_t>>(fail_at(
                             conflict.position, "which columns are the key is not known",
                             "Name them: ON CONFLICT (id) DO ..., or give the table identifier "
                             "fields."))
                       : key;
  }

  // --- The select list.

  /// "f", "r", "a" and the values, in place of the statement's expressions.
  Status select_changes(const std::vector<ChangeClause>& clauses, json::object& node) {
    json::array list;
    for (const auto& [name, column] : {std::pair{"f", kFileNumber}, std::pair{"r", kRowNumber}}) {
      list.push_back(tree::aliased(
          tree::cast(tree::column({out_.alias, std::string(column)}), bigint()), name));
    }
    LH_ASSIGN_OR_RETURN(json::object action, action_of(clauses));
    list.push_back(tree::aliased(std::move(action), kActionName));
    for (const ChangeClause& clause : clauses) {
      out_.actions.push_back({clause.action, std::vector<bool>(schema_.fields.size(), false)});
      LH_RETURN_IF_ERROR(resolve(clause));
    }
    if (out_.has_values) {
      for (std::size_t i = 0; i < out_.columns.size(); ++i) {
        LH_ASSIGN_OR_RETURN(json::object value, value_of(clauses, out_.columns[i]));
        list.push_back(tree::aliased(std::move(value), fmt::format("c{}", i)));
      }
    }
    node["select_list"] = std::move(list);
    return {};
  }

  static const iceberg::Type& bigint() {
    static const iceberg::TypePtr type = iceberg::primitive(iceberg::TypeKind::Long);
    return *type;
  }
  static json::object null_number() { return tree::null_of(bigint()); }

  [[nodiscard]] json::object expression(std::size_t index) const {
    return tree::aliased(expressions_[index].as_object(), "");
  }

  /// The number of the first clause that takes the row.
  Result<json::object> action_of(const std::vector<ChangeClause>& clauses) const {
    const auto* change = std::get_if<ChangeStatement>(&parsed_.statement);
    if (change != nullptr && change->verb != ChangeStatement::Verb::Merge) {
      return tree::integer(0);
    }
    json::object out = null_number();
    for (std::size_t i = clauses.size(); i-- > 0;) {
      const ChangeClause& clause = clauses[i];
      json::array conditions;
      const json::object row = tree::column({out_.alias, std::string(kRowNumber)});
      if (clause.when == When::NotMatched) {
        conditions.push_back(tree::is_null(row));
      } else {
        conditions.push_back(not_null(row));
      }
      if (has_mark(clauses)) {
        const json::object mark = tree::column({source_alias_, std::string(kSourceMark)});
        if (clause.when == When::NotMatchedBySource) {
          conditions.push_back(tree::is_null(mark));
        } else {
          conditions.push_back(not_null(mark));
        }
      }
      if (clause.condition) {
        conditions.push_back(expression(*clause.condition));
      }
      json::object number = tree::integer(static_cast<std::int64_t>(i));
      if (clause.action == Action::Nothing) {
        number = null_number();
      } else if (clause.action == Action::Error) {
        number = tree::cast(tree::function("error", json::array{error_message(clause)}), bigint());
      }
      out = tree::when(tree::all_of(std::move(conditions)), std::move(number), std::move(out));
    }
    return out;
  }
  static bool has_mark(const std::vector<ChangeClause>& clauses) {
    return std::ranges::any_of(
        clauses, [](const ChangeClause& one) { return one.when == When::NotMatchedBySource; });
  }
  [[nodiscard]] json::object error_message(const ChangeClause& clause) const {
    const json::object prefix = tree::string("the MERGE ends with its ERROR");
    if (!clause.message) {
      return prefix;
    }
    return tree::function("concat",
                          json::array{prefix, tree::string(": "), expression(*clause.message)});
  }

  /// What each column becomes in a clause: which of the statement's expressions or of the source's
  /// columns; absent columns stay (UPDATE) or get their default (INSERT).
  using Sources = std::map<std::size_t, json::object>;

  Status resolve(const ChangeClause& clause) {
    Sources sources;
    ChangeAction& action = out_.actions.back();
    if (clause.action == Action::Update || clause.action == Action::Insert) {
      LH_ASSIGN_OR_RETURN(sources, sources_of(clause));
    }
    for (const auto& [place, value] : sources) {
      action.assigned[place] = true;
    }
    sources_.push_back(std::move(sources));
    return {};
  }

  Result<Sources> sources_of(const ChangeClause& clause) const {
    if (clause.action == Action::Insert && !excluded_columns_.empty()) {
      return from_source(clause, excluded_columns_, true);
    }
    if (clause.values != ChangeClause::Values::Assigned && clause.assignments.empty()) {
      return from_source(clause, source_columns_, clause.values == ChangeClause::Values::ByName);
    }
    Sources out;
    const bool positional = clause.values == ChangeClause::Values::Positional;
    if (positional && clause.assignments.size() != out_.columns.size()) {
      return fail_at(clause.assignments.front().position,
                     fmt::format("{} columns are to be written, but there are {} values",
                                 out_.columns.size(), clause.assignments.size()),
                     "Name the columns that the values are for.");
    }
    for (std::size_t i = 0; i < clause.assignments.size(); ++i) {
      const Assignment& one = clause.assignments[i];
      std::size_t place = positional ? out_.columns[i] : 0;
      if (!positional) {
        LH_ASSIGN_OR_RETURN(place, place_of(one.column, one.position));
      }
      const iceberg::NestedField& field = schema_.fields[place];
      LH_ASSIGN_OR_RETURN(json::object value, default_of(field));
      if (one.expression) {
        value = tree::cast(expression(*one.expression), *field.type);
      }
      if (!out.emplace(place, std::move(value)).second) {
        return fail_at(one.position, fmt::format("column {} is assigned twice", field.name));
      }
    }
    return out;
  }

  Result<Sources> from_source(const ChangeClause& clause, const std::vector<std::string>& names,
                              bool by_name) const {
    Sources out;
    if (!by_name && names.size() != out_.columns.size()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the table has {} columns, but the source has {}",
                              out_.columns.size(), names.size()),
                  "BY NAME takes those that the source has.");
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::size_t place = by_name ? 0 : out_.columns[i];
      if (by_name) {
        LH_ASSIGN_OR_RETURN(place, place_of(names[i], position()));
      }
      out.emplace(place,
                  tree::cast(tree::column({source_alias_, names[i]}), *schema_.fields[place].type));
    }
    static_cast<void>(clause);
    return out;
  }

  /// The column's value after whichever action the row takes.
  Result<json::object> value_of(const std::vector<ChangeClause>& clauses, std::size_t place) const {
    const iceberg::NestedField& field = schema_.fields[place];
    const json::object kept = tree::column({out_.alias, field.name});
    json::object out = kept;
    for (std::size_t i = clauses.size(); i-- > 0;) {
      const auto source = sources_[i].find(place);
      json::object value = kept;
      if (source != sources_[i].end()) {
        value = source->second;
      } else if (clauses[i].action == Action::Insert) {
        LH_ASSIGN_OR_RETURN(value, default_of(field));
      } else {
        continue;
      }
      out =
          clauses.size() == 1
              ? std::move(value)
              : tree::when(tree::compare("COMPARE_EQUAL", tree::column({std::string(kActionName)}),
                                         tree::integer(static_cast<std::int64_t>(i))),
                           std::move(value), std::move(out));
    }
    return out;
  }

  // --- Columns.

  /// The column's place in the schema, as far as the principal may know of it.
  Result<std::size_t> place_of(const std::string& name, std::size_t position) const {
    std::vector<iceberg::NestedField> fields;
    for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
      if (!out_.table.metadata || !is_planned_ || holds(out_.columns, i)) {
        fields.push_back(schema_.fields[i]);
      }
    }
    const iceberg::NestedField* found = find_column(fields, name);
    if (found == nullptr) {
      std::vector<std::string> names;
      for (const iceberg::NestedField& field : fields) {
        names.push_back(field.name);
      }
      return fail_at(position, fmt::format("the table has no column '{}'", name),
                     did_you_mean(name, names));
    }
    return static_cast<std::size_t>(
        std::ranges::find(schema_.fields, found->id, &iceberg::NestedField::id) -
        schema_.fields.begin());
  }
  [[nodiscard]] std::size_t position() const {
    const auto* change = std::get_if<ChangeStatement>(&parsed_.statement);
    return change != nullptr ? change->table.position
                             : std::get<InsertStatement>(parsed_.statement).table.position;
  }

  // --- Planning.

  /// With a side ("" for the whole FROM) the table there is the one to be changed.
  Result<PlannedSelect> plan(json::value& document, std::optional<std::string_view> side,
                             std::size_t position) {
    PlanRequest wanted;
    wanted.parameters = with_.request.params;
    wanted.states = &with_.states;
    wanted.purpose = with_.purpose;
    if (side) {
      json::object* from = &query_node(document).at("from_table").as_object();
      wanted.changed = side->empty() ? from : &from->at(*side).as_object();
    }
    LH_ASSIGN_OR_RETURN(PlannedSelect planned,
                        with_.planner.plan(context_, document.as_object(), wanted));
    if (!side) {
      return planned;
    }
    if (!planned.changed) {
      return fail_at(position, "a common table expression has the name of the table",
                     "Give it another name.");
    }
    if (planned.changed->table.metadata_location != out_.table.metadata_location) {
      return fail(ErrorCode::Aborted, "the table was changed meanwhile", "Try again.");
    }
    out_.alias = planned.changed->alias;
    out_.files = planned.changed->files;
    out_.row_count = planned.changed->row_count;
    out_.restricted.assign(schema_.fields.size(), true);
    for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
      const std::string& name = schema_.fields[i].name;
      if (holds(planned.changed->visible, name)) {
        out_.columns.push_back(i);
        out_.restricted[i] = holds(planned.changed->masked, name);
      }
    }
    is_planned_ = true;
    return planned;
  }

  Result<std::vector<std::string>> describe(json::value document, const PlannedSelect& planned) {
    engine::Statement statement;
    statement.parameters = take_parameters(with_.request.params, document);
    statement.text = json::serialize(document);
    statement.is_tree = true;
    statement.variables = planned.variables;
    LH_ASSIGN_OR_RETURN(const auto columns, with_.engine.describe(context_, std::move(statement)));
    std::vector<std::string> names;
    for (const engine::Column& column : columns) {
      names.push_back(column.name);
    }
    return names;
  }

  Status finish(json::value document, PlannedSelect planned) {
    out_.select.parameters = take_parameters(with_.request.params, document);
    out_.select.text = json::serialize(document);
    out_.select.is_tree = true;
    out_.select.variables = std::move(planned.variables);
    out_.select.scan_bytes = planned.scan_bytes;
    out_.select.monitor = with_.request.monitor;
    out_.tables = std::move(planned.tables);
    out_.sees_part_only = !planned.policy_versions.empty();
    // A table is not where its own rows come from.
    std::erase_if(planned.inputs, [this](const catalog::LineageInput& input) {
      return input.id == out_.table.metadata->table_uuid;
    });
    out_.inputs = std::move(planned.inputs);
    return {};
  }

  const RequestContext& context_;
  const ChangePlanning& with_;
  const ParsedStatement& parsed_;
  const iceberg::Schema& schema_;
  ChangePlan out_;
  json::array expressions_;  ///< The statement's, planned.
  std::string source_alias_;
  std::vector<std::string> source_columns_;
  std::vector<std::string> excluded_columns_;
  std::vector<Sources> sources_;  ///< By clause.
  bool is_planned_ = false;
};

}  // namespace

boost::json::value parameters_of(const boost::json::value& parameters,
                                 const boost::json::value& tree) {
  if (parameters.is_null()) {
    return nullptr;
  }
  std::set<std::string> used;
  used_parameters(tree, used);
  json::object out;
  if (const json::array* list = parameters.if_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (const std::string name = std::to_string(i + 1); used.contains(name)) {
        out[name] = (*list)[i];
      }
    }
  } else if (const json::object* named = parameters.if_object()) {
    for (const auto& [name, value] : *named) {
      if (used.contains(to_lower(name))) {
        out[name] = value;
      }
    }
  }
  return out.empty() ? json::value() : json::value(std::move(out));
}

boost::json::value take_parameters(const boost::json::value& parameters, boost::json::value& tree) {
  boost::json::value out = parameters_of(parameters, tree);
  if (!parameters.is_array()) {
    return out;
  }
  name_parameters(tree);
  boost::json::object named;
  if (const boost::json::object* numbered = out.if_object()) {
    for (const auto& [name, value] : *numbered) {
      named["p" + std::string(name)] = value;
    }
  }
  return named.empty() ? boost::json::value() : boost::json::value(std::move(named));
}

Result<ChangePlan> plan_change(const RequestContext& context, const ChangePlanning& with,
                               const ParsedStatement& parsed, const catalog::LoadedTable& table) {
  return Builder(context, with, parsed, table).run();
}

Result<engine::Statement> plan_returning(const RequestContext& context, const ChangePlanning& with,
                                         boost::json::value document, const std::string& alias,
                                         boost::json::object rows) {
  json::object& node = query_node(document);
  if (text_of(node, "type") != "SELECT_NODE" || !is_nothing(node, "where_clause") ||
      !is_nothing(node, "group_expressions") || !is_nothing(node, "modifiers") ||
      text_of(node.at("from_table").as_object(), "type") != "EMPTY") {
    return fail(ErrorCode::InvalidArgument, "RETURNING takes a list of columns and expressions");
  }
  node["from_table"] = base_table({{alias}, 0}, "");
  PlanRequest wanted;
  wanted.parameters = with.request.params;
  wanted.states = &with.states;
  wanted.given = &node.at("from_table").as_object();
  wanted.given_rows = std::move(rows);
  LH_ASSIGN_OR_RETURN(PlannedSelect planned,
                      with.planner.plan(context, document.as_object(), wanted));
  engine::Statement out;
  out.parameters = take_parameters(with.request.params, document);
  out.text = json::serialize(document);
  out.is_tree = true;
  out.variables = std::move(planned.variables);
  return out;
}

}  // namespace lakehouse::query
