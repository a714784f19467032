#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "ingest/bad_rows.h"
#include "ingest/upload.h"

namespace lakehouse::ingest {

/// A column as the file has it.
struct FileColumn {
  std::string name;  ///< The file's own.
  std::string type;  ///< DuckDB's name of what its values are, or were taken for.
};

/// How the values of one of the file's columns are wanted.
struct WantedColumn {
  /// The type of the table's column that they go to (DuckDB's name); nothing for a new column.
  std::optional<std::string> table_type;
};

/// The rows of the file for a writer, in the order of its columns.
struct FileRows {
  engine::Statement statement;
  std::vector<engine::Column> columns;
};

/// One staged file as an engine reads it. `detect`, then `rows`, and after the engine has run them
/// `outcome`; what turns out wrong changes the reader and is tried again. Not thread-safe. Refers
/// to the upload and the engine, which outlive it.
class FileReader {
 public:
  struct Options {
    bool flatten = true;         ///< JSON: structs become columns "a.b".
    std::string delimiter;       ///< CSV; empty: detected.
    std::optional<bool> header;  ///< CSV; nothing: detected.
  };
  static std::unique_ptr<FileReader> of(const Upload& upload, engine::Engine& engine,
                                        Options options);
  virtual ~FileReader() = default;

  /// InvalidArgument for a file that is no table, or has more than kColumnsMax columns.
  virtual Result<std::vector<FileColumn>> detect(const RequestContext& context) = 0;

  /// A type that was inferred may turn out otherwise; else a file states its own.
  [[nodiscard]] virtual bool infers_types() const = 0;

  virtual FileRows rows(std::span<const WantedColumn> wanted) = 0;

  /// After the rows were read: those that could not be.
  struct Outcome {
    BadRows bad;
    /// Columns, by index, some of whose values do not fit the type they were read as.
    std::vector<std::size_t> misfits;
  };
  virtual Result<Outcome> outcome() = 0;

  /// Reading failed altogether: true if the reader has changed so that another try makes sense.
  /// `detect` comes first again.
  virtual Result<bool> recover(const RequestContext& context, const Error& error) = 0;

  /// True if another reading of the same text is worth a try, since some rows were bad; `detect`
  /// comes first again.
  virtual bool reconsider(const BadRows& bad) = 0;

  /// Looks at all of these columns' values and takes the narrowest type that holds them: their
  /// types as `detect` then gives them. True if any changed.
  virtual Result<bool> widen(const RequestContext& context,
                             const std::vector<std::size_t>& columns) = 0;
};

inline constexpr std::size_t kColumnsMax = 10'000;

/// An engine's message without the staging path and DuckDB's advice, which is not for our callers.
Error plain_error(Error error, const std::string& path);

}  // namespace lakehouse::ingest
