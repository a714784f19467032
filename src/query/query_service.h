#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "engine/statement_monitor.h"
#include "query/cluster.h"
#include "query/log_text.h"
#include "query/plan_cache.h"
#include "query/query_log.h"
#include "query/result_cache.h"
#include "query/sql_request.h"
#include "query/statement_plan.h"
#include "query/statement_writer.h"
#include "query/table_source.h"
#include "query/table_writer.h"

namespace lakehouse::query {

/// A statement that runs. Destroying the stream before its end cancels it.
struct QueryAnswer {
  std::string query_id;
  /// The request's, with the statement's deadline and with a stop token that `cancel` fires, too.
  RequestContext context;
  std::unique_ptr<engine::ResultStream> stream;
  /// What was read, and after a write what it made: dataset and snapshot.
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;
  std::chrono::steady_clock::time_point started;
  /// Names the answer's content: the same tag, the same rows. Empty where there is none.
  std::string tag;
  bool is_cached = false;             ///< The rows are from an earlier run.
  bool is_unchanged = false;          ///< The caller knows the tag: there is no stream.
  std::string_view engine = "local";  ///< Where it runs: or "trino".
};

/// A statement that runs now.
struct RunningQuery {
  std::string id;
  std::string sql;  ///< As much as may be kept of it: all of it, or as log_text() says.
  std::string principal;
  std::chrono::system_clock::time_point started;
  std::string state;  ///< "planning", "waiting", "running", "writing", "streaming".
  engine::StatementMonitor::View engine = {};  ///< How it fares there.
};

/// What a caller sees of what stands behind a FROM.
struct SeenPart {
  bool is_whole = true;  ///< No policy keeps anything from them; then there is no more to say.
  std::vector<engine::Column> columns = {};
  /// Another one where the rows may be others: by their table's snapshot, the policy, and what that
  /// reads. Empty if there is none: they may differ each time.
  std::string digest = {};
};

/// Runs SQL: the one way from a statement to rows or to a commit, for every door.
///
/// SELECTs are parsed by the engine, walked by allow-lists, and every table in them replaced by a
/// scan of one snapshot; all tables of a statement are read at one moment. INSERT and CREATE TABLE
/// AS do that for their source and hand it to the TableWriter, as DDL is. Thread-safe; calls block.
class QueryService {
 public:
  struct Options {
    std::chrono::milliseconds timeout{300'000};
    std::uint64_t row_limit = 0;  ///< 0: none.
    std::size_t sql_bytes_max = std::size_t{1} << 20U;
    std::size_t parsed_max = 512;  ///< Statements whose trees are kept.
    /// Of their texts; a tree takes some thirty times as much.
    std::size_t parsed_bytes_max = std::size_t{1} << 20U;
    std::size_t plan_bytes_max = std::size_t{64} << 20U;    ///< Of plans that are kept.
    std::size_t result_bytes_max = std::size_t{64} << 20U;  ///< Of answers that are; 0: none.
    Planner::Options planner;
    Cluster* cluster = nullptr;  ///< Where big SELECTs go; null: there is none.
    QueryLog* log = nullptr;     ///< Null: none is kept.
    LogText log_text = LogText::Full;
  };

  QueryService(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source,
               TableWriter& writer, Options options);
  ~QueryService();
  QueryService(const QueryService&) = delete;
  QueryService& operator=(const QueryService&) = delete;

  /// The rows, or one row: {Count} of an INSERT or CREATE TABLE AS, {Success} of other DDL.
  /// InvalidArgument, with the position where there is one, for a statement that cannot run;
  /// NotFound, with the nearest names, for an unknown table.
  Result<QueryAnswer> run(const RequestContext& context, const SqlRequest& request);

  /// The engine's plan of a SELECT, as text; of a statement that writes rows also what it would do.
  /// Nothing is written.
  Result<std::string> explain(const RequestContext& context, const SqlRequest& request);

  /// Reads nothing. PermissionDenied for who may see nothing of it, and as `run`.
  Result<SeenPart> seen_part(const RequestContext& context, const std::string& source);

  [[nodiscard]] ResultCacheStats result_cache_stats() const { return results_.stats(); }

  [[nodiscard]] std::vector<RunningQuery> running() const;
  /// False if no such query runs (any more).
  bool cancel(std::string_view query_id);

 private:
  struct Active;
  class Tracked;
  Result<std::shared_ptr<const ParsedStatement>> parse(const RequestContext& context,
                                                       const std::string& sql);
  void keep(const std::string& sql, const std::shared_ptr<const ParsedStatement>& parsed);
  Result<QueryAnswer> run_active(const std::shared_ptr<Active>& active, SqlRequest& request);
  /// A SELECT's plan: a kept one if it still holds.
  Result<std::shared_ptr<const KeptPlan>> plan_select(
      const RequestContext& context, const std::shared_ptr<const ParsedStatement>& parsed,
      const SqlRequest& request, bool may_be_held);
  void prepare(engine::Statement& statement, const SqlRequest& request) const;
  Result<std::unique_ptr<engine::ResultStream>> run_explain(
      const std::shared_ptr<Active>& active, const std::shared_ptr<const ParsedStatement>& parsed,
      const SqlRequest& request, QueryAnswer& answer);
  Status run_select(const RequestContext& context,
                    const std::shared_ptr<const ParsedStatement>& parsed, const SqlRequest& request,
                    QueryAnswer& answer);
  Result<std::unique_ptr<engine::ResultStream>> execute(const RequestContext& context,
                                                        StatementPlan plan,
                                                        const SqlRequest& request,
                                                        std::string_view around);
  std::shared_ptr<Active> begin(const RequestContext& context, const SqlRequest& request);
  /// Puts down what may be kept of the text, now that so much is known of it.
  void note_text(const std::shared_ptr<Active>& active, std::string_view sql, LogStage stage);

  engine::Engine& engine_;
  Planner planner_;
  StatementWriter writer_;
  Options options_;
  PlanCache plans_;
  ResultCache results_;

  using ParsedEntry = std::pair<std::string, std::shared_ptr<const ParsedStatement>>;
  std::mutex parsed_mutex_;
  std::list<ParsedEntry> parsed_;  ///< The last used first.
  std::size_t parsed_bytes_ = 0;
  std::unordered_map<std::string_view, std::list<ParsedEntry>::iterator> parsed_by_text_;

  /// Shared with the streams that are out: one may end after the service's caller forgot it.
  struct Registry;
  std::shared_ptr<Registry> registry_;
};

}  // namespace lakehouse::query
