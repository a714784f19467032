#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "engine/engine.h"

namespace lakehouse::query {

/// Where a SELECT runs.
enum class EngineChoice : std::uint8_t {
  Auto,     ///< Here, or on the cluster if there is one and the statement reads much.
  Local,    ///< Here.
  Cluster,  ///< On the cluster, or not at all.
};

/// One statement to run, as every door gives it.
struct SqlRequest {
  std::string sql;
  boost::json::value params;           ///< An array, an object or null.
  std::optional<std::uint64_t> limit;  ///< Rows; the service's own limit wins if it is less.
  std::optional<std::chrono::milliseconds> timeout;
  /// All tables as they were then: a timestamp such as 2024-01-31T12:00:00Z.
  std::optional<std::string> as_of;
  engine::Encoding encoding = engine::Encoding::Json;
  EngineChoice engine = EngineChoice::Auto;
  /// For writes: the request's Idempotency-Key and a digest of the request. A repetition is
  /// answered as the first time; the key with another digest is AlreadyExists.
  std::string idempotency_key;
  std::string fingerprint;
  /// Asked of a SELECT's entity tag: true if the caller has that answer and wants to be told so.
  /// Empty: it has none.
  std::function<bool(std::string_view tag)> knows_tag;
  /// Told how the statement fares in the engine; the service sets it.
  std::shared_ptr<engine::StatementMonitor> monitor;
  /// Of a write: what lineage keeps of its text; the service sets it.
  std::string kept_sql;
  /// InvalidArgument for whatever is no SELECT: for statements that a model wrote.
  bool reads_only = false;
  /// A question of the server's own, in the caller's name: not in the log, and all of its rows,
  /// whatever the service's row limit is.
  bool is_own = false;
};

}  // namespace lakehouse::query
