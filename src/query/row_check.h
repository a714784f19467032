#pragma once

#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "query/planner.h"
#include "query/table_source.h"

namespace lakehouse::query {

/// Rows that are about to be a table's.
struct NewRows {
  boost::json::object node;  ///< A query node with the columns of the table's schema.
  std::vector<engine::Variable> variables;
};

/// Nobody writes rows that he may not see himself: PermissionDenied, which does not tell the
/// policy, if the principal's row filter is not true of one of them. The filter sees the rows as
/// they are stored, masked and hidden columns too.
class RowCheck {
 public:
  /// For one statement. All references outlive it.
  RowCheck(const RequestContext& context, Planner& planner, engine::Engine& engine,
           const catalog::TableIdentifier& table, const TableStates* states = nullptr)
      : context_(context), planner_(planner), engine_(engine), table_(table), states_(states) {}

  /// False if any row may be written.
  Result<bool> is_needed();
  Status check(NewRows rows);
  /// The same of files with the columns of `schema` under their names.
  Status check_files(const iceberg::Schema& schema, const std::vector<std::string>& paths);
  /// PermissionDenied if the principal sees less than all of the table, so that its rows may not
  /// all go for others.
  Status check_may_replace();

 private:
  Result<PlannedSelect> plan(boost::json::value& document, boost::json::object rows);

  const RequestContext& context_;
  Planner& planner_;
  engine::Engine& engine_;
  const catalog::TableIdentifier& table_;
  const TableStates* states_;
};

/// The same for rows that come without a statement: of files. Thread-safe.
class RowGuard {
 public:
  /// All references outlive it.
  RowGuard(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source,
           Planner::Options options)
      : engine_(engine), planner_(catalog, engine, source, std::move(options)) {}

  /// Before rows are written to a table that there is: PermissionDenied if they are to take the
  /// place of some that the principal may not see.
  Status check_may_replace(const RequestContext& context, const catalog::TableIdentifier& table);
  /// While they are in staging: as RowCheck::check_files.
  Status check_files(const RequestContext& context, const catalog::TableIdentifier& table,
                     const iceberg::Schema& schema, const std::vector<std::string>& paths);

 private:
  engine::Engine& engine_;
  Planner planner_;
};

}  // namespace lakehouse::query
