#include "query/kept_trees.h"

#include <algorithm>

#include "base/text.h"
#include "query/select_tree.h"

namespace lakehouse::query {
namespace {

constexpr std::size_t kTreesMax = 512;
/// Of one that is kept: a tree takes some thirty times as much.
constexpr std::size_t kTextBytesMax = std::size_t{1} << 14U;

}  // namespace

template <class Parse>
Result<KeptTrees::Tree> KeptTrees::kept(const std::string& key, const Parse& parse) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_text_.find(key); found != by_text_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->second;
    }
  }
  LH_ASSIGN_OR_RETURN(boost::json::value parsed, parse());
  auto tree = std::make_shared<const boost::json::value>(std::move(parsed));
  const std::lock_guard lock(mutex_);
  if (key.size() <= kTextBytesMax && !by_text_.contains(key)) {
    recent_.emplace_front(key, tree);
    by_text_.emplace(key, recent_.begin());
    if (recent_.size() > kTreesMax) {
      by_text_.erase(recent_.back().first);
      recent_.pop_back();
    }
  }
  return tree;
}

Result<KeptTrees::Tree> KeptTrees::select(const RequestContext& context, const std::string& sql) {
  return kept("s" + sql, [&] { return parse_select(context, engine_, sql); });
}

Result<KeptTrees::Tree> KeptTrees::expression(const RequestContext& context,
                                              const std::string& sql) {
  return kept("e" + sql, [&]() -> Result<boost::json::value> {
    LH_ASSIGN_OR_RETURN(boost::json::object tree, parse_expression(context, engine_, sql));
    return boost::json::value(std::move(tree));
  });
}

const iceberg::ViewRepresentation* definition_of(const iceberg::ViewVersion& version) {
  const iceberg::ViewRepresentation* any = nullptr;
  for (const iceberg::ViewRepresentation& one : version.representations) {
    if (one.type == "sql" && is_our_dialect(one)) {
      return &one;
    }
    any = any == nullptr && one.type == "sql" ? &one : any;
  }
  return any;
}

bool is_our_dialect(const iceberg::ViewRepresentation& definition) {
  const std::string dialect = to_lower(definition.dialect);
  return dialect == "duckdb" || dialect == "lakehouse";
}

}  // namespace lakehouse::query
