#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"

namespace lakehouse::query {

/// The engine's plan of a statement, as text; the statement is not run.
Result<std::string> plan_text(const RequestContext& context, engine::Engine& engine,
                              engine::Statement statement);

/// How many rows the engine thinks a statement gives.
Result<std::int64_t> estimated_rows(const RequestContext& context, engine::Engine& engine,
                                    engine::Statement statement);

/// An answer as EXPLAIN gives it, with a second row for what a write would do.
engine::Statement explain_rows(const std::string& plan, const std::string& effect);

}  // namespace lakehouse::query
