#include <algorithm>
#include <chrono>
#include <functional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "query/change_plan.h"
#include "query/constant_stream.h"
#include "query/error_position.h"
#include "query/rewrite.h"
#include "query/statement_writer.h"

// The part of StatementWriter that changes rows: statements run in a WriteTransaction, one or
// several, which is committed once.

namespace lakehouse::query {
namespace {

namespace json = boost::json;

constexpr int kTriesMax = 20;
/// After as many lost races the tables are held while the statements run.
constexpr int kFreeTries = 2;
/// Of rows that a receipt keeps.
constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20U;

const NamePath* changed_table(const SqlStatement& statement) {
  if (const auto* change = std::get_if<ChangeStatement>(&statement)) {
    return &change->table;
  }
  const auto* insert = std::get_if<InsertStatement>(&statement);
  return insert == nullptr ? nullptr : &insert->table;
}

void back_off(int tries) {
  thread_local std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<int> pause_ms(1, 5 * std::min(tries, 20));
  std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms(random)));
}

/// Locks in one order, so that two who want the same ones do not wait for each other.
template <class Mutexes>
Result<std::vector<std::unique_lock<std::timed_mutex>>> lock_all(const RequestContext& context,
                                                                 const std::set<std::size_t>& which,
                                                                 Mutexes& mutexes) {
  std::vector<std::unique_lock<std::timed_mutex>> locks;
  for (const std::size_t index : which) {
    auto& lock = locks.emplace_back(mutexes[index], std::defer_lock);
    while (!lock.try_lock_for(std::chrono::milliseconds(50))) {
      LH_RETURN_IF_ERROR(context.check());
    }
  }
  return locks;
}

}  // namespace

Result<catalog::TableIdentifier> StatementWriter::target_of(const RequestContext& context,
                                                            const ParsedStatement& parsed) {
  const NamePath& name = *changed_table(parsed.statement);
  auto table = resolve_table(context, catalog_, name.parts);
  if (!table) {
    return at_position(std::move(table).error(), name.position);
  }
  return table;
}

Status StatementWriter::check_as_of(const SqlRequest& request) {
  return request.as_of ? fail(ErrorCode::InvalidArgument, "as_of is for statements that only read",
                              "AT (TIMESTAMP => ...) behind a table reads it as it was then.")
                       : Status();
}

Result<StatementWriter::Outcome> StatementWriter::run_transaction(
    const RequestContext& context, const TransactionStatement& statement,
    const SqlRequest& request) {
  Statements statements;
  for (const std::string& sql : statement.statements) {
    LH_ASSIGN_OR_RETURN(auto parsed, parse_whole(context, engine_, sql));
    if (changed_table(parsed->statement) == nullptr &&
        !std::holds_alternative<SelectStatement>(parsed->statement)) {
      return at_position(
          Error{.code = ErrorCode::InvalidArgument,
                .message = "a transaction holds SELECT, INSERT, UPDATE, DELETE and MERGE only",
                .hint = "Send the other statements by themselves.",
                .position_bytes = std::nullopt,
                .details_json = {}},
          sql.find_first_not_of(" \t\r\n"));
    }
    statements.push_back(std::move(parsed));
  }
  return change_rows(context, statements, statement.commits, request);
}

Result<std::vector<std::unique_lock<std::timed_mutex>>> StatementWriter::take_turn(
    const RequestContext& context, const Statements& statements) {
  std::set<std::size_t> which;
  for (const auto& parsed : statements) {
    if (changed_table(parsed->statement) != nullptr) {
      LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier table, target_of(context, *parsed));
      which.insert(std::hash<std::string>{}(catalog::to_string(table)) % turns_.size());
    }
  }
  return lock_all(context, which, turns_);
}

Result<std::vector<std::unique_lock<std::timed_mutex>>> StatementWriter::hold_others(
    const RequestContext& context, const TableStates& tables) {
  std::map<std::size_t, std::string> which;
  for (const auto& [identifier, table] : tables) {
    which.emplace(writer_.commit_lock_of(table.metadata->table_uuid), table.metadata->table_uuid);
  }
  std::vector<std::unique_lock<std::timed_mutex>> locks;
  for (const auto& [index, uuid] : which) {
    LH_ASSIGN_OR_RETURN(auto lock, writer_.hold_commits(context, uuid));
    locks.push_back(std::move(lock));
  }
  return locks;
}

Result<StatementWriter::Outcome> StatementWriter::change_rows(const RequestContext& context,
                                                              const Statements& statements,
                                                              bool commits,
                                                              const SqlRequest& request) {
  LH_RETURN_IF_ERROR(check_as_of(request));
  LH_ASSIGN_OR_RETURN(const auto turn, take_turn(context, statements));
  TableStates read;
  for (int tries = 1;; ++tries) {
    LH_RETURN_IF_ERROR(context.check());
    std::vector<std::unique_lock<std::timed_mutex>> held;
    if (tries > kFreeTries) {
      LH_ASSIGN_OR_RETURN(held, hold_others(context, read));
    }
    auto outcome = try_changes(context, statements, commits, request, &read);
    if (outcome || outcome.error().code != ErrorCode::Aborted || tries == kTriesMax) {
      return outcome;
    }
    held.clear();
    back_off(tries);
  }
}

Result<StatementWriter::Outcome> StatementWriter::try_changes(const RequestContext& context,
                                                              const Statements& statements,
                                                              bool commits,
                                                              const SqlRequest& request,
                                                              TableStates* read) {
  auto transaction =
      std::make_shared<WriteTransaction>(catalog_, catalog_.buckets(), writer_.manifests());
  Outcome outcome{.column = "Success", .value = true};
  std::vector<std::pair<std::string, std::int64_t>> snapshots;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const bool is_last = i + 1 == statements.size();
    auto done = run_in(context, transaction, statements[i], request, is_last);
    *read = transaction->states();
    if (!done) {
      find_place(*statements[i], done.error());
      return done;
    }
    std::ranges::move(done->snapshot_ids, std::back_inserter(snapshots));
    outcome = *std::move(done);
  }
  outcome.snapshot_ids = std::move(snapshots);
  if (!commits) {
    outcome.snapshot_ids.clear();
    LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
    return outcome;
  }
  if (!transaction->has_changes()) {
    LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
    return outcome;
  }
  CommitHook also;
  if (!request.idempotency_key.empty()) {
    also = [&](metastore::Transaction& metastore, const std::vector<catalog::LoadedTable>&) {
      return catalog::Catalog::put_receipt(
          metastore, receipt_of(context, request, outcome, catalog_.now_ms()));
    };
  }
  LH_RETURN_IF_ERROR(transaction->commit(context, also));
  return outcome;
}

Result<StatementWriter::Outcome> StatementWriter::run_in(
    const RequestContext& context, const std::shared_ptr<WriteTransaction>& transaction,
    const std::shared_ptr<const ParsedStatement>& parsed, const SqlRequest& request, bool is_last) {
  if (changed_table(parsed->statement) == nullptr) {
    return select_in(context, transaction, parsed, request, is_last);
  }
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier table, target_of(context, *parsed));
  LH_ASSIGN_OR_RETURN(RowsChanged changed,
                      changes_.run(context, *transaction, table, *parsed, request));
  Outcome outcome{.column = "Count", .value = changed.rows};
  if (changed.snapshot_id) {
    outcome.snapshot_ids.emplace_back(catalog::to_string(table), *changed.snapshot_id);
  }
  if (changed.returned && is_last) {
    LH_RETURN_IF_ERROR(answer_with(
        context, std::move(changed.returned->select),
        std::make_shared<StagingFolder>(std::move(changed.returned->folder)), request, &outcome));
  }
  return outcome;
}

Result<StatementWriter::Outcome> StatementWriter::select_in(
    const RequestContext& context, const std::shared_ptr<WriteTransaction>& transaction,
    const std::shared_ptr<const ParsedStatement>& parsed, const SqlRequest& request, bool is_last) {
  PlanRequest wanted;
  wanted.parameters = request.params;
  wanted.states = &transaction->states();
  json::value tree = parsed->tree;
  LH_ASSIGN_OR_RETURN(PlannedSelect planned, planner_.plan(context, tree.as_object(), wanted));
  transaction->note_read(planned.tables);
  Outcome outcome;
  outcome.column = "Success";
  outcome.value = true;
  if (is_last) {
    engine::Statement select;
    select.parameters = take_parameters(request.params, tree);
    select.text = json::serialize(tree);
    select.is_tree = true;
    select.variables = std::move(planned.variables);
    LH_RETURN_IF_ERROR(answer_with(context, std::move(select), transaction, request, &outcome));
  }
  return outcome;
}

/// Before the commit, so that what is wrong with the rows keeps it from happening. For a receipt
/// they are read to their end.
Status StatementWriter::answer_with(const RequestContext& context, engine::Statement select,
                                    std::shared_ptr<void> held, const SqlRequest& request,
                                    Outcome* outcome) {
  select.encoding = request.encoding;
  select.rows_max = request.limit;
  LH_ASSIGN_OR_RETURN(outcome->stream, engine_.execute(context, std::move(select)));
  if (request.idempotency_key.empty()) {
    outcome->stream = holding_stream(std::move(outcome->stream), std::move(held));
    return {};
  }
  KeptRows rows;
  rows.columns = outcome->stream->columns();
  rows.encoding = request.encoding;
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, outcome->stream->next(context));
    if (!bytes) {
      break;
    }
    rows.bytes += *bytes;
    if (rows.bytes.size() > kKeptBytesMax) {
      return fail(ErrorCode::ResourceExhausted,
                  "the rows are more than 1 MiB, too much to be kept for a repetition",
                  "Leave out RETURNING, or the Idempotency-Key.");
    }
  }
  rows.row_count = outcome->stream->end().row_count;
  LH_ASSIGN_OR_RETURN(outcome->stream, bytes_stream(rows.columns, rows.bytes, rows.row_count));
  outcome->kept = std::move(rows);
  return {};
}

}  // namespace lakehouse::query
