#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/schema_diff.h"
#include "catalog/schema_rules.h"
#include "engine/engine.h"
#include "ingest/file_reader.h"
#include "ingest/ingest_service.h"
#include "query/query_service.h"
#include "query/table_writer.h"

namespace lakehouse::ingest {

/// A column as somebody describes it.
struct GivenColumn {
  std::string name = {};
  std::string type = {};  ///< As SQL calls it.
  bool required = false;
  std::vector<std::optional<std::string>> values = {};  ///< Some of its values; may be empty.
};

/// What a dataset is to be compared with: exactly one of columns, a sample and a snapshot.
struct DiffRequest {
  std::string dataset = {};
  std::optional<std::vector<GivenColumn>> columns = {};
  std::optional<std::string> sample = {};  ///< A file, or its beginning: in bytes.
  std::string file_name = {};              ///< Of the sample; may be empty.
  FileReader::Options reader = {};
  std::optional<std::int64_t> snapshot_id =
      {};                   ///< How the dataset was then; the diff leads to now.
  std::string source = {};  ///< Whose rules hold; empty: as the file's name says.
};

struct DiffAnswer {
  std::string dataset = {};
  std::string source = {};
  std::int32_t schema_id = 0;
  std::string schema_fingerprint = {};  ///< The dataset's.
  std::string other_fingerprint = {};
  catalog::SchemaDiff diff =
      {};  ///< Columns of files under the names that they would get in a table.
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< Those names, and the file's.
  std::vector<catalog::MigrationRule> rules = {};                 ///< None against a snapshot.
  std::vector<std::string> sql = {};                              ///< For each rule.
  std::string prompt = {};  ///< For a language model; empty if nothing is unclear.
};

struct MigrateRequest {
  std::string dataset = {};
  std::string source = {};  ///< Whose files it is remembered for; empty: for all.
  std::vector<catalog::MigrationRule> rules = {};
  std::optional<std::int32_t> schema_id =
      {};  ///< FailedPrecondition if the dataset has another now.
  bool dry_run = false;
};

struct MigrateAnswer {
  std::string dataset = {};
  std::string source = {};
  std::int32_t schema_id = 0;
  std::string schema_fingerprint = {};
  bool changed = false;  ///< The table's schema was.
  bool dry_run = false;
  std::vector<std::string> sql = {};
  std::vector<catalog::SchemaRule> remembered = {};
};

/// How the shape of a dataset and of what comes into it drift apart, and how they are brought
/// together. Thread-safe; calls block. What it refers to outlives it.
class SchemaService {
 public:
  /// Of a sample and of a dataset, so many rows are looked at.
  static constexpr std::uint64_t kSampleRowsMax = 2000;
  static constexpr std::size_t kRulesMax = 10'000;

  SchemaService(catalog::Catalog& catalog, engine::Engine& engine, query::QueryService& query,
                query::TableWriter& writer, IngestService& ingest, catalog::SchemaRules& rules)
      : catalog_(catalog),
        engine_(engine),
        query_(query),
        writer_(writer),
        ingest_(ingest),
        rules_(rules) {}

  /// InvalidArgument for a file that cannot be read and for unknown types; NotFound for no such
  /// dataset or snapshot.
  Result<DiffAnswer> diff(const RequestContext& context, const DiffRequest& request);

  /// All rules or none: one schema change, and what is remembered in the same transaction, in which
  /// `also` runs. InvalidArgument for a rule that cannot be applied.
  Result<MigrateAnswer> migrate(
      const RequestContext& context, const MigrateRequest& request,
      const std::function<Status(metastore::Transaction&, const MigrateAnswer&)>& also = {});

  /// By source, kind and header.
  Result<std::vector<catalog::SchemaRule>> rules(const RequestContext& context,
                                                 const std::string& dataset);
  /// How many were forgotten; none if there is no such dataset.
  Result<std::int64_t> forget(const RequestContext& context, const std::string& dataset,
                              const std::string& source);

 private:
  struct Other;

  Result<catalog::LoadedTable> load(const RequestContext& context, const std::string& dataset);
  Result<Other> other_side(const RequestContext& context, const DiffRequest& request,
                           int format_version);
  Result<Other> read_sample(const RequestContext& context, const DiffRequest& request,
                            int format_version);
  Status sketch_table(const RequestContext& context, const catalog::TableIdentifier& table,
                      std::vector<catalog::DiffColumn*> columns);

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  query::QueryService& query_;
  query::TableWriter& writer_;
  IngestService& ingest_;
  catalog::SchemaRules& rules_;
};

}  // namespace lakehouse::ingest
