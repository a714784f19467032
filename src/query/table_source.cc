#include "query/table_source.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "query/column_expressions.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::NestedField;

constexpr std::string_view kFile = "lh_file";
constexpr std::string_view kFileName = "lh_file_name";
/// DuckDB's own column: a file's place in its list.
constexpr std::string_view kFileIndex = "file_index";
/// Asked of the engine at once: the answer has one row for each different schema.
constexpr std::size_t kFilesPerQuestion = 2000;
/// Of one scan's deleted rows, as bitmaps: they travel to the engine with the statement.
constexpr std::size_t kMaskBytesMax = std::size_t{64} << 20U;
/// More rows in position delete files than this are joined in the engine, file by file.
constexpr std::int64_t kMaskedRowsMax = 20'000'000;
/// What DuckDB takes a filter that it does not understand, or an anti-join, to leave.
constexpr std::int64_t kRowsPerRowKept = 5;

constexpr std::string_view kSchemasQuestion =
    "SELECT CAST(to_json(list(file_name)) AS VARCHAR), CAST(to_json(fields) AS VARCHAR) FROM ("
    "SELECT file_name, list(struct_pack(name := name, num_children := num_children, "
    "repetition_type := repetition_type, converted_type := converted_type, "
    "logical_type := logical_type, field_id := field_id, duckdb_type := duckdb_type) "
    "ORDER BY column_id) AS fields FROM parquet_schema(getvariable('lh_files')) "
    "GROUP BY file_name) GROUP BY fields";

boost::json::array to_array(const std::vector<std::string>& texts) {
  boost::json::array out;
  out.reserve(texts.size());
  for (const std::string& text : texts) {
    out.emplace_back(text);
  }
  return out;
}

Status check_readable(const DataFile& file) {
  if (file.is_deletion_vector()) {
    return {};
  }
  if (file.file_format != iceberg::FileFormat::Parquet) {
    return fail(ErrorCode::Unimplemented,
                fmt::format("{}: {} files are not read yet, only Parquet", file.file_path,
                            iceberg::to_string(file.file_format)));
  }
  return {};
}

/// A path as DuckDB gives it back, from the forms in which writers name local files.
tree::object plain_path_of(tree::object path) {
  return tree::function("regexp_replace", tree::array{std::move(path), tree::string("^file:(//)?"),
                                                      tree::string("")});
}

/// `files` names their list. With `row_count`, DuckDB need not guess it.
tree::object read_parquet(std::string_view files, bool with_position, std::string_view alias,
                          std::int64_t row_count = 0) {
  tree::array arguments{
      tree::string(files),
      // A folder such as day=1 must not become a column.
      tree::argument("hive_partitioning", tree::boolean(false)),
  };
  if (row_count > 0) {
    arguments.push_back(tree::argument("explicit_cardinality", tree::integer(row_count)));
  }
  if (with_position) {
    arguments.push_back(tree::argument("filename", tree::string(kFileName)));
    arguments.push_back(tree::argument("file_row_number", tree::boolean(true)));
  }
  return tree::table_function("lh_parquet", std::move(arguments), alias);
}

/// The newest definition of a column, in whichever schema has it: equality deletes may name columns
/// that were dropped since.
const NestedField* find_column_by_id(const iceberg::TableMetadata& table,
                                     const iceberg::Schema& current, std::int32_t id) {
  const auto in = [id](const iceberg::Schema& schema) {
    const auto found = std::ranges::find(schema.fields, id, &NestedField::id);
    return found == schema.fields.end() ? nullptr : &*found;
  };
  const NestedField* found = in(current);
  for (auto schema = table.schemas.rbegin(); found == nullptr && schema != table.schemas.rend();
       ++schema) {
    found = in(*schema);
  }
  return found;
}

}  // namespace

/// Files that one SELECT can read: physically alike, with the same deletes and the same values of
/// the columns that they lack.
struct TableSource::Group {
  PhysicalSchemaPtr schema;
  std::vector<std::string> paths;
  std::vector<std::string> locations;      ///< Of the paths, as manifests name them, if numbered.
  std::vector<std::string> masks;          ///< Of the paths: deleted rows in hexadecimal; or none.
  std::set<std::string> position_deletes;  ///< Local paths of those that are joined.
  /// Equality delete files, by local path.
  std::map<std::string, std::shared_ptr<const DataFile>> equality_deletes;
  std::map<std::int32_t, iceberg::Literal> partition_values;  ///< Of missing columns, by field id.
  std::int64_t row_count = 0;                                 ///< Before deletes.
  bool has_position_deletes = false;
  bool has_mask = false;

  [[nodiscard]] bool needs_row_numbers() const { return has_position_deletes || has_mask; }
};

/// Builds one scan.
class TableSource::Builder {
 public:
  Builder(TableSource& source, const RequestContext& context, const iceberg::TableMetadata& table,
          const iceberg::Schema& schema, std::string_view prefix, RowNumbers numbers)
      : source_(source),
        context_(context),
        table_(table),
        schema_(schema),
        prefix_(prefix),
        numbers_(numbers) {}

  Result<TableScan> run(const iceberg::ScanPlan& plan) {
    LH_RETURN_IF_ERROR(load_schemas(plan));
    LH_RETURN_IF_ERROR(load_positions(plan));
    for (std::size_t i = 0; i < plan.tasks.size(); ++i) {
      LH_RETURN_IF_ERROR(add(plan.tasks[i], paths_[i], schemas_[i]));
    }
    std::optional<tree::object> all;
    for (auto& [key, group] : groups_) {
      LH_ASSIGN_OR_RETURN(tree::object branch, branch_of(group));
      all = all ? tree::union_all(*std::move(all), std::move(branch)) : std::move(branch);
    }
    out_.node = all ? *std::move(all) : empty();
    out_.file_count = plan.tasks.size();
    out_.size_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(plan.size_bytes, 0));
    return std::move(out_);
  }

  /// No rows, but the columns.
  tree::object empty() const {
    tree::array columns;
    for (const NestedField& field : schema_.fields) {
      columns.push_back(tree::aliased(tree::null_of(*field.type), field.name));
    }
    if (numbers_ != RowNumbers::None) {
      columns.push_back(tree::aliased(tree::integer(0), kFileNumber));
    }
    if (numbers_ == RowNumbers::FileAndRow) {
      columns.push_back(tree::aliased(tree::integer(0), kRowNumber));
    }
    return tree::select(std::move(columns), tree::empty_table(), tree::boolean(false));
  }

 private:
  Status load_schemas(const iceberg::ScanPlan& plan) {
    paths_.reserve(plan.tasks.size());
    std::set<std::string> equality;
    for (const iceberg::ScanTask& task : plan.tasks) {
      LH_RETURN_IF_ERROR(check_readable(*task.file));
      LH_ASSIGN_OR_RETURN(std::string path, source_.local_path(task.file->file_path));
      paths_.push_back(std::move(path));
      for (const iceberg::AttachedDelete& attached : task.deletes) {
        LH_RETURN_IF_ERROR(check_readable(*attached.file));
        if (attached.file->content == FileContent::EqualityDeletes) {
          LH_ASSIGN_OR_RETURN(path, source_.local_path(attached.file->file_path));
          equality.insert(std::move(path));
        }
      }
    }
    LH_ASSIGN_OR_RETURN(schemas_, source_.schemas_of(context_, paths_));
    const std::vector<std::string> deletes(equality.begin(), equality.end());
    LH_ASSIGN_OR_RETURN(const auto read, source_.schemas_of(context_, deletes));
    for (std::size_t i = 0; i < deletes.size(); ++i) {
      delete_schemas_.emplace(deletes[i], read[i]);
    }
    return {};
  }

  /// Unless they are too many.
  Status load_positions(const iceberg::ScanPlan& plan) {
    std::map<const DataFile*, std::string> files;
    std::int64_t rows = 0;
    for (const iceberg::ScanTask& task : plan.tasks) {
      for (const iceberg::AttachedDelete& attached : task.deletes) {
        const DataFile& file = *attached.file;
        if (file.content == FileContent::PositionDeletes && !file.is_deletion_vector() &&
            !files.contains(&file)) {
          LH_ASSIGN_OR_RETURN(files[&file], source_.local_path(file.file_path));
          rows += std::max<std::int64_t>(file.record_count, 0);
        }
      }
    }
    if (files.empty() || rows > kMaskedRowsMax) {
      return {};
    }
    std::vector<std::string> paths;
    for (const auto& [file, path] : files) {
      paths.push_back(path);
    }
    auto read = source_.deleted_.positions(context_, paths);
    if (!read && read.error().code == ErrorCode::ResourceExhausted) {
      return {};
    }
    LH_ASSIGN_OR_RETURN(positions_, std::move(read));
    return {};
  }

  /// With ids, and numbered: files that are alike have the same.
  struct Mapped {
    PhysicalSchemaPtr schema;
    std::size_t number = 0;
  };

  Result<Mapped> mapped(const PhysicalSchemaPtr& file) {
    if (const auto known = by_schema_.find(file.get()); known != by_schema_.end()) {
      return known->second;
    }
    auto [at, is_new] = by_signature_.try_emplace(file->signature);
    if (is_new) {
      at->second.number = by_signature_.size();
      LH_ASSIGN_OR_RETURN(at->second.schema, with_ids(file, table_));
    }
    return by_schema_.emplace(file.get(), at->second).first->second;
  }

  Status add(const iceberg::ScanTask& task, const std::string& path,
             const PhysicalSchemaPtr& file_schema) {
    Group one;
    LH_ASSIGN_OR_RETURN(const Mapped its, mapped(file_schema));
    one.schema = its.schema;
    add_partition_values(task, one);
    std::string key = fmt::format("{:06}", its.number);
    RoaringSet rows;
    std::string mask;
    std::vector<std::string> position_deletes;
    for (const iceberg::AttachedDelete& attached : task.deletes) {
      if (attached.file->is_deletion_vector()) {
        LH_ASSIGN_OR_RETURN(const auto bitmap,
                            source_.deleted_.vector(context_, table_, *attached.file));
        mask = *bitmap;
        continue;
      }
      LH_ASSIGN_OR_RETURN(std::string delete_path, source_.local_path(attached.file->file_path));
      if (attached.file->content == FileContent::EqualityDeletes) {
        one.equality_deletes.emplace(std::move(delete_path), attached.file);
      } else if (const auto known = positions_.find(delete_path); known != positions_.end()) {
        if (const auto mine = known->second->find(plain_path(task.file->file_path));
            mine != known->second->end()) {
          rows.merge(mine->second);
        }
      } else {
        one.has_position_deletes = true;
        position_deletes.push_back(std::move(delete_path));
      }
    }
    if (!rows.empty()) {
      mask = rows.serialize();
    }
    one.has_mask = !mask.empty();
    LH_RETURN_IF_ERROR(count_mask(mask.size()));
    key.append(one.has_position_deletes ? "|positions" : "|");
    key.append(one.has_mask ? "|mask" : "|");
    for (const auto& [delete_path, file] : one.equality_deletes) {
      key.append("|").append(delete_path);
    }
    for (const auto& [id, value] : one.partition_values) {
      key.append(fmt::format("|{}={}", id, iceberg::literal_to_text(value)));
    }
    if (one.has_mask && one.schema->has(kFileIndex)) {
      key.append("|").append(path);  // Alone, it needs no number.
    }
    Group& group = groups_.try_emplace(std::move(key), std::move(one)).first->second;
    group.paths.push_back(path);
    if (numbers_ != RowNumbers::None) {
      group.locations.push_back(task.file->file_path);
    }
    group.position_deletes.insert(position_deletes.begin(), position_deletes.end());
    group.row_count += std::max<std::int64_t>(task.file->record_count, 0);
    if (group.has_mask) {
      group.masks.push_back(to_hex(std::as_bytes(std::span(mask))));
    }
    return {};
  }

  Status count_mask(std::size_t size_bytes) {
    mask_bytes_ += size_bytes;
    if (mask_bytes_ > kMaskBytesMax) {
      return fail(ErrorCode::ResourceExhausted,
                  fmt::format("the table's deletes take more than {} bytes", kMaskBytesMax),
                  "Compact the table, or ask for fewer of its files.");
    }
    return {};
  }

  /// Files that were migrated from Hive lack the columns that their folders name: identity
  /// partitions tell them.
  void add_partition_values(const iceberg::ScanTask& task, Group& group) const {
    const iceberg::PartitionSpec* spec = table_.spec_by_id(task.spec_id);
    if (spec == nullptr) {
      return;
    }
    for (std::size_t i = 0; i < spec->fields.size() && i < task.file->partition.size(); ++i) {
      const iceberg::PartitionField& field = spec->fields[i];
      const std::optional<iceberg::Literal>& value = task.file->partition[i];
      if (value && field.transform.kind == iceberg::Transform::Kind::Identity &&
          find_by_id(group.schema->columns, field.source_id) == nullptr) {
        group.partition_values.emplace(field.source_id, *value);
      }
    }
  }

  std::string variable(boost::json::value value) {
    std::string name = fmt::format("{}_{}", prefix_, out_.variables.size());
    out_.variables.push_back({name, std::move(value)});
    return name;
  }

  /// The name of the list of paths in the engine.
  std::string files(const std::vector<std::string>& paths) {
    boost::json::string text;
    for (const std::string& path : paths) {
      text.append(path).push_back('\0');
    }
    return variable(boost::json::object{{"files", std::move(text)}});
  }

  /// What DuckDB must be told for its estimate to come out right; 0 for nothing.
  static std::int64_t row_count_told(const Group& group) {
    const bool is_reduced = group.needs_row_numbers() || !group.equality_deletes.empty();
    if (group.paths.size() == 1 && !is_reduced) {
      return 0;
    }
    const std::int64_t factor = is_reduced ? kRowsPerRowKept : 1;
    return std::min(group.row_count, std::numeric_limits<std::int64_t>::max() / factor) * factor;
  }

  tree::object column(const NestedField& field, const Group& group) const {
    const auto value = group.partition_values.find(field.id);
    return column_from_file(
        field, *group.schema, kFile,
        value == group.partition_values.end() ? std::nullopt : std::optional(value->second));
  }

  Result<tree::object> branch_of(const Group& group) {
    tree::array columns;
    for (const NestedField& field : schema_.fields) {
      columns.push_back(tree::aliased(column(field, group), field.name));
    }
    const bool rows = numbers_ == RowNumbers::FileAndRow;
    out_.row_count += group.row_count;
    if (numbers_ != RowNumbers::None) {
      LH_ASSIGN_OR_RETURN(tree::object number, file_number(group));
      columns.push_back(tree::aliased(std::move(number), kFileNumber));
    }
    if ((rows || group.needs_row_numbers()) && group.schema->has("file_row_number")) {
      return fail(ErrorCode::Unimplemented,
                  "a table with row deletes and a column called file_row_number is not read yet",
                  "Rename the column, or compact the table with the engine that deleted.");
    }
    if (rows) {
      columns.push_back(
          tree::aliased(tree::column({std::string(kFile), "file_row_number"}), kRowNumber));
    }
    tree::object from =
        read_parquet(files(group.paths), group.has_position_deletes, kFile, row_count_told(group));
    if (group.has_position_deletes) {
      from = without_positions(std::move(from), group);
    }
    LH_ASSIGN_OR_RETURN(from, without_equal(std::move(from), group));
    return tree::select(std::move(columns), std::move(from),
                        group.has_mask ? std::optional(is_kept(group)) : std::nullopt);
  }

  /// The rows that the deletion vectors and position deletes do not have. A filter leaves DuckDB
  /// its estimates and its choice of the joins, where an anti-join takes both.
  tree::object is_kept(const Group& group) {
    tree::object file = group.schema->has(kFileIndex)
                            ? tree::integer(0)
                            : tree::column({std::string(kFile), std::string(kFileIndex)});
    const std::string mask = variable(boost::json::object{{"row_mask", to_array(group.masks)}});
    return tree::negated(tree::function(
        "lh_row_is_deleted", tree::array{tree::string(mask), std::move(file),
                                         tree::column({std::string(kFile), "file_row_number"})}));
  }

  /// A file's number in the whole scan: DuckDB counts those of one read_parquet.
  Result<tree::object> file_number(const Group& group) {
    if (group.schema->has(kFileIndex)) {
      return fail(ErrorCode::Unimplemented,
                  "the files of a table with a column called file_index cannot be told apart");
    }
    const auto before = static_cast<std::int64_t>(out_.files.size());
    out_.files.insert(out_.files.end(), group.locations.begin(), group.locations.end());
    return tree::function("+",
                          tree::array{tree::column({std::string(kFile), std::string(kFileIndex)}),
                                      tree::integer(before)});
  }

  tree::object without_positions(tree::object from, const Group& group) {
    tree::array columns{
        tree::aliased(plain_path_of(tree::column({"file_path"})), "lh_path"),
        tree::aliased(tree::column({"pos"}), "lh_row"),
    };
    const std::vector<std::string> paths(group.position_deletes.begin(),
                                         group.position_deletes.end());
    tree::object deleted = tree::subquery(
        tree::select(std::move(columns), read_parquet(files(paths), false, "lh_positions")),
        "lh_deleted");
    tree::array conditions{
        tree::compare("COMPARE_EQUAL", tree::column({std::string(kFile), std::string(kFileName)}),
                      tree::column({"lh_deleted", "lh_path"})),
        tree::compare("COMPARE_EQUAL", tree::column({std::string(kFile), "file_row_number"}),
                      tree::column({"lh_deleted", "lh_row"})),
    };
    return tree::join("ANTI", std::move(from), std::move(deleted),
                      tree::all_of(std::move(conditions)));
  }

  /// One anti-join for each set of delete files that are physically alike and delete by the same
  /// columns. Null equals null there.
  Result<tree::object> without_equal(tree::object from, const Group& group) {
    struct Alike {
      PhysicalSchemaPtr schema;
      std::vector<std::int32_t> ids;
      std::vector<std::string> paths;
    };
    std::map<std::string, Alike> sets;
    for (const auto& [path, file] : group.equality_deletes) {
      LH_ASSIGN_OR_RETURN(const Mapped its, mapped(delete_schemas_.at(path)));
      const std::string key = fmt::format("{}|{}", fmt::join(file->equality_ids, ","), its.number);
      Alike& alike = sets.try_emplace(key, Alike{its.schema, file->equality_ids, {}}).first->second;
      alike.paths.push_back(path);
    }
    for (const auto& [key, alike] : sets) {
      const std::string relation = fmt::format("lh_equal_{}", out_.variables.size());
      tree::array keys;
      tree::array conditions;
      for (const std::int32_t id : alike.ids) {
        const NestedField* field = find_column_by_id(table_, schema_, id);
        if (field == nullptr) {
          return fail(
              ErrorCode::Unimplemented,
              fmt::format("an equality delete by field {}, which is no column of the table, "
                          "is not read yet",
                          id));
        }
        const std::string name = fmt::format("lh_key_{}", id);
        keys.push_back(tree::aliased(column_from_file(*field, *alike.schema, "lh_keys", {}), name));
        conditions.push_back(tree::compare("COMPARE_NOT_DISTINCT_FROM", column(*field, group),
                                           tree::column({relation, name})));
      }
      tree::object deleted = tree::subquery(
          tree::select(std::move(keys), read_parquet(files(alike.paths), false, "lh_keys")),
          relation);
      from = tree::join("ANTI", std::move(from), std::move(deleted),
                        tree::all_of(std::move(conditions)));
    }
    return from;
  }

  TableSource& source_;
  const RequestContext& context_;
  const iceberg::TableMetadata& table_;
  const iceberg::Schema& schema_;
  std::string prefix_;
  RowNumbers numbers_;
  std::vector<std::string> paths_;          ///< Of the plan's tasks, on this machine.
  std::vector<PhysicalSchemaPtr> schemas_;  ///< Of the paths.
  std::unordered_map<std::string, PhysicalSchemaPtr> delete_schemas_;
  std::unordered_map<const PhysicalSchema*, Mapped> by_schema_;
  std::unordered_map<std::string, Mapped> by_signature_;
  std::map<std::string, Group> groups_;
  std::unordered_map<std::string, std::shared_ptr<const DeletedRows::ByPath>> positions_;
  std::size_t mask_bytes_ = 0;
  TableScan out_;
};

Result<TableScan> TableSource::scan(const RequestContext& context,
                                    const iceberg::TableMetadata& table,
                                    const SnapshotChoice& choice, const iceberg::Filter& filter,
                                    std::string_view prefix, RowNumbers numbers) {
  if (choice.schema->fields.empty()) {
    return fail(ErrorCode::FailedPrecondition, "the table has no columns",
                "ALTER TABLE ... ADD COLUMN gives it one.");
  }
  Builder builder(*this, context, table, *choice.schema, prefix, numbers);
  if (choice.snapshot == nullptr) {
    TableScan nothing;
    nothing.node = builder.empty();
    return nothing;
  }
  // All that the scan follows from. The time is that of the last commit, which may change how names
  // are mapped; the schema's text, since a transaction that is dropped leaves its number free.
  std::string key =
      fmt::format("{}|{}|{}|{}|{}|{}|{}|{}", table.table_uuid, table.location,
                  table.last_updated_ms, choice.snapshot->snapshot_id, prefix,
                  std::to_underlying(numbers), to_json(iceberg::schema_to_json(*choice.schema)),
                  to_json(iceberg::expression_to_json(filter, *choice.schema)));
  if (const auto kept = kept_.find(key)) {
    return *kept;
  }
  LH_ASSIGN_OR_RETURN(const iceberg::ScanPlan plan,
                      iceberg::plan_scan(context, buckets_, manifests_, table,
                                         choice.snapshot->snapshot_id, filter));
  LH_ASSIGN_OR_RETURN(TableScan scan, builder.run(plan));
  kept_.keep(std::move(key), std::make_shared<const TableScan>(scan));
  return scan;
}

Result<TableScan> TableSource::scan_files(const RequestContext& context,
                                          const iceberg::TableMetadata& table,
                                          const iceberg::Schema& schema,
                                          const iceberg::ScanPlan& plan, std::string_view prefix,
                                          RowNumbers numbers) {
  return Builder(*this, context, table, schema, prefix, numbers).run(plan);
}

Result<std::string> TableSource::local_path(std::string_view location) const {
  LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation resolved, buckets_.resolve(location));
  std::optional<std::string> path = resolved.store->local_path(resolved.key);
  if (!path) {
    return fail(
        ErrorCode::Unimplemented,
        fmt::format("bucket {} is not a local one: its files are not read yet", resolved.bucket));
  }
  return *std::move(path);
}

Result<std::vector<PhysicalSchemaPtr>> TableSource::schemas_of(
    const RequestContext& context, const std::vector<std::string>& paths) {
  std::vector<PhysicalSchemaPtr> out = known(paths);
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (out[i] == nullptr) {
      missing.push_back(paths[i]);
    }
  }
  std::unordered_map<std::string, PhysicalSchemaPtr> read;
  for (std::size_t begin = 0; begin < missing.size(); begin += kFilesPerQuestion) {
    const std::size_t end = std::min(begin + kFilesPerQuestion, missing.size());
    LH_RETURN_IF_ERROR(ask_engine(context,
                                  {missing.begin() + static_cast<std::ptrdiff_t>(begin),
                                   missing.begin() + static_cast<std::ptrdiff_t>(end)},
                                  read));
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (out[i] == nullptr) {
      const auto found = read.find(paths[i]);
      if (found == read.end()) {
        return fail(ErrorCode::DataLoss, fmt::format("the data file {} cannot be read", paths[i]));
      }
      out[i] = found->second;
    }
  }
  return out;
}

Status TableSource::ask_engine(const RequestContext& context, const std::vector<std::string>& paths,
                               std::unordered_map<std::string, PhysicalSchemaPtr>& out) {
  engine::Statement question;
  question.text = kSchemasQuestion;
  question.variables.push_back({"lh_files", to_array(paths)});
  auto rows = engine_.query_rows(context, std::move(question));
  if (!rows) {
    Error error = std::move(rows).error();
    error.position_bytes.reset();
    return std::unexpected(std::move(error).with_context("read the schemas of data files"));
  }
  for (const boost::json::array& row : rows->rows) {
    if (row.size() != 2 || !row[0].is_string() || !row[1].is_string()) {
      return fail(ErrorCode::Internal, "the engine's answer about data files is not understood");
    }
    LH_ASSIGN_OR_RETURN(const auto files, parse_json(row[0].get_string(), "file names"));
    LH_ASSIGN_OR_RETURN(const PhysicalSchemaPtr schema,
                        physical_schema_from_json(row[1].get_string()));
    for (const boost::json::value& file : files.as_array()) {
      const std::string path(file.as_string());
      remember(path, schema);
      out.emplace(path, schema);
    }
  }
  return {};
}

std::vector<PhysicalSchemaPtr> TableSource::known(const std::vector<std::string>& paths) {
  std::vector<PhysicalSchemaPtr> out;
  out.reserve(paths.size());
  const std::lock_guard lock(mutex_);
  for (const std::string& path : paths) {
    const auto found = known_.find(path);
    if (found == known_.end()) {
      out.emplace_back();
      continue;
    }
    recent_.splice(recent_.begin(), recent_, found->second);
    out.push_back(found->second->second);
  }
  return out;
}

void TableSource::remember(const std::string& path, const PhysicalSchemaPtr& schema) {
  const std::lock_guard lock(mutex_);
  if (known_.contains(path)) {
    return;
  }
  recent_.emplace_front(path, schema);
  known_.emplace(path, recent_.begin());
  if (known_.size() > options_.files_known_max) {
    known_.erase(recent_.back().first);
    recent_.pop_back();
  }
}

}  // namespace lakehouse::query
