#include "query/hot_loader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/id.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

constexpr int kCheckpointTries = 20;
constexpr std::chrono::milliseconds kCheckpointPause{25};
/// What an index takes for a row at most, of measured ones: 50 bytes for numbers, 72 for long
/// texts.
constexpr std::uint64_t kIndexBytesPerRow = 80;

/// What rows are looked up by.
bool is_indexable(const iceberg::Type& type) {
  using iceberg::TypeKind;
  static constexpr std::array kKinds{
      TypeKind::Int,           TypeKind::Long,        TypeKind::Date,
      TypeKind::Timestamp,     TypeKind::Timestamptz, TypeKind::TimestampNs,
      TypeKind::TimestamptzNs, TypeKind::String,      TypeKind::Uuid};
  return std::ranges::find(kKinds, type.kind) != kKinds.end();
}

std::string qualified(const HotPart& part) {
  return fmt::format("{}.main.{}", kHotDatabase, part.name);
}

/// Files that are loaded at once.
std::vector<iceberg::ScanPlan> chunks_of(const iceberg::ScanPlan& plan, std::uint64_t bytes_max) {
  std::vector<iceberg::ScanPlan> chunks;
  std::uint64_t bytes = 0;
  for (const iceberg::ScanTask& task : plan.tasks) {
    const auto size = static_cast<std::uint64_t>(task.file->file_size_in_bytes);
    if (chunks.empty() || bytes + size > bytes_max) {
      chunks.emplace_back();
      bytes = 0;
    }
    bytes += size;
    chunks.back().tasks.push_back(task);
  }
  return chunks;
}

}  // namespace

std::shared_ptr<HotPart> HotLoader::new_part(std::uint64_t generation,
                                             const iceberg::Schema& schema) {
  auto part = std::make_shared<HotPart>();
  part->name = "p" + new_uuid();  // What an earlier loader may have left behind has another name.
  std::erase(part->name, '-');
  part->generation = generation;
  for (const iceberg::NestedField& field : schema.fields) {
    part->columns.emplace(field.id, field.type);
  }
  part->unused = unused_;
  return part;
}

Result<std::shared_ptr<const HotPart>> HotLoader::load(
    const RequestContext& context, std::uint64_t generation, const iceberg::TableMetadata& table,
    const iceberg::Schema& schema, const iceberg::ScanPlan& plan,
    const std::vector<std::int32_t>& key, std::uint64_t bytes_free) {
  LH_ASSIGN_OR_RETURN(const std::uint64_t before, memory_bytes(context, generation));
  const std::shared_ptr<HotPart> part = new_part(generation, schema);
  bool is_first = true;
  for (const iceberg::ScanPlan& chunk : chunks_of(plan, load_bytes_max_)) {
    LH_ASSIGN_OR_RETURN(TableScan scan, source_.scan_files(context, table, schema, chunk, "lh_hot",
                                                           RowNumbers::File));
    tree::array columns;
    for (const iceberg::NestedField& field : schema.fields) {
      columns.push_back(
          tree::aliased(tree::column({"lh_rows", field.name}), stored_column(field.id)));
    }
    tree::object number =
        tree::function("+", tree::array{tree::column({"lh_rows", std::string(kFileNumber)}),
                                        tree::integer(part->files)});
    columns.push_back(
        tree::aliased(tree::cast(std::move(number), *iceberg::primitive(iceberg::TypeKind::Long)),
                      kStoredNumber));
    engine::Statement rows;
    rows.text = boost::json::serialize(tree::statement(
        tree::select(std::move(columns), tree::subquery(std::move(scan.node), "lh_rows"))));
    rows.variables = std::move(scan.variables);
    LH_ASSIGN_OR_RETURN(const std::int64_t count,
                        store(context, *part, is_first, std::move(rows), key));
    part->rows += count;
    std::unordered_map<std::string_view, std::string> states;
    for (const iceberg::ScanTask& task : chunk.tasks) {
      states.emplace(task.file->file_path, file_state(task));
    }
    for (const std::string& file : scan.files) {
      part->numbers.emplace(states.at(file), part->files++);
    }
    checkpoint(context, generation);
    is_first = false;
  }
  LH_RETURN_IF_ERROR(finish(context, *part, before, key, bytes_free));
  return part;
}

Result<std::shared_ptr<const HotPart>> HotLoader::merge(const RequestContext& context,
                                                        std::uint64_t generation,
                                                        const iceberg::Schema& schema,
                                                        const std::vector<HeldPart>& parts,
                                                        const std::vector<std::int32_t>& key,
                                                        std::uint64_t bytes_free) {
  LH_ASSIGN_OR_RETURN(const std::uint64_t before, memory_bytes(context, generation));
  const std::shared_ptr<HotPart> merged = new_part(generation, schema);
  std::optional<tree::object> all;
  for (const HeldPart& held : parts) {
    tree::object rows = stored_rows_of(held, schema, merged->files);
    all = all ? tree::union_all(*std::move(all), std::move(rows)) : std::move(rows);
    for (const auto& [state, number] : held.part->numbers) {
      if (!std::ranges::binary_search(held.dead, number)) {
        merged->numbers.emplace(state, merged->files + number);
      }
    }
    merged->files += held.part->files;
  }
  engine::Statement rows;
  rows.text = boost::json::serialize(tree::statement(*std::move(all)));
  LH_ASSIGN_OR_RETURN(merged->rows, store(context, *merged, true, std::move(rows), key));
  checkpoint(context, generation);
  LH_RETURN_IF_ERROR(finish(context, *merged, before, key, bytes_free));
  return merged;
}

Status HotLoader::finish(const RequestContext& context, HotPart& part, std::uint64_t bytes_before,
                         const std::vector<std::int32_t>& key, std::uint64_t bytes_free) {
  // Others may have freed some meanwhile.
  const auto measure = [&]() -> Status {
    LH_ASSIGN_OR_RETURN(const std::uint64_t now, memory_bytes(context, part.generation));
    part.bytes = std::max(now - std::min(now, bytes_before), static_cast<std::uint64_t>(part.rows));
    return {};
  };
  LH_RETURN_IF_ERROR(measure());
  // DuckDB's indexes serve one column; a wider key is served by the order of the rows.
  const auto column = key.size() == 1 ? part.columns.find(key.front()) : part.columns.end();
  const std::uint64_t expected = kIndexBytesPerRow * static_cast<std::uint64_t>(part.rows);
  if (column == part.columns.end() || !is_indexable(*column->second) ||
      part.bytes + expected > bytes_free) {
    return {};
  }
  const std::string name = stored_column(key.front());
  if (Status made =
          run(context, part.generation,
              fmt::format("CREATE INDEX i{0} ON {1} ({2})", part.name, qualified(part), name));
      !made) {
    return engine::is_held_gone(made.error()) ? made : Status();  // It is right without.
  }
  return measure();
}

Result<std::int64_t> HotLoader::store(const RequestContext& context, const HotPart& part,
                                      bool is_first, engine::Statement rows,
                                      const std::vector<std::int32_t>& key) {
  std::string order;
  for (const std::int32_t id : key) {
    order += fmt::format("{}{}", order.empty() ? " ORDER BY " : ", ", stored_column(id));
  }
  rows.is_tree = true;
  rows.around_tree = fmt::format("{} SELECT * FROM ({{}}){}",
                                 is_first ? fmt::format("CREATE TABLE {} AS", qualified(part))
                                          : fmt::format("INSERT INTO {}", qualified(part)),
                                 order);
  rows.held_generation = part.generation;
  rows.lane = engine::Lane::Light;
  LH_ASSIGN_OR_RETURN(const engine::Rows counted, engine_.query_rows(context, std::move(rows)));
  if (counted.rows.size() != 1 || counted.rows[0].empty() || !counted.rows[0][0].is_int64()) {
    return fail(ErrorCode::Internal, "the engine does not say how many rows it has stored");
  }
  return counted.rows[0][0].get_int64();
}

Result<std::uint64_t> HotLoader::memory_bytes(const RequestContext& context,
                                              std::uint64_t generation) {
  engine::Statement statement;
  statement.text =
      "SELECT CAST(sum(memory_usage_bytes + temporary_storage_bytes) AS BIGINT) FROM "
      "duckdb_memory() "
      "WHERE tag IN ('IN_MEMORY_TABLE', 'ART_INDEX')";
  statement.held_generation = generation;
  statement.lane = engine::Lane::Light;
  LH_ASSIGN_OR_RETURN(const engine::Rows rows, engine_.query_rows(context, std::move(statement)));
  const bool is_known =
      rows.rows.size() == 1 && rows.rows[0].size() == 1 && rows.rows[0][0].is_int64();
  return is_known ? static_cast<std::uint64_t>(rows.rows[0][0].get_int64()) : 0;
}

void HotLoader::checkpoint(const RequestContext& context, std::uint64_t generation) {
  // Refused for the moment while another statement begins to write.
  for (int i = 0; i < kCheckpointTries && context.check(); ++i) {
    if (run(context, generation, fmt::format("CHECKPOINT {}", kHotDatabase))) {
      return;
    }
    std::this_thread::sleep_for(kCheckpointPause);
  }
}

Status HotLoader::run(const RequestContext& context, std::uint64_t generation, std::string sql) {
  engine::Statement statement;
  statement.text = std::move(sql);
  statement.held_generation = generation;
  statement.lane = engine::Lane::Light;
  LH_ASSIGN_OR_RETURN(const engine::Rows rows, engine_.query_rows(context, std::move(statement)));
  static_cast<void>(rows);
  return {};
}

void HotLoader::drop_unused(const RequestContext& context) {
  bool dropped = false;
  std::uint64_t last = 0;
  for (const auto& [table, generation] : unused_->take()) {
    // With another child it has gone already.
    if (generation == engine_.generation()) {
      dropped = run(context, generation,
                    fmt::format("DROP TABLE IF EXISTS {}.main.{}", kHotDatabase, table))
                    .has_value() ||
                dropped;
      last = generation;
    }
  }
  if (dropped) {
    checkpoint(context, last);
  }
}

}  // namespace lakehouse::query
