#include "ingest/csv_reader.h"

#include <algorithm>
#include <future>
#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "base/json.h"
#include "base/text.h"
#include "ingest/csv_scan.h"

namespace lakehouse::ingest {

namespace {

namespace json = boost::json;

/// As DuckDB's default, which tells most files; what shows later is found by `widen`.
constexpr std::int64_t kSampleRows = 20'480;
constexpr std::int64_t kAllRows = -1;
/// Each thread holds a buffer of twice that.
constexpr std::int64_t kLongLineBytesMax = std::int64_t{32} << 20U;

/// What sniffing found.
struct Dialect {
  std::string delimiter = ",";
  std::string quote = "\"";
  std::string escape = "\"";
  std::string comment;
  std::int64_t skip_lines = 0;
  bool header = false;
  std::optional<std::string> date_format;
  std::optional<std::string> timestamp_format;
};

std::optional<std::string> text_of(const json::value& cell) {
  const json::string* text = cell.if_string();
  return text == nullptr ? std::nullopt : std::optional(std::string(*text));
}

/// sniff_csv spells an unset character "(empty)".
std::string character_of(const json::value& cell) {
  const std::string text = text_of(cell).value_or("");
  if (text == "(empty)" || text == "\\0") {
    return {};
  }
  return text == "\\t" ? "\t" : text;
}

std::int64_t number_of(const json::value& cell) {
  if (const std::int64_t* number = cell.if_int64()) {
    return *number;
  }
  const std::uint64_t* number = cell.if_uint64();
  return number == nullptr ? 0 : static_cast<std::int64_t>(*number);
}

/// The fields of the first record of a text, by the dialect.
std::vector<std::string> first_record(std::string_view text, const Dialect& dialect) {
  std::vector<std::string> fields(1);
  const char quote = dialect.quote.empty() ? '\0' : dialect.quote.front();
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != '\0' && c == quote) {
      const bool doubled = quoted && i + 1 < text.size() && text[i + 1] == quote;
      if (doubled) {
        fields.back() += c;
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (!quoted && text.substr(i).starts_with(dialect.delimiter)) {
      fields.emplace_back();
      i += dialect.delimiter.size() - 1;
    } else if (!quoted && (c == '\n' || c == '\r')) {
      return fields;
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

bool is_whole_number(std::string_view type) {
  return type == "BIGINT" || type == "INTEGER" || type == "SMALLINT" || type == "TINYINT" ||
         type == "HUGEINT";
}

/// Types that CSV values are read as directly; others are read as text and cast by the writer.
bool is_read_directly(std::string_view type) {
  return is_whole_number(type) || type == "BOOLEAN" || type == "FLOAT" || type == "DOUBLE" ||
         type.starts_with("DECIMAL") || type == "DATE" || type == "TIME" || type == "TIMESTAMP" ||
         type == "TIMESTAMP WITH TIME ZONE" || type == "UUID" || type == "VARCHAR";
}

class CsvReader final : public FileReader {
 public:
  CsvReader(const Upload& upload, engine::Engine& engine, Options options)
      : upload_(upload), engine_(engine), options_(std::move(options)) {}

  Result<std::vector<FileColumn>> detect(const RequestContext& context) override;
  [[nodiscard]] bool infers_types() const override { return true; }
  FileRows rows(std::span<const WantedColumn> wanted) override;
  Result<Outcome> outcome() override;
  Result<bool> recover(const RequestContext& context, const Error& error) override;
  bool reconsider(const BadRows& bad) override;
  Result<bool> widen(const RequestContext& context,
                     const std::vector<std::size_t>& columns) override;

 private:
  struct Sniffed {
    Dialect dialect;
    std::vector<FileColumn> columns;
  };
  Result<Sniffed> sniff(const RequestContext& context, std::int64_t sample_rows) const;
  Status check_first_line() const;
  void take_own_names();
  [[nodiscard]] std::string read_options() const;
  [[nodiscard]] std::string rejects_path() const { return upload_.folder() + "/rejects.json"; }
  void start_scan();

  const Upload& upload_;
  engine::Engine& engine_;
  Options options_;
  Dialect dialect_;
  bool detected_ = false;
  std::vector<FileColumn> columns_;
  std::vector<std::string> unique_names_;  ///< As DuckDB has made the columns' names different.
  std::vector<std::string> read_types_;    ///< As the last `rows` had them.
  bool strict_ = true;
  std::int64_t line_bytes_max_ = 0;  ///< 0: DuckDB's default.
  bool quote_assumed_ = false;       ///< The sample had no quotes.
  bool tried_without_quotes_ = false;
  std::int64_t bad_with_quotes_ = 0;
  bool widened_ = false;
  std::future<Result<std::vector<std::size_t>>> lossy_;
};

/// A file of very many columns costs DuckDB's sniffer gigabytes.
Status CsvReader::check_first_line() const {
  const std::string_view line =
      std::string_view(upload_.head()).substr(0, upload_.head().find('\n'));
  std::size_t most = 0;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    most = std::max(most, static_cast<std::size_t>(std::ranges::count(line, delimiter)));
  }
  if (most >= kColumnsMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the file has over {} columns", kColumnsMax),
                "Turn it: one row for each of these values.");
  }
  return {};
}

Result<CsvReader::Sniffed> CsvReader::sniff(const RequestContext& context,
                                            std::int64_t sample_rows) const {
  std::string sql = fmt::format(
      "SELECT \"Delimiter\", \"Quote\", \"Escape\", \"Comment\", \"SkipRows\", \"HasHeader\", "
      "to_json(\"Columns\")::VARCHAR, \"DateFormat\"::VARCHAR, \"TimestampFormat\"::VARCHAR "
      "FROM sniff_csv({}, sample_size={}, ignore_errors=true",
      quote_sql_literal(upload_.path()), sample_rows);
  if (!strict_) {
    sql += ", strict_mode=false";
  }
  if (line_bytes_max_ > 0) {
    sql += fmt::format(", max_line_size={}, buffer_size={}", line_bytes_max_, 2 * line_bytes_max_);
  }
  if (!options_.delimiter.empty()) {
    sql += fmt::format(", delim={}", quote_sql_literal(options_.delimiter));
  }
  if (options_.header) {
    sql += fmt::format(", header={}", *options_.header);
  }
  engine::Statement statement;
  statement.text = sql + ")";
  LH_ASSIGN_OR_RETURN(const engine::Rows rows, engine_.query_rows(context, std::move(statement)));
  if (rows.rows.size() != 1 || rows.rows.front().size() != 9) {
    return fail(ErrorCode::Internal, "sniff_csv gave no answer");
  }
  const json::array& cells = rows.rows.front();
  Sniffed found;
  found.dialect.delimiter = character_of(cells[0]);
  found.dialect.quote = character_of(cells[1]);
  found.dialect.escape = character_of(cells[2]);
  found.dialect.comment = character_of(cells[3]);
  found.dialect.skip_lines = number_of(cells[4]);
  found.dialect.header = cells[5].is_bool() && cells[5].get_bool();
  found.dialect.date_format = text_of(cells[7]);
  found.dialect.timestamp_format = text_of(cells[8]);
  LH_ASSIGN_OR_RETURN(const json::value columns,
                      parse_json(text_of(cells[6]).value_or("[]"), "sniff_csv's columns"));
  for (const json::value& column : columns.as_array()) {
    JsonFields fields(column.as_object(), "sniff_csv's column");
    FileColumn file_column;
    LH_ASSIGN_OR_RETURN(file_column.name, fields.require_string("name"));
    LH_ASSIGN_OR_RETURN(file_column.type, fields.require_string("type"));
    found.columns.push_back(std::move(file_column));
  }
  return found;
}

Result<std::vector<FileColumn>> CsvReader::detect(const RequestContext& context) {
  if (detected_) {
    return columns_;
  }
  LH_RETURN_IF_ERROR(check_first_line());
  Result<Sniffed> found = sniff(context, kSampleRows);
  if (!found) {
    return std::unexpected(std::move(found).error());
  }
  if (found->columns.empty()) {
    return fail(ErrorCode::InvalidArgument, "the file has no columns");
  }
  if (found->columns.size() > kColumnsMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("the file has {} columns, over {}",
                                                        found->columns.size(), kColumnsMax));
  }
  dialect_ = std::move(found->dialect);
  columns_ = std::move(found->columns);
  detected_ = true;
  // No quote in the sample does not mean none later.
  quote_assumed_ = dialect_.quote.empty();
  if (quote_assumed_ && !tried_without_quotes_) {
    dialect_.quote = "\"";
    dialect_.escape = "\"";
  }
  take_own_names();
  return columns_;
}

/// The names as the file has them: sniffing makes those that are there twice different.
void CsvReader::take_own_names() {
  unique_names_.clear();
  for (const FileColumn& column : columns_) {
    unique_names_.push_back(column.name);
  }
  std::string_view text = upload_.head();
  for (std::int64_t skip = dialect_.skip_lines; skip > 0 && !text.empty(); --skip) {
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  if (!dialect_.header) {
    for (FileColumn& column : columns_) {
      column.name.clear();
    }
    return;
  }
  const bool plain = dialect_.comment.empty() && !dialect_.delimiter.empty();
  if (!plain) {
    return;
  }
  std::vector<std::string> names = first_record(text, dialect_);
  if (names.size() != columns_.size()) {
    return;
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    // An empty one is named by its place later.
    if (to_lower(unique_names_[i]).starts_with(to_lower(names[i]))) {
      columns_[i].name = std::move(names[i]);
    }
  }
}

std::string CsvReader::read_options() const {
  std::string options = fmt::format(
      "auto_detect=false, delim={}, quote={}, escape={}, comment={}, skip={}, header={}",
      quote_sql_literal(dialect_.delimiter), quote_sql_literal(dialect_.quote),
      quote_sql_literal(dialect_.escape), quote_sql_literal(dialect_.comment), dialect_.skip_lines,
      dialect_.header);
  if (dialect_.date_format) {
    options += ", dateformat=" + quote_sql_literal(*dialect_.date_format);
  }
  if (dialect_.timestamp_format) {
    options += ", timestampformat=" + quote_sql_literal(*dialect_.timestamp_format);
  }
  if (!strict_) {
    options += ", strict_mode=false";
  }
  if (line_bytes_max_ > 0) {
    options +=
        fmt::format(", max_line_size={}, buffer_size={}", line_bytes_max_, 2 * line_bytes_max_);
  }
  return options;
}

FileRows CsvReader::rows(std::span<const WantedColumn> wanted) {
  FileRows rows;
  read_types_.clear();
  std::string columns;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::string type = columns_[i].type;
    const std::optional<std::string>& table = wanted[i].table_type;
    if (table) {
      // A day that becomes an instant is read by its own format; text stays as it is written.
      const bool day_to_instant = type == "DATE" && table->starts_with("TIMESTAMP");
      type = day_to_instant ? type : is_read_directly(*table) ? *table : "VARCHAR";
    }
    columns += fmt::format("{}{}: {}", i == 0 ? "" : ", ", quote_sql_literal(unique_names_[i]),
                           quote_sql_literal(type));
    read_types_.push_back(type);
    rows.columns.push_back({.name = columns_[i].name, .type = std::move(type)});
  }
  const std::string id = new_token(8);
  rows.statement.text = fmt::format(
      "SELECT * FROM read_csv({}, {}, columns={{{}}}, store_rejects=true, "
      "rejects_table='lh_rejects_{}', rejects_scan='lh_scans_{}', rejects_limit=0)",
      quote_sql_literal(upload_.path()), read_options(), columns, id, id);
  rows.statement.after.push_back(
      fmt::format("COPY (SELECT min(line_byte_position) AS byte, line AS record, "
                  "string_agg(error_message, ' ' ORDER BY column_idx) AS reason, "
                  "left(any_value(csv_line), {}) AS text, "
                  "list(DISTINCT column_name) FILTER (error_type = 'CAST') AS columns "
                  "FROM lh_rejects_{} GROUP BY line ORDER BY line) TO {} (FORMAT json)",
                  kBadRowTextBytesMax, id, quote_sql_literal(rejects_path())));
  rows.statement.after.push_back(fmt::format("DROP TABLE lh_rejects_{}", id));
  rows.statement.after.push_back(fmt::format("DROP TABLE lh_scans_{}", id));
  start_scan();
  return rows;
}

/// Runs beside the engine's reading.
void CsvReader::start_scan() {
  CsvScan scan;
  scan.delimiter = dialect_.delimiter.empty() ? '\n' : dialect_.delimiter.front();
  scan.quote = dialect_.quote.empty() ? '\0' : dialect_.quote.front();
  bool any = false;
  for (const std::string& type : read_types_) {
    scan.forbidden.push_back(is_whole_number(type) ? '.' : type == "DATE" ? ':' : '\0');
    any = any || scan.forbidden.back() != '\0';
  }
  // Such a format has the characters in its own right; longer delimiters are rare.
  if (!any || dialect_.delimiter.size() > 1 || dialect_.date_format.value_or("").contains(':')) {
    lossy_ = {};
    return;
  }
  const std::int64_t skip = dialect_.skip_lines + (dialect_.header ? 1 : 0);
  lossy_ = std::async(std::launch::async, [path = upload_.path(), scan = std::move(scan), skip] {
    return find_lossy_columns(path, scan, skip);
  });
}

Result<FileReader::Outcome> CsvReader::outcome() {
  Outcome outcome;
  LH_ASSIGN_OR_RETURN(outcome.bad, collect_csv_rejects(rejects_path(), upload_.path(),
                                                       upload_.folder() + "/bad_rows.ndjson"));
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (std::ranges::find(outcome.bad.misfit_columns, unique_names_[i]) !=
        outcome.bad.misfit_columns.end()) {
      outcome.misfits.push_back(i);
    }
  }
  if (lossy_.valid()) {
    LH_ASSIGN_OR_RETURN(const std::vector<std::size_t> lossy, lossy_.get());
    for (const std::size_t column : lossy) {
      if (std::ranges::find(outcome.misfits, column) == outcome.misfits.end()) {
        outcome.misfits.push_back(column);
      }
    }
  }
  return outcome;
}

Result<bool> CsvReader::recover(const RequestContext& /*context*/, const Error& error) {
  if (error.code != ErrorCode::InvalidArgument) {
    return false;
  }
  const std::string message = to_lower(error.message);
  detected_ = false;
  const bool about_length = message.contains("line size") || message.contains("csv error on line");
  if (about_length && line_bytes_max_ == 0) {
    line_bytes_max_ = kLongLineBytesMax;
    return true;
  }
  if (strict_ && (message.contains("sniffing") || message.contains("state"))) {
    strict_ = false;
    return true;
  }
  return false;
}

bool CsvReader::reconsider(const BadRows& bad) {
  const bool about_length = std::ranges::any_of(
      bad.first, [](const BadRow& row) { return to_lower(row.reason).contains("line size"); });
  if (about_length && line_bytes_max_ == 0) {
    line_bytes_max_ = kLongLineBytesMax;
    return true;
  }
  if (!quote_assumed_) {
    return false;
  }
  if (!tried_without_quotes_) {
    const bool about_quotes = std::ranges::any_of(
        bad.first, [](const BadRow& row) { return row.reason.contains("quote"); });
    if (!about_quotes) {
      return false;
    }
    // Perhaps quotes mean inches here.
    tried_without_quotes_ = true;
    bad_with_quotes_ = bad.count;
    dialect_.quote.clear();
    dialect_.escape.clear();
    return true;
  }
  if (bad.count > bad_with_quotes_) {
    quote_assumed_ = false;
    dialect_.quote = "\"";
    dialect_.escape = "\"";
    return true;
  }
  return false;
}

Result<bool> CsvReader::widen(const RequestContext& context,
                              const std::vector<std::size_t>& columns) {
  bool changed = false;
  if (!widened_) {
    widened_ = true;
    // The dialect is known: only the types are of interest.
    const Result<Sniffed> all = sniff(context, kAllRows);
    if (all && all->columns.size() == columns_.size()) {
      for (const std::size_t i : columns) {
        changed = changed || columns_[i].type != all->columns[i].type;
        columns_[i].type = all->columns[i].type;
      }
      if (changed) {
        return true;
      }
    }
    LH_RETURN_IF_ERROR(context.check());
  }
  for (const std::size_t i : columns) {
    if (columns_[i].type != "VARCHAR") {
      columns_[i].type = "VARCHAR";
      changed = true;
    }
  }
  return changed;
}

}  // namespace

std::unique_ptr<FileReader> make_csv_reader(const Upload& upload, engine::Engine& engine,
                                            FileReader::Options options) {
  return std::make_unique<CsvReader>(upload, engine, std::move(options));
}

}  // namespace lakehouse::ingest
