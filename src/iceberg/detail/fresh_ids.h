#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "iceberg/schema.h"

namespace lakehouse::iceberg::detail {

/// The fields with ids from `next_id` on, numbered as the reference implementation does: a level's
/// fields first, then what they hold. Leaves `next_id` behind the last id used, and tells `seen`,
/// if it is set, each old id and its new one.
std::vector<NestedField> with_fresh_ids(
    const std::vector<NestedField>& fields, std::int32_t& next_id,
    const std::function<void(std::int32_t, std::int32_t)>& seen);

/// The same for what a type holds; a primitive type is returned as it is.
TypePtr with_fresh_ids(const TypePtr& type, std::int32_t& next_id,
                       const std::function<void(std::int32_t, std::int32_t)>& seen);

}  // namespace lakehouse::iceberg::detail
