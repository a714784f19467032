#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"

/// \file
/// How lists page at every route of ours: `?limit=&page_token=`, and `next_page_token` in the
/// answer. (Iceberg's routes have the specification's way.)

namespace lakehouse::gateway::http {

inline constexpr std::size_t kPageDefault = 100;
inline constexpr std::size_t kPageMax = 1000;

/// What a request asks for; its limit is never 0. InvalidArgument if the limit is none.
Result<catalog::PageRequest> page_of(const Request& request);

/// `limit` and `page_token` as the route's document describes them.
std::vector<ParameterSpec> page_parameters();
/// The same, after others.
std::vector<ParameterSpec> with_page_parameters(std::vector<ParameterSpec> parameters);

}  // namespace lakehouse::gateway::http
