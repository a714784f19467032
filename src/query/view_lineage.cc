#include "query/view_lineage.h"

#include <algorithm>
#include <set>

#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "query/sql_excerpt.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

constexpr std::size_t kViewsMax = 10'000;
constexpr std::size_t kSqlBytesMax = std::size_t{1} << 20U;

std::string text_in(const json::object& node, std::string_view name) {
  const json::value* value = node.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// Walks a whole tree; the parser bounds how deep it is.
class Names {
 public:
  void walk(const json::value& at) {
    if (const json::array* list = at.if_array()) {
      for (const json::value& entry : *list) {
        walk(entry);
      }
      return;
    }
    const json::object* node = at.if_object();
    if (node == nullptr) {
      return;
    }
    if (text_in(*node, "type") == "BASE_TABLE") {
      std::vector<std::string> parts;
      for (const std::string_view name : {"catalog_name", "schema_name", "table_name"}) {
        if (std::string part = text_in(*node, name); !part.empty()) {
          parts.push_back(std::move(part));
        }
      }
      tables_.insert(std::move(parts));
    }
    if (const json::value* with = node->if_contains("cte_map");
        with != nullptr && with->is_object()) {
      note_expressions(with->get_object());
    }
    for (const auto& member : *node) {
      walk(member.value());
    }
  }

  [[nodiscard]] std::vector<std::vector<std::string>> tables() const {
    std::vector<std::vector<std::string>> out;
    for (const auto& parts : tables_) {
      if (!parts.empty() && (parts.size() > 1 || !expressions_.contains(parts.front()))) {
        out.push_back(parts);
      }
    }
    return out;
  }

 private:
  void note_expressions(const json::object& with) {
    const json::value* map = with.if_contains("map");
    const json::array* entries = map == nullptr ? nullptr : map->if_array();
    for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
      if (const json::object* entry = entries->at(i).if_object()) {
        expressions_.insert(text_in(*entry, "key"));
      }
    }
  }

  std::set<std::vector<std::string>> tables_;
  std::set<std::string> expressions_;
};

/// The SQL to look at: DuckDB's, since its parser reads it, else the first there is.
const std::string* sql_of(const iceberg::ViewVersion& version) {
  if (const std::string* sql = version.sql_for("duckdb")) {
    return sql;
  }
  for (const iceberg::ViewRepresentation& one : version.representations) {
    if (one.type == "sql") {
      return &one.sql;
    }
  }
  return nullptr;
}

}  // namespace

std::vector<std::vector<std::string>> tables_named(const json::value& tree) {
  Names names;
  names.walk(tree);
  return names.tables();
}

Status ViewLineage::refresh(const RequestContext& context) {
  LH_ASSIGN_OR_RETURN(std::vector<catalog::TableIdentifier> views,
                      catalog_.list_all_views(context));
  views.resize(std::min(views.size(), kViewsMax));
  for (const catalog::TableIdentifier& identifier : views) {
    LH_RETURN_IF_ERROR(context.check());
    const auto view = catalog_.load_view(context, identifier);
    if (!view) {
      continue;  // Dropped meanwhile, or unreadable.
    }
    const std::int32_t version = view->metadata->current_version_id;
    {
      const std::lock_guard lock(mutex_);
      const auto seen = versions_seen_.find(view->metadata->view_uuid);
      if (seen != versions_seen_.end() && seen->second == version) {
        continue;
      }
    }
    LH_RETURN_IF_ERROR(record(context, *view));
    const std::lock_guard lock(mutex_);
    versions_seen_[view->metadata->view_uuid] = version;
  }
  return {};
}

Status ViewLineage::record(const RequestContext& context, const catalog::LoadedView& view) {
  const iceberg::ViewVersion* version = view.metadata->current_version();
  const std::string* sql = version == nullptr ? nullptr : sql_of(*version);
  if (sql == nullptr || sql->size() > kSqlBytesMax) {
    return {};
  }
  catalog::LineageRun run;
  run.output_kind = catalog::LineageNodeKind::View;
  run.output_id = view.metadata->view_uuid;
  run.output_name = to_string(view.identifier);
  run.job = "view";
  run.at_ms = version->timestamp_ms;
  run.principal = context.principal;
  run.replaces = true;
  const auto statements = engine_.parse(context, *sql);
  if (!statements && statements.error().code != ErrorCode::InvalidArgument) {
    return std::unexpected(statements.error());
  }
  if (statements) {  // Other dialects may not be readable: then only the view is known.
    for (const engine::ParsedStatement& statement : *statements) {
      for (std::vector<std::string>& parts : tables_named(statement.tree)) {
        LH_ASSIGN_OR_RETURN(catalog::LineageInput input, input_of(context, view, std::move(parts)));
        run.inputs.push_back(std::move(input));
      }
    }
  }
  run.detail_json =
      to_json(json::object{{"version_id", version->version_id}, {"sql", sql_excerpt(*sql)}});
  return registry_.record_if_new(context, run);
}

Result<catalog::LineageInput> ViewLineage::input_of(const RequestContext& context,
                                                    const catalog::LoadedView& view,
                                                    std::vector<std::string> parts) {
  const std::string written = fmt::format("{}", fmt::join(parts, "."));
  const iceberg::ViewVersion& version = *view.metadata->current_version();
  // A name may stand without its namespace, or with a catalog's name before it.
  std::vector<catalog::TableIdentifier> candidates;
  if (parts.size() == 1) {
    candidates.push_back({.name_space = version.default_namespace.empty()
                                            ? view.identifier.name_space
                                            : version.default_namespace,
                          .name = parts.front()});
  } else {
    std::string name = std::move(parts.back());
    parts.pop_back();
    candidates.push_back({.name_space = parts, .name = name});
    if (parts.size() > 1) {
      parts.erase(parts.begin());
      candidates.push_back({.name_space = std::move(parts), .name = std::move(name)});
    }
  }
  for (const catalog::TableIdentifier& candidate : candidates) {
    if (const auto table = catalog_.load_table(context, candidate)) {
      return catalog::LineageInput{.kind = catalog::LineageNodeKind::Dataset,
                                   .id = table->metadata->table_uuid,
                                   .name = to_string(candidate)};
    }
    if (const auto other = catalog_.load_view(context, candidate)) {
      return catalog::LineageInput{.kind = catalog::LineageNodeKind::View,
                                   .id = other->metadata->view_uuid,
                                   .name = to_string(candidate)};
    }
  }
  return catalog::LineageInput{
      .kind = catalog::LineageNodeKind::Dataset, .id = written, .name = written};
}

}  // namespace lakehouse::query
