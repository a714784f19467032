#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <utility>

#include "base/error.h"

namespace lakehouse::query {

/// `error` with the byte of the statement that it is about, unless it names one already.
inline std::unexpected<Error> at_position(Error error, std::optional<std::size_t> position) {
  if (!error.position_bytes) {
    error.position_bytes = position;
  }
  return std::unexpected(std::move(error));
}

}  // namespace lakehouse::query
