#pragma once

#include <string_view>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/json.h"
#include "iceberg/snapshot.h"

namespace lakehouse::iceberg::detail {

/// A member that is an object of strings; empty if there is none.
Result<Properties> properties_of(JsonFields& fields, std::string_view name);
boost::json::object properties_to_json(const Properties& properties);

/// InvalidArgument for a retention value below 1, or one that tags do not have.
Status check_ref(const SnapshotRef& ref);

}  // namespace lakehouse::iceberg::detail
