#include "engine/child/local_tools.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/c/bridge.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/text.h"
#include "engine/child/duck.h"

namespace lakehouse::engine {
namespace {

struct Local {
  Database database;
  Connection connection;
};

// DuckDB with its own defaults: files may be read and written.
Result<std::unique_ptr<Local>> open_local() {
  auto local = std::make_unique<Local>();
  if (duckdb_open(nullptr, local->database.out()) != DuckDBSuccess ||
      duckdb_connect(local->database.get(), local->connection.out()) != DuckDBSuccess) {
    return fail(ErrorCode::Internal, "DuckDB does not open");
  }
  return local;
}

Status run_script(const std::string& file, const std::string& folder) {
  std::ifstream input(file, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(input), {});
  if (!input) {
    return fail(ErrorCode::NotFound, fmt::format("cannot read '{}'", file));
  }
  if (!folder.empty() && ::chdir(folder.c_str()) != 0) {
    return fail(ErrorCode::NotFound,
                fmt::format("cannot go to '{}': {}", folder, std::strerror(errno)));
  }
  LH_ASSIGN_OR_RETURN(const auto local, open_local());
  return run_sql(local->connection, text);
}

template <class T>
Result<T> from_arrow(arrow::Result<T> result) {
  if (!result.ok()) {
    return fail(ErrorCode::DataLoss, result.status().message());
  }
  return std::move(result).ValueUnsafe();
}

Status arrow_to_parquet(const std::string& from, const std::string& to) {
  LH_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::io::ReadableFile> file,
                      from_arrow(arrow::io::ReadableFile::Open(from)));
  LH_ASSIGN_OR_RETURN(std::shared_ptr<arrow::RecordBatchReader> reader,
                      from_arrow(arrow::ipc::RecordBatchStreamReader::Open(file)));
  ArrowArrayStream stream{};
  if (const arrow::Status exported = arrow::ExportRecordBatchReader(std::move(reader), &stream);
      !exported.ok()) {
    return fail(ErrorCode::DataLoss, exported.message());
  }
  LH_ASSIGN_OR_RETURN(const auto local, open_local());
  // The C API's only way to scan a stream without copying it chunk by chunk; deprecated, but kept
  // as long as nothing replaces it.
  if (duckdb_arrow_scan(local->connection.get(), "answer",
                        reinterpret_cast<duckdb_arrow_stream>(&stream)) != DuckDBSuccess) {
    return fail(ErrorCode::DataLoss, fmt::format("'{}' is no Arrow stream", from));
  }
  return run_sql(
      local->connection,
      fmt::format("COPY answer TO {} (FORMAT parquet, COMPRESSION zstd)", quote_sql_literal(to)));
}

}  // namespace

std::optional<int> run_local_tool(int argc, char** argv) {
  Status done;
  const std::string_view name = argc > 0 ? argv[0] : "";
  if (name == "--run-sql" && (argc == 2 || (argc == 4 && std::string_view(argv[2]) == "--in"))) {
    done = run_script(argv[1], argc == 4 ? argv[3] : "");
  } else if (name == "--arrow-to-parquet" && argc == 3) {
    done = arrow_to_parquet(argv[1], argv[2]);
  } else {
    return std::nullopt;
  }
  if (!done) {
    fmt::print(stderr, "error: {}\n", done.error().message);
    return 1;
  }
  return 0;
}

}  // namespace lakehouse::engine
