#include "ingest/file_reader.h"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "ingest/csv_reader.h"
#include "ingest/json_reader.h"

namespace lakehouse::ingest {

namespace {

/// A Parquet file says itself what it holds.
class ParquetReader final : public FileReader {
 public:
  ParquetReader(const Upload& upload, engine::Engine& engine)
      : source_(fmt::format("read_parquet({})", quote_sql_literal(upload.path()))),
        path_(upload.path()),
        engine_(engine) {}

  Result<std::vector<FileColumn>> detect(const RequestContext& context) override {
    engine::Statement statement;
    statement.text = "SELECT * FROM " + source_;
    Result<std::vector<engine::Column>> columns = engine_.describe(context, std::move(statement));
    if (!columns) {
      return std::unexpected(plain_error(std::move(columns).error(), path_));
    }
    columns_.clear();
    for (engine::Column& column : *columns) {
      columns_.push_back({.name = std::move(column.name), .type = std::move(column.type)});
    }
    return columns_;
  }

  [[nodiscard]] bool infers_types() const override { return false; }

  FileRows rows(std::span<const WantedColumn> /*wanted*/) override {
    FileRows rows;
    rows.statement.text = "SELECT * FROM " + source_;
    for (const FileColumn& column : columns_) {
      rows.columns.push_back({.name = column.name, .type = column.type});
    }
    return rows;
  }

  Result<Outcome> outcome() override { return Outcome(); }
  Result<bool> recover(const RequestContext& /*context*/, const Error& /*error*/) override {
    return false;
  }
  bool reconsider(const BadRows& /*bad*/) override { return false; }
  Result<bool> widen(const RequestContext& /*context*/,
                     const std::vector<std::size_t>& /*columns*/) override {
    return false;
  }

 private:
  std::string source_;
  std::string path_;
  engine::Engine& engine_;
  std::vector<FileColumn> columns_;
};

void replace_all(std::string* text, std::string_view from, std::string_view to) {
  for (std::size_t at = text->find(from); at != std::string::npos;
       at = text->find(from, at + to.size())) {
    text->replace(at, from.size(), to);
  }
}

}  // namespace

std::unique_ptr<FileReader> FileReader::of(const Upload& upload, engine::Engine& engine,
                                           Options options) {
  switch (upload.format()) {
    case FileFormat::Parquet: return std::make_unique<ParquetReader>(upload, engine);
    case FileFormat::Csv: return make_csv_reader(upload, engine, std::move(options));
    case FileFormat::JsonArray:
    case FileFormat::JsonLines:
    case FileFormat::JsonValues: break;
  }
  return make_json_reader(upload, engine, std::move(options));
}

Error plain_error(Error error, const std::string& path) {
  std::string& text = error.message;
  // The rest is options of DuckDB's, the statement and a caret.
  for (const std::string_view end :
       {"\nTry ", "\nPossible ", "\n\nLINE ", "\nLINE ", "\nThe search space"}) {
    text = text.substr(0, text.find(end));
  }
  replace_all(&text, fmt::format("file \"{}\"", path), "the file");
  replace_all(&text, quote_sql_identifier(path), "the file");
  replace_all(&text, path, "the file");
  // Engines call files by their names alone.
  const std::string name = path.substr(path.rfind('/') + 1);
  if (error.code == ErrorCode::DataLoss && text.contains(name)) {
    error.code = ErrorCode::InvalidArgument;
    error.hint = "Write the file again, and send it whole.";
  }
  for (const char quote : {'"', '\''}) {
    for (const char* word : {"file ", "File ", ""}) {
      replace_all(&text, fmt::format("{}{}{}{}", word, quote, name, quote), "the file");
    }
  }
  for (const std::string_view prefix :
       {"Invalid Input Error: ", "Binder Error: ", "IO Error: ", "Conversion Error: "}) {
    if (text.starts_with(prefix)) {
      text.erase(0, prefix.size());
    }
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '.')) {
    text.pop_back();
  }
  if (const std::size_t line = text.find('\n'); line != std::string::npos) {
    replace_all(&text, "\n", " ");
  }
  if (text.starts_with("CSV Error on Line")) {
    text = "a line cannot be read: it is too long, or a quote in it is never closed (" + text + ")";
  }
  constexpr std::size_t message_bytes_max = 600;
  if (text.size() > message_bytes_max) {
    std::size_t end = message_bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
      --end;
    }
    text.resize(end);
    text += "...";
  }
  // DuckDB advises on its own options, which our callers do not have.
  for (const std::string_view option : {"=", "ignore_errors", "sample_size", "strict_mode"}) {
    if (error.hint.starts_with("Try ") && error.hint.contains(option)) {
      error.hint.clear();
    }
  }
  error.position_bytes.reset();
  return error;
}

}  // namespace lakehouse::ingest
