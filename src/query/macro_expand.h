#pragma once

#include <map>
#include <string>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "query/kept_trees.h"
#include "query/macro_store.h"
#include "query/rewrite.h"

namespace lakehouse::query {

/// Puts macros' bodies in the place of their calls, in one statement: a macro is a tree with the
/// arguments' trees in it, never text. What comes out is looked through like what the caller wrote.
class MacroExpander final : public FunctionResolver {
 public:
  /// `store` may be null: then there are none.
  MacroExpander(const RequestContext& context, MacroStore* store, KeptTrees& trees)
      : context_(context), store_(store), trees_(trees) {}

  Result<std::optional<boost::json::object>> expression(const boost::json::object& call) override;
  Result<bool> is_table(const boost::json::object& call) override;

  /// The statement that a call in FROM stands for; nothing if it calls no macro.
  struct Table {
    std::string name_space;
    boost::json::value document;
  };
  Result<std::optional<Table>> table(const boost::json::object& call);

  /// True if a macro was asked for.
  [[nodiscard]] bool was_used() const { return was_used_; }

 private:
  struct Called {
    const Macro* macro = nullptr;
    const MacroDefinition* definition = nullptr;
    std::map<std::string, boost::json::object> arguments;  ///< By parameter, in lower case.
  };
  Result<const Macro*> find(const boost::json::object& call);
  Result<Called> bind(const boost::json::object& call, const Macro& macro);
  Result<boost::json::value> body(const boost::json::object& call, const Called& called);

  const RequestContext& context_;
  MacroStore* store_;
  KeptTrees& trees_;
  bool was_used_ = false;
  std::size_t nodes_ = 0;
  std::map<std::pair<std::string, std::string>, std::optional<Macro>> known_;
};

}  // namespace lakehouse::query
