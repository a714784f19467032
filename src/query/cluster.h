#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "base/worker_pool.h"
#include "engine/engine.h"
#include "query/trino_client.h"

/// \file
/// Where statements go that are too big for one machine: a Trino cluster that reads the same tables
/// through this server's catalog.

namespace lakehouse::query {

/// A statement for the cluster, and what its rows are to look like.
struct ClusterStatement {
  std::string sql;  ///< In Trino's dialect.
  /// As our own engine would name and type them.
  std::vector<engine::Column> columns;
  engine::Encoding encoding = engine::Encoding::Json;
  std::optional<std::uint64_t> rows_max;
  std::shared_ptr<engine::StatementMonitor> monitor = nullptr;  ///< Told of the progress.
};

/// Runs statements on a cluster. Thread-safe.
///
/// The rows come page by page on a thread of the cluster's own, one for each statement; an engine
/// gives them their types and encodes them, so that they look the same wherever they come from. A
/// reader that does not read stops the pages.
class Cluster {
 public:
  struct Options {
    TrinoAccess access;
    std::string catalog = "lake";  ///< What Trino calls this server.
    /// Statements whose files are larger than that go to the cluster.
    std::uint64_t above_bytes = std::uint64_t{10} << 30U;
    std::size_t statements_max = 16;
  };

  /// InvalidArgument for an address that cannot be one. Whether anybody answers there is seen when
  /// the first statement is run.
  static Result<std::unique_ptr<Cluster>> open(engine::Engine& engine, Options options);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] const Options& options() const { return options_; }

  /// Returns when the first rows are there, or the end. Errors as TrinoStatement's;
  /// ResourceExhausted if too many run already; Unimplemented if the cluster's columns cannot be
  /// what `columns` asks for.
  Result<std::unique_ptr<engine::ResultStream>> run(const RequestContext& context,
                                                    ClusterStatement statement);

 private:
  Cluster(engine::Engine& engine, Options options);

  engine::Engine& engine_;
  Options options_;
  WorkerPool workers_;
};

}  // namespace lakehouse::query
