#pragma once

#include <boost/json/value.hpp>

#include "base/error.h"
#include "engine/child/duck.h"
#include "engine/engine.h"

namespace lakehouse::engine {

/// A JSON value as a DuckDB value of its own type: BIGINT, UBIGINT past that, DOUBLE, BOOLEAN,
/// VARCHAR, or a list of these (of DOUBLE, if whole numbers and others are mixed). InvalidArgument
/// for objects and for lists of several types; `what` names it in the message.
Result<Value> value_from_json(const boost::json::value& json, std::string_view what);

/// Binds all parameters of `prepared`; `parameters` as Statement::parameters. InvalidArgument,
/// naming them, if some are missing or too many are given.
Status bind_parameters(const Prepared& prepared, const boost::json::value& parameters);

/// SET VARIABLE on this connection.
Status set_variable(const Connection& connection, const Variable& variable);

}  // namespace lakehouse::engine
