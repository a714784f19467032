#include "metastore/postgres/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "metastore/postgres/text.h"

namespace lakehouse::metastore::postgres {
namespace {

using detail::Mode;
using detail::TransactionState;

// Types by their fixed numbers, as in PostgreSQL's pg_type.dat.
constexpr Oid kBool = 16;
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kFloat4 = 700;
constexpr Oid kFloat8 = 701;
constexpr Oid kNumeric = 1700;
constexpr Oid kInferred = 0;

// Advisory locks: this plus the schema's number.
constexpr std::int64_t kTurnLocks = 0x6C61'6B65'0000'0000;

constexpr int kServerVersionMin = 130'000;
constexpr std::size_t kStatementsMax = 256;
constexpr int kWaitStepMs = 20;                 // How soon a waiter notices that it is stopped.
constexpr std::chrono::seconds kAnswerMax{30};  // Of BEGIN, COMMIT and the like.
constexpr std::chrono::seconds kCancelMax{3};
constexpr std::chrono::seconds kOutcomeMax{3};  // How long a lost commit's outcome is looked for.
constexpr std::chrono::milliseconds kOutcomeStep{50};

constexpr std::string_view kConflict = "40001";
constexpr std::string_view kDeadlock = "40P01";
constexpr std::string_view kLockTimeout = "55P03";
constexpr std::string_view kCancelled = "57014";

bool is_conflict(std::string_view state) {
  return state == kConflict || state == kDeadlock || state == kLockTimeout;
}

ErrorCode code_of(std::string_view state) {
  const std::string_view kind = state.substr(0, 2);
  if (state == "23505") {  // unique_violation
    return ErrorCode::AlreadyExists;
  }
  if (state == "23503") {  // foreign_key_violation
    return ErrorCode::FailedPrecondition;
  }
  if (is_conflict(state)) {
    return ErrorCode::Aborted;
  }
  if (kind == "23" || kind == "22") {
    return ErrorCode::InvalidArgument;
  }
  if (kind == "08" || state.starts_with("57P") || state == kCancelled) {
    return ErrorCode::Unavailable;
  }
  if (kind == "53" || kind == "54") {
    return ErrorCode::ResourceExhausted;
  }
  if (kind == "28" || state == "42501" || kind == "25") {
    return ErrorCode::PermissionDenied;
  }
  return kind == "XX" ? ErrorCode::DataLoss : ErrorCode::Internal;
}

template <class T>
std::optional<T> number_in(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

Value cell(const PGresult* answer, int row, int column) {
  if (PQgetisnull(answer, row, column) != 0) {
    return std::monostate();
  }
  const std::string_view text(PQgetvalue(answer, row, column),
                              static_cast<std::size_t>(PQgetlength(answer, row, column)));
  switch (PQftype(answer, column)) {
    case kBool: return std::int64_t{text == "t" ? 1 : 0};
    case kInt2:
    case kInt4:
    case kInt8:
    case kNumeric:
      if (const auto whole = number_in<std::int64_t>(text)) {
        return *whole;
      }
      [[fallthrough]];
    case kFloat4:
    case kFloat8: return number_in<double>(text).value_or(0);
    default: return decode_text(text);
  }
}

Oid type_of(const Value& value) {
  if (std::holds_alternative<std::int64_t>(value)) {
    return kInt8;
  }
  if (std::holds_alternative<double>(value)) {
    return kFloat8;
  }
  return std::holds_alternative<std::string>(value) ? kText : kInferred;
}

std::string text_of(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return std::to_string(*number);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return fmt::format("{}", *real);
  }
  const auto* words = std::get_if<std::string>(&value);
  return words == nullptr ? std::string() : encode_text(*words);
}

std::string one_line(std::string_view message) {
  std::string line(message.substr(0, message.find_last_not_of(" \n") + 1));
  std::ranges::replace(line, '\n', ' ');
  return line;
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::string& url, Mode mode) {
  // What the URL says wins over what stands before it.
  const std::array keywords{"fallback_application_name", "connect_timeout",
                            "keepalives_idle",           "keepalives_interval",
                            "keepalives_count",          "tcp_user_timeout",
                            "target_session_attrs",      "dbname",
                            "client_encoding",           static_cast<const char*>(nullptr)};
  const std::array values{"lakehouse",
                          "5",
                          "10",
                          "5",
                          "3",
                          "20000",
                          mode == Mode::Write ? "read-write" : "any",
                          url.c_str(),
                          "UTF8",
                          static_cast<const char*>(nullptr)};
  std::unique_ptr<Connection> connection(new Connection);
  connection->url_ = url;
  connection->connection_.reset(PQconnectdbParams(keywords.data(), values.data(), 1));
  PGconn* const raw = connection->connection_.get();
  if (PQstatus(raw) != CONNECTION_OK || PQsetnonblocking(raw, 1) != 0) {
    return fail(ErrorCode::Unavailable,
                fmt::format("the metastore cannot be reached: {}", one_line(PQerrorMessage(raw))),
                "Check [metastore] url, and that PostgreSQL runs.");
  }
  if (PQserverVersion(raw) < kServerVersionMin) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("the metastore's PostgreSQL has version {}; 13 is the oldest that can "
                            "be used",
                            PQserverVersion(raw) / 10'000));
  }
  PQsetNoticeProcessor(raw, [](void*, const char*) {}, nullptr);
  LH_RETURN_IF_ERROR(connection->prepare_session(mode));
  return connection;
}

Status Connection::prepare_session(Mode mode) {
  if (mode == Mode::Read) {
    return {};
  }
  // A scan of a whole table conflicts with every write to it, however small the table is. A server
  // that is cut off while it writes must not keep its locks for the hours that are the default.
  LH_RETURN_IF_ERROR(
      run_simple("SET enable_seqscan = off; SET lock_timeout = '2s'; SET tcp_keepalives_idle = 10; "
                 "SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
                 "SET idle_in_transaction_session_timeout = '60s'"));
  LH_ASSIGN_OR_RETURN(
      const Answer schema,
      run_simple("SELECT CAST(oid AS BIGINT) FROM pg_namespace WHERE nspname = current_schema()"));
  const auto oid = PQntuples(schema.get()) == 1
                       ? number_in<std::int64_t>(PQgetvalue(schema.get(), 0, 0))
                       : std::nullopt;
  turn_ = kTurnLocks + oid.value_or(0);
  // The timeline changes when a standby takes over: it may lack what was committed last, and give
  // its transactions numbers that the lost server had used.
  auto history = run_simple(
      "SELECT CAST((SELECT system_identifier FROM pg_control_system()) AS TEXT) || '/' || "
      "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)");
  if (lost_) {
    return std::unexpected(std::move(history).error());
  }
  if (history && PQntuples(history->get()) == 1) {  // Else it may not be asked for here.
    history_ = PQgetvalue(history->get(), 0, 0);
  }
  return {};
}

std::string Connection::name() const {
  return fmt::format("postgresql://{}:{}/{}", PQhost(connection_.get()), PQport(connection_.get()),
                     PQdb(connection_.get()));
}

std::unexpected<Error> Connection::lost(std::string_view why) {
  lost_ = true;
  state_ = TransactionState::Conflict;
  return fail(ErrorCode::Unavailable,
              fmt::format("the connection to the metastore is lost: {}", one_line(why)));
}

Status Connection::wait_for_socket(bool to_write) {
  if (PQsocket(connection_.get()) < 0) {
    return lost(PQerrorMessage(connection_.get()));
  }
  pollfd waiting{.fd = PQsocket(connection_.get()),
                 .events = static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN),
                 .revents = 0};
  const int ready = ::poll(&waiting, 1, kWaitStepMs);
  if (ready < 0 && errno != EINTR) {
    return lost("its socket cannot be waited for");
  }
  if (ready > 0 && (waiting.revents & ~POLLOUT) != 0 && PQconsumeInput(connection_.get()) == 0) {
    return lost(PQerrorMessage(connection_.get()));
  }
  return {};
}

// Until the whole answer is here. A request that is given up is cancelled in the server, whose
// answer is then that it was.
Status Connection::wait_for_answer() {
  PGconn* const raw = connection_.get();
  std::optional<Clock::time_point> limit;
  if (context() == nullptr) {
    limit = Clock::now() + kAnswerMax;
  }
  bool cancelled = false;
  while (true) {
    const int unsent = PQflush(raw);
    if (unsent < 0) {
      return lost(PQerrorMessage(raw));
    }
    if (unsent == 0 && PQisBusy(raw) == 0) {
      return {};
    }
    if (limit && Clock::now() >= *limit) {
      return lost("it does not answer");
    }
    if (!cancelled && context() != nullptr && !context()->check()) {
      cancelled = true;
      limit = Clock::now() + kCancelMax;
      std::array<char, 256> problem{};
      const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> cancel(PQgetCancel(raw),
                                                                      &PQfreeCancel);
      PQcancel(cancel.get(), problem.data(), static_cast<int>(problem.size()));
    }
    LH_RETURN_IF_ERROR(wait_for_socket(unsent != 0));
  }
}

// The last answer, or the first that is an error.
Result<Connection::Answer> Connection::receive() {
  Answer last;
  while (true) {
    LH_RETURN_IF_ERROR(wait_for_answer());
    Answer answer(PQgetResult(connection_.get()));
    if (answer == nullptr) {
      break;
    }
    if (last == nullptr || PQresultStatus(last.get()) != PGRES_FATAL_ERROR) {
      last = std::move(answer);
    }
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK || last == nullptr) {
    return lost(last == nullptr ? PQerrorMessage(connection_.get())
                                : PQresultErrorMessage(last.get()));
  }
  return check(std::move(last));
}

Result<Connection::Answer> Connection::check(Answer answer) {
  const ExecStatusType status = PQresultStatus(answer.get());
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
    return answer;
  }
  const char* field = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
  const std::string_view sql_state = field == nullptr ? "" : field;
  if (is_conflict(sql_state)) {
    state_ = TransactionState::Conflict;
  }
  if (context() != nullptr && sql_state == kCancelled) {
    LH_RETURN_IF_ERROR(context()->check());
  }
  const char* message = PQresultErrorField(answer.get(), PG_DIAG_MESSAGE_PRIMARY);
  return fail(
      code_of(sql_state),
      fmt::format("metastore: {}", one_line(message == nullptr ? "unknown error" : message)));
}

Result<Connection::Answer> Connection::run_simple(const char* sql) {
  if (lost_) {
    return lost("it was lost before");
  }
  if (PQsendQuery(connection_.get(), sql) == 0) {
    return lost(PQerrorMessage(connection_.get()));
  }
  return receive();
}

// The name of the statement, made ready for parameters of these types.
Result<std::string> Connection::prepare(std::string_view sql, std::span<const Value> parameters) {
  std::string key(sql);
  std::vector<Oid> types;
  for (const Value& value : parameters) {
    types.push_back(type_of(value));
    key += fmt::format("\x1F{}", types.back());
  }
  if (const auto found = prepared_.find(key); found != prepared_.end()) {
    return found->second;
  }
  std::string name = fmt::format("s{}", ++names_);
  if (PQsendPrepare(connection_.get(), name.c_str(), std::string(sql).c_str(),
                    static_cast<int>(types.size()), types.data()) == 0) {
    return lost(PQerrorMessage(connection_.get()));
  }
  LH_RETURN_IF_ERROR(receive());
  prepared_.emplace(std::move(key), name);
  return name;
}

Result<Connection::Answer> Connection::run(std::string_view sql,
                                           std::span<const Value> parameters) {
  if (lost_) {
    return lost("it was lost before");
  }
  LH_ASSIGN_OR_RETURN(const std::string name, prepare(sql, parameters));
  std::vector<std::string> texts;
  std::vector<const char*> values;
  texts.reserve(parameters.size());
  for (const Value& value : parameters) {
    texts.push_back(text_of(value));
    values.push_back(is_null(value) ? nullptr : texts.back().c_str());
  }
  if (PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()),
                          values.data(), nullptr, nullptr, 0) == 0) {
    return lost(PQerrorMessage(connection_.get()));
  }
  return receive();
}

Result<std::vector<Row>> Connection::query(std::string_view sql,
                                           std::span<const Value> parameters) {
  LH_ASSIGN_OR_RETURN(const Answer answer, run(sql, parameters));
  const int row_count = PQntuples(answer.get());
  const int columns = PQnfields(answer.get());
  std::vector<Row> rows(static_cast<std::size_t>(row_count));
  for (int i = 0; i < row_count; ++i) {
    Row& row = rows[static_cast<std::size_t>(i)];
    row.reserve(static_cast<std::size_t>(columns));
    for (int column = 0; column < columns; ++column) {
      row.push_back(cell(answer.get(), i, column));
    }
  }
  return rows;
}

Result<std::int64_t> Connection::execute(std::string_view sql, std::span<const Value> parameters) {
  LH_ASSIGN_OR_RETURN(const Answer answer, run(sql, parameters));
  return number_in<std::int64_t>(PQcmdTuples(answer.get())).value_or(0);
}

Status Connection::begin(Mode mode) {
  state_ = TransactionState::Open;
  transaction_.clear();
  if (prepared_.size() >= kStatementsMax) {
    LH_RETURN_IF_ERROR(run_simple("DEALLOCATE ALL"));
    prepared_.clear();
  }
  if (mode == Mode::Read) {
    LH_RETURN_IF_ERROR(run_simple("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    return {};
  }
  LH_RETURN_IF_ERROR(take_turn());
  LH_ASSIGN_OR_RETURN(const Answer number, run_simple("BEGIN ISOLATION LEVEL SERIALIZABLE; "
                                                      "SELECT CAST(pg_current_xact_id() AS TEXT)"));
  if (PQntuples(number.get()) == 1) {
    transaction_ = PQgetvalue(number.get(), 0, 0);
  }
  return {};
}

// Servers that write at once would undo each other's groups again and again. So they take turns;
// but a turn that does not come soon is not waited for, since it is not what keeps transactions
// apart.
Status Connection::take_turn() {
  auto taken = run_simple(fmt::format("SELECT pg_advisory_lock({})", turn_).c_str());
  has_turn_ = taken.has_value();
  if (!taken && state_ != TransactionState::Conflict) {
    return std::unexpected(std::move(taken).error());
  }
  state_ = lost_ ? TransactionState::Conflict : TransactionState::Open;
  return {};
}

// Ends the transaction, and the turn in the same message.
Result<Connection::Answer> Connection::end(std::string_view how) {
  auto ended =
      run_simple(has_turn_ ? fmt::format("{}; SELECT pg_advisory_unlock({})", how, turn_).c_str()
                           : std::string(how).c_str());
  has_turn_ = has_turn_ && !ended;
  return ended;
}

Status Connection::begin_read_committed() {
  LH_RETURN_IF_ERROR(run_simple("BEGIN ISOLATION LEVEL READ COMMITTED"));
  return {};
}

Status Connection::commit() {
  // Such a transaction would be rolled back by COMMIT, without an error.
  if (!lost_ && PQtransactionStatus(connection_.get()) != PQTRANS_INTRANS) {
    return fail(ErrorCode::Internal, "a metastore transaction is to be committed that has failed");
  }
  auto committed = end("COMMIT");
  if (committed) {
    return {};
  }
  return lost_ ? outcome_of_lost_commit(committed.error().message)
               : std::unexpected(std::move(committed).error());
}

void Connection::rollback() {
  if (!lost_ && (has_turn_ || PQtransactionStatus(connection_.get()) != PQTRANS_IDLE)) {
    [[maybe_unused]] const auto rolled_back = end("ROLLBACK");
  }
}

// Success, Aborted if it is known to have failed (to be tried again), else CommitStateUnknown.
Status Connection::outcome_of_lost_commit(const std::string& problem) const {
  const Clock::time_point until = Clock::now() + kOutcomeMax;
  const std::array<Value, 1> parameters{transaction_};
  while (!history_.empty() && !transaction_.empty()) {
    auto other = open(url_, Mode::Write);
    if (other && (*other)->history_ != history_) {
      break;
    }
    auto rows = other ? (*other)->query("SELECT pg_xact_status(CAST($1 AS xid8))", parameters)
                      : std::unexpected(std::move(other).error());
    const std::string outcome =
        rows && rows->size() == 1 && !is_null(rows->front()[0]) ? text(rows->front()[0]) : "";
    if (outcome == "committed") {
      return {};
    }
    if (outcome == "aborted") {
      return fail(ErrorCode::Aborted, problem);
    }
    if (Clock::now() >= until) {
      break;
    }
    std::this_thread::sleep_for(kOutcomeStep);
  }
  return fail(ErrorCode::CommitStateUnknown,
              fmt::format("whether the metastore has committed is not known: {}", problem));
}

}  // namespace lakehouse::metastore::postgres
