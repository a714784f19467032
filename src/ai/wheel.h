#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "base/error.h"

namespace lakehouse::ai {

/// Gives the bytes of one member of a wheel (a ZIP archive; stored or deflated) piece by piece, and
/// checks its CRC. NotFound if the archive has no such member, DataLoss if it is damaged or grows
/// beyond `bytes_max`; `take`'s own errors.
Status read_wheel_member(const std::filesystem::path& wheel, std::string_view member,
                         std::uint64_t bytes_max,
                         const std::function<Status(std::string_view bytes)>& take);

}  // namespace lakehouse::ai
