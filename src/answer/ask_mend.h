#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "answer/schema_reader.h"

namespace lakehouse::answer {

/// `sql` with columns that its tables have not written as what they can only mean, by names and
/// references alone, which takes no model:
///  - of two tables joined the other one has it: `s.price` is `o.price`;
///  - it is called so where it refers to: `river.state_name` is `river.traverse`, which references
///    state(state_name); `cars.car_id`, which sales has, is `cars.id`;
///  - it is nearly called so: `sales_date` is `sale_date`, `price` is `sale_price`.
/// Where there is a choice, and in what begins with WITH, all stays as it is.
std::string with_columns_mended(std::string_view sql, const std::vector<SchemaTable>& tables);

}  // namespace lakehouse::answer
