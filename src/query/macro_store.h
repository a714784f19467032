#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "metastore/metastore.h"
#include "query/statement.h"

namespace lakehouse::query {

/// A macro as CREATE MACRO said.
struct Macro {
  std::string name_space;
  std::string name;  ///< As it was written.
  std::vector<MacroDefinition> definitions;
  [[nodiscard]] bool is_table() const { return definitions.front().is_table; }
};

/// The macros, in the metastore. Names are the same in whatever case. Thread-safe; calls block.
class MacroStore {
 public:
  explicit MacroStore(metastore::Metastore& metastore) : metastore_(metastore) {}

  Result<std::optional<Macro>> find(const RequestContext& context, std::string_view name_space,
                                    std::string_view name);
  /// All of them, by name; the first 10,000.
  Result<std::vector<Macro>> list(const RequestContext& context);

  using Hook = std::function<Status(metastore::Transaction&)>;
  /// `also` runs in the same transaction. AlreadyExists, if IfExists::Fail.
  Status create(const RequestContext& context, const Macro& macro, IfExists if_exists,
                std::int64_t now_ms, const Hook& also);
  /// NotFound unless `if_exists`.
  Status drop(const RequestContext& context, std::string_view name_space, std::string_view name,
              bool if_exists, const Hook& also);

 private:
  metastore::Metastore& metastore_;
};

}  // namespace lakehouse::query
