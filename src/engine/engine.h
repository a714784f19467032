#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"

/// \file
/// What the server asks of an engine: a child process that holds DuckDB. The server itself never
/// links DuckDB; `engine_pool.h` starts the children and implements this interface over sockets.

namespace lakehouse::engine {

/// How a result's rows are encoded. The engine encodes, everybody else passes the bytes on.
///
/// In JSON: every number is a number with all its digits, also HUGEINT and DECIMAL; NaN and the
/// infinities are the strings "NaN", "Infinity", "-Infinity"; dates and times are ISO 8601 strings,
/// with "+00:00" where there is a zone; BLOB is base64; INTERVAL, BIT, UUID and ENUM are strings as
/// DuckDB writes them; LIST and ARRAY are arrays, STRUCT and MAP objects (a key that is no string
/// is written as one), a UNION is an object with its one tag. CSV has the same texts without the
/// quotes, a blank between date and time, nested values as JSON, and nothing at all for NULL where
/// an empty string is "".
enum class Encoding : std::uint8_t {
  Json,    ///< Rows as JSON arrays separated by commas and newlines, without the outer brackets.
  Ndjson,  ///< One JSON object a line.
  Csv,     ///< RFC 4180, with a header line.
  ArrowStream,  ///< The Arrow IPC stream format, schema and end-of-stream included.
  Raw,          ///< For the server itself (raw_rows.h): numbers, text and FLOAT[] only.
};

struct Column {
  std::string name;
  std::string type;  ///< DuckDB's name of it, e.g. "DECIMAL(18,3)", "STRUCT(a INTEGER)".
  friend bool operator==(const Column&, const Column&) = default;
};

/// A session variable that one statement reads by getvariable('name').
struct Variable {
  std::string name;
  boost::json::value value;  ///< Text, number, bool, arrays of them; or what the child alone reads.
};

/// Which child runs a statement, where there are several (engine_lanes.h).
enum class Lane : std::uint8_t {
  Auto,  ///< By `scan_bytes`; what turns out too much for the light lane begins again in the heavy.
  Light,  ///< For what ends soon: most of the machine's time goes to it.
  Heavy,  ///< For big scans, joins and writes: a few at a time, and more memory.
  File,   ///< A child of its own for one uploaded file; no statement asks for it.
};
std::string_view to_string(Lane lane);  ///< "auto", "light", "heavy", "file".

class StatementMonitor;

/// One statement to run.
struct Statement {
  /// SQL, or the JSON tree that json_serialize_sql gave and the server rewrote.
  std::string text;
  bool is_tree = false;
  /// A statement around a tree: "COPY ({}) TO '/x' (FORMAT parquet)"; "{}" is where the tree's SQL
  /// goes. Empty for none.
  std::string around_tree;
  /// An array for $1.. and ?, or an object for named ones; null for none. Numbers, strings, bools,
  /// nulls and arrays of them bind with their own type; the statement casts.
  boost::json::value parameters;
  std::vector<Variable> variables;
  /// Statements run before, on the same connection, such as CREATE TEMP TABLE; results dropped. No
  /// SET of what DuckDB keeps for the whole process (duckdb_settings() says GLOBAL), such as
  /// preserve_insertion_order: it would hold for everybody.
  std::vector<std::string> before;
  /// Statements run after, on the same connection, once the statement itself has ended well, and
  /// before the end is reported: such as a COPY of what store_rejects collected. Results dropped.
  std::vector<std::string> after;
  Encoding encoding = Encoding::Json;
  std::optional<std::uint64_t> rows_max;  ///< Rows after that are cut, and the end says so.
  /// Not 0: the statement reads or makes tables that one child holds in memory. It runs in the
  /// child that has this `Engine::generation`, and never in another one, nor a second time:
  /// `is_held_gone` tells the error of a statement that could not.
  std::uint64_t held_generation = 0;
  Lane lane = Lane::Auto;
  /// What it reads of data files, if that is known: after pruning, before columns are chosen.
  std::optional<std::uint64_t> scan_bytes;
  /// Told how the statement fares; null if nobody asks. Shared with whoever does.
  std::shared_ptr<StatementMonitor> monitor;
};

/// The error of a statement whose `held_generation` is not that of a child that runs, or that must
/// run elsewhere (a heavier lane): whoever made it makes it anew, without what was held.
[[nodiscard]] Error held_gone();
[[nodiscard]] bool is_held_gone(const Error& error);

/// What is known once the last row was given.
struct ResultEnd {
  std::uint64_t row_count = 0;
  bool truncated = false;
  /// The most that the child's buffers and its spill held while the statement ran: its own share is
  /// not known where others ran beside it.
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t spill_peak_bytes = 0;
};

/// The result of one running statement. Destroying it before its end cancels the statement.
/// Not thread-safe.
class ResultStream {
 public:
  virtual ~ResultStream() = default;
  [[nodiscard]] virtual const std::vector<Column>& columns() const = 0;

  /// The next encoded bytes, or nothing at the end; waits for them. Chunks are at most about 1 MiB.
  virtual Result<std::optional<std::string>> next(const RequestContext& context) = 0;

  /// For event loops: becomes readable when `try_next` has something to say.
  [[nodiscard]] virtual int fd() const = 0;
  struct Poll {
    bool ready = false;                ///< False: nothing yet, wait for fd().
    std::optional<std::string> bytes;  ///< Empty while ready: the end.
  };
  virtual Result<Poll> try_next() = 0;

  /// Valid after the end.
  [[nodiscard]] virtual const ResultEnd& end() const = 0;
};

/// What DuckDB's parser says of one statement.
struct ParsedStatement {
  /// "SELECT" for whatever asks for rows (also FROM, VALUES, SHOW, DESCRIBE...); else the keyword
  /// that leads, in upper case, after any WITH: "INSERT", "CREATE", "MERGE"...
  std::string kind;
  std::string text;              ///< The statement's own text, without the separator.
  std::size_t offset_bytes = 0;  ///< Where `text` begins in what was parsed.
  boost::json::value tree;       ///< json_serialize_sql's tree; null where there is none.
  std::string tree_problem;      ///< Why there is no tree for a SELECT.
};

/// Rows of a small result, each cell as JSON, in the columns' order.
struct Rows {
  std::vector<Column> columns;
  std::vector<boost::json::array> rows;
};

/// Thread-safe. A call blocks at most until the context's deadline. Unavailable, with a hint to
/// retry, if the engine died or none is up; ResourceExhausted if too many statements run.
class Engine {
 public:
  virtual ~Engine() = default;

  /// The statements in `sql`, parsed only. InvalidArgument with the position of a syntax error.
  virtual Result<std::vector<ParsedStatement>> parse(const RequestContext& context,
                                                     std::string_view sql) = 0;

  /// Starts a statement; the result's columns are known when this returns. InvalidArgument, with a
  /// position where DuckDB gave one, for a statement that cannot be bound or fails before its first
  /// row.
  virtual Result<std::unique_ptr<ResultStream>> execute(const RequestContext& context,
                                                        Statement statement) = 0;

  /// The columns and parameter names a statement would have, without running it.
  virtual Result<std::vector<Column>> describe(const RequestContext& context,
                                               Statement statement) = 0;

  /// Which child may hold tables for statements that come later: the light lane's. Another number
  /// after each start of it; 0 while none is up.
  [[nodiscard]] virtual std::uint64_t generation() const { return 0; }

  /// Runs a statement with a small result to its end; ResourceExhausted past 100,000 rows.
  Result<Rows> query_rows(const RequestContext& context, Statement statement);
};

}  // namespace lakehouse::engine
