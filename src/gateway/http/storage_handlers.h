#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "storage/buckets.h"

namespace lakehouse::gateway::http {

/// The object storage routes under /storage. Everything can be read; what belongs to a table, and
/// the server's own folders, cannot be written or removed here. Outlived by what it refers to.
class StorageHandlers {
 public:
  StorageHandlers(storage::Buckets& buckets, catalog::Catalog& catalog, Pools pools)
      : buckets_(buckets), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> list_buckets(Request request);
  net::awaitable<Result<Response>> list_objects(Request request);
  net::awaitable<Result<Response>> get_object(Request request);
  net::awaitable<Result<Response>> put_object(Request request);
  net::awaitable<Result<Response>> delete_object(Request request);

  /// FailedPrecondition if the key is not for clients to write.
  Status check_writable(const RequestContext& context, const std::string& bucket,
                        const std::string& key);
  Result<Response> open(const Request& request, const std::string& bucket, const std::string& key);
  void add_object_routes(Router& router);

  storage::Buckets& buckets_;
  catalog::Catalog& catalog_;
  Pools pools_;
};

/// What a Range header of one range asks of an object of `size_bytes`; nothing for headers that are
/// to be ignored (several ranges, other units, malformed ones). OutOfRange if it cannot be met.
Result<std::optional<storage::ByteRange>> parse_range(std::string_view header,
                                                      std::uint64_t size_bytes);

/// True if the list of entity tags in an If-Match or If-None-Match header names `etag`, or is "*".
bool names_etag(std::string_view header, std::string_view etag);

}  // namespace lakehouse::gateway::http
