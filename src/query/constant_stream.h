#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "engine/engine.h"

namespace lakehouse::query {

/// A result of one row and one column that no engine is needed for, in any encoding but Arrow: the
/// answer of a write must not depend on an engine that may have died since.
Result<std::unique_ptr<engine::ResultStream>> constant_stream(const std::string& column,
                                                              const boost::json::value& value,
                                                              engine::Encoding encoding);

/// A result that is in memory, as an engine once encoded it.
Result<std::unique_ptr<engine::ResultStream>> bytes_stream(std::vector<engine::Column> columns,
                                                           std::string bytes,
                                                           std::uint64_t row_count);

/// `inner`, and what it reads from: that goes with it.
std::unique_ptr<engine::ResultStream> holding_stream(std::unique_ptr<engine::ResultStream> inner,
                                                     std::shared_ptr<void> held);

}  // namespace lakehouse::query
