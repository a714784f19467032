#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dice.h"
#include "tables.h"

namespace lakehouse::query::fuzz {

/// Makes SELECTs over `tables()` that DuckDB can run, most of them with an answer that does not
/// hang on the order of rows. Not thread-safe.
class Generator {
 public:
  /// With `risky`, some expressions fail on some rows: what a policy takes away must not be why.
  Generator(Dice& dice, bool risky) : dice_(dice), risky_(risky) {}

  std::string statement();

 private:
  /// What an expression may refer to: each column by a name that works there.
  using Scope = std::vector<Column>;
  struct Query {
    std::string sql;
    Scope columns;  ///< By their bare names.
  };

  // generator.cc: queries.
  Query query(int depth, const Scope* outer);
  Query select(int depth, const Scope* outer, const std::vector<Kind>* wanted);
  Query set_operation(int depth);
  std::string common_tables(int depth);
  std::string select_list(int depth, const Scope& scope, const std::vector<Kind>& kinds,
                          Scope* columns);
  std::string star(const Scope& scope);
  std::string grouped(int depth, const Scope& scope, const std::vector<Kind>& kinds, Scope* columns,
                      std::string* group_by);
  std::string tail(std::size_t columns);
  std::string from(int depth, Scope* scope);
  std::string table(int depth, Scope* scope);
  std::string base_table(Scope* scope);
  std::string join(int depth, Scope* scope);
  std::string pivot(Scope* scope);
  std::string alias() { return "a" + std::to_string(++aliases_); }

  // expressions.cc
  std::string expression(Kind kind, const Scope& scope, int depth);
  std::string leaf(Kind kind, const Scope& scope);
  std::string literal(Kind kind);
  std::string int_expression(const Scope& scope, int depth);
  std::string number_expression(const Scope& scope, int depth);
  std::string text_expression(const Scope& scope, int depth);
  std::string time_expression(Kind kind, const Scope& scope, int depth);
  std::string condition(const Scope& scope, int depth);
  std::string subquery_condition(const Scope& scope, int depth);
  std::string aggregate(Kind kind, const Scope& scope, int depth);
  std::string window(const Scope& scope);
  std::string risky(const Scope& scope);
  Kind kind();
  Kind comparable();

  Dice& dice_;
  bool risky_;
  std::size_t aliases_ = 0;
  const Scope* outer_ = nullptr;
  /// Common table expressions in scope; a table's name among them is not the table any more.
  std::vector<std::pair<std::string, Scope>> ctes_;
};

}  // namespace lakehouse::query::fuzz
