#include "query/hot_tables.h"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "catalog/table_names.h"
#include "query/ddl.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

using Clock = std::chrono::steady_clock;

/// What was used since then is not taken out for what comes back.
constexpr std::chrono::seconds kRecently{60};
constexpr std::chrono::milliseconds kPinPoll{100};
/// How much of memory files take, before that is known: about what zstd makes of them.
constexpr double kMemoryPerByte = 1.5;

std::uint64_t bytes_expected(const iceberg::ScanPlan& plan) {
  double bytes = 0;
  for (const iceberg::ScanTask& task : plan.tasks) {
    bytes += kMemoryPerByte * static_cast<double>(task.file->file_size_in_bytes);
  }
  return static_cast<std::uint64_t>(bytes);
}

Result<std::vector<std::int32_t>> key_fields(const iceberg::Schema& schema,
                                             const std::vector<std::string>& key) {
  if (key.empty()) {
    return schema.identifier_field_ids;
  }
  std::vector<std::int32_t> ids;
  for (const std::string& name : key) {
    const iceberg::NestedField* field = find_column(schema.fields, name);
    if (field == nullptr || iceberg::is_nested(*field->type)) {
      return fail(ErrorCode::InvalidArgument,
                  field == nullptr ? fmt::format("the table has no column '{}'", name)
                                   : fmt::format("'{}' is nested, and no key", name));
    }
    ids.push_back(field->id);
  }
  return ids;
}

std::unexpected<Error> no_room(std::uint64_t bytes, std::uint64_t bytes_max) {
  return fail(ErrorCode::ResourceExhausted,
              fmt::format("the table takes some {} MB in memory, and query.cache_memory is {} MB",
                          bytes >> 20U, bytes_max >> 20U),
              "Evict other tables, or set query.cache_memory higher.");
}

}  // namespace

std::string_view to_string(HotState state) {
  switch (state) {
    case HotState::Loading: return "loading";
    case HotState::Hot: return "hot";
    case HotState::Evicted: return "evicted";
    case HotState::Failed: return "failed";
  }
  return "";
}

struct HotTables::Entry {
  std::string uuid;
  catalog::TableIdentifier identifier;
  std::vector<std::int32_t> key;
  std::vector<std::string> key_names;
  std::string principal;
  std::int64_t pinned_at_ms = 0;
  // Guarded by mutex_, as what is above.
  HotState state = HotState::Loading;
  std::string problem;
  std::string seen_location;  ///< The metadata that `state` is about.
  std::shared_ptr<const HotVersion> version;
  std::uint64_t hits = 0;
  Clock::time_point last_used = Clock::now();
  bool is_wanted = true;  ///< Used since it was taken out, or new.
};

/// A version that is being made.
struct HotTables::Making {
  const Entry& entry;
  const iceberg::TableMetadata& metadata;
  std::uint64_t generation = 0;
  std::shared_ptr<const HotVersion> before = nullptr;
  std::vector<std::int32_t> key = {};
  bool comes_back = false;  ///< It was taken out for others.
};

HotTables::HotTables(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source,
                     iceberg::ManifestCache& manifests, metastore::Metastore& metastore,
                     Options options)
    : catalog_(catalog),
      engine_(engine),
      source_(source),
      manifests_(manifests),
      metastore_(metastore),
      options_(options),
      loader_(engine, source, options.load_bytes_max) {
  counters_.bytes_max = options_.bytes_max;
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

HotTables::~HotTables() {
  thread_.request_stop();
  changed_.notify_all();
}

// --- What callers ask.

Result<HotTable> HotTables::pin(const RequestContext& context, std::string_view dataset,
                                const std::vector<std::string>& key, bool wait) {
  if (options_.bytes_max == 0) {
    return fail(ErrorCode::FailedPrecondition, "no tables are kept in memory here",
                "Set query.cache_memory.");
  }
  LH_ASSIGN_OR_RETURN(const auto identifier, catalog_.resolve_dataset(context, dataset));
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, catalog_.load_table(context, identifier));
  const iceberg::Schema& schema = *table.metadata->current_schema();
  LH_ASSIGN_OR_RETURN(const std::vector<std::int32_t> ids, key_fields(schema, key));
  const boost::json::array ids_json(ids.begin(), ids.end());
  const std::string uuid = table.metadata->table_uuid;
  const std::int64_t now_ms = catalog_.now_ms();
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM query_pins WHERE table_uuid = $1", {uuid}));
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO query_pins (table_uuid, key_fields, principal, pinned_at_ms) "
        "VALUES ($1, $2, $3, $4)",
        {uuid, boost::json::serialize(ids_json), context.principal, now_ms}));
    return {};
  }));
  HotTable told;
  told.dataset = catalog::to_string(identifier);
  told.table_uuid = uuid;
  told.principal = context.principal;
  told.pinned_at_ms = now_ms;
  LH_RETURN_IF_ERROR(wait_for_pin(context, wait, told));
  if (told.state == HotState::Failed) {
    LH_RETURN_IF_ERROR(forget(context, uuid));
    return fail(ErrorCode::ResourceExhausted, told.problem,
                "Evict other tables, or set query.cache_memory higher.");
  }
  return told;
}

Status HotTables::wait_for_pin(const RequestContext& context, bool wait, HotTable& told) {
  std::unique_lock lock(mutex_);
  kicked_ = true;
  changed_.notify_all();
  // The round that runs now may have read the pins before this one.
  const std::uint64_t last_round = rounds_ + 2;
  const auto is_settled = [&] {
    const auto found = entries_.find(told.table_uuid);
    return found != entries_.end() && found->second->pinned_at_ms >= told.pinned_at_ms &&
           found->second->state != HotState::Loading;
  };
  while (wait && told.state == HotState::Loading) {
    LH_RETURN_IF_ERROR(context.check());
    changed_.wait_for(lock, context.stop, kPinPoll, [&] { return is_settled(); });
    const auto found = entries_.find(told.table_uuid);
    if (found != entries_.end() && found->second->pinned_at_ms >= told.pinned_at_ms) {
      told = describe(*found->second);
    } else if (rounds_ >= last_round) {
      return fail(ErrorCode::Aborted, "the dataset was evicted meanwhile");
    } else {
      kicked_ = true;
      changed_.notify_all();
    }
  }
  return {};
}

Status HotTables::forget(const RequestContext& context, const std::string& uuid) {
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM query_pins WHERE table_uuid = $1", {uuid}));
    return {};
  }));
  const std::lock_guard lock(mutex_);
  entries_.erase(uuid);
  ++epoch_;
  kicked_ = true;
  changed_.notify_all();
  return {};
}

Status HotTables::evict(const RequestContext& context, std::string_view dataset) {
  LH_ASSIGN_OR_RETURN(const auto identifier, catalog_.resolve_dataset(context, dataset));
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table, catalog_.load_table(context, identifier));
  const std::string uuid = table.metadata->table_uuid;
  {
    const std::lock_guard lock(mutex_);
    if (!entries_.contains(uuid)) {
      return fail(ErrorCode::NotFound,
                  fmt::format("{} is not pinned", catalog::to_string(identifier)));
    }
  }
  return forget(context, uuid);
}

HotTable HotTables::describe(const Entry& entry) const {
  HotTable out{.dataset = catalog::to_string(entry.identifier),
               .table_uuid = entry.uuid,
               .state = entry.state,
               .problem = entry.problem,
               .key = entry.key_names,
               .snapshot_id = std::nullopt,
               .rows = 0,
               .bytes = 0,
               .parts = 0,
               .hits = entry.hits,
               .principal = entry.principal,
               .pinned_at_ms = entry.pinned_at_ms};
  if (entry.version != nullptr) {
    if (entry.version->snapshot_id != -1) {
      out.snapshot_id = entry.version->snapshot_id;
    }
    out.rows = entry.version->rows();
    out.bytes = entry.version->bytes();
    out.parts = entry.version->parts.size();
  }
  return out;
}

std::uint64_t HotTables::bytes_held() const {
  std::uint64_t bytes = 0;
  for (const auto& [uuid, entry] : entries_) {
    bytes += entry->version == nullptr ? 0 : entry->version->bytes();
  }
  return bytes;
}

std::uint64_t HotTables::bytes_free() const {
  const std::lock_guard lock(mutex_);
  return options_.bytes_max - std::min(options_.bytes_max, bytes_held());
}

HotStats HotTables::stats() const {
  const std::lock_guard lock(mutex_);
  HotStats out = counters_;
  out.bytes = bytes_held();
  for (const auto& [uuid, entry] : entries_) {
    out.tables.push_back(describe(*entry));
  }
  std::ranges::sort(out.tables, {}, &HotTable::dataset);
  return out;
}

Result<std::optional<HotScan>> HotTables::scan(const RequestContext& context,
                                               const iceberg::TableMetadata& table,
                                               const SnapshotChoice& choice,
                                               const iceberg::Filter& filter,
                                               std::string_view prefix) {
  std::shared_ptr<Entry> entry;
  std::shared_ptr<const HotVersion> version;
  const bool is_current = choice.snapshot != nullptr && choice.snapshot == table.current_snapshot();
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(table.table_uuid);
    if (found == entries_.end()) {
      return std::nullopt;
    }
    entry = found->second;
    entry->last_used = Clock::now();
    version = entry->version;
    const bool is_there = version != nullptr && version->generation == engine_.generation();
    if (!is_there || (is_current && version->snapshot_id != choice.snapshot->snapshot_id)) {
      entry->is_wanted = true;
      kicked_ = true;
      changed_.notify_all();
    }
    if (!is_there || choice.snapshot == nullptr) {
      ++counters_.misses;
      return std::nullopt;
    }
  }
  HotSplit split;
  if (version->snapshot_id == choice.snapshot->snapshot_id) {
    split.held = version->parts;
  } else {
    LH_ASSIGN_OR_RETURN(iceberg::ScanPlan plan,
                        iceberg::plan_scan(context, catalog_.buckets(), manifests_, table,
                                           choice.snapshot->snapshot_id));
    split = split_files(version->parts, std::move(plan));
    std::erase_if(split.rest.tasks, [&](const iceberg::ScanTask& task) {
      return !iceberg::may_match(*choice.schema, *task.file, filter);
    });
  }
  const bool readable =
      !split.held.empty() && std::ranges::all_of(split.held, [&](const HeldPart& held) {
        return fits(*held.part, table, *choice.schema);
      });
  if (!readable) {
    const std::lock_guard lock(mutex_);
    ++counters_.misses;
    return std::nullopt;
  }
  HotScan out;
  out.generation = version->generation;
  std::optional<boost::json::object> node;
  for (const HeldPart& held : split.held) {
    boost::json::object rows = rows_of(held, *choice.schema);
    node = node ? tree::union_all(*std::move(node), std::move(rows)) : std::move(rows);
    out.held.push_back(held.part);
  }
  const bool is_whole = split.rest.tasks.empty();
  if (!is_whole) {
    LH_ASSIGN_OR_RETURN(TableScan rest,
                        source_.scan_files(context, table, *choice.schema, split.rest, prefix));
    node = tree::union_all(*std::move(node), std::move(rest.node));
    out.variables = std::move(rest.variables);
    out.size_bytes = rest.size_bytes;
  }
  out.node = *std::move(node);
  const std::lock_guard lock(mutex_);
  ++entry->hits;
  ++(is_whole ? counters_.hits : counters_.partial_hits);
  return out;
}

void HotTables::note_use(const std::string& table_uuid) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(table_uuid);
  if (found != entries_.end() && found->second->version != nullptr) {
    found->second->last_used = Clock::now();
    ++found->second->hits;
    ++counters_.hits;
  }
}

// --- The thread.

void HotTables::run(const std::stop_token& stop) {
  RequestContext context;
  context.principal = "system:hot-tables";
  context.stop = stop;
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      // Pins that another server made are found in time, too.
      changed_.wait_for(lock, stop, options_.check_interval, [this] { return kicked_; });
      kicked_ = false;
    }
    if (!stop.stop_requested()) {
      round(context);
    }
  }
}

void HotTables::check_now() {
  round({.principal = "system:hot-tables", .request_id = {}, .traceparent = {}, .stop = {}});
}

void HotTables::round(const RequestContext& context) {
  const std::lock_guard one(round_mutex_);
  if (options_.bytes_max == 0 || !read_pins(context)) {
    return;  // The metastore is away: what is in memory stays right.
  }
  std::vector<std::shared_ptr<Entry>> entries;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [uuid, entry] : entries_) {
      entries.push_back(entry);
    }
  }
  for (const std::shared_ptr<Entry>& entry : entries) {
    if (!context.check()) {
      return;
    }
    check(context, entry);
  }
  loader_.drop_unused(context);
}

Status HotTables::read_pins(const RequestContext& context) {
  std::vector<metastore::Row> rows;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        rows, transaction.query(
                  "SELECT table_uuid, key_fields, principal, pinned_at_ms FROM query_pins"));
    return {};
  }));
  std::map<std::string, std::shared_ptr<Entry>, std::less<>> entries;
  for (const metastore::Row& row : rows) {
    auto entry = std::make_shared<Entry>();
    entry->uuid = metastore::text(row[0]);
    entry->principal = metastore::text(row[2]);
    entry->pinned_at_ms = metastore::integer(row[3]);
    LH_ASSIGN_OR_RETURN(const auto ids, parse_json(metastore::text(row[1]), "a pin's key"));
    for (const boost::json::value& id : ids.as_array()) {
      entry->key.push_back(static_cast<std::int32_t>(id.to_number<std::int64_t>()));
    }
    const std::lock_guard lock(mutex_);
    const auto known = entries_.find(entry->uuid);
    const bool is_same = known != entries_.end() && known->second->key == entry->key &&
                         known->second->pinned_at_ms == entry->pinned_at_ms;
    if (is_same) {
      entry = known->second;
    } else if (known != entries_.end() && known->second->key == entry->key) {
      // Pinned again as it is: nothing need be read again.
      entry->version = known->second->version;
      entry->identifier = known->second->identifier;
    }
    entries.emplace(entry->uuid, std::move(entry));
  }
  for (const auto& [uuid, entry] : entries) {
    if (entry->identifier.name.empty()) {
      LH_ASSIGN_OR_RETURN(auto identifier, catalog::table_of_uuid(context, metastore_, uuid));
      const std::lock_guard lock(mutex_);
      entry->identifier = identifier ? *std::move(identifier) : catalog::TableIdentifier{};
    }
  }
  const std::lock_guard lock(mutex_);
  ++rounds_;
  if (entries != entries_) {
    ++epoch_;
    entries_.swap(entries);
  }
  return {};
}

void HotTables::publish(const std::shared_ptr<Entry>& entry, HotState state, std::string problem,
                        std::shared_ptr<const HotVersion> version) {
  const std::lock_guard lock(mutex_);
  entry->state = state;
  entry->problem = std::move(problem);
  entry->version.swap(version);
  ++epoch_;
  changed_.notify_all();
}

void HotTables::check(const RequestContext& context, const std::shared_ptr<Entry>& entry) {
  auto identifier = catalog::table_of_uuid(context, metastore_, entry->uuid);
  if (!identifier) {
    return;
  }
  if (!*identifier) {
    static_cast<void>(forget(context, entry->uuid));  // Dropped: the name may be another's by now.
    return;
  }
  auto location = catalog_.metadata_location(context, **identifier);
  if (!location) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    entry->identifier = **identifier;
    const bool has_gone =
        entry->version != nullptr && entry->version->generation != engine_.generation();
    if (has_gone) {
      entry->version.reset();
      entry->state = HotState::Loading;
      ++epoch_;
    }
    const bool is_settled = entry->state == HotState::Hot || entry->state == HotState::Failed;
    const bool rests = entry->state == HotState::Evicted && !entry->is_wanted;
    if (rests || (is_settled && entry->seen_location == *location)) {
      return;
    }
    entry->is_wanted = false;
  }
  auto table = catalog_.load_table(context, **identifier);
  Status done = table ? refresh(context, entry, *table) : std::unexpected(table.error());
  const std::lock_guard lock(mutex_);
  if (done) {
    entry->seen_location = table->metadata_location;
  } else {
    entry->is_wanted = true;
  }
}

Status HotTables::refresh(const RequestContext& context, const std::shared_ptr<Entry>& entry,
                          const catalog::LoadedTable& table) {
  const iceberg::Schema& schema = *table.metadata->current_schema();
  Making making{.entry = *entry, .metadata = *table.metadata, .generation = engine_.generation()};
  {
    const std::lock_guard lock(mutex_);
    making.before = entry->version;
    making.comes_back = entry->state == HotState::Evicted;
    entry->key_names.clear();
    for (const std::int32_t id : entry->key) {
      if (const iceberg::NestedField* field = schema.find_by_id(id)) {  // It may be dropped since.
        entry->key_names.push_back(field->name);
        making.key.push_back(id);
      }
    }
  }
  auto version = make_version(context, making);
  if (version) {
    publish(entry, HotState::Hot, "", *std::move(version));
    return {};
  }
  Error error = std::move(version).error();
  if (error.code == ErrorCode::Unavailable || error.code == ErrorCode::Cancelled ||
      error.code == ErrorCode::DeadlineExceeded) {
    return std::unexpected(std::move(error));  // It may go well the next time.
  }
  const bool waits = making.comes_back && error.code == ErrorCode::ResourceExhausted;
  publish(entry, waits ? HotState::Evicted : HotState::Failed, std::move(error.message), nullptr);
  return {};
}

Result<std::shared_ptr<const HotVersion>> HotTables::make_version(const RequestContext& context,
                                                                  const Making& making) {
  const iceberg::TableMetadata& metadata = making.metadata;
  const iceberg::Schema& schema = *metadata.current_schema();
  auto version = std::make_shared<HotVersion>();
  version->generation = making.generation;
  version->key = making.key;
  const iceberg::Snapshot* snapshot = metadata.current_snapshot();
  if (snapshot == nullptr) {
    return version;
  }
  version->snapshot_id = snapshot->snapshot_id;
  LH_ASSIGN_OR_RETURN(
      iceberg::ScanPlan plan,
      iceberg::plan_scan(context, catalog_.buckets(), manifests_, metadata, snapshot->snapshot_id));
  const HotVersion* before = making.before.get();
  const bool is_usable =
      before != nullptr && before->generation == making.generation && before->key == making.key &&
      std::ranges::all_of(before->parts,
                          [&](const HeldPart& held) { return fits(*held.part, metadata, schema); });
  HotSplit split =
      split_files(is_usable ? before->parts : std::vector<HeldPart>(), std::move(plan));
  version->parts = std::move(split.held);
  if (!split.rest.tasks.empty()) {
    const auto not_after = making.comes_back ? Clock::now() - kRecently : Clock::time_point::max();
    const std::uint64_t expected = bytes_expected(split.rest);
    if (!make_room(expected, making.entry, not_after)) {
      return no_room(expected + version->bytes(), options_.bytes_max);
    }
    loader_.drop_unused(context);  // What was taken out leaves room only then.
    LH_ASSIGN_OR_RETURN(auto part, loader_.load(context, making.generation, metadata, schema,
                                                split.rest, making.key, bytes_free()));
    version->parts.push_back({.part = std::move(part), .dead = {}});
    const std::lock_guard lock(mutex_);
    ++counters_.loads;
    counters_.files_loaded += split.rest.tasks.size();
  }
  LH_ASSIGN_OR_RETURN(version->parts, merged(context, making.generation, schema,
                                             std::move(version->parts), making.key));
  const std::uint64_t bytes = version->bytes();
  const std::uint64_t held = before == nullptr ? 0 : before->bytes();
  if (!make_room(bytes - std::min(bytes, held), making.entry, Clock::time_point::max())) {
    return no_room(bytes, options_.bytes_max);
  }
  return version;
}

Result<std::vector<HeldPart>> HotTables::merged(const RequestContext& context,
                                                std::uint64_t generation,
                                                const iceberg::Schema& schema,
                                                std::vector<HeldPart> parts,
                                                const std::vector<std::int32_t>& key) {
  std::ranges::sort(parts, std::ranges::greater(),
                    [](const HeldPart& held) { return held.part->rows; });
  const auto is_mostly_dead = [](const HeldPart& held) {
    return held.dead.size() * 2 > held.part->numbers.size() || held.dead.size() > 1000;
  };
  std::int64_t rest = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    rest += parts[i].part->rows;
  }
  std::vector<HeldPart> old;
  if (parts.size() > options_.parts_max) {
    // The biggest is left alone until the others together are half of it.
    const bool all = rest * 2 > parts[0].part->rows || is_mostly_dead(parts[0]);
    old.assign(parts.begin() + (all ? 0 : 1), parts.end());
    parts.resize(all ? 0 : 1);
  } else {
    std::ranges::copy_if(parts, std::back_inserter(old), is_mostly_dead);
    std::erase_if(parts, is_mostly_dead);
  }
  if (!old.empty()) {
    LH_ASSIGN_OR_RETURN(auto part,
                        loader_.merge(context, generation, schema, old, key, bytes_free()));
    parts.push_back({.part = std::move(part), .dead = {}});
  }
  return parts;
}

bool HotTables::make_room(std::uint64_t bytes, const Entry& entry, Clock::time_point not_after) {
  std::vector<std::shared_ptr<const HotVersion>> dropped;  // Freed outside of the lock.
  const std::lock_guard lock(mutex_);
  while (bytes_held() + bytes > options_.bytes_max) {
    Entry* oldest = nullptr;
    for (const auto& [uuid, other] : entries_) {
      if (other.get() != &entry && other->version != nullptr && other->last_used < not_after &&
          (oldest == nullptr || other->last_used < oldest->last_used)) {
        oldest = other.get();
      }
    }
    if (oldest == nullptr) {
      return false;
    }
    oldest->state = HotState::Evicted;
    oldest->is_wanted = false;
    dropped.push_back(std::move(oldest->version));
    oldest->version = nullptr;
    ++counters_.evictions;
    ++epoch_;
  }
  return true;
}

}  // namespace lakehouse::query
