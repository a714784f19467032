#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace lakehouse::iceberg::detail {

/// `text` itself, or, if it is gzipped, what it unpacks to, which `unpacked` then holds. `what`
/// names it in messages. InvalidArgument if it is damaged or larger than 1 GiB.
Result<std::string_view> plain_text(std::string_view text, std::string_view what,
                                    std::string& unpacked);

}  // namespace lakehouse::iceberg::detail
