#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"

/// \file
/// Functions in FROM that other modules bring: `SELECT * FROM vector_search('docs', 'text', k :=
/// 5)`.

namespace lakehouse::query {

/// A call as it stands in a statement. Arguments are constants, parameters of the request, or lists
/// of them.
struct TableFunctionCall {
  std::string name;  ///< Lower case, without a schema.
  std::vector<boost::json::value> arguments;
  std::map<std::string, boost::json::value> named;  ///< Names in lower case.
  std::optional<std::size_t> position;
};

/// What a call stands for.
struct TableFunctionResult {
  /// A query node as DuckDB parses it (tree.h makes them). It is looked through like what the
  /// caller wrote: tables that it names are read with the caller's policies, at the statement's
  /// moment; it may call what requests may call, and read the variables below.
  boost::json::object node;
  std::vector<engine::Variable> variables;  ///< Named lh_<function>_...; one call each.
  /// The answer may differ the next time though no table has changed: it is not kept.
  bool is_volatile = true;
  std::string version;  ///< If not volatile: differs when the answer may differ.
};

/// Brings functions. Thread-safe; calls may block.
class TableFunctionProvider {
 public:
  virtual ~TableFunctionProvider() = default;

  /// The names it knows, in lower case: none that DuckDB has.
  [[nodiscard]] virtual std::vector<std::string> names() const = 0;
  virtual Result<TableFunctionResult> call(const RequestContext& context,
                                           const TableFunctionCall& call) = 0;
};

}  // namespace lakehouse::query
