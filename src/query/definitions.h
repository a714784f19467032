#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "metastore/metastore.h"
#include "query/macro_store.h"
#include "query/planner.h"
#include "query/statement_plan.h"

namespace lakehouse::query {

/// Makes, renames and drops views and macros as statements say. A view is an Iceberg view with its
/// SQL in DuckDB's dialect, so that other catalogs' clients see it, too. Thread-safe; calls block.
class Definitions {
 public:
  /// `macros` may be null: then there is nowhere to keep them.
  Definitions(catalog::Catalog& catalog, engine::Engine& engine, Planner& planner,
              MacroStore* macros)
      : catalog_(catalog), engine_(engine), planner_(planner), macros_(macros) {}

  /// True for the statements that are its own.
  static bool takes(const SqlStatement& statement);

  using Hook = std::function<Status(metastore::Transaction&)>;
  /// `also` runs in the transaction that changes something; it may be empty. False if nothing was
  /// to be done, and `also` has not run.
  Result<bool> run(const RequestContext& context,
                   const std::shared_ptr<const ParsedStatement>& parsed, const SqlRequest& request,
                   const Hook& also);

 private:
  Result<bool> create_view(const RequestContext& context, const CreateViewStatement& statement,
                           const std::shared_ptr<const ParsedStatement>& parsed,
                           const SqlRequest& request, const Hook& also);
  Result<iceberg::Schema> schema_of(const RequestContext& context,
                                    const CreateViewStatement& statement,
                                    const engine::Statement& select);
  Result<bool> drop_view(const RequestContext& context, const DropViewStatement& statement,
                         const Hook& also);
  Result<bool> rename_view(const RequestContext& context, const RenameViewStatement& statement,
                           const Hook& also);
  Result<bool> create_macro(const RequestContext& context, const CreateMacroStatement& statement,
                            const Hook& also);
  Result<bool> drop_macro(const RequestContext& context, const DropMacroStatement& statement,
                          const Hook& also);
  Result<MacroStore*> macros() const;
  Result<catalog::TableIdentifier> existing_view(const RequestContext& context,
                                                 const NamePath& name);

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  Planner& planner_;
  MacroStore* macros_;
};

}  // namespace lakehouse::query
