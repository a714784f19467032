#pragma once

#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"

namespace lakehouse::query {

/// The tree of the one SELECT in `sql`, as json_serialize_sql gives it: an object, with positions
/// in `sql`. A PIVOT whose values must be looked up gets kPivotMarker for the enum that would hold
/// them. InvalidArgument, with the position, for what is no SELECT or has no tree.
Result<boost::json::value> parse_select(const RequestContext& context, engine::Engine& engine,
                                        std::string_view sql);

/// The tree of an expression, from SQL that stands alone. InvalidArgument for anything else.
Result<boost::json::object> parse_expression(const RequestContext& context, engine::Engine& engine,
                                             std::string_view sql);

}  // namespace lakehouse::query
