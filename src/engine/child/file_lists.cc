#include "engine/child/file_lists.h"

#include <algorithm>
#include <exception>
#include <map>
#include <memory>
#include <utility>

#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp>
#include <duckdb/common/multi_file/multi_file_reader.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/client_context_state.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/parser/parsed_data/create_table_function_info.hpp>

namespace lakehouse::engine {
namespace {

/// What the headers are of: a class is laid out as they say in this version alone.
constexpr std::string_view kVersion = "v1.5.5";
constexpr const char* kState = "lh_file_lists";

using PathList = duckdb::vector<duckdb::OpenFileInfo>;
using PathListPtr = std::shared_ptr<const PathList>;

/// The lists of one connection, which runs one statement at a time.
struct ConnectionLists final : duckdb::ClientContextState {
  std::map<std::string, PathListPtr, std::less<>> by_name;
};

/// Immutable, and shared by all plans of the statement.
class HeldList final : public duckdb::MultiFileList {
 public:
  explicit HeldList(PathListPtr files) : files_(std::move(files)) {}

  [[nodiscard]] PathList GetAllFiles() const override { return *files_; }
  [[nodiscard]] duckdb::FileExpandResult GetExpandResult() const override {
    return files_->size() > 1    ? duckdb::FileExpandResult::MULTIPLE_FILES
           : files_->size() == 1 ? duckdb::FileExpandResult::SINGLE_FILE
                                 : duckdb::FileExpandResult::NO_FILES;
  }
  [[nodiscard]] duckdb::idx_t GetTotalFileCount() const override { return files_->size(); }
  [[nodiscard]] duckdb::unique_ptr<duckdb::MultiFileList> Copy() const override {
    return duckdb::make_uniq<HeldList>(files_);
  }

 protected:
  [[nodiscard]] duckdb::OpenFileInfo GetFile(duckdb::idx_t i) const override {
    return i < files_->size() ? (*files_)[i] : duckdb::OpenFileInfo();
  }

 private:
  PathListPtr files_;
};

class ListReader final : public duckdb::MultiFileReader {
 public:
  static duckdb::unique_ptr<duckdb::MultiFileReader> make(const duckdb::TableFunction& /*of*/) {
    return duckdb::make_uniq<ListReader>();
  }

  using MultiFileReader::CreateFileList;
  duckdb::shared_ptr<duckdb::MultiFileList> CreateFileList(
      duckdb::ClientContext& context, const duckdb::vector<std::string>& names,
      const duckdb::FileGlobInput& /*glob*/) override {
    const auto lists = context.registered_state->Get<ConnectionLists>(kState);
    if (lists != nullptr && names.size() == 1) {
      if (const auto found = lists->by_name.find(names[0]); found != lists->by_name.end()) {
        return duckdb::make_shared_ptr<HeldList>(found->second);
      }
    }
    throw duckdb::InvalidInputException("there is no list of files of this name");
  }
  [[nodiscard]] duckdb::unique_ptr<duckdb::MultiFileReader> Copy() const override {
    auto copy = duckdb::make_uniq<ListReader>();
    copy->function_name = function_name;
    return copy;
  }
};

/// The C API's connection is one of these.
duckdb::ClientContext& context_of(duckdb_connection connection) {
  return *reinterpret_cast<duckdb::Connection*>(connection)->context;
}

void create_function(duckdb::ClientContext& context) {
  auto& catalog = duckdb::Catalog::GetSystemCatalog(context);
  const auto& original =
      catalog.GetEntry<duckdb::TableFunctionCatalogEntry>(context, DEFAULT_SCHEMA, "read_parquet");
  duckdb::TableFunctionSet functions("lh_parquet");
  for (duckdb::TableFunction function : original.functions.functions) {
    if (function.arguments.size() == 1 && function.arguments[0] == duckdb::LogicalType::VARCHAR) {
      function.get_multi_file_reader = ListReader::make;
      // Asked for a table that there is none of, it makes a list of all paths, several times a
      // plan.
      function.get_bind_info = nullptr;
      functions.AddFunction(std::move(function));
    }
  }
  duckdb::CreateTableFunctionInfo info(std::move(functions));
  // In plans, and where DuckDB copies one by writing and reading it, it is the one that it was.
  for (duckdb::TableFunction& function : info.functions.functions) {
    function.name = original.name;
  }
  catalog.CreateTableFunction(context, info);
}

}  // namespace

std::string register_file_lists(duckdb_connection connection) {
  if (duckdb_library_version() != kVersion) {
    return std::string("it is ") + duckdb_library_version() + ", where " + kVersion.data() +
           " is wanted";
  }
  try {
    duckdb::ClientContext& context = context_of(connection);
    context.RunFunctionInTransaction([&] { create_function(context); });
  } catch (const std::exception& thrown) {
    return thrown.what();
  }
  return {};
}

void put_file_list(duckdb_connection connection, const std::string& name, std::string_view paths) {
  static const auto kUnchanging = [] {
    auto info = duckdb::make_shared_ptr<duckdb::ExtendedOpenFileInfo>();
    info->options["validate_external_file_cache"] = duckdb::Value::BOOLEAN(false);
    return info;
  }();
  auto files = std::make_shared<PathList>();
  files->reserve(static_cast<std::size_t>(std::ranges::count(paths, '\0')));
  for (std::size_t end = 0; (end = paths.find('\0')) != std::string_view::npos;) {
    files->emplace_back(std::string(paths.substr(0, end)));
    files->back().extended_info = kUnchanging;
    paths.remove_prefix(end + 1);
  }
  context_of(connection)
      .registered_state->GetOrCreate<ConnectionLists>(kState)
      ->by_name.insert_or_assign(name, std::move(files));
}

}  // namespace lakehouse::engine
