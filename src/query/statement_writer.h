#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "query/row_changes.h"
#include "query/sql_request.h"
#include "query/statement_plan.h"
#include "query/table_writer.h"
#include "query/write_transaction.h"

namespace lakehouse::query {

/// What a statement that writes came to.
struct WriteAnswer {
  std::unique_ptr<engine::ResultStream> stream;
  /// What it made: dataset and snapshot.
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;
};

/// What a statement that writes rows would do.
struct ExplainedWrite {
  std::string plan;    ///< The engine's, of the SELECT that finds the rows.
  std::string effect;  ///< What would be written, in words.
};

/// Runs the statements that are no SELECT. A SELECT in them is planned as any other and handed to
/// the TableWriter. With an Idempotency-Key the receipt is put down in the transaction of the
/// commit, and a repetition is answered from it. Thread-safe; calls block.
///
/// Statements that change rows take turns at a table. Their commit holds only if what they have
/// read is still so; else they run again, a bounded number of times: at last without letting other
/// writers of this server commit to these tables meanwhile.
class StatementWriter {
 public:
  StatementWriter(catalog::Catalog& catalog, engine::Engine& engine, Planner& planner,
                  TableSource& source, TableWriter& writer)
      : catalog_(catalog),
        engine_(engine),
        planner_(planner),
        writer_(writer),
        changes_(engine, planner, source, catalog.buckets(), writer.manifests(),
                 {.file_size_bytes_target = writer.options().file_size_bytes_target,
                  .row_group_rows = writer.options().row_group_rows}) {}

  /// The answer is one row: {Count} of an INSERT, UPDATE, DELETE, MERGE or CREATE TABLE AS,
  /// {Success} of other DDL; or the rows of RETURNING. Of a transaction it is its last statement's.
  Result<WriteAnswer> run(const RequestContext& context,
                          const std::shared_ptr<const ParsedStatement>& parsed,
                          const SqlRequest& request);
  /// Of INSERT, UPDATE, DELETE or MERGE. Refuses what `run` would, as far as that shows without the
  /// rows, and writes nothing. Of a table that the caller may see a part of only neither rows nor
  /// numbers are told.
  Result<ExplainedWrite> explain(const RequestContext& context,
                                 const std::shared_ptr<const ParsedStatement>& parsed,
                                 const SqlRequest& request);

 private:
  using Statements = std::vector<std::shared_ptr<const ParsedStatement>>;
  /// Rows that a receipt keeps.
  struct KeptRows {
    std::vector<engine::Column> columns;
    std::string bytes;
    engine::Encoding encoding = engine::Encoding::Json;
    std::uint64_t row_count = 0;
  };
  struct Outcome {
    std::string column = {};
    boost::json::value value = {};
    std::vector<std::pair<std::string, std::int64_t>> snapshot_ids = {};
    /// The answer, if it is more than one value. Kept rows are what it is made from.
    std::unique_ptr<engine::ResultStream> stream = {};
    std::optional<KeptRows> kept = {};
  };

  Result<Outcome> write(const RequestContext& context,
                        const std::shared_ptr<const ParsedStatement>& parsed,
                        const SqlRequest& request);
  Result<Outcome> write_once(const RequestContext& context,
                             const std::shared_ptr<const ParsedStatement>& parsed,
                             const SqlRequest& request);
  Result<Outcome> insert(const RequestContext& context, const InsertStatement& statement,
                         const std::shared_ptr<const ParsedStatement>& parsed,
                         const SqlRequest& request);
  Result<Outcome> create_table(const RequestContext& context, const CreateTableStatement& statement,
                               const std::shared_ptr<const ParsedStatement>& parsed,
                               const SqlRequest& request);
  Result<Outcome> alter_table(const RequestContext& context, const AlterTableStatement& statement,
                              const SqlRequest& request);
  /// Views and macros.
  Result<Outcome> define(const RequestContext& context,
                         const std::shared_ptr<const ParsedStatement>& parsed,
                         const SqlRequest& request);
  Result<Outcome> other_ddl(const RequestContext& context, const SqlStatement& statement);
  Result<Outcome> append(const RequestContext& context, AppendRequest append,
                         const SqlRequest& request);
  Result<Outcome> run_transaction(const RequestContext& context,
                                  const TransactionStatement& statement, const SqlRequest& request);
  /// All of them in one commit, or none.
  Result<Outcome> change_rows(const RequestContext& context, const Statements& statements,
                              bool commits, const SqlRequest& request);
  Result<Outcome> try_changes(const RequestContext& context, const Statements& statements,
                              bool commits, const SqlRequest& request, TableStates* read);
  Result<Outcome> run_in(const RequestContext& context,
                         const std::shared_ptr<WriteTransaction>& transaction,
                         const std::shared_ptr<const ParsedStatement>& parsed,
                         const SqlRequest& request, bool is_last);
  Result<Outcome> select_in(const RequestContext& context,
                            const std::shared_ptr<WriteTransaction>& transaction,
                            const std::shared_ptr<const ParsedStatement>& parsed,
                            const SqlRequest& request, bool is_last);
  static Status check_as_of(const SqlRequest& request);
  Result<catalog::TableIdentifier> target_of(const RequestContext& context,
                                             const ParsedStatement& parsed);
  Result<std::vector<std::unique_lock<std::timed_mutex>>> take_turn(const RequestContext& context,
                                                                    const Statements& statements);
  Result<std::vector<std::unique_lock<std::timed_mutex>>> hold_others(const RequestContext& context,
                                                                      const TableStates& tables);
  Status answer_with(const RequestContext& context, engine::Statement select,
                     std::shared_ptr<void> held, const SqlRequest& request, Outcome* outcome);
  static catalog::Receipt receipt_of(const RequestContext& context, const SqlRequest& request,
                                     const Outcome& outcome, std::int64_t now_ms);
  Result<std::optional<Outcome>> repeated(const RequestContext& context, const SqlRequest& request);
  Status keep_receipt(const RequestContext& context, const SqlRequest& request,
                      const Outcome& outcome);
  Result<std::vector<std::string>> canonical_types(const RequestContext& context,
                                                   const std::vector<std::string>& types);
  Result<std::unique_ptr<engine::ResultStream>> stream_of(const RequestContext& context,
                                                          Outcome& outcome,
                                                          engine::Encoding encoding);

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  Planner& planner_;
  TableWriter& writer_;
  RowChanges changes_;
  std::array<std::timed_mutex, 256> turns_;  ///< By the hash of the table's name.
};

}  // namespace lakehouse::query
