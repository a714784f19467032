#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"

namespace lakehouse::query {

/// The trees of SQL that is kept somewhere and read again and again: views, macros, policies. Keeps
/// the last used. Thread-safe; calls block.
class KeptTrees {
 public:
  explicit KeptTrees(engine::Engine& engine) : engine_(engine) {}

  using Tree = std::shared_ptr<const boost::json::value>;
  /// As parse_select.
  Result<Tree> select(const RequestContext& context, const std::string& sql);
  /// As parse_expression.
  Result<Tree> expression(const RequestContext& context, const std::string& sql);

 private:
  template <class Parse>
  Result<Tree> kept(const std::string& key, const Parse& parse);

  using Entry = std::pair<std::string, Tree>;
  engine::Engine& engine_;
  std::mutex mutex_;
  std::list<Entry> recent_;  ///< The last used first.
  std::unordered_map<std::string, std::list<Entry>::iterator> by_text_;
};

/// The text that says what a view is: DuckDB's or our own, else whichever there is (its dialect
/// may share enough with ours). Null if there is none.
const iceberg::ViewRepresentation* definition_of(const iceberg::ViewVersion& version);

/// True if the definition is in our dialect, so that its columns are called as it says.
bool is_our_dialect(const iceberg::ViewRepresentation& definition);

}  // namespace lakehouse::query
