#include "engine/child/cast_guard.h"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include <duckdb/function/function_binder.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/client_context_state.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/optimizer/optimizer_extension.hpp>
#include <duckdb/planner/expression/bound_case_expression.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_comparison_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_operator_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>

namespace lakehouse::engine {
namespace {

using duckdb::Expression;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using ExpressionPtr = duckdb::unique_ptr<Expression>;

constexpr const char* kState = "lh_cast_guard";

struct GuardWanted final : duckdb::ClientContextState {};

/// Narrower types have all their values in these, or DuckDB says itself that they have not.
constexpr std::array kPlainTypes = {
    LogicalTypeId::VARCHAR, LogicalTypeId::FLOAT,    LogicalTypeId::DOUBLE,  LogicalTypeId::BOOLEAN,
    LogicalTypeId::TINYINT, LogicalTypeId::SMALLINT, LogicalTypeId::INTEGER, LogicalTypeId::BIGINT,
    LogicalTypeId::HUGEINT, LogicalTypeId::DATE};
/// How many digits their numbers can have.
constexpr std::array<std::pair<LogicalTypeId, int>, 9> kDigits = {{{LogicalTypeId::BOOLEAN, 1},
                                                                   {LogicalTypeId::TINYINT, 3},
                                                                   {LogicalTypeId::UTINYINT, 3},
                                                                   {LogicalTypeId::SMALLINT, 5},
                                                                   {LogicalTypeId::USMALLINT, 5},
                                                                   {LogicalTypeId::INTEGER, 10},
                                                                   {LogicalTypeId::UINTEGER, 10},
                                                                   {LogicalTypeId::BIGINT, 19},
                                                                   {LogicalTypeId::UBIGINT, 20}}};

int scale_of(const LogicalType& type) {
  return type.id() == LogicalTypeId::DECIMAL ? duckdb::DecimalType::GetScale(type) : 0;
}

/// Before the point; 0 for what is not exact.
int whole_digits(const LogicalType& type) {
  if (type.id() == LogicalTypeId::DECIMAL) {
    return duckdb::DecimalType::GetWidth(type) - scale_of(type);
  }
  const auto* found = std::ranges::find(kDigits, type.id(), &std::pair<LogicalTypeId, int>::first);
  return found == kDigits.end() ? 0 : found->second;
}

bool is_plain(const LogicalType& from, const LogicalType& to) {
  if (to.id() == LogicalTypeId::DECIMAL) {
    const int digits = whole_digits(from);
    return digits > 0 && digits <= whole_digits(to) && scale_of(from) <= scale_of(to);
  }
  return from == to ||
         (!from.IsNested() && std::ranges::find(kPlainTypes, to.id()) != kPlainTypes.end());
}

class Guard {
 public:
  explicit Guard(duckdb::ClientContext& context) : context_(context) {}

  void put(duckdb::LogicalOperator& plan) {
    duckdb::LogicalOperatorVisitor::EnumerateExpressions(
        plan, [this](ExpressionPtr* expression) { put(*expression); });
    for (auto& child : plan.children) {
      put(*child);
    }
  }

 private:
  void put(ExpressionPtr& expression) {
    duckdb::ExpressionIterator::EnumerateChildren(*expression,
                                                  [this](ExpressionPtr& child) { put(child); });
    if (expression->GetExpressionClass() != duckdb::ExpressionClass::BOUND_CAST) {
      return;
    }
    auto& cast = expression->Cast<duckdb::BoundCastExpression>();
    if (!cast.try_cast && !cast.child->IsScalar() &&
        !is_plain(cast.child->return_type, cast.return_type)) {
      wrap(cast.child);
    }
  }

  void wrap(ExpressionPtr& argument) {
    const LogicalType type = argument->return_type;
    auto guarded = duckdb::make_uniq<duckdb::BoundOperatorExpression>(
        duckdb::ExpressionType::OPERATOR_COALESCE, type);
    auto failing = duckdb::BoundCastExpression::AddCastToType(
        context_, call("error", no_value(*argument)), type);
    guarded->children.push_back(std::move(argument));
    guarded->children.push_back(std::move(failing));
    argument = std::move(guarded);
  }

  /// NULL, and DuckDB does not know. A long argument twice in itself would grow without end.
  ExpressionPtr no_value(const Expression& argument) {
    if (argument.GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF) {
      return duckdb::BoundCastExpression::AddCastToType(context_, argument.Copy(),
                                                        LogicalType::VARCHAR);
    }
    auto never = duckdb::make_uniq<duckdb::BoundComparisonExpression>(
        duckdb::ExpressionType::COMPARE_LESSTHAN, call("random"),
        constant(duckdb::Value::DOUBLE(0)));
    return duckdb::make_uniq<duckdb::BoundCaseExpression>(
        std::move(never), constant(duckdb::Value("")),
        constant(duckdb::Value(LogicalType::VARCHAR)));
  }

  static ExpressionPtr constant(duckdb::Value value) {
    return duckdb::make_uniq<duckdb::BoundConstantExpression>(std::move(value));
  }

  template <class... Arguments>
  ExpressionPtr call(const char* function, Arguments... arguments) {
    duckdb::vector<ExpressionPtr> children;
    (children.push_back(std::move(arguments)), ...);
    duckdb::ErrorData problem;
    duckdb::FunctionBinder binder(context_);
    auto bound = binder.BindScalarFunction(DEFAULT_SCHEMA, function, std::move(children), problem);
    if (bound == nullptr) {
      problem.Throw();
    }
    return bound;
  }

  duckdb::ClientContext& context_;
};

void pre_optimize(duckdb::OptimizerExtensionInput& input,
                  duckdb::unique_ptr<duckdb::LogicalOperator>& plan) {
  if (input.context.registered_state->Get<GuardWanted>(kState) != nullptr) {
    Guard(input.context).put(*plan);
  }
}

duckdb::ClientContext& context_of(duckdb_connection connection) {
  return *reinterpret_cast<duckdb::Connection*>(connection)->context;
}

}  // namespace

std::string register_cast_guard(duckdb_connection connection) {
  try {
    duckdb::OptimizerExtension extension;
    extension.pre_optimize_function = pre_optimize;
    duckdb::OptimizerExtension::Register(duckdb::DBConfig::GetConfig(context_of(connection)),
                                         std::move(extension));
  } catch (const std::exception& thrown) {
    return thrown.what();
  }
  return {};
}

void guard_casts(duckdb_connection connection) {
  context_of(connection).registered_state->GetOrCreate<GuardWanted>(kState);
}

}  // namespace lakehouse::engine
