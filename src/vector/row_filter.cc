#include "vector/row_filter.h"

#include <algorithm>

#include <fmt/format.h>

#include "vector/source_sql.h"

namespace lakehouse::vector {
namespace {

constexpr std::size_t kKeptMax = 512;
constexpr std::size_t kKeptBytesMax = std::size_t{128} << 20U;
constexpr std::size_t kFiltersMax = 1'024;
constexpr int kSnapshotsWalked = 10'000;

/// What happened to the source's rows between two snapshots, as far as summaries tell.
enum class Change : std::uint8_t {
  None,     ///< Rows were added at most: all that were there are there.
  Removed,  ///< Rows went at most: those that are there are as they were.
  Any,
};

Change change_between(const iceberg::TableMetadata& metadata, std::optional<std::int64_t> from,
                      std::int64_t to) {
  bool has_added = false;
  bool has_removed = false;
  const iceberg::Snapshot* at = metadata.snapshot_by_id(to);
  for (int steps = 0; from && at != nullptr && steps < kSnapshotsWalked; ++steps) {
    if (at->snapshot_id == *from) {
      return !has_removed ? Change::None : has_added ? Change::Any : Change::Removed;
    }
    const std::string_view operation = at->operation();
    if (operation == "append") {
      has_added = true;
    } else if (operation == "delete") {
      has_removed = true;
    } else if (operation != "replace") {
      return Change::Any;
    }
    at = at->parent_snapshot_id ? metadata.snapshot_by_id(*at->parent_snapshot_id) : nullptr;
  }
  return Change::Any;
}

/// The rows of the keys in `batch`, with that text if hashes are given, into `out`.
void take_keys(const engine::RawBatch& batch, const LoadedIndex& loaded, bool has_hash,
               RowSet& out) {
  const bool is_text = loaded.shape().has_text_keys;
  for (std::size_t i = 0; i < batch.rows; ++i) {
    if (batch.columns[0].is_null(i) || (has_hash && batch.columns[1].is_null(i))) {
      continue;
    }
    const std::int64_t hash = has_hash ? batch.columns[1].integer(i) : 0;
    loaded.each_of(key_in(batch.columns[0], i, is_text), [&](Row row) {
      if (loaded.alive().contains(row) && (!has_hash || loaded.at(row).row_hash == hash)) {
        out.add(row);
      }
    });
  }
}

}  // namespace

Result<governance::TablePolicy> RowFilter::policy_of(const RequestContext& context,
                                                     const IndexInfo& info) {
  if (policies_ == nullptr) {
    return governance::TablePolicy{};
  }
  return policies_->policy_for(context, {info.dataset_uuid, info.dataset});
}

Result<AllowedRows> RowFilter::allowed(const RequestContext& context, const IndexInfo& info,
                                       const Generation& generation,
                                       const catalog::LoadedTable& source,
                                       const LoadedIndex& loaded, const std::string& filter) {
  LH_ASSIGN_OR_RETURN(const governance::TablePolicy policy, policy_of(context, info));
  AllowedRows out;
  out.snapshot_id = source.metadata->current_snapshot_id.value_or(0);
  if (policy.restricts() || !filter.empty()) {
    const bool sees_masks = !policy.masks.empty() || !policy.hidden_columns.empty();
    LH_ASSIGN_OR_RETURN(out,
                        permitted(context, info, generation, source, loaded, filter, sees_masks));
  }
  // The same state of the source for both: a row may have been changed so that it may be seen.
  LH_ASSIGN_OR_RETURN(const auto valid_rows,
                      valid(context, info, generation, source, loaded, out.snapshot_id));
  if (valid_rows != nullptr && out.rows != nullptr) {
    auto both = std::make_shared<RowSet>(*out.rows);
    both->intersect(*valid_rows);
    out.rows = std::move(both);
  } else if (valid_rows != nullptr) {
    out.rows = valid_rows;
  }
  return out;
}

Result<AllowedRows> RowFilter::permitted(const RequestContext& context, const IndexInfo& info,
                                         const Generation& generation,
                                         const catalog::LoadedTable& source,
                                         const LoadedIndex& loaded, const std::string& filter,
                                         bool sees_masks) {
  query::SqlRequest request;
  request.sql = "SELECT " + key_sql(info.key, info.key_type);
  if (sees_masks) {
    // What the caller sees of a text must be what was embedded.
    LH_ASSIGN_OR_RETURN(const std::string text,
                        text_sql(*source.metadata->current_schema(), generation.recipe));
    request.sql += ", " + row_hash_sql(text);
  }
  request.sql += " FROM " + table_sql(info.dataset);
  std::size_t prefix = request.sql.size();
  if (!filter.empty()) {
    LH_RETURN_IF_ERROR(check_filter_once(context, filter));
    request.sql += " WHERE (";
    prefix = request.sql.size();
    request.sql += filter + "\n)";
  }
  const std::string key = fmt::format("p{}{}{}", context.principal, '\0', request.sql);
  const std::optional<Kept> kept = find(key, loaded.epoch());
  if (kept) {
    request.knows_tag = [&kept](std::string_view tag) { return kept->tag == tag; };
  }
  auto rows = std::make_shared<RowSet>(loaded.size());
  auto read = read_raw(context, queries_, std::move(request), [&](const engine::RawBatch& batch) {
    take_keys(batch, loaded, sees_masks, *rows);
    return context.check();
  });
  if (!read) {
    Error error = std::move(read).error();
    if (filter.empty() && error.code == ErrorCode::InvalidArgument) {
      return fail(ErrorCode::PermissionDenied,
                  fmt::format("you may not read all that index '{}' is made of", info.name));
    }
    if (error.position_bytes) {
      error.position_bytes = *error.position_bytes - std::min(*error.position_bytes, prefix);
    }
    return std::unexpected(std::move(error).with_context("the filter"));
  }
  if (kept && read->is_unchanged) {
    const std::lock_guard lock(mutex_);
    ++stats_.hits;
    return AllowedRows{kept->rows, kept->snapshot_id};
  }
  AllowedRows out{std::move(rows), 0};
  for (const auto& [dataset, snapshot] : read->snapshot_ids) {
    if (dataset == info.dataset) {
      out.snapshot_id = snapshot;
    }
  }
  if (!read->tag.empty()) {
    keep({key, loaded.epoch(), read->tag, out.snapshot_id, out.rows});
  }
  return out;
}

Result<std::shared_ptr<const RowSet>> RowFilter::valid(
    const RequestContext& context, const IndexInfo& info, const Generation& generation,
    const catalog::LoadedTable& source, const LoadedIndex& loaded, std::int64_t snapshot_id) {
  if (snapshot_id == 0) {
    return std::make_shared<const RowSet>(loaded.size());
  }
  catalog::LoadedTable table = source;
  if (table.metadata->snapshot_by_id(snapshot_id) == nullptr) {
    // The filter was answered from a state that came after the table was looked at.
    LH_ASSIGN_OR_RETURN(table, catalog_.load_table(context, source.identifier));
  }
  const Change change = change_between(*table.metadata, generation.floor_snapshot_id, snapshot_id);
  if (change == Change::None) {
    return nullptr;
  }
  const std::string key = fmt::format("v{} {} {}", info.id, snapshot_id, static_cast<int>(change));
  if (const auto kept = find(key, loaded.epoch())) {
    const std::lock_guard lock(mutex_);
    ++stats_.hits;
    return kept->rows;
  }
  RequestContext own = context;
  own.principal = info.principal;
  query::SqlRequest request;
  request.sql = "SELECT " + key_sql(info.key, info.key_type);
  if (change == Change::Any) {
    const iceberg::Snapshot* snapshot = table.metadata->snapshot_by_id(snapshot_id);
    const iceberg::Schema& schema = snapshot == nullptr ? *table.metadata->current_schema()
                                                        : table.metadata->schema_of(*snapshot);
    LH_ASSIGN_OR_RETURN(const std::string text, text_sql(schema, generation.recipe));
    request.sql += ", " + row_hash_sql(text);
  }
  request.sql += " FROM " + table_sql(info.dataset, snapshot_id);
  auto rows = std::make_shared<RowSet>(loaded.size());
  LH_RETURN_IF_ERROR(
      read_raw(own, queries_, std::move(request), [&](const engine::RawBatch& batch) {
        take_keys(batch, loaded, change == Change::Any, *rows);
        return context.check();
      }));
  keep({key, loaded.epoch(), "", snapshot_id, rows});
  return rows;
}

Status RowFilter::check_filter_once(const RequestContext& context, const std::string& filter) {
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::find(filters_, filter) != filters_.end()) {
      return {};
    }
  }
  LH_RETURN_IF_ERROR(check_filter(context, engine_, filter));
  constexpr std::size_t kKeptFilterBytesMax = 4'096;
  const std::lock_guard lock(mutex_);
  if (filter.size() <= kKeptFilterBytesMax) {
    filters_.push_front(filter);
    if (filters_.size() > kFiltersMax) {
      filters_.pop_back();
    }
  }
  return {};
}

std::optional<RowFilter::Kept> RowFilter::find(const std::string& key, std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(
      kept_, [&](const Kept& one) { return one.epoch == epoch && one.key == key; });
  if (found == kept_.end()) {
    return std::nullopt;
  }
  kept_.splice(kept_.begin(), kept_, found);
  return kept_.front();
}

void RowFilter::keep(Kept kept) {
  const std::lock_guard lock(mutex_);
  ++stats_.misses;
  std::erase_if(kept_, [&](const Kept& one) {
    const bool is_old = one.key == kept.key;
    kept_bytes_ -= is_old ? one.rows->memory_bytes() : 0;
    return is_old;
  });
  kept_bytes_ += kept.rows->memory_bytes();
  kept_.push_front(std::move(kept));
  while (kept_.size() > kKeptMax || (kept_bytes_ > kKeptBytesMax && kept_.size() > 1)) {
    kept_bytes_ -= kept_.back().rows->memory_bytes();
    kept_.pop_back();
  }
}

RowFilter::Stats RowFilter::stats() const {
  const std::lock_guard lock(mutex_);
  Stats out = stats_;
  out.kept = kept_.size();
  return out;
}

}  // namespace lakehouse::vector
