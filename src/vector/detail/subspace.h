#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/detail/table_data.h"

namespace lakehouse::vector {

/// The directions that rows lie in most: the first main components of the sample, about their
/// origin, the strongest first. Orthonormal, each as long as a row (`stride`); at most as many as
/// `count`. Close to the best ones, always the same for the same rows.
Result<std::vector<float>> main_directions(const RequestContext& context, const TableData& table,
                                           std::span<const Row> sample, std::size_t count);

/// Turns `count` orthonormal directions by a random rotation among themselves: they span what they
/// did.
void turn_directions(std::vector<float>& directions, std::size_t count);

}  // namespace lakehouse::vector
