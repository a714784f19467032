#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "query/table_functions.h"

namespace lakehouse::query {

/// A call in a tree with its arguments as values. InvalidArgument for what is neither a constant
/// nor one of the request's parameters, nor a list of them.
Result<TableFunctionCall> constant_call(const boost::json::object& call,
                                        const boost::json::value& parameters);

}  // namespace lakehouse::query
