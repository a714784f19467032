#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "query/trino_sql.h"
#include "query/trino_types.h"

/// \file
/// The walk behind trino_sql.h: queries are in trino_select.cc, expressions in
/// trino_expressions.cc, functions in trino_functions.cc. Names are resolved here, and every table,
/// column and CTE gets a name of ours (t1, c0, w2), so that no rule of Trino's about names matters.

namespace lakehouse::query::trino {

using boost::json::array;
using boost::json::object;
using boost::json::value;

/// An expression in Trino's SQL, fit to be an operand, and what DuckDB says of its type.
struct Expr {
  std::string sql;
  SqlType type;
  /// The text of a string constant: it takes the type of what it meets.
  std::optional<std::string> text = std::nullopt;
  std::optional<std::int64_t> whole = std::nullopt;  ///< A whole constant's value.
};

struct ScopeColumn {
  std::string name;  ///< As written, for look-ups without case.
  std::string sql;   ///< t1."l_tax"
  SqlType type;
  bool hidden = false;  ///< The right one of a USING: found only with its table's name.
  /// What USING made of a left column where it is not the column itself.
  std::string merged = {};
};

struct Relation {
  std::string alias;
  std::vector<ScopeColumn> columns;
};

/// What names mean inside of one SELECT.
struct Scope {
  std::vector<Relation> relations;
  const array* select_list = nullptr;  ///< Whose aliases can be used in the SELECT, too.
  std::vector<const value*> open;      ///< Aliases being resolved, against circles.
  Scope* outer = nullptr;
};

/// A query's text and its columns, which are called c0, c1...
struct Query {
  std::string sql;
  std::vector<std::pair<std::string, SqlType>> columns;
};

class Translator {
 public:
  Translator(std::span<const PinnedTable> tables, const value& parameters, std::string_view catalog)
      : tables_(tables), parameters_(parameters), catalog_(catalog) {}

  Result<Query> run(const object& document);

 private:
  struct CommonTable {
    std::string name;
    std::string alias;  ///< w3
    std::vector<std::pair<std::string, SqlType>> columns;
  };
  struct Item {
    Expr expression;
    std::string name;
    const object* node = nullptr;  ///< Null for a column of a star.
  };

  // --- Queries.
  Result<Query> query(const object& node, Scope* outer);
  Result<Query> query_inside(const object& node, Scope* outer);
  Result<Query> statement(const value* holder, Scope* outer);
  Result<std::string> common_tables(const object& node, Scope* outer);
  Result<Query> select(const object& node, Scope* outer);
  Result<Query> set_operation(const object& node, Scope* outer);
  Result<std::vector<Item>> items(const object& node, Scope& scope);
  Status star(const object& node, Scope& scope, std::vector<Item>& out);
  Result<std::string> group_by(const object& node, const std::vector<Item>& items, Scope& scope);
  Result<std::string> group_item(const value& entry, const std::vector<Item>& items, Scope& scope);
  /// DISTINCT, ORDER BY and LIMIT. `scope` is null for a set operation.
  struct Modifiers {
    bool distinct = false;
    std::string tail;
  };
  Result<Modifiers> modifiers(const object& node, const std::vector<Item>& items, Scope* scope);
  Result<std::string> order_entry(const object& order, const std::vector<Item>& items,
                                  Scope* scope);
  Result<std::string> limit(const object& modifier);

  // --- FROM.
  Result<std::string> from(const object& ref, Scope& scope);
  Result<std::string> base_table(const object& ref, Scope& scope);
  Result<std::string> pinned_table(const PinnedTable& table, Relation& relation,
                                   const std::string& alias);
  Result<std::string> join(const object& ref, Scope& scope);
  Status merge_columns(const object& ref, Scope& scope, std::size_t left_begin,
                       std::size_t right_begin, std::string& condition);
  Result<std::string> values_list(const object& ref, Scope& scope);
  Result<std::string> add_query(const Query& query, const object& ref, Scope& scope);

  // --- Expressions.
  Result<Expr> expression(const value* node, Scope& scope);
  Result<Expr> expression_inside(const object& node, Scope& scope);
  Result<Expr> constant(const object& node);
  Result<Expr> parameter(const object& node);
  Result<Expr> column(const object& node, Scope& scope);
  Result<std::optional<Expr>> find_column(const std::vector<std::string>& names, Scope& scope);
  Result<std::optional<Expr>> find_alias(const std::string& name, Scope& scope);
  Result<Expr> cast(const object& node, Scope& scope);
  Result<Expr> comparison(const object& node, Scope& scope);
  Result<Expr> conjunction(const object& node, Scope& scope);
  Result<Expr> operation(const object& node, Scope& scope);
  Result<Expr> in_list(const object& node, Scope& scope, bool negated);
  Result<Expr> between(const object& node, Scope& scope);
  Result<Expr> when(const object& node, Scope& scope);
  Result<Expr> subquery(const object& node, Scope& scope);
  Result<std::vector<Expr>> children(const object& node, Scope& scope);
  Result<Expr> boolean(const value* node, Scope& scope);

  // --- Functions.
  Result<Expr> function(const object& node, Scope& scope);
  Result<Expr> arithmetic(std::string_view name, std::vector<Expr> operands);
  Result<Expr> moments(std::string_view name, const Expr& left, const Expr& right);
  Result<std::optional<Expr>> interval_shift(const object& node, Scope& scope);
  Result<Expr> scalar(const std::string& name, std::vector<Expr> arguments);
  Result<std::optional<Expr>> text_function(const std::string& name,
                                            const std::vector<Expr>& arguments);
  Result<std::optional<Expr>> date_function(const std::string& name,
                                            const std::vector<Expr>& arguments);
  Result<std::optional<Expr>> number_function(const std::string& name,
                                              const std::vector<Expr>& arguments);
  Result<Expr> aggregate(const object& node, const std::string& name, Scope& scope,
                         const std::string& over);
  Result<Expr> window(const object& node, Scope& scope);
  Result<std::string> window_clause(const object& node, Scope& scope);

  std::string new_name(char prefix) { return prefix + std::to_string(++names_); }

  std::span<const PinnedTable> tables_;
  const value& parameters_;
  std::string catalog_;
  std::vector<CommonTable> common_tables_;  ///< In scope, the innermost last.
  std::size_t names_ = 0;
  std::size_t depth_ = 0;
};

// --- Helpers of all three files.

std::string text_of(const object& node, std::string_view member);
const value* member_of(const object& node, std::string_view member);  ///< Null if absent or null.
const array* array_of(const object& node, std::string_view member);   ///< Null if empty, too.
std::unexpected<Error> refuse(std::string what);
/// The two as operands that can be compared or be values of one column, and their common type.
/// Refused if they are of kinds that DuckDB and Trino would bring together in different ways.
Result<SqlType> unify(std::vector<Expr*> operands);
/// A string constant becomes one of this type.
void take_type(Expr& expression, const SqlType& type);
bool is_aggregate(std::string_view name);
std::string quoted(std::string_view text);  ///< 'it''s'
std::string as_double(const Expr& expression);

}  // namespace lakehouse::query::trino
