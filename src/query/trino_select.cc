#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "query/trino_translator.h"

namespace lakehouse::query {
namespace trino {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return to_lower(a) == to_lower(b);
}

bool flag(const object& node, std::string_view member) {
  const value* found = member_of(node, member);
  return found != nullptr && found->is_bool() && found->get_bool();
}

const object* object_of(const object& node, std::string_view member) {
  const value* found = member_of(node, member);
  return found == nullptr ? nullptr : found->if_object();
}

std::vector<std::string> names_of(const object& node, std::string_view member) {
  std::vector<std::string> out;
  if (const array* list = array_of(node, member)) {
    for (const value& one : *list) {
      out.emplace_back(one.is_string() ? one.get_string() : "");
    }
  }
  return out;
}

/// The constant's number: for GROUP BY 1, ORDER BY 1 and LIMIT.
std::optional<std::int64_t> whole_constant_of(const value* node) {
  const object* constant = node == nullptr ? nullptr : node->if_object();
  if (constant == nullptr || text_of(*constant, "class") != "CONSTANT") {
    return std::nullopt;
  }
  const object* holder = object_of(*constant, "value");
  const value* content = holder == nullptr ? nullptr : member_of(*holder, "value");
  return content != nullptr && content->is_int64() ? std::optional(content->get_int64())
                                                   : std::nullopt;
}

bool has_aggregate(const value& node) {
  if (const array* list = node.if_array()) {
    return std::ranges::any_of(*list, has_aggregate);
  }
  const object* members = node.if_object();
  if (members == nullptr || text_of(*members, "class") == "SUBQUERY") {
    return false;
  }
  if (text_of(*members, "class") == "FUNCTION" &&
      is_aggregate(to_lower(text_of(*members, "function_name")))) {
    return true;
  }
  return std::ranges::any_of(*members, [](const auto& one) { return has_aggregate(one.value()); });
}

std::string output_name(const object& node) {
  const std::vector<std::string> names = names_of(node, "column_names");
  const std::string alias = text_of(node, "alias");
  return !alias.empty() || names.empty() ? alias : names.back();
}

std::string nulls_of(const object& order) {
  // ORDER BY in DuckDB puts NULLs last in either direction unless it is told.
  const std::string nulls = text_of(order, "null_order");
  return nulls == "NULLS FIRST" || nulls == "NULLS_FIRST" ? "NULLS FIRST" : "NULLS LAST";
}

}  // namespace

// --- Queries.

Result<Query> Translator::run(const object& document) {
  const array* statements = array_of(document, "statements");
  if (statements == nullptr || statements->size() != 1) {
    return refuse("a request of several statements");
  }
  return statement(&statements->front(), nullptr);
}

Result<Query> Translator::statement(const value* holder, Scope* outer) {
  const object* inner = holder == nullptr ? nullptr : holder->if_object();
  const object* node = inner == nullptr ? nullptr : object_of(*inner, "node");
  if (node == nullptr) {
    return refuse("a query that is not understood");
  }
  return query(*node, outer);
}

Result<Query> Translator::query(const object& node, Scope* outer) {
  if (depth_ >= 100) {
    return refuse("queries nested that deep");
  }
  const std::size_t known = common_tables_.size();
  ++depth_;
  auto made = query_inside(node, outer);
  --depth_;
  common_tables_.resize(known);
  return made;
}

Result<Query> Translator::query_inside(const object& node, Scope* outer) {
  LH_ASSIGN_OR_RETURN(const std::string with, common_tables(node, outer));
  const std::string type = text_of(node, "type");
  if (type != "SELECT_NODE" && type != "SET_OPERATION_NODE") {
    return refuse(type == "RECURSIVE_CTE_NODE" ? "WITH RECURSIVE" : "a query of the kind " + type);
  }
  LH_ASSIGN_OR_RETURN(Query made,
                      type == "SELECT_NODE" ? select(node, outer) : set_operation(node, outer));
  made.sql = with + made.sql;
  return made;
}

Result<std::string> Translator::common_tables(const object& node, Scope* outer) {
  const object* map = object_of(node, "cte_map");
  const array* entries = map == nullptr ? nullptr : array_of(*map, "map");
  if (entries == nullptr) {
    return std::string();
  }
  std::vector<std::string> parts;
  for (const value& entry : *entries) {
    const object* pair = entry.if_object();
    const object* definition = pair == nullptr ? nullptr : object_of(*pair, "value");
    if (definition == nullptr || array_of(*definition, "key_targets") != nullptr) {
      return refuse("a common table expression with a key");
    }
    LH_ASSIGN_OR_RETURN(Query inner, statement(member_of(*definition, "query"), outer));
    const std::vector<std::string> aliases = names_of(*definition, "aliases");
    for (std::size_t i = 0; i < aliases.size() && i < inner.columns.size(); ++i) {
      inner.columns[i].first = aliases[i];
    }
    CommonTable table{text_of(*pair, "key"), new_name('w'), std::move(inner.columns)};
    parts.push_back(fmt::format("{} AS ({})", table.alias, inner.sql));
    common_tables_.push_back(std::move(table));
  }
  return fmt::format("WITH {} ", fmt::join(parts, ", "));
}

Result<Query> Translator::select(const object& node, Scope* outer) {
  for (const char* member : {"qualify", "sample"}) {
    if (member_of(node, member) != nullptr) {
      return refuse(member == std::string_view("qualify") ? "QUALIFY" : "a sample");
    }
  }
  Scope scope;
  scope.outer = outer;
  std::string source;
  if (const object* ref = object_of(node, "from_table");
      ref != nullptr && text_of(*ref, "type") != "EMPTY") {
    LH_ASSIGN_OR_RETURN(const std::string made, from(*ref, scope));
    source = " FROM " + made;
  }
  scope.select_list = array_of(node, "select_list");
  LH_ASSIGN_OR_RETURN(const std::vector<Item> list, items(node, scope));
  std::string rest;
  if (const value* where = member_of(node, "where_clause")) {
    LH_ASSIGN_OR_RETURN(const Expr condition, boolean(where, scope));
    rest += " WHERE " + condition.sql;
  }
  LH_ASSIGN_OR_RETURN(const std::string groups, group_by(node, list, scope));
  rest += groups;
  if (const value* having = member_of(node, "having")) {
    LH_ASSIGN_OR_RETURN(const Expr condition, boolean(having, scope));
    rest += " HAVING " + condition.sql;
  }
  LH_ASSIGN_OR_RETURN(const Modifiers modified, modifiers(node, list, &scope));
  Query out;
  std::vector<std::string> columns;
  for (const Item& item : list) {
    columns.push_back(fmt::format("{} AS c{}", item.expression.sql, out.columns.size()));
    out.columns.emplace_back(item.name, item.expression.type);
  }
  out.sql = fmt::format("SELECT {}{}{}{}{}", modified.distinct ? "DISTINCT " : "",
                        fmt::join(columns, ", "), source, rest, modified.tail);
  return out;
}

Result<std::vector<Translator::Item>> Translator::items(const object& node, Scope& scope) {
  std::vector<Item> out;
  if (scope.select_list != nullptr) {
    for (const value& entry : *scope.select_list) {
      const object* item = entry.if_object();
      if (item != nullptr && text_of(*item, "class") == "STAR") {
        LH_RETURN_IF_ERROR(star(*item, scope, out));
        continue;
      }
      scope.open.push_back(&entry);
      auto made = expression(&entry, scope);
      scope.open.pop_back();
      LH_ASSIGN_OR_RETURN(Expr expression, std::move(made));
      if (expression.type.kind == Kind::Interval) {
        return refuse("an INTERVAL as a column");
      }
      out.push_back({std::move(expression), item == nullptr ? "" : output_name(*item), item});
    }
  }
  if (out.empty()) {
    return refuse("a SELECT of no column");
  }
  std::ignore = node;
  return out;
}

Status Translator::star(const object& node, Scope& scope, std::vector<Item>& out) {
  if (flag(node, "columns") || member_of(node, "expr") != nullptr ||
      array_of(node, "rename_list") != nullptr ||
      array_of(node, "qualified_exclude_list") != nullptr) {
    return refuse("COLUMNS(), or a star with RENAME");
  }
  const std::string relation_name = text_of(node, "relation_name");
  const std::vector<std::string> excluded = names_of(node, "exclude_list");
  std::map<std::string, const value*> replaced;
  if (const array* list = array_of(node, "replace_list")) {
    for (const value& entry : *list) {
      if (const object* pair = entry.if_object()) {
        replaced[to_lower(text_of(*pair, "key"))] = member_of(*pair, "value");
      }
    }
  }
  for (const Relation& relation : scope.relations) {
    if (!relation_name.empty() && !same_name(relation.alias, relation_name)) {
      continue;
    }
    for (const ScopeColumn& column : relation.columns) {
      const bool is_excluded = std::ranges::any_of(
          excluded, [&](const std::string& name) { return same_name(name, column.name); });
      if (is_excluded || (column.hidden && relation_name.empty())) {
        continue;
      }
      Expr expression{
          .sql = column.merged.empty() || !relation_name.empty() ? column.sql : column.merged,
          .type = column.type};
      if (const auto found = replaced.find(to_lower(column.name)); found != replaced.end()) {
        LH_ASSIGN_OR_RETURN(expression, this->expression(found->second, scope));
      }
      out.push_back({std::move(expression), column.name, nullptr});
    }
  }
  return {};
}

Result<std::string> Translator::group_item(const value& entry, const std::vector<Item>& items,
                                           Scope& scope) {
  if (const auto place = whole_constant_of(&entry)) {
    if (*place < 1 || static_cast<std::size_t>(*place) > items.size()) {
      return refuse("a GROUP BY by that number");
    }
    return std::to_string(*place);
  }
  LH_ASSIGN_OR_RETURN(const Expr by, expression(&entry, scope));
  // Trino takes a constant for a place in the list; one that comes out of the list has its place.
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].expression.sql == by.sql) {
      return std::to_string(i + 1);
    }
  }
  return by.sql;
}

Result<std::string> Translator::group_by(const object& node, const std::vector<Item>& items,
                                         Scope& scope) {
  if (text_of(node, "aggregate_handling") == "FORCE_AGGREGATES") {
    std::vector<std::string> places;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].node == nullptr || !has_aggregate(value(*items[i].node))) {
        places.push_back(std::to_string(i + 1));
      }
    }
    return places.empty() ? std::string() : fmt::format(" GROUP BY {}", fmt::join(places, ", "));
  }
  const array* groups = array_of(node, "group_expressions");
  if (groups == nullptr) {
    return std::string();
  }
  const array* sets = array_of(node, "group_sets");
  if (sets == nullptr || sets->size() > 1) {
    return refuse("GROUPING SETS, ROLLUP or CUBE");
  }
  std::vector<std::string> parts;
  for (const value& entry : *groups) {
    LH_ASSIGN_OR_RETURN(std::string part, group_item(entry, items, scope));
    parts.push_back(std::move(part));
  }
  return fmt::format(" GROUP BY {}", fmt::join(parts, ", "));
}

Result<Translator::Modifiers> Translator::modifiers(const object& node,
                                                    const std::vector<Item>& items, Scope* scope) {
  Modifiers out;
  const array* list = array_of(node, "modifiers");
  std::string order;
  std::string cut;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const object* modifier = (*list)[i].if_object();
    const std::string type = modifier == nullptr ? "" : text_of(*modifier, "type");
    if (type == "DISTINCT_MODIFIER" && !array_of(*modifier, "distinct_on_targets")) {
      out.distinct = true;
    } else if (type == "ORDER_MODIFIER") {
      std::vector<std::string> parts;
      const array* orders = array_of(*modifier, "orders");
      for (std::size_t j = 0; orders != nullptr && j < orders->size(); ++j) {
        if (!(*orders)[j].is_object()) {
          return refuse("an ORDER BY");
        }
        LH_ASSIGN_OR_RETURN(std::string part, order_entry((*orders)[j].get_object(), items, scope));
        parts.push_back(std::move(part));
      }
      order = parts.empty() ? "" : fmt::format(" ORDER BY {}", fmt::join(parts, ", "));
    } else if (type == "LIMIT_MODIFIER") {
      LH_ASSIGN_OR_RETURN(cut, limit(*modifier));
    } else {
      return refuse(type == "DISTINCT_MODIFIER" ? "DISTINCT ON" : "a clause " + type);
    }
  }
  out.tail = order + cut;
  return out;
}

Result<std::string> Translator::order_entry(const object& order, const std::vector<Item>& items,
                                            Scope* scope) {
  const value* by = member_of(order, "expression");
  const object* node = by == nullptr ? nullptr : by->if_object();
  std::string sql;
  if (const auto place = whole_constant_of(by)) {
    sql = std::to_string(*place);
  }
  // An alias comes before a column of this name.
  const std::vector<std::string> names =
      node == nullptr ? std::vector<std::string>() : names_of(*node, "column_names");
  for (std::size_t i = 0; sql.empty() && names.size() == 1 && i < items.size(); ++i) {
    if (same_name(items[i].name, names.front())) {
      sql = std::to_string(i + 1);
    }
  }
  if (sql.empty() && scope == nullptr) {
    return refuse("an ORDER BY of a UNION, EXCEPT or INTERSECT by an expression");
  }
  if (sql.empty()) {
    LH_ASSIGN_OR_RETURN(const Expr made, expression(by, *scope));
    sql = made.sql;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].expression.sql == made.sql) {
        sql = std::to_string(i + 1);
      }
    }
  }
  return fmt::format("{} {} {}", sql, text_of(order, "type") == "DESCENDING" ? "DESC" : "ASC",
                     nulls_of(order));
}

Result<std::string> Translator::limit(const object& modifier) {
  std::string out;
  // Trino writes OFFSET first.
  for (const auto& [member, keyword] : {std::pair{"offset", " OFFSET "}, {"limit", " LIMIT "}}) {
    if (const value* given = member_of(modifier, member)) {
      const auto rows = whole_constant_of(given);
      if (!rows || *rows < 0) {
        return refuse("a LIMIT that is no constant");
      }
      out += keyword + std::to_string(*rows);
    }
  }
  return out;
}

Result<Query> Translator::set_operation(const object& node, Scope* outer) {
  const std::string type = text_of(node, "setop_type");
  if (type != "UNION" && type != "EXCEPT" && type != "INTERSECT") {
    return refuse("the set operation " + type);
  }
  const object* left_node = object_of(node, "left");
  const object* right_node = object_of(node, "right");
  if (left_node == nullptr || right_node == nullptr) {
    // Several of them may be one node with a list.
    return refuse("a set operation of more than two queries in one");
  }
  LH_ASSIGN_OR_RETURN(Query left, query(*left_node, outer));
  LH_ASSIGN_OR_RETURN(const Query right, query(*right_node, outer));
  if (left.columns.size() != right.columns.size()) {
    return refuse("a set operation of different columns");
  }
  std::vector<Item> named;
  for (std::size_t i = 0; i < left.columns.size(); ++i) {
    Expr one{.sql = "", .type = left.columns[i].second};
    Expr other{.sql = "", .type = right.columns[i].second};
    LH_ASSIGN_OR_RETURN(left.columns[i].second, unify({&one, &other}));
    named.push_back({Expr{}, left.columns[i].first, nullptr});
  }
  LH_ASSIGN_OR_RETURN(const Modifiers modified, modifiers(node, named, nullptr));
  if (modified.distinct) {
    return refuse("DISTINCT of a set operation");
  }
  left.sql = fmt::format("({}) {}{} ({}){}", left.sql, type, flag(node, "setop_all") ? " ALL" : "",
                         right.sql, modified.tail);
  return left;
}

// --- FROM.

Result<std::string> Translator::from(const object& ref, Scope& scope) {
  if (member_of(ref, "sample") != nullptr) {
    return refuse("a sample");
  }
  const std::string type = text_of(ref, "type");
  // What planning put in the place of a table has its mark.
  if (type == "BASE_TABLE" || member_of(ref, kPinnedMember) != nullptr) {
    return base_table(ref, scope);
  }
  if (type == "SUBQUERY") {
    // It does not see its neighbours: what DuckDB takes for a LATERAL is not found.
    LH_ASSIGN_OR_RETURN(const Query inner, statement(member_of(ref, "subquery"), scope.outer));
    return add_query(inner, ref, scope);
  }
  if (type == "JOIN") {
    return join(ref, scope);
  }
  if (type == "EXPRESSION_LIST") {
    return values_list(ref, scope);
  }
  return refuse(type == "TABLE_FUNCTION" ? "a table function"
                                         : fmt::format("a {} in FROM", to_lower(type)));
}

Result<std::string> Translator::add_query(const Query& query, const object& ref, Scope& scope) {
  const std::string alias = new_name('t');
  const std::vector<std::string> names = names_of(ref, "column_name_alias");
  Relation relation{text_of(ref, "alias"), {}};
  std::vector<std::string> listed;
  for (std::size_t i = 0; i < query.columns.size(); ++i) {
    listed.push_back(fmt::format("c{}", i));
    relation.columns.push_back({.name = i < names.size() ? names[i] : query.columns[i].first,
                                .sql = fmt::format("{}.c{}", alias, i),
                                .type = query.columns[i].second});
  }
  scope.relations.push_back(std::move(relation));
  return fmt::format("({}) AS {} ({})", query.sql, alias, fmt::join(listed, ", "));
}

Result<std::string> Translator::base_table(const object& ref, Scope& scope) {
  const std::string alias = new_name('t');
  const std::vector<std::string> names = names_of(ref, "column_name_alias");
  Relation relation{text_of(ref, "alias"), {}};
  if (relation.alias.empty()) {
    relation.alias = text_of(ref, "table_name");
  }
  std::string sql;
  if (const value* place = member_of(ref, kPinnedMember)) {
    const auto at = place->is_int64() ? static_cast<std::size_t>(place->get_int64()) : SIZE_MAX;
    if (at >= tables_.size()) {
      return fail(ErrorCode::Internal, "a table reference that was not pinned");
    }
    LH_ASSIGN_OR_RETURN(sql, pinned_table(tables_[at], relation, alias));
  } else {
    const auto found = std::ranges::find_if(
        common_tables_.rbegin(), common_tables_.rend(),
        [&](const CommonTable& one) { return same_name(one.name, text_of(ref, "table_name")); });
    if (found == common_tables_.rend()) {
      return refuse(fmt::format("the table {}", text_of(ref, "table_name")));
    }
    for (std::size_t i = 0; i < found->columns.size(); ++i) {
      relation.columns.push_back({.name = found->columns[i].first,
                                  .sql = fmt::format("{}.c{}", alias, i),
                                  .type = found->columns[i].second});
    }
    sql = fmt::format("{} AS {}", found->alias, alias);
  }
  for (std::size_t i = 0; i < names.size() && i < relation.columns.size(); ++i) {
    relation.columns[i].name = names[i];
  }
  scope.relations.push_back(std::move(relation));
  return sql;
}

namespace {

/// What the snapshot's own schema holds, in the columns of the schema that the statement sees.
Result<std::vector<std::string>> renamed_columns(const PinnedTable& table,
                                                 const iceberg::Schema& stored) {
  std::vector<std::string> out;
  for (const iceberg::NestedField& field : table.schema->fields) {
    LH_ASSIGN_OR_RETURN(const SqlType type, type_of_column(*field.type));
    const auto found = std::ranges::find(stored.fields, field.id, &iceberg::NestedField::id);
    if (field.initial_default || (found != stored.fields.end() && type.kind == Kind::Nested &&
                                  !(*found->type == *field.type))) {
      return fail(ErrorCode::Unimplemented, "columns that changed since its last snapshot");
    }
    out.push_back(
        fmt::format("CAST({} AS {}) AS {}",
                    found == stored.fields.end() ? "NULL" : quote_sql_identifier(found->name),
                    trino_name(type), quote_sql_identifier(field.name)));
  }
  return out;
}

}  // namespace

Result<std::string> Translator::pinned_table(const PinnedTable& table, Relation& relation,
                                             const std::string& alias) {
  const std::string name = catalog::to_string(table.identifier);
  const auto refuse_table = [&](std::string_view why) {
    return refuse(fmt::format("{}: {}", name, why));
  };
  if (to_lower(name) != name) {
    return refuse_table("Trino finds names in lower case only");
  }
  if (table.metadata->format_version > 2) {
    return refuse_table("it reads format versions 1 and 2");
  }
  std::set<std::string> seen;
  for (const iceberg::NestedField& field : table.schema->fields) {
    auto type = type_of_column(*field.type);
    if (!type) {
      return refuse_table(type.error().message);
    }
    if (!seen.insert(to_lower(field.name)).second) {
      return refuse_table(fmt::format("two columns are called {} but for their case", field.name));
    }
    relation.columns.push_back(
        {.name = field.name,
         .sql = fmt::format("{}.{}", alias, quote_sql_identifier(field.name)),
         .type = *std::move(type)});
  }
  const std::string dotted = fmt::format(
      "{}.{}.{}", quote_sql_identifier(catalog_),
      quote_sql_identifier(fmt::format("{}", fmt::join(table.identifier.name_space, "."))),
      quote_sql_identifier(table.identifier.name));
  if (table.snapshot == nullptr) {
    std::vector<std::string> columns;
    for (std::size_t i = 0; i < relation.columns.size(); ++i) {
      columns.push_back(fmt::format("CAST(NULL AS {}) AS {}", trino_name(relation.columns[i].type),
                                    quote_sql_identifier(table.schema->fields[i].name)));
    }
    return fmt::format("(SELECT {} WHERE false) AS {}", fmt::join(columns, ", "), alias);
  }
  const std::string pinned =
      fmt::format("{} FOR VERSION AS OF {}", dotted, table.snapshot->snapshot_id);
  // At a snapshot Trino sees the schema of that time; a column may have come or changed since.
  const iceberg::Schema& stored = table.metadata->schema_of(*table.snapshot);
  if (iceberg::same_fields(stored, *table.schema)) {
    return fmt::format("{} AS {}", pinned, alias);
  }
  const auto columns = renamed_columns(table, stored);
  if (!columns) {
    return refuse_table(columns.error().message);
  }
  return fmt::format("(SELECT {} FROM {}) AS {}", fmt::join(*columns, ", "), pinned, alias);
}

Result<std::string> Translator::join(const object& ref, Scope& scope) {
  const std::string kind = text_of(ref, "ref_type");
  const std::string type = text_of(ref, "join_type");
  const object* left_ref = object_of(ref, "left");
  const object* right_ref = object_of(ref, "right");
  if ((kind != "REGULAR" && kind != "CROSS") || left_ref == nullptr || right_ref == nullptr ||
      array_of(ref, "duplicate_eliminated_columns") != nullptr) {
    return refuse(fmt::format("a {} join", to_lower(kind)));
  }
  const std::size_t left_begin = scope.relations.size();
  LH_ASSIGN_OR_RETURN(const std::string left, from(*left_ref, scope));
  const std::size_t right_begin = scope.relations.size();
  LH_ASSIGN_OR_RETURN(std::string right, from(*right_ref, scope));
  if (text_of(*right_ref, "type") == "JOIN") {
    right = "(" + right + ")";
  }
  if (kind == "CROSS") {
    return fmt::format("{} CROSS JOIN {}", left, right);
  }
  if (type != "INNER" && type != "LEFT" && type != "RIGHT" && type != "FULL") {
    return refuse(fmt::format("a {} join", to_lower(type)));
  }
  std::string condition;
  LH_RETURN_IF_ERROR(merge_columns(ref, scope, left_begin, right_begin, condition));
  if (const value* on = member_of(ref, "condition")) {
    // Only the join's own sides and what is outside of the query can be named.
    Scope inside;
    inside.outer = scope.outer;
    inside.relations.assign(scope.relations.begin() + static_cast<std::ptrdiff_t>(left_begin),
                            scope.relations.end());
    LH_ASSIGN_OR_RETURN(const Expr made, boolean(on, inside));
    condition = made.sql;
  }
  return fmt::format("{} {} JOIN {} ON {}", left, type, right,
                     condition.empty() ? "true" : condition);
}

/// USING: one column stands for both.
Status Translator::merge_columns(const object& ref, Scope& scope, std::size_t left_begin,
                                 std::size_t right_begin, std::string& condition) {
  const std::string type = text_of(ref, "join_type");
  const auto find = [&](std::size_t begin, std::size_t end, const std::string& name) {
    ScopeColumn* found = nullptr;
    for (std::size_t i = begin; i < end; ++i) {
      for (ScopeColumn& column : scope.relations[i].columns) {
        if (!column.hidden && same_name(column.name, name)) {
          found = found == nullptr ? &column : nullptr;
        }
      }
    }
    return found;
  };
  for (const std::string& name : names_of(ref, "using_columns")) {
    ScopeColumn* left = find(left_begin, right_begin, name);
    ScopeColumn* right = find(right_begin, scope.relations.size(), name);
    if (left == nullptr || right == nullptr) {
      return refuse(fmt::format("USING ({})", name));
    }
    const std::string left_sql = left->merged.empty() ? left->sql : left->merged;
    const std::string right_sql = right->merged.empty() ? right->sql : right->merged;
    Expr one{.sql = left_sql, .type = left->type};
    Expr other{.sql = right_sql, .type = right->type};
    LH_ASSIGN_OR_RETURN(left->type, unify({&one, &other}));
    condition += fmt::format("{}{} = {}", condition.empty() ? "" : " AND ", left_sql, right_sql);
    right->hidden = true;
    if (type == "RIGHT" || type == "FULL") {
      left->merged =
          type == "RIGHT" ? right_sql : fmt::format("coalesce({}, {})", left_sql, right_sql);
    }
  }
  return {};
}

Result<std::string> Translator::values_list(const object& ref, Scope& scope) {
  const array* rows = array_of(ref, "values");
  std::vector<std::vector<Expr>> cells;
  Scope inside;
  inside.outer = scope.outer;
  for (std::size_t i = 0; rows != nullptr && i < rows->size(); ++i) {
    const array* row = (*rows)[i].if_array();
    std::vector<Expr> made;
    for (std::size_t j = 0; row != nullptr && j < row->size(); ++j) {
      LH_ASSIGN_OR_RETURN(Expr cell, expression(&(*row)[j], inside));
      made.push_back(std::move(cell));
    }
    if (made.empty() || (i > 0 && made.size() != cells.front().size())) {
      return refuse("VALUES of rows of several lengths");
    }
    cells.push_back(std::move(made));
  }
  if (cells.empty()) {
    return refuse("VALUES without rows");
  }
  Query query;
  std::vector<std::string> names;
  for (std::size_t j = 0; j < cells.front().size(); ++j) {
    std::vector<Expr*> column;
    for (std::vector<Expr>& row : cells) {
      column.push_back(&row[j]);
    }
    LH_ASSIGN_OR_RETURN(const SqlType type, unify(column));
    const auto given = names_of(ref, "expected_names");
    query.columns.emplace_back(j < given.size() ? given[j] : fmt::format("col{}", j), type);
  }
  std::vector<std::string> lines;
  for (const std::vector<Expr>& row : cells) {
    std::vector<std::string> parts;
    for (const Expr& cell : row) {
      parts.push_back(cell.sql);
    }
    lines.push_back(fmt::format("({})", fmt::join(parts, ", ")));
  }
  query.sql = fmt::format("VALUES {}", fmt::join(lines, ", "));
  return add_query(query, ref, scope);
}

}  // namespace trino

Result<std::string> translate_to_trino(const boost::json::object& document,
                                       std::span<const PinnedTable> tables,
                                       const boost::json::value& parameters,
                                       std::string_view catalog) {
  trino::Translator translator(tables, parameters, catalog);
  LH_ASSIGN_OR_RETURN(trino::Query query, translator.run(document));
  return std::move(query.sql);
}

}  // namespace lakehouse::query
