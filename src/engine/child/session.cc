#include "engine/child/session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/child/cast_guard.h"
#include "engine/child/database.h"
#include "engine/child/file_lists.h"
#include "engine/child/values.h"

namespace lakehouse::engine {
namespace {

constexpr std::string_view kTreeMark = "{}";

/// A variable, or what goes by a name without being one.
Status put(const Connection& connection, RowMasks::Scope& masks, const Variable& variable) {
  if (const boost::json::object* held = variable.value.if_object()) {
    const boost::json::value* bitmaps = held->if_contains("row_mask");
    if (bitmaps != nullptr && bitmaps->is_array()) {
      return masks.put(variable.name, bitmaps->get_array());
    }
    const boost::json::value* paths = held->if_contains("files");
    if (paths != nullptr && paths->is_string()) {
      put_file_list(connection.get(), variable.name, paths->get_string());
      return {};
    }
    if (held->contains("guards_casts")) {
      guard_casts(connection.get());
      return {};
    }
  }
  return set_variable(connection, variable);
}

Result<ResultShape> shape_of(QueryResult& result) {
  ResultShape shape;
  for (idx_t i = 0; i < duckdb_column_count(result.out()); ++i) {
    const LogicalType type(duckdb_column_logical_type(result.out(), i));
    shape.types.push_back(describe_type(type.get()));
    shape.columns.push_back(
        {.name = duckdb_column_name(result.out(), i), .type = shape.types.back().name});
    if (shape.types.back().id == DUCKDB_TYPE_VARIANT) {
      return fail(ErrorCode::Unimplemented,
                  fmt::format("column '{}' is of type VARIANT, which no answer can hold",
                              shape.columns.back().name),
                  "Cast it: column::JSON.");
    }
  }
  return shape;
}

// Runs the prepared statement up to its first row.
Status start(const Prepared& prepared, QueryResult& result) {
  Pending pending;
  if (duckdb_pending_prepared_streaming(prepared.get(), pending.out()) == DuckDBError) {
    const char* message = duckdb_pending_error(pending.get());
    return std::unexpected(error_from_duckdb(message == nullptr ? "" : message));
  }
  if (duckdb_execute_pending(pending.get(), result.out()) == DuckDBError) {
    const char* message = duckdb_result_error(result.out());
    return std::unexpected(error_from_duckdb(message == nullptr ? "" : message));
  }
  return {};
}

// Statements beside the one asked for: their positions mean nothing to the caller.
Status run_all(const Connection& connection, const std::vector<std::string>& statements) {
  for (const std::string& sql : statements) {
    if (Status done = run_sql(connection, sql); !done) {
      return std::unexpected(locate_error(std::move(done).error(), {}, "null"));
    }
  }
  return {};
}

// The next chunk with rows, an empty one at the end.
Result<DataChunk> fetch(QueryResult& result) {
  while (true) {
    DataChunk chunk(duckdb_fetch_chunk(result.get()));
    if (chunk.get() == nullptr) {
      const char* message = duckdb_result_error(result.out());
      if (message != nullptr && *message != '\0') {
        return std::unexpected(error_from_duckdb(message));
      }
      return chunk;
    }
    if (duckdb_data_chunk_get_size(chunk.get()) > 0) {
      return chunk;
    }
  }
}

std::vector<Column> columns_of(const Prepared& prepared) {
  std::vector<Column> columns;
  for (idx_t i = 0; i < duckdb_prepared_statement_column_count(prepared.get()); ++i) {
    const LogicalType type(duckdb_prepared_statement_column_logical_type(prepared.get(), i));
    char* name = const_cast<char*>(duckdb_prepared_statement_column_name(prepared.get(), i));
    columns.push_back({.name = take_string(name), .type = describe_type(type.get()).name});
  }
  return columns;
}

// A statement with parameters knows its columns only once they are bound, and the C API does not
// tell them before it runs: DESCRIBE does.
Result<std::vector<Column>> columns_with_parameters(const Connection& connection,
                                                    const std::string& sql,
                                                    const boost::json::value& parameters) {
  LH_ASSIGN_OR_RETURN(const Prepared prepared, prepare_sql(connection, "DESCRIBE " + sql));
  LH_RETURN_IF_ERROR(bind_parameters(prepared, parameters));
  QueryResult result;
  LH_RETURN_IF_ERROR(start(prepared, result));
  std::vector<Column> columns;
  while (true) {
    LH_ASSIGN_OR_RETURN(const DataChunk chunk, fetch(result));
    if (chunk.get() == nullptr) {
      return columns;
    }
    const auto cells = [&](idx_t column) {
      return static_cast<const duckdb_string_t*>(
          duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk.get(), column)));
    };
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk.get()); ++row) {
      columns.push_back(
          {.name = std::string(view(cells(0)[row])), .type = std::string(view(cells(1)[row]))});
    }
  }
}

// DuckDB 1.5.5 fails to plan some statements with a LIMIT in a subquery: it wants to read most
// columns of a Parquet file late, for the rows of the LIMIT alone, and forgets that a filter below
// hands on none of the columns that tell the rows apart. Such a statement is planned without.
constexpr const char* kReadsNothingLate = "SET SESSION late_materialization_max_rows = 0";

bool has_lost_its_rows(const Error& error) {
  return error.code == ErrorCode::Internal &&
         error.message.contains("Failed to bind column reference");
}

// `attempt` plans a statement.
template <class Attempt>
auto planned(const Connection& connection, const Attempt& attempt) -> decltype(attempt()) {
  auto done = attempt();
  if (!done && has_lost_its_rows(done.error())) {
    LH_RETURN_IF_ERROR(run_sql(connection, kReadsNothingLate));
    return attempt();
  }
  return done;
}

// What has a number is watched; for the many small statements it would cost more than it tells.
constexpr std::array kObserved{
    "SET enable_progress_bar = true", "SET enable_progress_bar_print = false",
    "SET enable_profiling = 'no_output'",
    R"(SET custom_profiling_settings = '{"SYSTEM_PEAK_BUFFER_MEMORY": "true",
                                         "SYSTEM_PEAK_TEMP_DIR_SIZE": "true"}')"};

// Valid once the result has gone.
std::uint64_t measured(const Connection& connection, const char* metric) {
  duckdb_profiling_info info = duckdb_get_profiling_info(connection.get());
  duckdb_value value = info == nullptr ? nullptr : duckdb_profiling_info_get_value(info, metric);
  if (value == nullptr) {
    return 0;
  }
  char* text = duckdb_get_varchar(value);
  duckdb_destroy_value(&value);
  const std::string digits = take_string(text);
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

Error for_interrupt(ErrorCode reason) {
  return Error{.code = reason,
               .message = reason == ErrorCode::Cancelled
                              ? "the statement was cancelled"
                              : "the statement did not end before its deadline",
               .hint = reason == ErrorCode::Cancelled
                           ? ""
                           : "Give the request more time (timeout_ms), or ask for less.",
               .position_bytes = std::nullopt,
               .details_json = {}};
}

// After a fatal error DuckDB refuses everything: a fresh process is the way out.
bool is_fatal(const Error& error) {
  return error.code == ErrorCode::Internal &&
         error.message.contains("database has been invalidated");
}

}  // namespace

void Session::run() {
  while (true) {
    // A connection for the next request is made while nobody waits for it.
    if (!spare_) {
      if (auto connection = open_connection(database_)) {
        spare_ = *std::move(connection);
      }
    }
    const auto frame = reader_.read(Deadline::max());
    if (!frame || frame->type != FrameType::Request) {
      return;
    }
    Status answered;
    try {
      const auto request = decode_request(frame->payload);
      answered = request ? answer(*request) : Status(std::unexpected(request.error()));
    } catch (const std::bad_alloc&) {
      answered = fail(ErrorCode::ResourceExhausted, "the query engine is out of memory");
    } catch (const std::exception& thrown) {
      answered = fail(ErrorCode::Internal, fmt::format("the query engine: {}", thrown.what()));
    }
    if (!answered && (writer_.broken() || !send_error(answered.error()))) {
      return;
    }
    if (!answered && is_fatal(answered.error())) {
      fmt::print(stderr, "engine: DuckDB has failed for good: {}\n", answered.error().message);
      ::_exit(70);
    }
  }
}

Status Session::send_error(const Error& error) {
  // A reader that does not read has its own deadline; ours is not to hang here for ever.
  const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  return writer_.send(FrameType::Error, encode_error(error), soon);
}

Status Session::answer(const Request& request) {
  deadline_ =
      request.time_left ? std::chrono::steady_clock::now() + *request.time_left : Deadline::max();
  if (request.operation == Operation::Parse) {
    return answer_parse(request);
  }
  if (request.operation == Operation::Progress) {
    return writer_.send(FrameType::Answer, encode_progress(watcher_.progress()), deadline_);
  }
  LH_ASSIGN_OR_RETURN(const Connection connection, take_connection());
  if (request.id != 0) {
    for (const char* setting : kObserved) {
      LH_RETURN_IF_ERROR(run_sql(connection, setting));
    }
  }
  const Watcher::Guard guard = watcher_.watch(fd_.get(), connection.get(), deadline_, request.id);
  Status done = run_statement(connection, request, guard);
  if (!done && done.error().code == ErrorCode::Cancelled) {
    if (const auto reason = guard.reason()) {
      return std::unexpected(for_interrupt(*reason));
    }
  }
  return done;
}

Result<SqlTree*> Session::tree() {
  if (!tree_) {
    LH_ASSIGN_OR_RETURN(tree_, SqlTree::open(database_));
  }
  return &*tree_;
}

Result<Connection> Session::take_connection() {
  if (spare_) {
    Connection connection = *std::move(spare_);
    spare_.reset();
    return connection;
  }
  return open_connection(database_);
}

Status Session::answer_parse(const Request& request) {
  LH_ASSIGN_OR_RETURN(SqlTree * trees, tree());
  LH_ASSIGN_OR_RETURN(const auto statements, trees->parse(request.sql));
  return writer_.send(FrameType::Answer, encode_parsed(statements), deadline_);
}

Result<Session::Ready> Session::prepare(const Connection& connection, const Statement& statement) {
  Ready ready{.sql = statement.text, .prepared = {}};
  if (statement.is_tree) {
    LH_ASSIGN_OR_RETURN(SqlTree * trees, tree());
    LH_ASSIGN_OR_RETURN(ready.sql, trees->to_sql(statement.text));
  }
  if (!statement.around_tree.empty()) {
    const auto mark = statement.around_tree.find(kTreeMark);
    if (mark == std::string::npos) {
      return fail(ErrorCode::Internal, "a statement around a tree has no place for it");
    }
    ready.sql = std::string(statement.around_tree).replace(mark, kTreeMark.size(), ready.sql);
  }
  LH_ASSIGN_OR_RETURN(ready.prepared, prepare_sql(connection, ready.sql));
  return ready;
}

Status Session::run_statement(const Connection& connection, const Request& request,
                              const Watcher::Guard& guard) {
  const Statement& statement = request.statement;
  RowMasks::Scope masks(masks_, connection);
  for (const Variable& variable : statement.variables) {
    LH_RETURN_IF_ERROR(put(connection, masks, variable));
  }
  LH_RETURN_IF_ERROR(run_all(connection, statement.before));
  return request.operation == Operation::Describe ? answer_describe(connection, statement)
                                                  : answer_execute(connection, request, guard);
}

Status Session::answer_describe(const Connection& connection, const Statement& statement) {
  const std::string_view tree_text = statement.is_tree ? statement.text : std::string_view{};
  const auto ready = planned(connection, [&] { return prepare(connection, statement); });
  if (!ready) {
    return std::unexpected(locate_error(ready.error(), {}, tree_text));
  }
  std::vector<Column> columns;
  if (duckdb_nparams(ready->prepared.get()) > 0 && !statement.parameters.is_null()) {
    auto bound = columns_with_parameters(connection, ready->sql, statement.parameters);
    if (!bound) {
      return std::unexpected(locate_error(std::move(bound).error(), {}, tree_text));
    }
    columns = *std::move(bound);
  } else {
    columns = columns_of(ready->prepared);
  }
  return writer_.send(FrameType::Answer, encode_columns(columns), deadline_);
}

Status Session::run_in_vain(const Connection& connection, const Statement& statement) {
  LH_ASSIGN_OR_RETURN(const Ready ready, prepare(connection, statement));
  if (duckdb_prepared_statement_type(ready.prepared.get()) != DUCKDB_STATEMENT_TYPE_SELECT) {
    return {};
  }
  LH_RETURN_IF_ERROR(bind_parameters(ready.prepared, statement.parameters));
  QueryResult result;
  LH_RETURN_IF_ERROR(start(ready.prepared, result));
  while (true) {
    LH_ASSIGN_OR_RETURN(const DataChunk chunk, fetch(result));
    if (chunk.get() == nullptr) {
      return {};
    }
  }
}

// Where a thread of a statement fails, DuckDB 1.5.5 interrupts the others just before it puts down
// why. Who asks in between is told of an interrupt, and never of the error.
Error Session::true_error(const Connection& connection, const Statement& statement, Error error,
                          const Watcher::Guard& guard) {
  const auto is_lost = [&] {
    return error.code == ErrorCode::Cancelled && !guard.reason() && !writer_.broken();
  };
  for (int tries = 0; tries < 3 && is_lost(); ++tries) {
    Status again = run_in_vain(connection, statement);
    if (again) {
      break;
    }
    error = std::move(again).error();
  }
  if (is_lost()) {
    error = Error{.code = ErrorCode::Unavailable,
                  .message = "the statement failed, and the query engine has lost why",
                  .hint = "Run it again.",
                  .position_bytes = std::nullopt,
                  .details_json = {}};
  }
  return error;
}

Status Session::answer_execute(const Connection& connection, const Request& request,
                               const Watcher::Guard& guard) {
  const Statement& statement = request.statement;
  const std::string_view tree_text = statement.is_tree ? statement.text : std::string_view{};
  std::string sql = statement.text;
  const auto begin = [&](QueryResult& result) -> Result<DataChunk> {
    LH_ASSIGN_OR_RETURN(Ready ready, prepare(connection, statement));
    sql = std::move(ready.sql);
    LH_RETURN_IF_ERROR(bind_parameters(ready.prepared, statement.parameters));
    LH_RETURN_IF_ERROR(start(ready.prepared, result));
    return fetch(result);
  };
  QueryResult result;
  auto first = planned(connection, [&] {
    result = QueryResult();
    return begin(result);
  });
  const auto failed = [&](Error error) {
    result = QueryResult();  // A connection runs one statement at a time.
    error = true_error(connection, statement, std::move(error), guard);
    return std::unexpected(locate_error(std::move(error), sql, tree_text));
  };
  if (!first) {
    return failed(std::move(first).error());
  }
  LH_ASSIGN_OR_RETURN(const ResultShape shape, shape_of(result));
  auto end = stream(result, *std::move(first), shape, statement);
  if (!end) {
    return failed(std::move(end).error());
  }
  if (request.id != 0 || !statement.after.empty()) {
    // A connection runs one statement at a time, and a stream is one until it is destroyed.
    result = QueryResult();
  }
  if (request.id != 0) {
    end->memory_peak_bytes = measured(connection, "SYSTEM_PEAK_BUFFER_MEMORY");
    end->spill_peak_bytes = measured(connection, "SYSTEM_PEAK_TEMP_DIR_SIZE");
  }
  if (!statement.after.empty()) {
    LH_RETURN_IF_ERROR(run_all(connection, statement.after));
  }
  return writer_.send(FrameType::End, encode_end(*end), deadline_);
}

Result<ResultEnd> Session::stream(QueryResult& result, DataChunk first, const ResultShape& shape,
                                  const Statement& statement) {
  DataSink sink(writer_, deadline_);
  std::unique_ptr<Encoder> encoder;
  if (statement.encoding == Encoding::ArrowStream) {
    LH_ASSIGN_OR_RETURN(encoder, make_arrow_encoder(result, shape, sink));
  } else if (statement.encoding == Encoding::Raw) {
    LH_ASSIGN_OR_RETURN(encoder, make_raw_encoder(shape, sink));
  } else {
    encoder = make_text_encoder(statement.encoding, shape, sink);
  }
  LH_RETURN_IF_ERROR(writer_.send(FrameType::Schema, encode_columns(shape.columns), deadline_));
  LH_RETURN_IF_ERROR(encoder->begin());
  const std::uint64_t rows_max = statement.rows_max.value_or(UINT64_MAX);
  ResultEnd end;
  DataChunk chunk = std::move(first);
  while (chunk.get() != nullptr) {
    const std::uint64_t size = duckdb_data_chunk_get_size(chunk.get());
    const std::uint64_t kept = std::min(size, rows_max - end.row_count);
    if (kept > 0) {
      LH_RETURN_IF_ERROR(encoder->append(chunk, kept));
      end.row_count += kept;
    }
    // Even a full answer fetches on, to know whether anything was cut.
    end.truncated = kept < size;
    if (end.truncated) {
      break;
    }
    LH_ASSIGN_OR_RETURN(chunk, fetch(result));
  }
  LH_RETURN_IF_ERROR(encoder->finish());
  return end;
}

}  // namespace lakehouse::engine
