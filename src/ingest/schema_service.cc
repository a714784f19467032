#include "ingest/schema_service.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/literal.h"
#include "iceberg/type_mapping.h"
#include "ingest/column_match.h"
#include "ingest/names.h"
#include "query/ddl.h"

namespace lakehouse::ingest {

namespace {

namespace json = boost::json;
using catalog::DiffColumn;
using catalog::LoadedTable;
using catalog::MigrationRule;
using catalog::SchemaRule;
using iceberg::NestedField;
using Kind = catalog::MigrationRule::Kind;

/// Of a sample, as sent and unpacked.
constexpr std::uint64_t kSampleBytesMax = 16ULL << 20U;
constexpr std::uint64_t kUnpackedBytesMax = 256ULL << 20U;
/// Fewer rows are looked at of a file with very many columns.
constexpr std::uint64_t kSampleCellsMax = 1'000'000;
constexpr std::uint64_t kSampleRowsMin = 50;
constexpr int kReadTriesMax = 6;
/// Of the table's format: below it only the rule knows the default.
constexpr int kDefaultsFromVersion = 3;
constexpr std::size_t kValueCharactersMax = 256;

DiffColumn column_of(const NestedField& field, bool with_id) {
  return {.name = field.name,
          .type = field.type,
          .required = field.required,
          .field_id = with_id ? field.id : 0,
          .values = std::nullopt};
}

std::vector<DiffColumn> columns_of(const iceberg::Schema& schema, bool with_ids) {
  std::vector<DiffColumn> columns;
  for (const NestedField& field : schema.fields) {
    columns.push_back(column_of(field, with_ids));
  }
  return columns;
}

/// Cells as JSON to texts.
std::vector<std::vector<std::optional<std::string>>> by_column(const std::vector<json::array>& rows,
                                                               std::size_t count) {
  std::vector<std::vector<std::optional<std::string>>> columns(count);
  for (const json::array& row : rows) {
    for (std::size_t i = 0; i < count && i < row.size(); ++i) {
      columns[i].push_back(row[i].is_string() ? std::optional(std::string(row[i].get_string()))
                                              : std::nullopt);
    }
  }
  return columns;
}

/// "left(CAST(x AS VARCHAR), 256) AS c0", for an expression.
std::string text_of_column(std::string_view sql, std::size_t index) {
  return fmt::format("{}left(CAST({} AS VARCHAR), {}) AS c{}", index == 0 ? "" : ", ", sql,
                     kValueCharactersMax, index);
}

std::unexpected<Error> bad_rule(const MigrationRule& rule, std::string_view problem,
                                std::string hint = {}) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{} of column {}: {}", to_string(rule.kind), rule.column, problem),
              std::move(hint));
}

/// A file's header as rules know it.
std::string header_of(std::string_view name) {
  return normalise_name(name, 0, true);
}

/// What a list of rules comes to for a table.
struct Migration {
  std::vector<query::AlterAction> actions;
  std::vector<SchemaRule> remembered;
};

/// Turns rules into changes of the table and rules to be remembered.
class Planner {
 public:
  Planner(const iceberg::TableMetadata& metadata, std::string source)
      : metadata_(metadata), source_(std::move(source)) {}

  Status take(const MigrationRule& rule) {
    const NestedField* field = query::find_column(metadata_.current_schema()->fields, rule.column);
    if (field == nullptr && rule.kind != Kind::Add && rule.kind != Kind::Drop) {
      std::vector<std::string> names;
      for (const NestedField& one : metadata_.current_schema()->fields) {
        names.push_back(one.name);
      }
      return bad_rule(rule, "the dataset has no such column", did_you_mean(rule.column, names));
    }
    switch (rule.kind) {
      case Kind::Rename: return rename(rule, *field);
      case Kind::Widen: return widen(rule, *field);
      case Kind::Cast: return cast(rule, *field);
      case Kind::Default: return set_default(rule, *field);
      case Kind::Drop: return drop(rule, field);
      case Kind::Add: break;
    }
    return add(rule, field);
  }

  Migration finish() { return std::move(migration_); }

 private:
  SchemaRule remembered(Kind kind, std::string_view header, std::int32_t field_id) const {
    SchemaRule rule;
    rule.source = source_;
    rule.kind = kind;
    rule.header = header_of(header);
    rule.field_id = field_id;
    return rule;
  }

  Status rename(const MigrationRule& rule, const NestedField& field) {
    if (rule.to.empty()) {
      return bad_rule(rule, "says no new name", "Give the new name as 'to'.");
    }
    if (!rule.only_files) {
      migration_.actions.emplace_back(
          query::RenameColumn{.path = {field.name}, .new_name = rule.to});
    }
    // Files that come late still have the old name.
    migration_.remembered.push_back(remembered(Kind::Rename, field.name, field.id));
    migration_.remembered.push_back(remembered(Kind::Rename, rule.to, field.id));
    return {};
  }

  Status widen(const MigrationRule& rule, const NestedField& field) {
    if (rule.type.empty()) {
      return bad_rule(rule, "says no type", "Give the wider type as 'type'.");
    }
    migration_.actions.emplace_back(
        query::ChangeColumnType{.path = {field.name}, .type = rule.type});
    return {};
  }

  Status cast(const MigrationRule& rule, const NestedField& field) {
    if (is_nested(*field.type)) {
      return bad_rule(rule, "nested columns are not converted");
    }
    if (!rule.type.empty()) {
      std::int32_t next_id = 1;
      LH_ASSIGN_OR_RETURN(const iceberg::TypePtr type,
                          iceberg::type_from_duckdb(rule.type, next_id, metadata_.format_version));
      if (!(*type == *field.type)) {
        return bad_rule(rule, fmt::format("the column is {}", duckdb_type(*field.type)),
                        "Files' values take the column's type; use 'widen' to change that.");
      }
    }
    const std::string& header = rule.to.empty() ? rule.column : rule.to;
    migration_.remembered.push_back(remembered(Kind::Cast, header, field.id));
    return {};
  }

  Status set_default(const MigrationRule& rule, const NestedField& field) {
    if (is_nested(*field.type) || (field.required && !rule.value)) {
      return bad_rule(rule, is_nested(*field.type) ? "nested columns take no default"
                                                   : "the column must not be NULL");
    }
    if (rule.value) {
      if (rule.value->contains('\0')) {
        return bad_rule(rule, "the value holds a NUL character");
      }
      if (const auto literal = iceberg::literal_from_text(*field.type, *rule.value); !literal) {
        return bad_rule(rule, fmt::format("'{}' is no {}", rule.value->substr(0, 80),
                                          duckdb_type(*field.type)));
      }
    }
    if (rule.value && metadata_.format_version >= kDefaultsFromVersion) {
      migration_.actions.emplace_back(
          query::SetColumnDefault{.path = {field.name}, .value = rule.value});
    }
    SchemaRule known = remembered(Kind::Default, field.name, field.id);
    known.value = rule.value;
    migration_.remembered.push_back(std::move(known));
    return {};
  }

  Status drop(const MigrationRule& rule, const NestedField* field) {
    if (field != nullptr) {
      migration_.actions.emplace_back(query::DropColumn{.path = {field->name}, .if_exists = false});
    }
    migration_.remembered.push_back(remembered(Kind::Drop, rule.column, 0));
    return {};
  }

  Status add(const MigrationRule& rule, const NestedField* field) {
    if (field != nullptr || rule.type.empty()) {
      return bad_rule(
          rule, field != nullptr ? "the dataset has one of that name already" : "says no type");
    }
    migration_.actions.emplace_back(query::AddColumn{
        .parent = {},
        .column = {.name = rule.column, .type = rule.type, .required = false, .doc = std::nullopt},
        .if_not_exists = false});
    return {};
  }

  const iceberg::TableMetadata& metadata_;
  std::string source_;
  Migration migration_;
};

std::string sql_name(const catalog::TableIdentifier& table) {
  std::string name;
  for (const std::string& level : table.name_space) {
    name += quote_sql_identifier(level) + ".";
  }
  return name + quote_sql_identifier(table.name);
}

}  // namespace

/// What a dataset is compared with.
struct SchemaService::Other {
  std::vector<DiffColumn> columns;
  std::vector<std::string> headers;  ///< As the file has them; empty if it is no file.
  std::string fingerprint;
};

Result<LoadedTable> SchemaService::load(const RequestContext& context, const std::string& dataset) {
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier table,
                      catalog_.resolve_dataset(context, dataset));
  return catalog_.load_table(context, table);
}

Result<SchemaService::Other> SchemaService::other_side(const RequestContext& context,
                                                       const DiffRequest& request,
                                                       int format_version) {
  if (request.sample) {
    return read_sample(context, request, format_version);
  }
  Other other;
  std::vector<query::ColumnDefinition> definitions;
  for (const GivenColumn& column : *request.columns) {
    definitions.push_back({.name = column.name,
                           .type = column.type,
                           .required = column.required,
                           .doc = std::nullopt});
  }
  LH_ASSIGN_OR_RETURN(const iceberg::Schema schema,
                      query::schema_from_columns(definitions, format_version));
  other.columns = columns_of(schema, false);
  other.fingerprint = catalog::schema_fingerprint(schema);
  for (std::size_t i = 0; i < other.columns.size(); ++i) {
    if (const auto& values = (*request.columns)[i].values; !values.empty()) {
      other.columns[i].values = catalog::sketch_of(values);
    }
  }
  return other;
}

Result<SchemaService::Other> SchemaService::read_sample(const RequestContext& context,
                                                        const DiffRequest& request,
                                                        int format_version) {
  LH_ASSIGN_OR_RETURN(
      const std::unique_ptr<Upload> upload,
      ingest_.stage({}, {.bytes_max = kSampleBytesMax, .unpacked_bytes_max = kUnpackedBytesMax}));
  LH_RETURN_IF_ERROR(upload->write(*request.sample));
  LH_RETURN_IF_ERROR(upload->finish(request.file_name));
  LH_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Engine> own,
                      ingest_.engine_for(context, *upload));
  engine::Engine& engine = own == nullptr ? engine_ : *own;
  const std::unique_ptr<FileReader> reader = FileReader::of(*upload, engine, request.reader);
  for (int tries = 1;; ++tries) {
    auto detected = reader->detect(context);
    if (!detected) {
      return std::unexpected(plain_error(std::move(detected).error(), upload->path()));
    }
    const std::vector<WantedColumn> wanted(detected->size());
    FileRows rows = reader->rows(wanted);
    std::string names;
    std::string select;
    for (std::size_t i = 0; i < detected->size(); ++i) {
      names += fmt::format("{}f{}", i == 0 ? "" : ", ", i);
      select += text_of_column(fmt::format("f{}", i), i);
    }
    const std::uint64_t row_count =
        std::clamp<std::uint64_t>(kSampleCellsMax / std::max<std::uint64_t>(detected->size(), 1),
                                  kSampleRowsMin, kSampleRowsMax);
    rows.statement.text =
        fmt::format("SELECT {} FROM (SELECT * FROM (\n{}\n) LIMIT {}) AS file({})", select,
                    rows.statement.text, row_count, names);
    const Result<engine::Rows> sample = engine.query_rows(context, std::move(rows.statement));
    if (!sample) {
      LH_ASSIGN_OR_RETURN(const bool again, reader->recover(context, sample.error()));
      if (!again || tries >= kReadTriesMax) {
        return std::unexpected(plain_error(sample.error(), upload->path()));
      }
      continue;
    }
    Other other;
    LH_ASSIGN_OR_RETURN(const iceberg::Schema schema,
                        query::schema_from_columns(definitions_of(*detected), format_version));
    other.columns = columns_of(schema, false);
    other.fingerprint = catalog::schema_fingerprint(schema);
    const auto values = by_column(sample->rows, detected->size());
    for (std::size_t i = 0; i < detected->size(); ++i) {
      other.columns[i].values = catalog::sketch_of(values[i]);
      other.headers.push_back((*detected)[i].name);
    }
    return other;
  }
}

Status SchemaService::sketch_table(const RequestContext& context,
                                   const catalog::TableIdentifier& table,
                                   std::vector<DiffColumn*> columns) {
  columns.resize(std::min(columns.size(), catalog::kDiffCandidatesMax));
  query::SqlRequest request;
  request.sql = "SELECT ";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    request.sql += text_of_column(quote_sql_identifier(columns[i]->name), i);
  }
  request.sql += fmt::format(" FROM {} LIMIT {}", sql_name(table), kSampleRowsMax);
  LH_ASSIGN_OR_RETURN(query::QueryAnswer answer, query_.run(context, request));
  std::string text = "[";
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, answer.stream->next(answer.context));
    if (!bytes) {
      break;
    }
    text += *bytes;
  }
  LH_ASSIGN_OR_RETURN(const json::value parsed, parse_json(text + "]", "the dataset's sample"));
  std::vector<json::array> rows;
  for (const json::value& row : parsed.as_array()) {
    rows.push_back(row.as_array());
  }
  const auto values = by_column(rows, columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns[i]->values = catalog::sketch_of(values[i]);
  }
  return {};
}

namespace {

using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

/// Which columns of a file go to which of the table's, by their names or by rules; a file's columns
/// that are not read are taken out.
Pairs known_pairs(const iceberg::Schema& schema, std::span<const SchemaRule> rules,
                  std::vector<DiffColumn>* columns, std::vector<std::string>* headers) {
  const auto rule_for = [&](Kind kind, const std::string& header) {
    return std::ranges::find_if(
        rules, [&](const SchemaRule& rule) { return rule.kind == kind && rule.header == header; });
  };
  Pairs pairs;
  std::set<std::size_t> used;
  for (std::size_t i = 0; i < columns->size();) {
    const std::string& name = (*columns)[i].name;
    const NestedField* field = query::find_column(schema.fields, name);
    if (field == nullptr && !headers->empty()) {
      field = query::find_column(schema.fields, (*headers)[i]);
    }
    if (field == nullptr) {
      if (const auto rule = rule_for(Kind::Rename, header_of(name)); rule != rules.end()) {
        const auto found = std::ranges::find(schema.fields, rule->field_id, &NestedField::id);
        field = found == schema.fields.end() ? nullptr : &*found;
      }
    }
    if (field == nullptr && rule_for(Kind::Drop, header_of(name)) != rules.end()) {
      columns->erase(columns->begin() + static_cast<std::ptrdiff_t>(i));
      if (!headers->empty()) {
        headers->erase(headers->begin() + static_cast<std::ptrdiff_t>(i));
      }
      continue;
    }
    if (field != nullptr) {
      const auto at = static_cast<std::size_t>(field - schema.fields.data());
      if (used.insert(at).second) {
        pairs.emplace_back(at, i);
      }
    }
    ++i;
  }
  return pairs;
}

Result<const iceberg::Schema*> schema_at(const LoadedTable& table, std::int64_t snapshot_id) {
  const iceberg::TableMetadata& metadata = *table.metadata;
  for (const iceberg::SnapshotPtr& snapshot : metadata.snapshots) {
    if (snapshot->snapshot_id != snapshot_id) {
      continue;
    }
    const iceberg::Schema* schema =
        metadata.schema_by_id(snapshot->schema_id.value_or(metadata.current_schema_id));
    return schema == nullptr ? metadata.current_schema() : schema;
  }
  return fail(ErrorCode::NotFound, fmt::format("dataset {} has no snapshot {}",
                                               to_string(table.identifier), snapshot_id));
}

}  // namespace

Result<DiffAnswer> SchemaService::diff(const RequestContext& context, const DiffRequest& request) {
  const int given =
      (request.columns ? 1 : 0) + (request.sample ? 1 : 0) + (request.snapshot_id ? 1 : 0);
  if (given != 1) {
    return fail(ErrorCode::InvalidArgument,
                "exactly one of 'columns', 'sample' and 'snapshot_id' must be given");
  }
  LH_ASSIGN_OR_RETURN(const LoadedTable table, load(context, request.dataset));
  const iceberg::TableMetadata& metadata = *table.metadata;
  const iceberg::Schema& schema = *metadata.current_schema();
  DiffAnswer answer;
  answer.dataset = to_string(table.identifier);
  answer.source = request.source.empty() ? source_of_file(request.file_name) : request.source;
  answer.schema_id = metadata.current_schema_id;
  answer.schema_fingerprint = catalog::schema_fingerprint(schema);
  std::vector<DiffColumn> mine = columns_of(schema, true);
  if (request.snapshot_id) {
    LH_ASSIGN_OR_RETURN(const iceberg::Schema* then, schema_at(table, *request.snapshot_id));
    const std::vector<DiffColumn> old = columns_of(*then, true);
    Pairs pairs;
    for (std::size_t i = 0; i < old.size(); ++i) {
      for (std::size_t j = 0; j < mine.size(); ++j) {
        if (old[i].field_id == mine[j].field_id && old[i].name == mine[j].name) {
          pairs.emplace_back(i, j);
        }
      }
    }
    answer.other_fingerprint = catalog::schema_fingerprint(*then);
    answer.diff = catalog::diff_schemas(old, mine, pairs, metadata.format_version);
    return answer;
  }
  LH_ASSIGN_OR_RETURN(Other other, other_side(context, request, metadata.format_version));
  answer.other_fingerprint = other.fingerprint;
  LH_ASSIGN_OR_RETURN(const std::vector<SchemaRule> rules,
                      rules_.rules_for(context, metadata.table_uuid, answer.source));
  const Pairs pairs = known_pairs(schema, rules, &other.columns, &other.headers);
  std::vector<DiffColumn*> alone;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (std::ranges::find(pairs, i, &Pairs::value_type::first) == pairs.end()) {
      alone.push_back(&mine[i]);
    }
  }
  if (!alone.empty() && metadata.current_snapshot() != nullptr) {
    LH_RETURN_IF_ERROR(sketch_table(context, table.identifier, alone));
  }
  answer.diff = catalog::diff_schemas(mine, other.columns, pairs, metadata.format_version);
  answer.rules = catalog::propose_rules(answer.diff, mine, other.columns);
  for (const MigrationRule& rule : answer.rules) {
    answer.sql.push_back(
        catalog::rule_sql(rule, sql_name(table.identifier), metadata.format_version));
  }
  answer.prompt = catalog::prompt_for(answer.diff, mine, other.columns);
  for (std::size_t i = 0; i < other.headers.size(); ++i) {
    answer.headers.emplace_back(other.columns[i].name, other.headers[i]);
  }
  return answer;
}

Result<MigrateAnswer> SchemaService::migrate(
    const RequestContext& context, const MigrateRequest& request,
    const std::function<Status(metastore::Transaction&, const MigrateAnswer&)>& also) {
  if (request.rules.empty() || request.rules.size() > kRulesMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("1 to {} rules must be given", kRulesMax));
  }
  LH_ASSIGN_OR_RETURN(const LoadedTable table, load(context, request.dataset));
  if (request.schema_id && *request.schema_id != table.metadata->current_schema_id) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("dataset {} has schema {} now, and not {}", to_string(table.identifier),
                            table.metadata->current_schema_id, *request.schema_id),
                "Ask for the differences again.");
  }
  Planner planner(*table.metadata, request.source);
  MigrateAnswer answer;
  answer.dataset = to_string(table.identifier);
  answer.source = request.source;
  answer.dry_run = request.dry_run;
  for (const MigrationRule& rule : request.rules) {
    LH_RETURN_IF_ERROR(planner.take(rule));
    answer.sql.push_back(
        catalog::rule_sql(rule, sql_name(table.identifier), table.metadata->format_version));
  }
  Migration migration = planner.finish();
  for (SchemaRule& rule : migration.remembered) {
    rule.principal = context.principal;
    rule.created_at_ms = catalog_.now_ms();
  }
  answer.remembered = std::move(migration.remembered);
  LH_ASSIGN_OR_RETURN(const auto updates, query::plan_alter(*table.metadata, migration.actions));
  LH_ASSIGN_OR_RETURN(const iceberg::TableMetadata planned,
                      iceberg::apply_updates(*table.metadata, updates, catalog_.now_ms()));
  answer.changed = !updates.empty();
  const auto describe = [&answer](const iceberg::TableMetadata& after) {
    answer.schema_id = after.current_schema_id;
    answer.schema_fingerprint = catalog::schema_fingerprint(*after.current_schema());
  };
  describe(planned);
  if (request.dry_run) {
    return answer;
  }
  const std::string& uuid = table.metadata->table_uuid;
  if (updates.empty()) {
    LH_RETURN_IF_ERROR(rules_.remember_all(context, uuid, answer.remembered,
                                           [&](metastore::Transaction& transaction) -> Status {
                                             return also ? also(transaction, answer) : Status();
                                           }));
    return answer;
  }
  LH_RETURN_IF_ERROR(writer_.alter_table(
      context, table.identifier, migration.actions,
      [&](metastore::Transaction& transaction, const std::vector<LoadedTable>& after) -> Status {
        describe(*after.front().metadata);
        for (const SchemaRule& rule : answer.remembered) {
          LH_RETURN_IF_ERROR(catalog::SchemaRules::remember(transaction, uuid, rule));
        }
        return also ? also(transaction, answer) : Status();
      }));
  return answer;
}

Result<std::vector<SchemaRule>> SchemaService::rules(const RequestContext& context,
                                                     const std::string& dataset) {
  LH_ASSIGN_OR_RETURN(const LoadedTable table, load(context, dataset));
  return rules_.list(context, table.metadata->table_uuid);
}

Result<std::int64_t> SchemaService::forget(const RequestContext& context,
                                           const std::string& dataset, const std::string& source) {
  const Result<LoadedTable> table = load(context, dataset);
  if (!table) {
    return table.error().code == ErrorCode::NotFound ? Result<std::int64_t>(0)
                                                     : std::unexpected(table.error());
  }
  return rules_.forget(context, table->metadata->table_uuid, source);
}

}  // namespace lakehouse::ingest
