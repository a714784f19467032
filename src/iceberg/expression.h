#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/literal.h"
#include "iceberg/partition_spec.h"
#include "iceberg/schema.h"

/// \file
/// Conditions on rows, bound to a table's columns, and their JSON in the REST protocol. Source: the
/// REST catalog spec, "Expression"; where it leaves room, the reference implementation.

namespace lakehouse::iceberg {

enum class CompareOp : std::uint8_t {
  Eq,
  NotEq,
  Lt,
  LtEq,
  Gt,
  GtEq,
  In,
  NotIn,
  StartsWith,
  NotStartsWith,
  IsNull,
  NotNull,
  IsNan,
  NotNan
};

/// The one that holds where `op` does not: GtEq for Lt.
[[nodiscard]] CompareOp negated(CompareOp op);

/// What is asked of one column, or of a transform of it. SQL and Iceberg differ about null in
/// NotEq, NotIn, NotStartsWith and NotNan (unknown, or true), so nothing is concluded from it; no
/// other comparison is true of null. NaN sorts above every other number, as in DuckDB.
struct Predicate {
  std::int32_t field_id = 0;
  CompareOp op = CompareOp::Eq;
  /// Of the term's type. One; any number for In and NotIn; none for nulls and NaN.
  std::vector<Literal> values;
  Transform transform = {};  ///< The term is this of the column.

  friend bool operator==(const Predicate&, const Predicate&) = default;
};

/// A condition: predicates joined by AND and OR. There is no NOT; it was taken to the predicates,
/// which SQL's logic allows. A value.
class Expression {
 public:
  enum class Kind : std::uint8_t { True, False, And, Or, Is };

  Expression() = default;  ///< True of every row.
  /// All of them hold.
  Expression(std::initializer_list<Predicate> all);

  static Expression always(bool value);
  static Expression is(Predicate predicate);
  /// Flattened, and without what is always true or always false.
  static Expression all_of(std::vector<Expression> parts);
  static Expression any_of(std::vector<Expression> parts);
  /// True where this is false.
  [[nodiscard]] Expression negated() const;

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const Predicate& predicate() const { return predicate_; }  ///< Of Is.
  [[nodiscard]] const std::vector<Expression>& parts() const { return parts_; }

  friend bool operator==(const Expression&, const Expression&) = default;

 private:
  static Expression join(Kind kind, std::vector<Expression> parts);

  Kind kind_ = Kind::True;
  Predicate predicate_;
  std::vector<Expression> parts_;  ///< Of And and Or: at least two.
};

/// Which rows of a scan are wanted.
using Filter = Expression;

/// How many predicates an expression may have, and how many values one In.
inline constexpr std::size_t kPredicatesMax = 10'000;
inline constexpr std::size_t kInValuesMax = 200'000;

/// Reads an expression and binds its names to the columns of `schema`, structs' fields included
/// ("address.street"). Values are taken in the single-value form of the column's type, and as the
/// plain numbers that clients make of unbound ones: days, microseconds, whole numbers for decimals.
/// A number beyond an integer column's range decides the predicate. InvalidArgument for an unknown
/// column or operation, or a value that does not fit.
Result<Expression> expression_from_json(const boost::json::value& json, const Schema& schema,
                                        bool case_sensitive = true);

/// The same in the protocol's form; true and false are JSON's own, as clients read them.
boost::json::value expression_to_json(const Expression& expression, const Schema& schema);

}  // namespace lakehouse::iceberg
