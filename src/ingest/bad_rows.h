#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lakehouse::ingest {

/// How many rows of a file may be bad: a share of its rows, or a count.
struct BadRowLimit {
  bool is_share = true;
  double share = 0.01;
  std::int64_t count = 0;

  [[nodiscard]] bool allows(std::int64_t bad_rows, std::int64_t rows) const;
  friend bool operator==(const BadRowLimit&, const BadRowLimit&) = default;
};
/// "1%", "0.5 %", "100". InvalidArgument for anything else.
Result<BadRowLimit> parse_bad_row_limit(std::string_view text);
std::string to_string(const BadRowLimit& limit);

/// A row that could not be read.
struct BadRow {
  std::int64_t line = 0;  ///< Counted from 1, the header included.
  std::string reason;
  std::string text;                  ///< As it stands in the file; cut at 4 KiB.
  std::vector<std::string> columns;  ///< Whose values did not fit their types.
};

/// What could not be read of a file: the first ones, and all of them in a file beside the upload,
/// one JSON object {line, reason, text} a line.
struct BadRows {
  std::int64_t count = 0;
  std::vector<BadRow> first;  ///< At most kFirstBadRows.
  std::string path;           ///< Empty if there are none.
  /// Columns of which some value did not fit its type, each once.
  std::vector<std::string> misfit_columns;
};
inline constexpr std::size_t kFirstBadRows = 20;
inline constexpr std::size_t kBadRowTextBytesMax = 4096;

/// "line 7: ... : a,b,c".
std::string to_string(const BadRow& row);

/// Reads what an engine's COPY of reject_errors wrote ({byte, reason, text, columns} a line, in the
/// file's order), finds the line numbers in the file at `csv_path`, and writes `out_path`. DuckDB
/// counts records, and a quoted value may hold line ends.
Result<BadRows> collect_csv_rejects(const std::string& rejects_path, const std::string& csv_path,
                                    const std::string& out_path);

/// Writes bad rows as they are found. Not thread-safe.
class BadRowWriter {
 public:
  explicit BadRowWriter(std::string path) : path_(std::move(path)) {}
  Status add(BadRow row);
  Result<BadRows> finish();

 private:
  Status flush();

  std::string path_;
  BadRows rows_;
  std::string buffer_;
  int fd_ = -1;

 public:
  ~BadRowWriter();
  BadRowWriter(const BadRowWriter&) = delete;
  BadRowWriter& operator=(const BadRowWriter&) = delete;
};

}  // namespace lakehouse::ingest
