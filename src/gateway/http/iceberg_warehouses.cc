#include "gateway/http/iceberg_warehouses.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace lakehouse::gateway::http {
namespace {

constexpr std::string_view kRoot = "/iceberg/v1/";
constexpr std::string_view kPrefix = "prefix";
// What a client asks for before it knows its prefix.
constexpr std::array<std::string_view, 2> kUnprefixed = {"/iceberg/v1/config",
                                                         "/iceberg/v1/oauth/tokens"};

std::vector<std::string> names_of(const storage::Buckets& buckets) {
  std::vector<std::string> names;
  for (const storage::BucketConfig& bucket : buckets.list()) {
    names.push_back(bucket.name);
  }
  return names;
}

std::unexpected<Error> no_warehouse(const storage::Buckets& buckets, std::string_view warehouse) {
  const std::vector<std::string> names = names_of(buckets);
  std::string hint = did_you_mean(warehouse, names);
  if (hint.empty()) {
    hint = fmt::format("There is: {}", fmt::join(names, ", "));
  }
  return fail(ErrorCode::NotFound, fmt::format("Warehouse does not exist: {}", warehouse),
              std::move(hint));
}

std::string_view without_scheme(std::string_view location) {
  for (const std::string_view scheme : {"file://", "file:"}) {
    if (location.starts_with(scheme)) {
      location.remove_prefix(scheme.size());
      break;
    }
  }
  while (location.size() > 1 && location.ends_with('/')) {
    location.remove_suffix(1);
  }
  return location;
}

net::awaitable<Result<Response>> refuse(Error error) {
  co_return std::unexpected(std::move(error));
}

Route prefixed(Route route, const storage::Buckets& buckets) {
  route.path = fmt::format("{}{{{}}}/{}", kRoot, kPrefix, route.path.substr(kRoot.size()));
  route.hidden = true;
  route.handler = [&buckets, plain = std::move(route.handler)](Request request) {
    const std::string warehouse = warehouse_of(request);
    if (!buckets.find(warehouse)) {
      return refuse(no_warehouse(buckets, warehouse).error());
    }
    return plain(std::move(request));
  };
  return route;
}

}  // namespace

Result<std::string> warehouse_bucket(const storage::Buckets& buckets, std::string_view warehouse) {
  const std::vector<storage::BucketConfig> all = buckets.list();
  for (const storage::BucketConfig& bucket : all) {
    if (warehouse == bucket.name || without_scheme(warehouse) == bucket.location) {
      return bucket.name;
    }
  }
  if (warehouse.empty() || all.size() == 1) {
    return std::string();
  }
  return no_warehouse(buckets, warehouse);
}

void add_prefixed_routes(Router& router, const storage::Buckets& buckets) {
  const std::vector<Route> routes = router.routes();
  for (const Route& route : routes) {
    if (route.path.starts_with(kRoot) &&
        std::ranges::find(kUnprefixed, route.path) == kUnprefixed.end()) {
      router.add(prefixed(route, buckets));
    }
  }
}

std::string warehouse_of(const Request& request) {
  const auto found = std::ranges::find(request.path_params, kPrefix, &PathParam::name);
  return found == request.path_params.end() ? std::string() : found->value;
}

}  // namespace lakehouse::gateway::http
