#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "query/conditions.h"

/// \file
/// The one place that looks into a SELECT. It walks DuckDB's tree by an allow-list of node kinds,
/// members and functions, and finds every table that must be replaced before the engine sees it.

namespace lakehouse::query {

/// AT (VERSION => ...) or AT (TIMESTAMP => ...).
struct AtClause {
  std::variant<std::int64_t, std::string> value;  ///< A snapshot id, a ref's name or a timestamp.
  bool is_timestamp = false;                      ///< Then `value` is its text.
  friend bool operator==(const AtClause&, const AtClause&) = default;
};

/// A table that the statement reads, outside of CTEs' names.
struct TableReference {
  boost::json::object* node = nullptr;  ///< In the tree; replaced by `replace_table`.
  std::vector<std::string> parts;       ///< [catalog.][schema.]table, as written.
  std::string alias;                    ///< What columns are qualified by.
  std::optional<AtClause> at;
  std::optional<std::size_t> position;
  std::vector<Condition> conditions;  ///< Rows that do not meet them all are not wanted.
  [[nodiscard]] std::string dotted() const;
};

/// SHOW TABLES and its kin, which the server answers from the catalog.
struct ShowReference {
  boost::json::object* node = nullptr;
  std::string what;                     ///< "tables", "all tables", "schemas", "databases".
  std::vector<std::string> name_space;  ///< SHOW TABLES FROM x: as written; else empty.
};

/// A function in FROM that is not the engine's.
struct FunctionReference {
  boost::json::object* node = nullptr;  ///< The table reference.
  boost::json::object call;             ///< Its arguments have not been looked through.
  std::string alias;
  std::optional<std::size_t> position;
};

/// A PIVOT whose values are to be looked up, with what its source may refer to.
struct PivotReference {
  boost::json::object* node = nullptr;  ///< The table reference.
  std::size_t column = 0;               ///< Which of its pivots.
  /// Entries of the WITH clauses around it, the outermost first; later ones hide earlier ones.
  std::vector<const boost::json::object*> common_tables;
};

/// Knows functions that the engine does not have.
class FunctionResolver {
 public:
  virtual ~FunctionResolver() = default;
  /// The expression that a call stands for; nothing if there is no such function.
  virtual Result<std::optional<boost::json::object>> expression(
      const boost::json::object& call) = 0;
  /// True if a call in FROM is to be a FunctionReference.
  virtual Result<bool> is_table(const boost::json::object& call) = 0;
};

/// What the walk found. The pointers are good as long as the tree is neither moved nor changed
/// elsewhere.
struct Analysis {
  std::vector<TableReference> tables;
  std::vector<ShowReference> shows;
  std::vector<FunctionReference> functions;
  std::vector<PivotReference> pivots;         ///< Inner ones before those around them.
  std::vector<boost::json::object*> calls;    ///< That want a guard: inner ones first.
  std::vector<boost::json::object*> unnamed;  ///< Columns of SELECT lists with one inside.
  /// Asked again on the same tables, the answer may be another.
  bool is_volatile = false;
  bool names_principal = false;  ///< It holds who asks.
};

struct AnalyseOptions {
  std::string_view principal;             ///< What current_user() is.
  FunctionResolver* functions = nullptr;  ///< Null: there are none.
  /// Of tables that are named alone; empty: the catalog's default.
  std::span<const std::string> default_namespace = {};
  bool reads_variables = false;  ///< It is ours, and may call getvariable.
};

/// Checks a tree that json_serialize_sql gave (the whole document, with one statement) and makes
/// column references that name a schema or a catalog fit for `replace_table`. InvalidArgument, with
/// the position, for a function, a node or a member that is not on the allow-lists, by name.
Result<Analysis> analyse(boost::json::object& document, const AnalyseOptions& options);

/// Where rows are filtered away that may not show in an error: see call_guard.h. Before any other
/// change of the tree's expressions. InvalidArgument for a call that cannot be guarded.
Status guard_calls(const Analysis& analysis);

/// Puts a subquery over `source`, a query node, in the table's place. Alias, column aliases and
/// sample clause stay.
void replace_table(const TableReference& table, boost::json::object source);
void replace_show(const ShowReference& show, boost::json::object source);
void replace_function(const FunctionReference& function, boost::json::object source);

/// Where in the statement an engine's error points to: the first column, function or table in the
/// (unrewritten) tree that carries the name that the message quotes first.
std::optional<std::size_t> find_position(const boost::json::value& document,
                                         std::string_view message);

}  // namespace lakehouse::query
