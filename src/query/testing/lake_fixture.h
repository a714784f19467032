#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include "base/json.h"
#include "catalog/catalog.h"
#include "engine/testing/engine_fixture.h"
#include "iceberg/manifest.h"
#include "metastore/metastore.h"
#include "query/query_service.h"
#include "query/table_source.h"
#include "query/table_writer.h"
#include "storage/buckets.h"

/// \file
/// A whole lakehouse without its doors, for tests: a catalog, a real engine child, and SQL.

namespace lakehouse::query::testing {

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return *std::move(result);
}

/// In a temporary folder, which goes with it.
class TestLake {
 public:
  explicit TestLake(QueryService::Options options = {})
      : options_(std::move(options)),
        buckets_(value_or_throw(storage::Buckets::open(
            {{"primary", "local", (folder() / "buckets" / "primary").string()}}))),
        metastore_(value_or_throw(metastore::open_sqlite((folder() / "metastore.db").string()))),
        macros_(std::make_unique<MacroStore>(*metastore_)),
        catalog_(value_or_throw(catalog::Catalog::open(*buckets_, *metastore_, {}))) {}

  [[nodiscard]] const std::filesystem::path& folder() const { return engine_.folder(); }
  engine::EnginePool& engine() { return engine_.pool(); }
  storage::Buckets& buckets() { return *buckets_; }
  metastore::Metastore& metastore() { return *metastore_; }
  catalog::Catalog& catalog() { return *catalog_; }
  TableWriter& writer() { return writer_; }
  TableSource& source() { return source_; }
  QueryService& service() { return service_; }

  /// The rows of a statement.
  Result<boost::json::array> rows(SqlRequest request) {
    const RequestContext context = engine::testing::patient_context();
    LH_ASSIGN_OR_RETURN(QueryAnswer answer, service_.run(context, std::move(request)));
    std::string text = "[";
    while (true) {
      LH_ASSIGN_OR_RETURN(const auto bytes, answer.stream->next(answer.context));
      if (!bytes) {
        break;
      }
      text += *bytes;
    }
    LH_ASSIGN_OR_RETURN(const boost::json::value all, parse_json(text + "]", "rows"));
    return all.as_array();
  }
  Result<boost::json::array> rows(const std::string& sql) {
    SqlRequest request;
    request.sql = sql;
    return rows(std::move(request));
  }
  /// The rows as JSON text, or "code: message" of the error.
  std::string text(const std::string& sql) {
    const auto all = rows(sql);
    return all ? to_json(*all)
               : std::string(to_string(all.error().code)) + ": " + all.error().message;
  }

 private:
  [[nodiscard]] QueryService::Options with_macros() const {
    QueryService::Options options = options_;
    options.planner.macros = macros_.get();
    return options;
  }

  QueryService::Options options_;
  engine::testing::TestEngine engine_;
  std::unique_ptr<storage::Buckets> buckets_;
  std::unique_ptr<metastore::Metastore> metastore_;
  std::unique_ptr<MacroStore> macros_;
  std::unique_ptr<catalog::Catalog> catalog_;
  iceberg::ManifestCache manifests_;
  TableWriter writer_{*catalog_, engine_.pool(), *buckets_, manifests_};
  TableSource source_{engine_.pool(), *buckets_, manifests_};
  QueryService service_{*catalog_, engine_.pool(), source_, writer_, with_macros()};
};

}  // namespace lakehouse::query::testing
