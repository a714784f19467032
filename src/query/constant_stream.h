#pragma once

#include <memory>
#include <string>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "engine/engine.h"

namespace lakehouse::query {

/// A result of one row and one column that no engine is needed for, in any encoding but Arrow: the
/// answer of a write must not depend on an engine that may have died since.
Result<std::unique_ptr<engine::ResultStream>> constant_stream(const std::string& column,
                                                              const boost::json::value& value,
                                                              engine::Encoding encoding);

}  // namespace lakehouse::query
