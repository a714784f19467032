#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/json.h"
#include "iceberg/schema.h"

/// \file
/// The columns that partition and sort fields take their values from.

namespace lakehouse::iceberg::detail {

struct Sources {
  std::int32_t id = 0;            ///< The first one.
  std::vector<std::int32_t> ids;  ///< All of them if there are several, else empty.
};

/// Reads "source-id" or "source-ids"; `field` names whose they are in messages.
Result<Sources> sources_from_json(JsonFields& fields, std::string_view field);
void sources_to_json(boost::json::object& object, std::int32_t id,
                     const std::vector<std::int32_t>& ids);

/// The type of a column that may be a source: a primitive one that is no part of a list or a map.
/// InvalidArgument otherwise. Lives as long as the schema.
Result<const Type*> source_column(const Schema& schema, std::int32_t id);

}  // namespace lakehouse::iceberg::detail
