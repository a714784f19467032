#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "gateway/http/message.h"

namespace lakehouse::gateway::http {

/// What a write that carries an Idempotency-Key answers, kept so that its repetition is answered
/// the same and does nothing. Not thread-safe: one object is one request.
class ReceiptKeeper {
 public:
  /// `what` is all that makes the request the same one: method, path, content.
  ReceiptKeeper(catalog::Catalog& catalog, const RequestContext& context, std::string key,
                std::string_view what);

  [[nodiscard]] bool is_used() const { return !key_.empty(); }

  /// The earlier answer, if there is one. 422 if the key was used for another request.
  Result<std::optional<Response>> earlier();

  /// Keeps the answer in the transaction that does the work.
  Status keep(metastore::Transaction& transaction, int status, std::string body);
  /// Keeps it afterwards, for a request that wrote nothing else. Best effort.
  void keep_after(int status, const std::string& body);

 private:
  [[nodiscard]] catalog::Receipt receipt(int status, std::string body) const;

  catalog::Catalog& catalog_;
  const RequestContext& context_;
  std::string key_;
  std::string fingerprint_;
};

/// The Idempotency-Key, empty if there is none. InvalidArgument if it is too long.
Result<std::string> idempotency_key(const Request& request);

}  // namespace lakehouse::gateway::http
