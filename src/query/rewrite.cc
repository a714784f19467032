#include "query/rewrite.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <ranges>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "query/call_guard.h"
#include "query/functions_allowed.h"
#include "query/pivot_text.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

/// Nested deeper, a statement is refused: the walk and DuckDB's planner recurse.
constexpr std::size_t kDepthMax = 1000;
/// Macros that are nothing but calls of another.
constexpr int kCallsMax = 100;

/// What a member of a node holds.
enum class Shape : std::uint8_t {
  Data,        ///< Names, numbers, enumerators, types and constants: no nodes inside.
  Expression,  ///< An expression or null.
  Expressions,
  ExpressionRows,  ///< A list of lists of expressions.
  Table,           ///< A table reference.
  Node,            ///< A query node.
  Statement,       ///< {"node": ..., "named_param_map": ...}
  Modifiers,       ///< ORDER BY, LIMIT, DISTINCT.
  Modifier,
  Orders,
  Cases,
  Keyed,  ///< [{"key": name, "value": expression}]
  Pivots,
  PivotEntries,
  Skip,  ///< Walked by the node's own code.
};

struct Member {
  std::string_view name;
  Shape shape;
};

struct Kind {
  std::string_view name;
  std::span<const Member> members;
};

// The kinds of nodes of DuckDB 1.5.5. "type", "class", "alias" and "query_location" are everywhere.

constexpr std::array kSelect = std::to_array<Member>({{"cte_map", Shape::Skip},
                                                      {"from_table", Shape::Table},
                                                      {"select_list", Shape::Expressions},
                                                      {"where_clause", Shape::Expression},
                                                      {"group_expressions", Shape::Expressions},
                                                      {"group_sets", Shape::Data},
                                                      {"aggregate_handling", Shape::Data},
                                                      {"having", Shape::Expression},
                                                      {"sample", Shape::Data},
                                                      {"qualify", Shape::Expression},
                                                      {"modifiers", Shape::Modifiers}});
constexpr std::array kSetOperation = std::to_array<Member>({{"cte_map", Shape::Skip},
                                                            {"setop_type", Shape::Data},
                                                            {"setop_all", Shape::Data},
                                                            {"left", Shape::Node},
                                                            {"right", Shape::Node},
                                                            {"modifiers", Shape::Modifiers}});
constexpr std::array kRecursiveCte =
    std::to_array<Member>({{"cte_map", Shape::Skip},
                           {"cte_name", Shape::Data},
                           {"union_all", Shape::Data},
                           {"left", Shape::Node},
                           {"right", Shape::Skip},
                           {"aliases", Shape::Data},
                           {"key_targets", Shape::Expressions},
                           {"payload_aggregates", Shape::Expressions},
                           {"modifiers", Shape::Modifiers}});
constexpr std::array kNodes = std::to_array<Kind>({{"SELECT_NODE", kSelect},
                                                   {"SET_OPERATION_NODE", kSetOperation},
                                                   {"RECURSIVE_CTE_NODE", kRecursiveCte}});

constexpr std::array kBaseTable = std::to_array<Member>({{"sample", Shape::Data},
                                                         {"catalog_name", Shape::Data},
                                                         {"schema_name", Shape::Data},
                                                         {"table_name", Shape::Data},
                                                         {"column_name_alias", Shape::Data},
                                                         {"at_clause", Shape::Skip}});
constexpr std::array kSubqueryTable = std::to_array<Member>(
    {{"sample", Shape::Data}, {"subquery", Shape::Statement}, {"column_name_alias", Shape::Data}});
constexpr std::array kJoin =
    std::to_array<Member>({{"sample", Shape::Data},
                           {"left", Shape::Table},
                           {"right", Shape::Table},
                           {"condition", Shape::Expression},
                           {"join_type", Shape::Data},
                           {"ref_type", Shape::Data},
                           {"using_columns", Shape::Data},
                           {"delim_flipped", Shape::Data},
                           {"duplicate_eliminated_columns", Shape::Expressions}});
constexpr std::array kTableFunction = std::to_array<Member>({{"sample", Shape::Data},
                                                             {"function", Shape::Skip},
                                                             {"column_name_alias", Shape::Data},
                                                             {"with_ordinality", Shape::Data}});
constexpr std::array kExpressionList = std::to_array<Member>({{"sample", Shape::Data},
                                                              {"expected_names", Shape::Data},
                                                              {"expected_types", Shape::Data},
                                                              {"values", Shape::ExpressionRows}});
constexpr std::array kEmpty = std::to_array<Member>({{"sample", Shape::Data}});
constexpr std::array kPivot = std::to_array<Member>({{"sample", Shape::Data},
                                                     {"source", Shape::Table},
                                                     {"aggregates", Shape::Expressions},
                                                     {"unpivot_names", Shape::Data},
                                                     {"pivots", Shape::Pivots},
                                                     {"groups", Shape::Data},
                                                     {"column_name_alias", Shape::Data},
                                                     {"include_nulls", Shape::Data}});
constexpr std::array kShow = std::to_array<Member>({{"sample", Shape::Data},
                                                    {"table_name", Shape::Data},
                                                    {"query", Shape::Skip},
                                                    {"show_type", Shape::Data},
                                                    {"catalog_name", Shape::Data},
                                                    {"schema_name", Shape::Data}});
constexpr std::array kTables = std::to_array<Kind>({{"BASE_TABLE", kBaseTable},
                                                    {"SUBQUERY", kSubqueryTable},
                                                    {"JOIN", kJoin},
                                                    {"TABLE_FUNCTION", kTableFunction},
                                                    {"EXPRESSION_LIST", kExpressionList},
                                                    {"EMPTY", kEmpty},
                                                    {"PIVOT", kPivot},
                                                    {"SHOW_REF", kShow}});

constexpr std::array kCase =
    std::to_array<Member>({{"case_checks", Shape::Cases}, {"else_expr", Shape::Expression}});
constexpr std::array kCast = std::to_array<Member>(
    {{"child", Shape::Expression}, {"cast_type", Shape::Data}, {"try_cast", Shape::Data}});
constexpr std::array kCollate =
    std::to_array<Member>({{"child", Shape::Expression}, {"collation", Shape::Data}});
constexpr std::array kColumnRef = std::to_array<Member>({{"column_names", Shape::Data}});
constexpr std::array kComparison =
    std::to_array<Member>({{"left", Shape::Expression}, {"right", Shape::Expression}});
constexpr std::array kChildren = std::to_array<Member>({{"children", Shape::Expressions}});
constexpr std::array kConstant = std::to_array<Member>({{"value", Shape::Data}});
constexpr std::array kFunction = std::to_array<Member>({{"function_name", Shape::Data},
                                                        {"schema", Shape::Data},
                                                        {"catalog", Shape::Data},
                                                        {"children", Shape::Expressions},
                                                        {"filter", Shape::Expression},
                                                        {"order_bys", Shape::Modifier},
                                                        {"distinct", Shape::Data},
                                                        {"is_operator", Shape::Data},
                                                        {"export_state", Shape::Data}});
constexpr std::array kLambda = std::to_array<Member>(
    {{"lhs", Shape::Expression}, {"expr", Shape::Expression}, {"syntax_type", Shape::Data}});
constexpr std::array kParameter = std::to_array<Member>({{"identifier", Shape::Data}});
constexpr std::array kPositional = std::to_array<Member>({{"index", Shape::Data}});
constexpr std::array kStar = std::to_array<Member>({{"relation_name", Shape::Data},
                                                    {"exclude_list", Shape::Data},
                                                    {"replace_list", Shape::Keyed},
                                                    {"columns", Shape::Data},
                                                    {"expr", Shape::Expression},
                                                    {"qualified_exclude_list", Shape::Data},
                                                    {"rename_list", Shape::Data}});
constexpr std::array kSubquery = std::to_array<Member>({{"subquery_type", Shape::Data},
                                                        {"subquery", Shape::Statement},
                                                        {"child", Shape::Expression},
                                                        {"comparison_type", Shape::Data}});
constexpr std::array kWindow = std::to_array<Member>({{"function_name", Shape::Data},
                                                      {"schema", Shape::Data},
                                                      {"catalog", Shape::Data},
                                                      {"children", Shape::Expressions},
                                                      {"partitions", Shape::Expressions},
                                                      {"orders", Shape::Orders},
                                                      {"start", Shape::Data},
                                                      {"end", Shape::Data},
                                                      {"start_expr", Shape::Expression},
                                                      {"end_expr", Shape::Expression},
                                                      {"offset_expr", Shape::Expression},
                                                      {"default_expr", Shape::Expression},
                                                      {"ignore_nulls", Shape::Data},
                                                      {"filter_expr", Shape::Expression},
                                                      {"exclude_clause", Shape::Data},
                                                      {"distinct", Shape::Data},
                                                      {"arg_orders", Shape::Orders}});
constexpr std::array kBetween = std::to_array<Member>(
    {{"input", Shape::Expression}, {"lower", Shape::Expression}, {"upper", Shape::Expression}});
constexpr std::array kExpressions = std::to_array<Kind>({{"CASE", kCase},
                                                         {"CAST", kCast},
                                                         {"COLLATE", kCollate},
                                                         {"COLUMN_REF", kColumnRef},
                                                         {"COMPARISON", kComparison},
                                                         {"CONJUNCTION", kChildren},
                                                         {"CONSTANT", kConstant},
                                                         {"FUNCTION", kFunction},
                                                         {"LAMBDA", kLambda},
                                                         {"OPERATOR", kChildren},
                                                         {"PARAMETER", kParameter},
                                                         {"POSITIONAL_REFERENCE", kPositional},
                                                         {"STAR", kStar},
                                                         {"SUBQUERY", kSubquery},
                                                         {"WINDOW", kWindow},
                                                         {"BETWEEN", kBetween}});

constexpr std::array kOrder = std::to_array<Member>({{"orders", Shape::Orders}});
constexpr std::array kLimit =
    std::to_array<Member>({{"limit", Shape::Expression}, {"offset", Shape::Expression}});
constexpr std::array kDistinct =
    std::to_array<Member>({{"distinct_on_targets", Shape::Expressions}});
constexpr std::array kModifiers = std::to_array<Kind>({{"ORDER_MODIFIER", kOrder},
                                                       {"LIMIT_MODIFIER", kLimit},
                                                       {"LIMIT_PERCENT_MODIFIER", kLimit},
                                                       {"DISTINCT_MODIFIER", kDistinct}});

constexpr std::array kCaseCheck =
    std::to_array<Member>({{"when_expr", Shape::Expression}, {"then_expr", Shape::Expression}});
constexpr std::array kOrderBy = std::to_array<Member>(
    {{"type", Shape::Data}, {"null_order", Shape::Data}, {"expression", Shape::Expression}});
constexpr std::array kKeyed =
    std::to_array<Member>({{"key", Shape::Data}, {"value", Shape::Expression}});
constexpr std::array kPivotColumn =
    std::to_array<Member>({{"pivot_expressions", Shape::Expressions},
                           {"unpivot_names", Shape::Data},
                           {"entries", Shape::PivotEntries},
                           {"pivot_enum", Shape::Data}});
constexpr std::array kPivotEntry = std::to_array<Member>(
    {{"values", Shape::Data}, {"star_expr", Shape::Expression}, {"alias", Shape::Data}});
constexpr std::array kDefinition =
    std::to_array<Member>({{"aliases", Shape::Data},
                           {"query", Shape::Statement},
                           {"materialized", Shape::Data},
                           {"key_targets", Shape::Expressions},
                           {"payload_aggregates", Shape::Expressions}});
constexpr std::array kStatement =
    std::to_array<Member>({{"node", Shape::Node}, {"named_param_map", Shape::Data}});

std::string text_of(const object& node, std::string_view name) {
  const value* found = node.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::optional<std::size_t> location_of(const object& node) {
  const value* found = node.if_contains("query_location");
  if (found == nullptr || !found->is_number()) {
    return std::nullopt;
  }
  boost::system::error_code error;
  const auto at = found->to_number<std::uint64_t>(error);
  return error || at == tree::kNoLocation ? std::nullopt : std::optional<std::size_t>(at);
}

std::unexpected<Error> refuse(const object& node, std::string message, std::string hint = {}) {
  auto error = fail(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
  error.error().position_bytes = location_of(node);
  return error;
}

/// True if there is a node of any kind inside.
bool holds_nodes(const value& data) {
  if (const array* list = data.if_array()) {
    return std::ranges::any_of(*list, holds_nodes);
  }
  if (const object* fields = data.if_object()) {
    return fields->contains("class") || fields->contains("node") ||
           std::ranges::any_of(*fields,
                               [](const auto& field) { return holds_nodes(field.value()); });
  }
  return false;
}

/// A name that DuckDB could resolve to a file or to a table of its own, were it not a CTE's.
bool is_reserved_name(std::string_view name) {
  const std::string lower = to_lower(name);
  return lower.find_first_of("./\\:") != std::string::npos || lower.starts_with("duckdb_") ||
         lower.starts_with("pragma_") || lower.starts_with("sqlite_") || lower.starts_with("pg_") ||
         lower.starts_with("lh_");
}

/// COLUMNS(an expression over the names of columns), which DuckDB computes while it binds: no cell
/// comes to it, and a guard in it is no constant any more.
bool chooses_columns(const object& node) {
  const value* chosen = node.if_contains("expr");
  const value* replaced = node.if_contains("replace_list");
  return text_of(node, "class") == "STAR" && chosen != nullptr && chosen->is_object() &&
         (replaced == nullptr || !replaced->is_array() || replaced->get_array().empty());
}

/// True if some node inside is such. What chooses columns is not looked into.
bool holds(const value& at, bool (*is_such)(const object&)) {
  if (const array* list = at.if_array()) {
    return std::ranges::any_of(*list, [&](const value& one) { return holds(one, is_such); });
  }
  const object* node = at.if_object();
  return node != nullptr && (is_such(*node) || (!chooses_columns(*node) &&
                                                std::ranges::any_of(*node, [&](const auto& field) {
                                                  return holds(field.value(), is_such);
                                                })));
}

/// What a SELECT's FROM shows: what it is called, and how unaliased tables were written.
struct Shown {
  std::vector<std::string> parts;  ///< Lower case. Empty for all but unaliased tables.
  std::string alias;
};

class Walker {
 public:
  explicit Walker(const AnalyseOptions& options) : options_(options) {}

  Result<Analysis> run(object& document) {
    value* statements = document.if_contains("statements");
    if (statements == nullptr || !statements->is_array() || statements->get_array().size() != 1 ||
        !statements->get_array().front().is_object()) {
      return fail(ErrorCode::InvalidArgument, "a request holds one statement");
    }
    LH_RETURN_IF_ERROR(fields(statements->get_array().front().get_object(), kStatement));
    return std::move(found_);
  }

 private:
  // --- The walk itself.

  Status fields(object& node, std::span<const Member> members) {
    if (depth_ >= kDepthMax) {
      return refuse(node, "the statement is nested too deeply",
                    fmt::format("At most {} levels are allowed.", kDepthMax));
    }
    ++depth_;
    const Status done = fields_inside(node, members);
    --depth_;
    return done;
  }

  Status fields_inside(object& node, std::span<const Member> members) {
    for (const auto& field : node) {
      const std::string_view name = field.key();
      const bool known = name == "type" || name == "class" || name == "alias" ||
                         name == "query_location" ||
                         std::ranges::find(members, name, &Member::name) != members.end();
      if (!known && !field.value().is_null()) {
        return refuse(node, fmt::format("the member {} of {} is not understood", name,
                                        text_of(node, "type")));
      }
      found_.is_volatile = found_.is_volatile || (name == "sample" && !field.value().is_null());
    }
    // In the order of the table: FROM comes before what refers to it.
    for (const Member& member : members) {
      value* found = node.if_contains(member.name);
      if (found != nullptr && !found->is_null()) {
        LH_RETURN_IF_ERROR(walk(node, *found, member));
      }
    }
    return {};
  }

  Status walk(const object& node, value& content, const Member& member) {
    switch (member.shape) {
      case Shape::Skip: return {};
      case Shape::Data:
        return holds_nodes(content)
                   ? Status(refuse(node, fmt::format("the member {} of {} is not understood",
                                                     member.name, text_of(node, "type"))))
                   : Status();
      case Shape::Expression: return in_object(content, &Walker::expression);
      case Shape::Expressions: return in_list(content, &Walker::expression);
      case Shape::ExpressionRows: return in_rows(content);
      case Shape::Table: return in_object(content, &Walker::table);
      case Shape::Node: return in_object(content, &Walker::node);
      case Shape::Statement: return in_object(content, &Walker::statement);
      case Shape::Modifiers: return in_list(content, &Walker::modifier);
      case Shape::Modifier: return in_object(content, &Walker::modifier);
      case Shape::Orders: return in_list(content, &Walker::order);
      case Shape::Cases: return in_list(content, &Walker::case_check);
      case Shape::Keyed: return in_list(content, &Walker::keyed);
      case Shape::Pivots: return in_list(content, &Walker::pivot_column);
      case Shape::PivotEntries: return in_list(content, &Walker::pivot_entry);
    }
    return {};
  }

  using Step = Status (Walker::*)(object&);

  Status in_object(value& content, Step step) {
    object* inner = content.if_object();
    return inner == nullptr ? Status(malformed()) : (this->*step)(*inner);
  }
  Status in_list(value& content, Step step) {
    array* list = content.if_array();
    if (list == nullptr) {
      return malformed();
    }
    for (value& entry : *list) {
      LH_RETURN_IF_ERROR(in_object(entry, step));
    }
    return {};
  }
  Status in_rows(value& content) {
    array* rows = content.if_array();
    if (rows == nullptr) {
      return malformed();
    }
    for (value& row : *rows) {
      LH_RETURN_IF_ERROR(in_list(row, &Walker::expression));
    }
    return {};
  }
  static std::unexpected<Error> malformed() {
    return fail(ErrorCode::InvalidArgument, "the statement's tree is not understood");
  }

  Status statement(object& inner) { return fields(inner, kStatement); }
  Status case_check(object& inner) { return fields(inner, kCaseCheck); }
  Status order(object& inner) { return fields(inner, kOrderBy); }
  Status keyed(object& inner) { return fields(inner, kKeyed); }
  Status pivot_entry(object& inner) { return fields(inner, kPivotEntry); }
  Status pivot_column(object& inner) {
    const std::string values = text_of(inner, "pivot_enum");
    if (!values.empty() && values != kPivotMarker) {
      return refuse(inner, "PIVOT ... IN an enum type is not supported", "List the values.");
    }
    return fields(inner, kPivotColumn);
  }
  Status modifier(object& inner) { return of_kind(inner, "type", kModifiers, "clause"); }

  Status of_kind(object& inner, std::string_view key, std::span<const Kind> kinds,
                 std::string_view what) {
    const std::string name = text_of(inner, key);
    const auto found = std::ranges::find(kinds, name, &Kind::name);
    if (found == kinds.end()) {
      return refuse(inner, fmt::format("the {} {} is not supported", what, name));
    }
    return fields(inner, found->members);
  }

  // --- Query nodes: scopes of CTEs and of tables.

  Status node(object& inner) {
    const std::size_t ctes = ctes_.size();
    const std::size_t shown = shown_.size();
    const Status done = node_inside(inner);
    ctes_.resize(ctes);
    cte_entries_.resize(ctes);
    shown_.resize(shown);
    return done;
  }

  Status node_inside(object& inner) {
    LH_RETURN_IF_ERROR(common_tables(inner));
    const std::string type = text_of(inner, "type");
    if (type == "SELECT_NODE") {
      shown_.emplace_back();
      name_called_columns(inner);
      if (value* groups = inner.if_contains("group_expressions");
          groups != nullptr && groups->is_array()) {
        groups->get_array().reserve(groups->get_array().size() + 1);  // What is found stays there.
      }
      if (value* from = inner.if_contains("from_table"); from != nullptr && from->is_object()) {
        show(from->get_object());
        rename_twins();
        conditions_.merge(conditions_of(inner));
      }
    }
    LH_RETURN_IF_ERROR(of_kind(inner, "type", kNodes, "query"));
    if (type == "SELECT_NODE") {
      note_unnamed(inner);
      vary_groups(inner);
    }
    if (type == "RECURSIVE_CTE_NODE") {
      ctes_.push_back(to_lower(text_of(inner, "cte_name")));
      cte_entries_.push_back(nullptr);
      value* right = inner.if_contains("right");
      return right == nullptr ? Status(malformed()) : in_object(*right, &Walker::node);
    }
    return {};
  }

  /// A guard must not show in what a column is called. What COLUMNS(...) makes is called as the
  /// column that it is made of.
  void note_unnamed(object& select) {
    value* list = select.if_contains("select_list");
    for (std::size_t i = 0; !found_.calls.empty() && list != nullptr && list->is_array() &&
                            i < list->get_array().size();
         ++i) {
      value& item = list->get_array()[i];
      if (item.is_object() && text_of(item.get_object(), "alias").empty() &&
          text_of(item.get_object(), "class") != "STAR" && holds(item, wants_guard) &&
          !holds(item, names_columns)) {
        found_.unnamed.push_back(&item.get_object());
      }
    }
  }

  /// GROUP BY CUBE (a), ROLLUP (a), GROUPING SETS ...: DuckDB 1.5.5 groups a chunk whose keys are
  /// all one value (NULL, say) by a shortcut that spoils the mask of NULLs which that column shares
  /// with a struct around it. An aggregate of the struct then reads memory that nobody wrote, in
  /// the next of the sets: max({'p': p, 'a': a}) shows other statements' values, or ends the
  /// engine. A key that DuckDB cannot know to be one value keeps it off the shortcut, and makes no
  /// group of its own. To be taken out when DuckDB no longer needs it (tests/policies_test.cc).
  static void vary_groups(object& select) {
    value* groups = select.if_contains("group_expressions");
    value* sets = select.if_contains("group_sets");
    if (groups == nullptr || !groups->is_array() || sets == nullptr || !sets->is_array() ||
        sets->get_array().size() < 2 || only_counts(select)) {
      return;
    }
    const std::size_t key = groups->get_array().size();
    for (value& set : sets->get_array()) {
      // Without a key there is one group even of no rows.
      if (array* keys = set.if_array(); keys != nullptr && !keys->empty()) {
        keys->emplace_back(key);
      }
    }
    groups->get_array().emplace_back(
        tree::compare("COMPARE_LESSTHAN", tree::function("random", {}), tree::integer(0)));
  }
  /// True if nothing that could hold a struct is gathered.
  static bool only_counts(const object& select) {
    static constexpr std::array kOfNumbers = std::to_array<std::string_view>(
        {"sum", "avg", "count_star", "grouping", "grouping_id", "+", "-", "*", "/", "round"});
    const auto is_plain = [](const auto& self, const value& at) -> bool {
      if (const array* list = at.if_array()) {
        return std::ranges::all_of(*list, [&self](const value& one) { return self(self, one); });
      }
      const object* node = at.if_object();
      if (node == nullptr) {
        return true;
      }
      const std::string name = text_of(*node, "function_name");
      return (name.empty() || std::ranges::find(kOfNumbers, to_lower(name)) != kOfNumbers.end()) &&
             text_of(*node, "class") != "WINDOW" &&
             std::ranges::all_of(*node,
                                 [&self](const auto& field) { return self(self, field.value()); });
    };
    return std::ranges::all_of(std::array{"select_list", "having", "qualify", "modifiers"},
                               [&](const char* member) {
                                 const value* part = select.if_contains(member);
                                 return part == nullptr || is_plain(is_plain, *part);
                               });
  }

  static bool is_user(std::string_view function) {
    return function == "current_user" || function == "session_user" || function == "user";
  }
  /// A column that shows the user, or what a macro stands for, is called by the function.
  static void name_called_columns(object& select) {
    value* list = select.if_contains("select_list");
    for (std::size_t i = 0; list != nullptr && list->is_array() && i < list->get_array().size();
         ++i) {
      object* item = list->get_array()[i].if_object();
      const std::string name = item == nullptr ? "" : text_of(*item, "function_name");
      if (!name.empty() && text_of(*item, "alias").empty() &&
          (is_user(to_lower(name)) || !is_known_function(name))) {
        (*item)["alias"] = name;
      }
    }
  }

  /// Each CTE sees those before it; the node's body sees all.
  Status common_tables(object& inner) {
    value* holder = inner.if_contains("cte_map");
    object* map = holder == nullptr ? nullptr : holder->if_object();
    value* entries = map == nullptr ? nullptr : map->if_contains("map");
    if (entries == nullptr || !entries->is_array()) {
      return {};
    }
    for (value& entry : entries->get_array()) {
      object* pair = entry.if_object();
      value* definition = pair == nullptr ? nullptr : pair->if_contains("value");
      if (definition == nullptr || !definition->is_object()) {
        return malformed();
      }
      const std::string name = text_of(*pair, "key");
      if (is_reserved_name(name)) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("a common table expression may not be called {}", name),
                    "Names that hold . / \\ or : or begin with duckdb_, pragma_, sqlite_, pg_ or "
                    "lh_ are reserved.");
      }
      LH_RETURN_IF_ERROR(fields(definition->get_object(), kDefinition));
      ctes_.push_back(to_lower(name));
      cte_entries_.push_back(pair);
    }
    return {};
  }

  [[nodiscard]] bool is_cte(const object& base) const {
    const std::string schema = text_of(base, "schema_name");
    // `recurring.t` is what a recursive CTE with USING KEY has gathered so far.
    return text_of(base, "catalog_name").empty() &&
           (schema.empty() || to_lower(schema) == "recurring") &&
           std::ranges::find(ctes_, to_lower(text_of(base, "table_name"))) != ctes_.end();
  }

  static std::vector<std::string> parts_of(const object& base) {
    std::vector<std::string> parts;
    for (const char* member : {"catalog_name", "schema_name", "table_name"}) {
      if (std::string part = text_of(base, member); !part.empty()) {
        parts.push_back(std::move(part));
      }
    }
    return parts;
  }

  /// Notes what a FROM shows, not what its subqueries do.
  void show(object& ref) {
    const bool is_table = text_of(ref, "type") == "BASE_TABLE";
    Shown one{{}, text_of(ref, "alias")};
    if (is_table && one.alias.empty()) {
      one.alias = text_of(ref, "table_name");
      if (!is_cte(ref)) {
        one.parts = parts_of(ref);
        std::ranges::transform(one.parts, one.parts.begin(), to_lower);
        ref["alias"] = one.alias;
      }
    }
    if (!one.alias.empty()) {
      shown_.back().emplace_back(std::move(one), &ref);
    }
    for (const char* member : {"left", "right", "source"}) {
      if (value* inner = ref.if_contains(member); inner != nullptr && inner->is_object()) {
        show(inner->get_object());
      }
    }
  }

  /// With the namespace that is meant where none is written.
  [[nodiscard]] std::vector<std::string> full_name(std::vector<std::string> parts) const {
    if (parts.size() == 1 && options_.default_namespace.empty()) {
      parts.emplace(parts.begin(), "main");
    } else if (parts.size() == 1) {
      std::vector<std::string> full;
      std::ranges::transform(options_.default_namespace, std::back_inserter(full), to_lower);
      full.push_back(std::move(parts.front()));
      return full;
    } else if (parts.size() > 2 && parts.front() == "lake") {
      parts.erase(parts.begin());
    }
    return parts;
  }

  /// a.t JOIN b.t: both would be called t, which DuckDB tells apart by schema for tables, but not
  /// for subqueries.
  void rename_twins() {
    auto& level = shown_.back();
    for (std::size_t i = 0; i < level.size(); ++i) {
      for (std::size_t j = i + 1; j < level.size(); ++j) {
        if (!level[i].first.parts.empty() && !level[j].first.parts.empty() &&
            to_lower(level[i].first.alias) == to_lower(level[j].first.alias) &&
            full_name(level[i].first.parts) != full_name(level[j].first.parts)) {
          qualify(level[i]);
          qualify(level[j]);
        }
      }
    }
  }
  static void qualify(std::pair<Shown, object*>& one) {
    one.first.alias = fmt::format("{}", fmt::join(parts_of(*one.second), "."));
    (*one.second)["alias"] = one.first.alias;
  }

  // --- Tables.

  Status table(object& ref) {
    const std::string type = text_of(ref, "type");
    LH_RETURN_IF_ERROR(of_kind(ref, "type", kTables, "table expression"));
    if (type == "BASE_TABLE" && !is_cte(ref)) {
      return base_table(ref);
    }
    if (type == "TABLE_FUNCTION") {
      return table_function(ref);
    }
    if (type == "PIVOT") {
      return dynamic_pivots(ref);
    }
    if (type == "SHOW_REF") {
      return show_ref(ref);
    }
    return {};
  }

  Status base_table(object& ref) {
    TableReference reference;
    reference.node = &ref;
    reference.parts = parts_of(ref);
    reference.alias = text_of(ref, "alias");
    if (reference.alias.empty()) {
      reference.alias = text_of(ref, "table_name");
    }
    reference.position = location_of(ref);
    if (const auto found = conditions_.find(&ref); found != conditions_.end()) {
      reference.conditions = std::move(found->second);
    }
    if (value* at = ref.if_contains("at_clause"); at != nullptr && at->is_object()) {
      LH_ASSIGN_OR_RETURN(reference.at, at_clause(at->get_object()));
    }
    found_.tables.push_back(std::move(reference));
    return {};
  }

  /// A constant, or a constant that is cast.
  static Result<AtClause> at_clause(const object& at) {
    const value* expression = at.if_contains("expr");
    const object* inner = expression == nullptr ? nullptr : expression->if_object();
    while (inner != nullptr && text_of(*inner, "class") == "CAST") {
      const value* child = inner->if_contains("child");
      inner = child == nullptr ? nullptr : child->if_object();
    }
    AtClause out;
    out.is_timestamp = text_of(at, "unit") == "TIMESTAMP";
    const value* holder = inner == nullptr || text_of(*inner, "class") != "CONSTANT"
                              ? nullptr
                              : inner->if_contains("value");
    const value* content = holder == nullptr || !holder->is_object()
                               ? nullptr
                               : holder->get_object().if_contains("value");
    if (content != nullptr && content->is_string()) {
      out.value = std::string(content->get_string());
      return out;
    }
    if (content != nullptr && content->is_int64() && !out.is_timestamp) {
      out.value = content->get_int64();
      return out;
    }
    return fail(ErrorCode::InvalidArgument, "AT takes a constant",
                "Write AT (VERSION => 123), AT (VERSION => 'branch') or "
                "AT (TIMESTAMP => TIMESTAMP '2024-01-31 12:00:00').");
  }

  Status dynamic_pivots(object& ref) {
    value* pivots = ref.if_contains("pivots");
    for (std::size_t i = 0;
         pivots != nullptr && pivots->is_array() && i < pivots->get_array().size(); ++i) {
      const object* column = pivots->get_array()[i].if_object();
      if (column == nullptr || text_of(*column, "pivot_enum") != kPivotMarker) {
        continue;
      }
      PivotReference& reference = found_.pivots.emplace_back();
      reference.node = &ref;
      reference.column = i;
      for (const object* entry : cte_entries_) {
        if (entry == nullptr) {
          return refuse(ref, "a PIVOT without values stands in a recursive expression",
                        "List the values: PIVOT t ON c IN ('a', 'b').");
        }
        reference.common_tables.push_back(entry);
      }
    }
    return {};
  }

  Status table_function(object& ref) {
    value* function = ref.if_contains("function");
    object* call = function == nullptr ? nullptr : function->if_object();
    if (call == nullptr || text_of(*call, "class") != "FUNCTION") {
      return malformed();
    }
    const std::string name = text_of(*call, "function_name");
    if (options_.functions != nullptr && !is_known_table_function(name)) {
      LH_ASSIGN_OR_RETURN(const bool is_ours, options_.functions->is_table(*call));
      if (is_ours) {
        FunctionReference& reference = found_.functions.emplace_back();
        reference.node = &ref;
        reference.call = *call;
        reference.alias = text_of(ref, "alias").empty() ? name : text_of(ref, "alias");
        reference.position = location_of(ref);
        return {};
      }
    }
    Status allowed = check_table_function(name);
    if (!allowed) {
      allowed.error().position_bytes = location_of(ref);
      return allowed;
    }
    return fields(*call, kFunction);
  }

  Status show_ref(object& ref) {
    if (value* query = ref.if_contains("query"); query != nullptr && query->is_object()) {
      return node(query->get_object());  // DESCRIBE and SUMMARIZE.
    }
    ShowReference reference;
    reference.node = &ref;
    const std::string type = text_of(ref, "show_type");
    const std::string name = text_of(ref, "table_name");
    if (type == "SHOW_FROM") {
      reference.what = "tables";
      for (const char* member : {"catalog_name", "schema_name"}) {
        if (std::string part = text_of(ref, member); !part.empty()) {
          reference.name_space.push_back(std::move(part));
        }
      }
    } else if (name == "\"tables\"" || name == "\"databases\"" || name == "\"schemas\"") {
      reference.what = name.substr(1, name.size() - 2);
    } else if (name == "__show_tables_expanded") {
      reference.what = "all tables";
    } else {
      return refuse(ref, fmt::format("SHOW {} is not supported", name),
                    "There are SHOW TABLES, SHOW TABLES FROM schema, SHOW ALL TABLES, SHOW SCHEMAS "
                    "and SHOW table.");
    }
    found_.shows.push_back(std::move(reference));
    return {};
  }

  // --- Expressions.

  Status expression(object& inner) {
    LH_RETURN_IF_ERROR(expand_calls(inner));
    const std::string name = text_of(inner, "class");
    if (name == "FUNCTION" || name == "WINDOW") {
      const bool is_ours =
          options_.reads_variables && text_of(inner, "function_name") == "getvariable";
      Status allowed = is_ours ? Status() : check_function(text_of(inner, "function_name"));
      if (!allowed) {
        allowed.error().position_bytes = location_of(inner);
        return allowed;
      }
      const std::string function = to_lower(text_of(inner, "function_name"));
      if (is_user(function)) {
        found_.names_principal = true;
        inner = tree::aliased(tree::string(options_.principal), text_of(inner, "alias"));
        return {};
      }
      found_.is_volatile = found_.is_volatile || is_volatile_function(function);
    }
    if (name == "DEFAULT") {
      return refuse(inner, "DEFAULT: tables keep no default values", "Write the value, or NULL.");
    }
    if (name == "COLUMN_REF") {
      LH_RETURN_IF_ERROR(column_ref(inner));
    }
    const std::size_t calls = found_.calls.size();
    LH_RETURN_IF_ERROR(of_kind(inner, "class", kExpressions, "expression"));
    if (chooses_columns(inner)) {
      found_.calls.resize(calls);
    }
    if (wants_guard(inner)) {
      found_.calls.push_back(&inner);
    }
    return {};
  }

  /// A call of what the engine does not have becomes what it stands for, which may be a call again.
  Status expand_calls(object& inner) {
    for (int calls = 0; options_.functions != nullptr && text_of(inner, "class") == "FUNCTION" &&
                        !is_known_function(text_of(inner, "function_name"));
         ++calls) {
      if (calls >= kCallsMax) {
        return refuse(inner, fmt::format("the macro {} calls itself without end",
                                         text_of(inner, "function_name")));
      }
      LH_ASSIGN_OR_RETURN(auto meant, options_.functions->expression(inner));
      if (!meant) {
        return {};
      }
      std::string alias = text_of(inner, "alias");
      inner = *std::move(meant);
      inner["alias"] = std::move(alias);
    }
    return {};
  }

  /// schema.table.column: the subquery that stands for the table is known by its alias alone.
  Status column_ref(object& inner) {
    value* holder = inner.if_contains("column_names");
    array* names = holder == nullptr ? nullptr : holder->if_array();
    if (names != nullptr && names->size() == 1 && names->front().is_string()) {
      // CURRENT_DATE and its kin, unless it is a column.
      found_.is_volatile =
          found_.is_volatile || is_volatile_function(to_lower(names->front().get_string()));
    }
    if (names == nullptr || names->size() < 2) {
      return {};
    }
    std::vector<std::string> written;
    for (const value& name : *names) {
      if (!name.is_string()) {
        return malformed();
      }
      written.push_back(to_lower(name.get_string()));
    }
    for (const auto& level : std::views::reverse(shown_)) {
      for (const auto& [one, ref] : level) {
        if (const std::size_t length = matches(written, one.parts); length > 0) {
          array shorter{value(one.alias)};
          shorter.insert(shorter.end(), names->begin() + static_cast<std::ptrdiff_t>(length),
                         names->end());
          *names = std::move(shorter);
          return {};
        }
      }
    }
    return {};
  }
  /// How many of the column's names spell the table: as written, or without its outer parts; 0 for
  /// none. At least two. Where no column is left it is the whole row, unless the first of the names
  /// is a table's here.
  [[nodiscard]] std::size_t matches(const std::vector<std::string>& written,
                                    const std::vector<std::string>& table) const {
    const std::vector<std::string> full = table.size() == 1 ? full_name(table) : table;
    for (std::size_t skip = 0; skip + 2 <= full.size(); ++skip) {
      const std::size_t length = full.size() - skip;
      if (written.size() >= length &&
          std::equal(full.begin() + static_cast<std::ptrdiff_t>(skip), full.end(),
                     written.begin()) &&
          (written.size() > length || !is_shown(written.front()))) {
        return length;
      }
    }
    return 0;
  }

  [[nodiscard]] bool is_shown(std::string_view alias) const {
    return std::ranges::any_of(shown_, [&](const auto& level) {
      return std::ranges::any_of(
          level, [&](const auto& one) { return to_lower(one.first.alias) == alias; });
    });
  }

  const AnalyseOptions& options_;
  Analysis found_;
  std::vector<std::string> ctes_;           ///< In scope, lower case.
  std::vector<const object*> cte_entries_;  ///< Of the same; null for a recursive one's own name.
  std::vector<std::vector<std::pair<Shown, object*>>> shown_;
  std::map<const object*, std::vector<Condition>> conditions_;  ///< By the tables' nodes.
  std::size_t depth_ = 0;
};

void replace(object& node, object source, std::string_view alias) {
  object ref = tree::subquery(std::move(source), alias);
  for (const char* member : {"sample", "column_name_alias"}) {
    if (value* kept = node.if_contains(member); kept != nullptr) {
      ref[member] = std::move(*kept);
    }
  }
  node = std::move(ref);
}

std::optional<std::size_t> find_named(const value& at, std::string_view name) {
  if (const array* list = at.if_array()) {
    for (const value& entry : *list) {
      if (const auto found = find_named(entry, name)) {
        return found;
      }
    }
    return std::nullopt;
  }
  const object* node = at.if_object();
  if (node == nullptr) {
    return std::nullopt;
  }
  bool named = false;
  if (const value* names = node->if_contains("column_names");
      names != nullptr && names->is_array()) {
    named = std::ranges::any_of(names->get_array(), [name](const value& one) {
      return one.is_string() && to_lower(one.get_string()) == name;
    });
  }
  for (const char* member : {"function_name", "table_name", "relation_name"}) {
    named = named || to_lower(text_of(*node, member)) == name;
  }
  if (named) {
    if (const auto location = location_of(*node)) {
      return location;
    }
  }
  for (const auto& field : *node) {
    if (const auto found = find_named(field.value(), name)) {
      return found;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string TableReference::dotted() const {
  return fmt::format("{}", fmt::join(parts, "."));
}

Result<Analysis> analyse(boost::json::object& document, const AnalyseOptions& options) {
  return Walker(options).run(document);
}

Status guard_calls(const Analysis& analysis) {
  std::vector<std::string> names;
  for (const boost::json::object* item : analysis.unnamed) {
    names.push_back(name_of_call(*item));
  }
  for (boost::json::object* call : analysis.calls) {
    if (!guard_call(*call)) {
      return refuse(*call,
                    fmt::format("{}(*COLUMNS(...)) is not understood where rows of a table are "
                                "deleted or hidden",
                                text_of(*call, "function_name")),
                    "Write its arguments out.");
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    (*analysis.unnamed[i])["alias"] = names[i];
  }
  return {};
}

void replace_table(const TableReference& table, boost::json::object source) {
  replace(*table.node, std::move(source), table.alias);
}

void replace_function(const FunctionReference& function, boost::json::object source) {
  replace(*function.node, std::move(source), function.alias);
}

void replace_show(const ShowReference& show, boost::json::object source) {
  replace(*show.node, std::move(source), text_of(*show.node, "alias"));
}

std::optional<std::size_t> find_position(const boost::json::value& document,
                                         std::string_view message) {
  // DuckDB quotes the name first: Referenced column "x" not found in FROM clause!
  for (const auto& [open, close] :
       {std::pair{"\"", "\""}, std::pair{"with name ", " "}, std::pair{"'", "'"}}) {
    const std::size_t begin = message.find(open);
    if (begin == std::string_view::npos) {
      continue;
    }
    const std::size_t from = begin + std::string_view(open).size();
    const std::size_t end = std::min(message.find(close, from), message.size());
    const std::string name = to_lower(message.substr(from, end - from));
    if (const auto found = name.empty() ? std::nullopt : find_named(document, name)) {
      return found;
    }
  }
  return std::nullopt;
}

}  // namespace lakehouse::query
