#include "query/row_changes.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "base/json.h"
#include "base/roaring.h"
#include "base/text.h"
#include "iceberg/deletion_vector.h"
#include "iceberg/scan.h"
#include "iceberg/snapshot_producer.h"
#include "iceberg/type_mapping.h"
#include "query/change_plan.h"
#include "query/copy_statement.h"
#include "query/parquet_stats.h"
#include "query/row_check.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using iceberg::DataFile;
using iceberg::ScanTask;
using Action = ChangeClause::Action;

/// The reserved columns of position delete files.
constexpr std::int32_t kDeletedPathId = 2147483546;
constexpr std::int32_t kDeletedPositionId = 2147483545;
/// Below this size of what is rewritten the new rows are one file.
constexpr std::int64_t kOneFileBytesMax = std::int64_t{256} << 20U;
constexpr std::string_view kChanges = "read_parquet(getvariable('lh_changes'))";

/// What of a data file goes.
struct Touched {
  std::int64_t number = 0;  ///< "f" in the change set.
  std::int64_t rows = 0;    ///< That go.
  ScanTask task;
};

std::optional<std::int64_t> number_in(const json::value& cell) {
  if (cell.is_int64()) {
    return cell.get_int64();
  }
  if (cell.is_uint64() && cell.get_uint64() <= INT64_MAX) {
    return static_cast<std::int64_t>(cell.get_uint64());
  }
  return std::nullopt;
}

std::int64_t number_or_zero(const json::value& cell) {
  return number_in(cell).value_or(0);
}

json::array numbers_of(const std::vector<Touched>& files) {
  json::array out;
  for (const Touched& file : files) {
    out.emplace_back(file.number);
  }
  return out;
}

std::string list_of(const std::vector<Touched>& files) {
  std::string out;
  for (const Touched& file : files) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", file.number);
  }
  return out;
}

bool mentions(const json::value& at, std::string_view column) {
  if (const json::array* list = at.if_array()) {
    return std::ranges::any_of(*list,
                               [&](const json::value& one) { return mentions(one, column); });
  }
  const json::object* node = at.if_object();
  if (node == nullptr) {
    return false;
  }
  if (const json::value* names = node->if_contains("column_names");
      names != nullptr && names->is_array() && !names->get_array().empty()) {
    const json::value& last = names->get_array().back();
    if (last.is_string() && to_lower(last.get_string()) == column) {
      return true;
    }
  }
  return std::ranges::any_of(*node,
                             [&](const auto& field) { return mentions(field.value(), column); });
}

/// A * in RETURNING is the table's columns: what else there is, is named.
void exclude_from_stars(json::value& at, std::string_view column) {
  if (json::array* list = at.if_array()) {
    for (json::value& one : *list) {
      exclude_from_stars(one, column);
    }
  } else if (json::object* node = at.if_object()) {
    json::value* excluded = node->if_contains("exclude_list");
    if (excluded != nullptr && excluded->is_array() && node->contains("replace_list")) {
      excluded->get_array().emplace_back(column);
    }
    for (auto& field : *node) {
      exclude_from_stars(field.value(), column);
    }
  }
}

/// Reads pairs of numbers from a stream of JSON rows: file and row.
template <class Each>
Status each_pair(const RequestContext& context, engine::ResultStream& stream, const Each& each) {
  std::optional<std::uint64_t> file;
  std::string digits;
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, stream.next(context));
    if (!bytes) {
      return {};
    }
    for (const char c : *bytes) {
      if (c >= '0' && c <= '9') {
        digits.push_back(c);
        continue;
      }
      if (digits.empty()) {
        continue;
      }
      std::uint64_t number = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
      digits.clear();
      if (!file) {
        file = number;
        continue;
      }
      each(static_cast<std::int64_t>(*file), number);
      file.reset();
    }
  }
}

std::string_view job_of(const ParsedStatement& parsed) {
  const auto* change = std::get_if<ChangeStatement>(&parsed.statement);
  if (change == nullptr) {
    return "insert";
  }
  switch (change->verb) {
    case ChangeStatement::Verb::Delete: return "delete";
    case ChangeStatement::Verb::Update: return "update";
    case ChangeStatement::Verb::Merge: break;
  }
  return "merge";
}

}  // namespace

/// One statement on its way into the transaction.
class RowChanges::Run {
 public:
  Run(RowChanges& owner, const RequestContext& context, WriteTransaction& transaction,
      const ParsedStatement& parsed, const SqlRequest& request)
      : owner_(owner),
        context_(context),
        transaction_(transaction),
        parsed_(parsed),
        request_(request) {}

  Result<RowsChanged> run(const catalog::TableIdentifier& table) {
    RowsChanged out;
    out.table = table;
    table_ = table;
    LH_ASSIGN_OR_RETURN(const catalog::LoadedTable loaded, transaction_.load(context_, table));
    metadata_ = loaded.metadata;
    const ChangePlanning with{owner_.planner_, owner_.engine_, transaction_.states(), request_};
    LH_ASSIGN_OR_RETURN(plan_, plan_change(context_, with, parsed_, loaded));
    LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place,
                        owner_.buckets_.resolve(metadata_->location));
    LH_ASSIGN_OR_RETURN(staging_, StagingFolder::make(owner_.buckets_, place.bucket));
    LH_RETURN_IF_ERROR(write_change_set());
    LH_RETURN_IF_ERROR(count_changes(&out));
    if (parsed_.returning.is_object()) {
      LH_RETURN_IF_ERROR(write_returned(with, &out));
    }
    transaction_.note_read(plan_.tables);
    if (out.rows > 0) {
      LH_ASSIGN_OR_RETURN(iceberg::SnapshotChange change, make_files());
      LH_ASSIGN_OR_RETURN(out.snapshot_id, transaction_.change(context_, table, std::move(change),
                                                               lineage(out.rows)));
    }
    return out;
  }

 private:
  [[nodiscard]] engine::Statement about_changes(std::string sql) const {
    engine::Statement statement;
    statement.text = std::move(sql);
    statement.variables.push_back({"lh_changes", json::string(changes_path())});
    return statement;
  }
  [[nodiscard]] std::string changes_path() const { return staging_->path() + "/changes.parquet"; }

  // --- The change set.

  Status write_change_set() {
    std::string names = "f, r, a";
    for (std::size_t i = 0; plan_.has_values && i < plan_.columns.size(); ++i) {
      names += fmt::format(", c{}", i);
    }
    std::string keep = "a IS NOT NULL";
    std::string qualify;
    if (plan_.keeps_first) {
      // Of new rows with one key one stays. NULL is no key.
      std::string null_key;
      for (const std::size_t column : plan_.key) {
        null_key += fmt::format(" OR c{} IS NULL", column);
      }
      qualify = fmt::format(" QUALIFY row_number() OVER (PARTITION BY {}) = 1{}", key_columns(),
                            null_key);
    }
    engine::Statement statement = plan_.select;
    statement.around_tree = fmt::format(
        "COPY (WITH __lh_source({}) AS NOT MATERIALIZED (\n{{}}\n) SELECT * FROM __lh_source "
        "WHERE {}{}) TO {} (FORMAT parquet, COMPRESSION snappy)",
        names, keep, qualify, quote_sql_literal(changes_path()));
    LH_RETURN_IF_ERROR(owner_.engine_.query_rows(context_, std::move(statement)));
    return {};
  }

  [[nodiscard]] std::string key_columns() const {
    std::string out;
    for (const std::size_t column : plan_.key) {
      out += fmt::format("{}c{}", out.empty() ? "" : ", ", column);
    }
    return out;
  }

  Status count_changes(RowsChanged* out) {
    const std::string distinct = plan_.may_repeat ? "count(DISTINCT r)" : "count(*)";
    LH_ASSIGN_OR_RETURN(
        const engine::Rows counts,
        owner_.engine_.query_rows(
            context_, about_changes(fmt::format("SELECT f, count(*), {} FROM {} GROUP BY f",
                                                distinct, kChanges))));
    std::map<std::string, Touched*> by_location;
    for (const json::array& row : counts.rows) {
      const std::int64_t rows = number_or_zero(row.at(1));
      out->rows += rows;
      if (row.at(0).is_null()) {
        new_rows_ = rows;
        continue;
      }
      if (rows != number_or_zero(row.at(2))) {
        return fail(ErrorCode::InvalidArgument,
                    "a row of the table is matched by several rows of the source, which would "
                    "change it in different ways",
                    "Make the source have one row for each, by GROUP BY or QUALIFY.");
      }
      const std::int64_t number = number_or_zero(row.at(0));
      if (number < 0 || static_cast<std::size_t>(number) >= plan_.files.size()) {
        return fail(ErrorCode::Internal, "a change names a file that was not read");
      }
      touched_.push_back({number, rows, {}});
    }
    if (!plan_.key.empty() && !plan_.keeps_first && new_rows_ > 0) {
      LH_RETURN_IF_ERROR(check_new_keys());
    }
    return find_tasks();
  }

  Status check_new_keys() {
    std::string known;
    for (const std::size_t column : plan_.key) {
      known += fmt::format(" AND c{} IS NOT NULL", column);
    }
    LH_ASSIGN_OR_RETURN(
        const engine::Rows twins,
        owner_.engine_.query_rows(
            context_,
            about_changes(fmt::format(
                "SELECT 1 FROM {} WHERE f IS NULL{} GROUP BY {} HAVING count(*) > 1 LIMIT 1",
                kChanges, known, key_columns()))));
    return twins.rows.empty()
               ? Status()
               : fail(ErrorCode::InvalidArgument, "two of the new rows have the same key",
                      "Make the source have one row for each, by GROUP BY or QUALIFY.");
  }

  /// The data files that are touched, with the deletes that they have.
  Status find_tasks() {
    if (touched_.empty()) {
      return {};
    }
    LH_ASSIGN_OR_RETURN(iceberg::ScanPlan scan,
                        plan_scan(context_, owner_.buckets_, owner_.manifests_, *metadata_,
                                  metadata_->current_snapshot()->snapshot_id));
    std::map<std::string_view, ScanTask*> by_location;
    for (ScanTask& task : scan.tasks) {
      by_location.emplace(task.file->file_path, &task);
    }
    for (Touched& one : touched_) {
      const auto found = by_location.find(plan_.files[static_cast<std::size_t>(one.number)]);
      if (found == by_location.end()) {
        return fail(ErrorCode::Internal, "a change names a file that is not in the table");
      }
      one.task = *found->second;
    }
    return {};
  }

  // --- RETURNING.

  Status write_returned(const ChangePlanning& with, RowsChanged* out) {
    json::array columns;
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
      columns.push_back(tree::aliased(tree::column({fmt::format("c{}", i)}),
                                      metadata_->current_schema()->fields[plan_.columns[i]].name));
    }
    json::value returning = parsed_.returning;
    if (job_of(parsed_) == "merge" && mentions(returning, "merge_action")) {
      columns.push_back(tree::aliased(merge_action(), "merge_action"));
      exclude_from_stars(returning, "merge_action");
    }
    json::object rows = tree::select(
        std::move(columns),
        tree::table_function(
            "read_parquet",
            tree::array{tree::function("getvariable", tree::array{tree::string("lh_changes")})},
            "lh_rows"));
    LH_ASSIGN_OR_RETURN(
        engine::Statement statement,
        plan_returning(context_, with, std::move(returning), plan_.alias, std::move(rows)));
    statement.variables.push_back({"lh_changes", json::string(changes_path())});
    LH_ASSIGN_OR_RETURN(const auto described, owner_.engine_.describe(context_, statement));
    // Evaluated before the commit: an error must keep it from happening.
    LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place,
                        owner_.buckets_.resolve(metadata_->location));
    LH_ASSIGN_OR_RETURN(StagingFolder folder, StagingFolder::make(owner_.buckets_, place.bucket));
    const std::string path = folder.path() + "/returned.parquet";
    std::string names;
    std::string select;
    for (std::size_t i = 0; i < described.size(); ++i) {
      names += fmt::format("{}c{}", i == 0 ? "" : ", ", i);
      select += fmt::format("{}c{} AS {}", i == 0 ? "" : ", ", i,
                            quote_sql_identifier(described[i].name));
    }
    statement.around_tree = fmt::format(
        "COPY (WITH __lh_source({}) AS NOT MATERIALIZED (\n{{}}\n) SELECT * FROM __lh_source) TO "
        "{} "
        "(FORMAT parquet, COMPRESSION snappy)",
        names, quote_sql_literal(path));
    LH_RETURN_IF_ERROR(owner_.engine_.query_rows(context_, std::move(statement)));
    engine::Statement read;
    read.text = fmt::format("SELECT {} FROM read_parquet(getvariable('lh_returned'))", select);
    read.variables.push_back({"lh_returned", json::string(path)});
    out->returned.emplace(ReturnedRows{std::move(folder), std::move(read)});
    return {};
  }

  [[nodiscard]] json::object merge_action() const {
    json::object out = tree::string("");
    for (std::size_t i = 0; i < plan_.actions.size(); ++i) {
      const Action action = plan_.actions[i].action;
      out = tree::when(tree::compare("COMPARE_EQUAL", tree::column({"a"}),
                                     tree::integer(static_cast<std::int64_t>(i))),
                       tree::string(action == Action::Update   ? "UPDATE"
                                    : action == Action::Delete ? "DELETE"
                                                               : "INSERT"),
                       std::move(out));
    }
    return out;
  }

  // --- New files.

  Result<iceberg::SnapshotChange> make_files() {
    std::vector<Touched> rewritten;
    std::vector<Touched> marked;
    for (Touched& one : touched_) {
      (is_rewritten(one) ? rewritten : marked).push_back(std::move(one));
    }
    iceberg::SnapshotChange change;
    LH_ASSIGN_OR_RETURN(change, write_deletes(marked));
    for (const Touched& one : rewritten) {
      change.removed_data_files.push_back(one.task.file->file_path);
      for (const iceberg::AttachedDelete& attached : one.task.deletes) {
        const DataFile& file = *attached.file;
        if (!file.is_deletion_vector() && file.referenced_data_file == one.task.file->file_path) {
          change.removed_delete_files.push_back(file.file_path);
        }
      }
    }
    LH_ASSIGN_OR_RETURN(change.added_data_files, write_rows(marked, rewritten));
    return change;
  }

  [[nodiscard]] bool is_rewritten(const Touched& one) const {
    return copies(one.rows, one.task.file->record_count) ||
           !copies_always(parsed_, *metadata_).empty();
  }

  /// The rows that are new or have new values, and the other rows of files that are rewritten.
  Result<std::vector<DataFile>> write_rows(const std::vector<Touched>& marked,
                                           const std::vector<Touched>& rewritten) {
    std::vector<Touched> kept;
    std::ranges::copy_if(rewritten, std::back_inserter(kept),
                         [](const Touched& one) { return one.rows < one.task.file->record_count; });
    const std::string added = added_actions();
    if (added.empty() && kept.empty()) {
      return std::vector<DataFile>();
    }
    // What the principal does not see of a row comes from the row itself.
    std::vector<Touched> joined;
    if (takes_hidden_values()) {
      joined = marked;
      joined.insert(joined.end(), rewritten.begin(), rewritten.end());
    } else {
      joined = kept;
    }
    engine::Statement source = about_changes("");
    LH_RETURN_IF_ERROR(join_rows(joined, &source));
    std::string sql;
    if (!added.empty()) {
      sql = new_rows_sql(added);
      LH_RETURN_IF_ERROR(check_rows(source, sql));
    }
    if (!kept.empty()) {
      sql += fmt::format(
          "{}SELECT {} FROM __lh_kept AS k ANTI JOIN (SELECT f, r FROM {}) AS c ON k.f = c.f AND "
          "k.r = c.r WHERE k.f IN ({})",
          sql.empty() ? "" : " UNION ALL ", prefixed_columns("k.t"), kChanges, list_of(kept));
    }
    (source.is_tree ? source.around_tree : source.text) += sql;
    return copy_rows(std::move(source), joined);
  }

  [[nodiscard]] std::string added_actions() const {
    std::string out;
    for (std::size_t i = 0; i < plan_.actions.size(); ++i) {
      if (plan_.actions[i].action == Action::Update || plan_.actions[i].action == Action::Insert) {
        out += fmt::format("{}{}", out.empty() ? "" : ", ", i);
      }
    }
    return out;
  }
  [[nodiscard]] bool takes_hidden_values() const {
    const auto updates = [](const ChangeAction& one) { return one.action == Action::Update; };
    return !touched_.empty() && std::ranges::any_of(plan_.actions, updates) &&
           std::ranges::find(plan_.restricted, true) != plan_.restricted.end();
  }
  [[nodiscard]] std::string prefixed_columns(std::string_view prefix) const {
    std::string out;
    for (std::size_t i = 0; i < metadata_->current_schema()->fields.size(); ++i) {
      out += fmt::format("{}{}{}", i == 0 ? "" : ", ", prefix, i);
    }
    return out;
  }

  /// WITH __lh_kept (t0, ..., f, r): the rows of these files as they are.
  Status join_rows(const std::vector<Touched>& files, engine::Statement* source) {
    if (files.empty()) {
      return {};
    }
    iceberg::ScanPlan scan;
    std::map<std::string, std::int64_t> numbers;
    for (const Touched& one : files) {
      scan.tasks.push_back(one.task);
      numbers.emplace(one.task.file->file_path, one.number);
    }
    LH_ASSIGN_OR_RETURN(TableScan rows, owner_.source_.scan_files(
                                            context_, *metadata_, *metadata_->current_schema(),
                                            scan, "lh_rows", RowNumbers::FileAndRow));
    json::array by_number;
    for (const std::string& location : rows.files) {
      by_number.emplace_back(numbers.at(location));
    }
    std::ranges::move(rows.variables, std::back_inserter(source->variables));
    source->variables.push_back({"lh_numbers", std::move(by_number)});
    source->text = json::serialize(tree::statement(std::move(rows.node)));
    source->is_tree = true;
    source->around_tree = fmt::format(
        "WITH __lh_rows({}, n, r) AS NOT MATERIALIZED (\n{{}}\n), __lh_kept AS NOT MATERIALIZED ("
        "SELECT * EXCLUDE (n), list_extract(getvariable('lh_numbers'), CAST(n AS BIGINT) + 1) AS f "
        "FROM __lh_rows) ",
        prefixed_columns("t"));
    return {};
  }

  [[nodiscard]] std::string new_rows_sql(const std::string& added) const {
    const std::vector<iceberg::NestedField>& fields = metadata_->current_schema()->fields;
    const bool hidden = takes_hidden_values();
    std::string select;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const auto at = std::ranges::find(plan_.columns, i);
      std::string value =
          at == plan_.columns.end() ? "NULL" : fmt::format("c.c{}", at - plan_.columns.begin());
      if (hidden && plan_.restricted[i]) {
        std::string keeping;
        for (std::size_t a = 0; a < plan_.actions.size(); ++a) {
          if (plan_.actions[a].action == Action::Update && !plan_.actions[a].assigned[i]) {
            keeping += fmt::format("{}{}", keeping.empty() ? "" : ", ", a);
          }
        }
        if (!keeping.empty()) {
          const std::string type = duckdb_type(*fields[i].type);
          value = fmt::format("CASE WHEN c.a IN ({}) THEN k.t{} ELSE CAST({} AS {}) END", keeping,
                              i, value, type);
        }
      }
      select += fmt::format("{}{}", i == 0 ? "" : ", ", value);
    }
    return fmt::format("SELECT {} FROM {} AS c{} WHERE c.a IN ({})", select, kChanges,
                       hidden ? " LEFT JOIN __lh_kept AS k ON c.f = k.f AND c.r = k.r" : "", added);
  }

  /// Looks at the new rows as they will be stored, where a policy says which ones there may be.
  Status check_rows(engine::Statement source, const std::string& new_rows) {
    RowCheck check(context_, owner_.planner_, owner_.engine_, table_, &transaction_.states());
    LH_ASSIGN_OR_RETURN(const bool is_needed, check.is_needed());
    if (!is_needed) {
      return {};
    }
    const std::vector<iceberg::NestedField>& fields = metadata_->current_schema()->fields;
    const std::string path = staging_->path() + "/checked.parquet";
    std::string& text = source.is_tree ? source.around_tree : source.text;
    text = fmt::format(
        "COPY ({}SELECT * FROM ({}) AS n({})) TO {} (FORMAT parquet, COMPRESSION snappy)", text,
        new_rows, prefixed_columns("v"), quote_sql_literal(path));
    source.monitor = request_.monitor;
    LH_RETURN_IF_ERROR(owner_.engine_.query_rows(context_, std::move(source)));
    tree::array columns;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      columns.push_back(tree::aliased(
          tree::cast(tree::column({fmt::format("v{}", i)}), *fields[i].type), fields[i].name));
    }
    NewRows rows;
    rows.node = tree::select(
        std::move(columns),
        tree::table_function(
            "read_parquet",
            tree::array{tree::function("getvariable", tree::array{tree::string("lh_checked")})},
            "lh_rows"));
    rows.variables.push_back({"lh_checked", json::string(path)});
    return check.check(std::move(rows));
  }

  Result<std::vector<DataFile>> copy_rows(engine::Statement source,
                                          const std::vector<Touched>& read) {
    std::int64_t bytes = 0;
    for (const Touched& one : read) {
      bytes += one.task.file->file_size_in_bytes;
    }
    std::error_code problem;
    bytes += static_cast<std::int64_t>(std::filesystem::file_size(changes_path(), problem));
    source.scan_bytes = static_cast<std::uint64_t>(bytes);
    source.monitor = request_.monitor;
    const std::string folder = staging_->path() + "/rows";
    std::filesystem::create_directory(folder, problem);
    const CopyOptions options{
        .folder = folder,
        .file_size_bytes = bytes <= kOneFileBytesMax ? 0 : owner_.options_.file_size_bytes_target,
        .row_group_rows = owner_.options_.row_group_rows};
    // Their types are not told, so that each is cast to its column's.
    const std::vector<engine::Column> columns(metadata_->current_schema()->fields.size());
    LH_ASSIGN_OR_RETURN(CopyPlan copy,
                        plan_copy(*metadata_, std::move(source), columns, {}, options));
    LH_ASSIGN_OR_RETURN(const engine::Rows stats,
                        owner_.engine_.query_rows(context_, std::move(copy.statement)));
    LH_ASSIGN_OR_RETURN(std::vector<StagedFile> staged,
                        files_from_stats(*metadata_, stats, copy.partition_fields));
    std::vector<DataFile> out;
    for (StagedFile& file : staged) {
      const std::string partition =
          partition_path(*metadata_->default_spec(), file.entry.partition);
      LH_RETURN_IF_ERROR(adopt(file.path, partition, "", &file.entry));
      out.push_back(std::move(file.entry));
    }
    return out;
  }

  /// Makes a staged file one in the table's folder.
  Status adopt(const std::string& path, const std::string& partition, std::string_view suffix,
               DataFile* file) {
    file->file_path = fmt::format("{}/data/{}{}{}-{:05}{}.parquet", metadata_->location, partition,
                                  partition.empty() ? "" : "/", write_id_, adopted_++, suffix);
    LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place,
                        owner_.buckets_.resolve(file->file_path));
    LH_RETURN_IF_ERROR(place.store->adopt_file(context_, path, place.key));
    transaction_.own(file->file_path);
    return {};
  }

  // --- Deletes beside their data files.

  Result<iceberg::SnapshotChange> write_deletes(const std::vector<Touched>& marked) {
    if (marked.empty()) {
      return iceberg::SnapshotChange();
    }
    if (metadata_->format_version >= 3) {
      return write_vectors(marked);
    }
    iceberg::SnapshotChange change;
    // A delete file is of one partition, and may have rows of all its data files.
    std::map<std::string, std::vector<Touched>> partitions;
    for (const Touched& one : marked) {
      partitions[iceberg::partition_key(one.task.spec_id, one.task.file->partition)].push_back(one);
      change.required_data_files.push_back(one.task.file->file_path);
    }
    for (const auto& [key, files] : partitions) {
      LH_ASSIGN_OR_RETURN(DataFile written, write_positions(files));
      change.added_delete_files.push_back(std::move(written));
    }
    return change;
  }

  Result<DataFile> write_positions(const std::vector<Touched>& files) {
    const std::string path = fmt::format("{}/deletes-{}.parquet", staging_->path(), adopted_);
    engine::Statement statement = about_changes(fmt::format(
        "COPY (SELECT m.path AS file_path, c.r AS pos FROM {} AS c JOIN (SELECT "
        "unnest(getvariable('lh_numbers')) AS f, unnest(getvariable('lh_paths')) AS path) AS m ON "
        "c.f = m.f ORDER BY 1, 2) TO {} (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {{file_path: "
        "{}, pos: {}}}, RETURN_STATS)",
        kChanges, quote_sql_literal(path), kDeletedPathId, kDeletedPositionId));
    json::array locations;
    std::set<std::string> sorted;
    for (const Touched& one : files) {
      locations.emplace_back(one.task.file->file_path);
      sorted.insert(one.task.file->file_path);
    }
    statement.variables.push_back({"lh_numbers", numbers_of(files)});
    statement.variables.push_back({"lh_paths", std::move(locations)});
    LH_ASSIGN_OR_RETURN(const engine::Rows stats,
                        owner_.engine_.query_rows(context_, std::move(statement)));
    DataFile out;
    out.content = iceberg::FileContent::PositionDeletes;
    out.spec_id = files.front().task.spec_id;
    out.partition = files.front().task.file->partition;
    for (std::size_t i = 0; i < stats.columns.size() && stats.rows.size() == 1; ++i) {
      const json::value& cell = stats.rows.front().at(i);
      if (stats.columns[i].name == "count") {
        out.record_count = number_or_zero(cell);
      } else if (stats.columns[i].name == "file_size_bytes") {
        out.file_size_in_bytes = number_or_zero(cell);
      }
    }
    if (out.record_count == 0 || out.file_size_in_bytes == 0) {
      return fail(ErrorCode::Internal, "the engine does not say what it wrote");
    }
    out.lower_bounds.set(kDeletedPathId, *sorted.begin());
    out.upper_bounds.set(kDeletedPathId, *sorted.rbegin());
    if (files.size() == 1) {
      out.referenced_data_file = *sorted.begin();
    }
    const iceberg::PartitionSpec* spec = metadata_->spec_by_id(out.spec_id);
    LH_RETURN_IF_ERROR(
        adopt(path, spec == nullptr ? "" : partition_path(*spec, out.partition), "-deletes", &out));
    return out;
  }

  Result<iceberg::SnapshotChange> write_vectors(const std::vector<Touched>& marked) {
    std::map<std::int64_t, iceberg::DeletedRows> by_number;
    for (const Touched& one : marked) {
      by_number[one.number].task = one.task;
    }
    const auto add = [&by_number](std::int64_t number, std::uint64_t row) {
      if (const auto found = by_number.find(number); found != by_number.end()) {
        found->second.rows.add(row);
      }
    };
    LH_ASSIGN_OR_RETURN(const auto stream,
                        owner_.engine_.execute(context_, about_changes(fmt::format(
                                                             "SELECT f, r FROM {} WHERE f IN ({})",
                                                             kChanges, list_of(marked)))));
    LH_RETURN_IF_ERROR(each_pair(context_, *stream, add));
    LH_RETURN_IF_ERROR(take_positions(marked, by_number, add));
    // A Puffin file for each, though one could hold them all: DuckDB's extension, when it replaces
    // one vector of a file, drops the others with it (1.5.5).
    iceberg::SnapshotChange change;
    for (const auto& [number, rows] : by_number) {
      LH_ASSIGN_OR_RETURN(
          iceberg::SnapshotChange one,
          write_deletion_vectors(context_, owner_.buckets_, *metadata_, std::span(&rows, 1)));
      for (DataFile& file : one.added_delete_files) {
        transaction_.own(file.file_path);
        change.added_delete_files.push_back(std::move(file));
      }
      std::ranges::move(one.removed_delete_files, std::back_inserter(change.removed_delete_files));
      std::ranges::move(one.required_data_files, std::back_inserter(change.required_data_files));
    }
    return change;
  }

  /// A deletion vector hides the position delete files that a table of version 2 has brought along:
  /// what they delete goes into it.
  template <class Add>
  Status take_positions(const std::vector<Touched>& marked,
                        std::map<std::int64_t, iceberg::DeletedRows>& by_number, const Add& add) {
    std::set<std::string> delete_files;
    json::array paths;
    for (const Touched& one : marked) {
      LH_ASSIGN_OR_RETURN(const std::string path, local_path(one.task.file->file_path));
      paths.emplace_back(path);
      std::vector<iceberg::AttachedDelete>& deletes = by_number.at(one.number).task.deletes;
      for (const iceberg::AttachedDelete& attached : deletes) {
        if (attached.file->content == iceberg::FileContent::PositionDeletes &&
            !attached.file->is_deletion_vector()) {
          LH_ASSIGN_OR_RETURN(std::string file, local_path(attached.file->file_path));
          delete_files.insert(std::move(file));
        }
      }
      std::erase_if(deletes, [](const iceberg::AttachedDelete& attached) {
        return attached.file->content == iceberg::FileContent::PositionDeletes &&
               !attached.file->is_deletion_vector();
      });
    }
    if (delete_files.empty()) {
      return {};
    }
    engine::Statement statement;
    statement.text =
        "SELECT m.f, d.pos FROM read_parquet(getvariable('lh_deletes')) AS d JOIN (SELECT "
        "unnest(getvariable('lh_numbers')) AS f, unnest(getvariable('lh_paths')) AS path) AS m ON "
        "regexp_replace(d.file_path, '^file:(//)?', '') = m.path";
    json::array deletes;
    for (const std::string& file : delete_files) {
      deletes.emplace_back(file);
    }
    statement.variables.push_back({"lh_deletes", std::move(deletes)});
    statement.variables.push_back({"lh_numbers", numbers_of(marked)});
    statement.variables.push_back({"lh_paths", std::move(paths)});
    LH_ASSIGN_OR_RETURN(const auto stream, owner_.engine_.execute(context_, std::move(statement)));
    return each_pair(context_, *stream, add);
  }

  Result<std::string> local_path(const std::string& location) const {
    LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place, owner_.buckets_.resolve(location));
    std::optional<std::string> path = place.store->local_path(place.key);
    if (!path) {
      return fail(ErrorCode::Unimplemented, "only tables in local buckets can be changed so far");
    }
    return *std::move(path);
  }

  [[nodiscard]] std::optional<catalog::LineageRun> lineage(std::int64_t rows) const {
    const std::string_view job = job_of(parsed_);
    if (plan_.inputs.empty() && job != "insert") {
      return std::nullopt;
    }
    catalog::LineageRun run;
    run.job = job;
    if (!plan_.inputs.empty()) {
      run.detail_json = json::serialize(json::object{{"sql", request_.kept_sql}});
    }
    run.inputs = plan_.inputs;
    run.rows = rows;
    return run;
  }

  RowChanges& owner_;
  const RequestContext& context_;
  WriteTransaction& transaction_;
  const ParsedStatement& parsed_;
  const SqlRequest& request_;
  catalog::TableIdentifier table_;
  std::shared_ptr<const iceberg::TableMetadata> metadata_;
  ChangePlan plan_;
  std::optional<StagingFolder> staging_;
  std::vector<Touched> touched_;
  std::int64_t new_rows_ = 0;
  std::string write_id_ = new_uuid();
  std::size_t adopted_ = 0;
};

std::string RowChanges::copies_always(const ParsedStatement& parsed,
                                      const iceberg::TableMetadata& table) {
  const std::string_view job = job_of(parsed);
  const std::string property =
      fmt::format("write.{}.mode", job == "insert" ? std::string_view("merge") : job);
  const std::string* mode = table.property(property);
  if (mode != nullptr && *mode == "copy-on-write") {
    return fmt::format("{} says so", property);
  }
  return table.format_version < 2 ? "format version 1 has no deletes" : "";
}

Result<RowsChanged> RowChanges::run(const RequestContext& context, WriteTransaction& transaction,
                                    const catalog::TableIdentifier& table,
                                    const ParsedStatement& parsed, const SqlRequest& request) {
  return Run(*this, context, transaction, parsed, request).run(table);
}

}  // namespace lakehouse::query
