#pragma once

#include <optional>

#include <boost/json/object.hpp>

#include "iceberg/literal.h"
#include "iceberg/schema.h"
#include "query/physical_schema.h"

namespace lakehouse::query {

/// The field with that id, or null.
const PhysicalField* find_by_id(const std::vector<PhysicalField>& fields, std::int32_t id);

/// What gives a column of the table from a file's columns, which are qualified by `relation`: the
/// column itself where it is the same (so that DuckDB pushes filters into the file), else casts and
/// rebuilt structs. A column that the file lacks is `partition_value`, its initial default or NULL.
boost::json::object column_from_file(const iceberg::NestedField& column, const PhysicalSchema& file,
                                     std::string_view relation,
                                     const std::optional<iceberg::Literal>& partition_value);

}  // namespace lakehouse::query
