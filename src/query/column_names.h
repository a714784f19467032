#pragma once

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"

namespace lakehouse::query {

/// Gives select items without an alias the name that DuckDB would give them, where rewriting would
/// change it: DuckDB names an expression by its text, in which a table's place would show the scan
/// that replaced it. Asks the engine for the texts, once for all of them; it does nothing for most
/// statements. `document` is what json_serialize_sql gave.
Status keep_column_names(const RequestContext& context, engine::Engine& engine,
                         boost::json::value& document);

}  // namespace lakehouse::query
