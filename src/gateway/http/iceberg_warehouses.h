#pragma once

#include <string>
#include <string_view>

#include "gateway/http/router.h"
#include "storage/buckets.h"

namespace lakehouse::gateway::http {

/// The bucket that a client's `warehouse` stands for: its name or its location. Empty, which is the
/// catalog without a prefix, if the client named none; and for any other name as long as there is
/// one bucket only, since many clients must send some name. NotFound once there are several.
Result<std::string> warehouse_bucket(const storage::Buckets& buckets, std::string_view warehouse);

/// Gives every route under /iceberg/v1/ a second spelling under /iceberg/v1/{prefix}/, where the
/// prefix is a bucket: new tables go there, and the names are those of all. NotFound for other
/// prefixes. To be called when all Iceberg routes are there; `buckets` outlives the router.
void add_prefixed_routes(Router& router, const storage::Buckets& buckets);

/// The bucket in a request's path; empty for a route without a prefix.
[[nodiscard]] std::string warehouse_of(const Request& request);

}  // namespace lakehouse::gateway::http
