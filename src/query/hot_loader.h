#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "iceberg/scan.h"
#include "iceberg/table_metadata.h"
#include "query/hot_parts.h"
#include "query/table_source.h"

namespace lakehouse::query {

/// Makes and drops the engine's tables that parts are. For one thread at a time.
///
/// All of it runs in the child of a generation, and fails by engine::is_held_gone if that has gone.
class HotLoader {
 public:
  HotLoader(engine::Engine& engine, TableSource& source, std::uint64_t load_bytes_max)
      : engine_(engine),
        source_(source),
        load_bytes_max_(load_bytes_max),
        unused_(std::make_shared<UnusedTables>()) {}

  /// The rows of the plan's files, sorted by the key where there is one (what was loaded at once by
  /// itself). A key of one column gets an index if that and the rows fit into `bytes_free`.
  Result<std::shared_ptr<const HotPart>> load(
      const RequestContext& context, std::uint64_t generation, const iceberg::TableMetadata& table,
      const iceberg::Schema& schema, const iceberg::ScanPlan& plan,
      const std::vector<std::int32_t>& key, std::uint64_t bytes_free);
  /// One part of several, without their dead files.
  Result<std::shared_ptr<const HotPart>> merge(const RequestContext& context,
                                               std::uint64_t generation,
                                               const iceberg::Schema& schema,
                                               const std::vector<HeldPart>& parts,
                                               const std::vector<std::int32_t>& key,
                                               std::uint64_t bytes_free);
  /// Drops what parts that have gone left behind.
  void drop_unused(const RequestContext& context);

 private:
  std::shared_ptr<HotPart> new_part(std::uint64_t generation, const iceberg::Schema& schema);
  Result<std::int64_t> store(const RequestContext& context, const HotPart& part, bool is_first,
                             engine::Statement rows, const std::vector<std::int32_t>& key);
  Result<std::uint64_t> memory_bytes(const RequestContext& context, std::uint64_t generation);
  /// The index, and how many bytes it all takes.
  Status finish(const RequestContext& context, HotPart& part, std::uint64_t bytes_before,
                const std::vector<std::int32_t>& key, std::uint64_t bytes_free);
  /// Compresses what was stored. Best effort: it is right without.
  void checkpoint(const RequestContext& context, std::uint64_t generation);
  Status run(const RequestContext& context, std::uint64_t generation, std::string sql);

  engine::Engine& engine_;
  TableSource& source_;
  const std::uint64_t load_bytes_max_;
  std::shared_ptr<UnusedTables> unused_;  ///< Shared with parts, which may outlive this.
};

}  // namespace lakehouse::query
