#include "ingest/json_reader.h"

#include <algorithm>
#include <future>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "ingest/struct_type.h"

namespace lakehouse::ingest {

namespace {

constexpr std::int64_t kSampleRows = 20'480;
/// Deeper levels stay as they are.
constexpr int kFlattenLevelsMax = 32;

bool is_whole_number(std::string_view type) {
  return type == "BIGINT" || type == "UBIGINT" || type == "HUGEINT";
}

/// One of the columns that the rows are to have.
struct Leaf {
  FileColumn column;
  std::string sql;
  std::string key;  ///< The innermost key.
};

/// The leaves of a column, its structs opened if wanted.
void add_leaves(const std::string& name, const std::string& key, const std::string& sql,
                const std::string& type, int levels, std::vector<Leaf>* out) {
  const auto fields =
      levels > 0 ? struct_fields(type) : std::vector<std::pair<std::string, std::string>>();
  for (const auto& [field, field_type] : fields) {
    add_leaves(name + "." + field, field,
               fmt::format("struct_extract({}, {})", sql, quote_sql_literal(field)), field_type,
               levels - 1, out);
  }
  if (!fields.empty()) {
    return;
  }
  Leaf leaf{.column = {.name = name, .type = type}, .sql = sql, .key = key};
  // Values of several types: as text, without the quotes that JSON puts around strings.
  if (type == "JSON") {
    leaf.sql = fmt::format("({} ->> '$')", sql);
    leaf.column.type = "VARCHAR";
  } else if (type == "JSON[]") {
    leaf.sql = fmt::format("list_transform({}, lambda x: x ->> '$')", sql);
    leaf.column.type = "VARCHAR[]";
  }
  out->push_back(std::move(leaf));
}

class JsonReader final : public FileReader {
 public:
  JsonReader(const Upload& upload, engine::Engine& engine, Options options)
      : upload_(upload), engine_(engine), options_(std::move(options)), path_(upload.path()) {}

  Result<std::vector<FileColumn>> detect(const RequestContext& context) override;
  [[nodiscard]] bool infers_types() const override { return true; }
  FileRows rows(std::span<const WantedColumn> wanted) override;
  Result<Outcome> outcome() override;
  Result<bool> recover(const RequestContext& context, const Error& error) override;
  bool reconsider(const BadRows& /*bad*/) override { return false; }
  Result<bool> widen(const RequestContext& context,
                     const std::vector<std::size_t>& columns) override;

 private:
  [[nodiscard]] std::string source() const;

  const Upload& upload_;
  engine::Engine& engine_;
  Options options_;
  std::string path_;
  bool all_rows_ = false;   ///< Look at all of them, not at a sample.
  bool separated_ = false;  ///< Bad lines were taken out.
  bool detected_ = false;
  BadRows bad_;
  std::vector<Leaf> leaves_;
  std::future<Result<std::set<std::string, std::less<>>>> fractions_;
};

std::string JsonReader::source() const {
  const std::string_view format = upload_.format() == FileFormat::JsonArray   ? "array"
                                  : upload_.format() == FileFormat::JsonLines ? "newline_delimited"
                                                                              : "unstructured";
  // Objects are columns, however many keys they have and however seldom one is there.
  return fmt::format(
      "read_json({}, format='{}', records=true, sample_size={}, map_inference_threshold=-1, "
      "field_appearance_threshold=0)",
      quote_sql_literal(path_), format, all_rows_ ? -1 : kSampleRows);
}

Result<std::vector<FileColumn>> JsonReader::detect(const RequestContext& context) {
  if (!detected_) {
    engine::Statement statement;
    statement.text = "SELECT * FROM " + source();
    Result<std::vector<engine::Column>> columns = engine_.describe(context, std::move(statement));
    if (!columns) {
      if (columns.error().message.contains("expected records")) {
        columns.error().message = "the file holds no JSON objects, or none with a key";
      }
      return std::unexpected(std::move(columns).error());
    }
    leaves_.clear();
    for (const engine::Column& column : *columns) {
      add_leaves(column.name, column.name, quote_sql_identifier(column.name), column.type,
                 options_.flatten ? kFlattenLevelsMax : 0, &leaves_);
    }
    detected_ = true;
  }
  if (leaves_.size() > kColumnsMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the file comes to {} columns, over {}", leaves_.size(), kColumnsMax),
                "Objects whose keys are data, such as ids, are better kept: ask for "
                "nested=struct, or turn them into lists.");
  }
  std::vector<FileColumn> columns;
  for (const Leaf& leaf : leaves_) {
    columns.push_back(leaf.column);
  }
  return columns;
}

FileRows JsonReader::rows(std::span<const WantedColumn> /*wanted*/) {
  FileRows rows;
  std::string select;
  bool any_whole = false;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const Leaf& leaf = leaves_[i];
    select += fmt::format("{}{} AS c{}", i == 0 ? "" : ", ", leaf.sql, i);
    rows.columns.push_back({.name = leaf.column.name, .type = leaf.column.type});
    any_whole =
        any_whole || leaf.column.type.contains("BIGINT") || leaf.column.type.contains("HUGEINT");
  }
  rows.statement.text = fmt::format("SELECT {} FROM {}", select, source());
  fractions_ = {};
  if (any_whole && !all_rows_) {
    // DuckDB would round a fraction that comes after the sample. Runs beside its reading.
    fractions_ =
        std::async(std::launch::async, [path = path_] { return keys_with_fractions(path); });
  }
  return rows;
}

Result<FileReader::Outcome> JsonReader::outcome() {
  Outcome outcome;
  outcome.bad = bad_;
  if (fractions_.valid()) {
    LH_ASSIGN_OR_RETURN(const auto keys, fractions_.get());
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      const Leaf& leaf = leaves_[i];
      const bool nested =
          !is_whole_number(leaf.column.type) &&
          (leaf.column.type.contains("BIGINT") || leaf.column.type.contains("HUGEINT"));
      if ((is_whole_number(leaf.column.type) && keys.contains(leaf.key)) ||
          (nested && !keys.empty())) {
        outcome.misfits.push_back(i);
      }
    }
  }
  return outcome;
}

Result<bool> JsonReader::recover(const RequestContext& /*context*/, const Error& error) {
  if (error.code != ErrorCode::InvalidArgument) {
    return false;
  }
  const bool transform = error.message.contains("JSON transform error");
  if (transform && !all_rows_) {
    all_rows_ = true;
    detected_ = false;
    return true;
  }
  const bool about_lines = transform || error.message.contains("Malformed JSON") ||
                           error.message.contains("no JSON objects");
  if (about_lines && upload_.format() == FileFormat::JsonLines && !separated_) {
    separated_ = true;
    const std::string good = upload_.path() + ".good";
    LH_ASSIGN_OR_RETURN(bad_, separate_bad_lines(path_, good, upload_.folder() + "/bad.ndjson"));
    path_ = good;
    detected_ = false;
    return bad_.count > 0;
  }
  return false;
}

Result<bool> JsonReader::widen(const RequestContext& context,
                               const std::vector<std::size_t>& /*columns*/) {
  if (all_rows_) {
    return false;
  }
  std::vector<FileColumn> before;
  for (const Leaf& leaf : leaves_) {
    before.push_back(leaf.column);
  }
  all_rows_ = true;
  detected_ = false;
  LH_ASSIGN_OR_RETURN(const std::vector<FileColumn> after, detect(context));
  return !std::ranges::equal(before, after, [](const FileColumn& a, const FileColumn& b) {
    return a.name == b.name && a.type == b.type;
  });
}

}  // namespace

std::unique_ptr<FileReader> make_json_reader(const Upload& upload, engine::Engine& engine,
                                             FileReader::Options options) {
  return std::make_unique<JsonReader>(upload, engine, std::move(options));
}

}  // namespace lakehouse::ingest
