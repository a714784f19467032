#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace lakehouse::query {

/// Success if statements may call the scalar, aggregate, window or macro function `name` (compared
/// without case). InvalidArgument with the reason, or with the nearest names if there is none such.
Status check_function(std::string_view name);

/// The same for a function in FROM.
Status check_table_function(std::string_view name);

/// True if the same arguments may give another value the next time: random numbers, the time.
/// Lower case.
bool is_volatile_function(std::string_view name);

/// True if the lists know the function, allowed or refused: a test holds them against
/// duckdb_functions(), so that a new version's functions are looked at.
bool is_known_function(std::string_view name);
bool is_known_table_function(std::string_view name);

}  // namespace lakehouse::query
