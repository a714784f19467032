#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "query/sql_request.h"
#include "query/statement_plan.h"
#include "query/table_writer.h"

namespace lakehouse::query {

/// What a statement that writes came to.
struct WriteAnswer {
  std::unique_ptr<engine::ResultStream> stream;
  /// What it made: dataset and snapshot.
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;
};

/// Runs the statements that are no SELECT. A SELECT in them is planned as any other and handed to
/// the TableWriter. With an Idempotency-Key the receipt is put down in the transaction of the
/// commit, and a repetition is answered from it. Thread-safe; calls block.
class StatementWriter {
 public:
  StatementWriter(catalog::Catalog& catalog, engine::Engine& engine, Planner& planner,
                  TableWriter& writer)
      : catalog_(catalog), engine_(engine), planner_(planner), writer_(writer) {}

  /// The answer is one row: {Count} of an INSERT or CREATE TABLE AS, {Success} of other DDL.
  Result<WriteAnswer> run(const RequestContext& context,
                          const std::shared_ptr<const ParsedStatement>& parsed,
                          const SqlRequest& request);

 private:
  struct Outcome {
    std::string column;
    boost::json::value value;
    std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;
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
  Result<Outcome> other_ddl(const RequestContext& context, const SqlStatement& statement);
  Result<Outcome> append(const RequestContext& context, AppendRequest append,
                         const SqlRequest& request);
  Result<std::optional<Outcome>> repeated(const RequestContext& context, const SqlRequest& request);
  Status keep_receipt(const RequestContext& context, const SqlRequest& request,
                      const Outcome& outcome);
  Result<std::vector<std::string>> canonical_types(const RequestContext& context,
                                                   const std::vector<std::string>& types);
  Result<std::unique_ptr<engine::ResultStream>> stream_of(const RequestContext& context,
                                                          const Outcome& outcome,
                                                          engine::Encoding encoding);

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  Planner& planner_;
  TableWriter& writer_;
};

}  // namespace lakehouse::query
