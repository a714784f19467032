#include <algorithm>

#include <fmt/format.h>

#include "catalog/catalog.h"
#include "catalog/detail/locations.h"
#include "catalog/detail/rows.h"

// Namespaces: rows in the metastore, and nothing else.

namespace lakehouse::catalog {
namespace {

using detail::namespace_is_there;
using detail::namespace_of;
using detail::no_namespace;
using detail::path_of;
using metastore::integer;
using metastore::text;
using metastore::Transaction;

Status run_also(const CommitOptions& options, Transaction& transaction) {
  return options.also ? options.also(transaction, {}) : Status();
}

Status put_property(Transaction& transaction, const std::string& path, const std::string& name,
                    const std::string& value) {
  LH_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO namespace_properties (namespace, name, value) VALUES ($1, $2, $3) "
      "ON CONFLICT (namespace, name) DO UPDATE SET value = excluded.value",
      {path, name, value}));
  return {};
}

}  // namespace

Result<NamespaceInfo> Catalog::create_namespace(const RequestContext& context,
                                                const Namespace& name_space,
                                                const Properties& properties,
                                                const CommitOptions& options) {
  LH_RETURN_IF_ERROR(check_namespace(name_space));
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const bool is_there, namespace_is_there(transaction, name_space));
    if (is_there) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("Namespace already exists: {}", to_string(name_space)));
    }
    LH_RETURN_IF_ERROR(detail::make_namespaces(transaction, name_space, now_ms()));
    for (const auto& [name, value] : properties) {
      LH_RETURN_IF_ERROR(put_property(transaction, path_of(name_space), name, value));
    }
    return run_also(options, transaction);
  }));
  return NamespaceInfo{.name_space = name_space, .properties = properties};
}

Result<NamespaceInfo> Catalog::load_namespace(const RequestContext& context,
                                              const Namespace& name_space) {
  LH_RETURN_IF_ERROR(check_namespace(name_space));
  NamespaceInfo info{.name_space = name_space, .properties = {}};
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const bool is_there, namespace_is_there(transaction, name_space));
    if (!is_there) {
      return no_namespace(name_space);
    }
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT name, value FROM namespace_properties WHERE namespace = $1",
                          {path_of(name_space)}));
    for (const auto& row : rows) {
      info.properties.emplace(text(row[0]), text(row[1]));
    }
    return {};
  }));
  LH_ASSIGN_OR_RETURN(std::string location,
                      buckets_.location(buckets_.primary(), detail::namespace_key(name_space)));
  info.properties.try_emplace("location", std::move(location));
  return info;
}

Result<bool> Catalog::namespace_exists(const RequestContext& context, const Namespace& name_space) {
  LH_RETURN_IF_ERROR(check_namespace(name_space));
  bool is_there = false;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(is_there, namespace_is_there(transaction, name_space));
    return {};
  }));
  return is_there;
}

Result<Page<Namespace>> Catalog::list_namespaces(const RequestContext& context,
                                                 const Namespace& parent, const PageRequest& page) {
  if (!parent.empty()) {
    LH_RETURN_IF_ERROR(check_namespace(parent));
  }
  LH_ASSIGN_OR_RETURN(const std::string after, detail::last_of(page.page_token));
  Page<Namespace> answer;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    if (!parent.empty()) {
      LH_ASSIGN_OR_RETURN(const bool is_there, namespace_is_there(transaction, parent));
      if (!is_there) {
        return no_namespace(parent);
      }
    }
    LH_ASSIGN_OR_RETURN(
        auto rows, transaction.query("SELECT path FROM namespaces WHERE parent = $1 AND path > $2 "
                                     "ORDER BY path LIMIT $3",
                                     {path_of(parent), after, detail::fetch_limit(page)}));
    if (page.limit > 0 && rows.size() > page.limit) {
      rows.resize(page.limit);
      answer.next_page_token = detail::page_token(text(rows.back()[0]));
    }
    for (const auto& row : rows) {
      answer.items.push_back(namespace_of(text(row[0])));
    }
    return {};
  }));
  return answer;
}

Status Catalog::drop_namespace(const RequestContext& context, const Namespace& name_space,
                               const CommitOptions& options) {
  LH_RETURN_IF_ERROR(check_namespace(name_space));
  return metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const bool is_there, namespace_is_there(transaction, name_space));
    if (!is_there) {
      return no_namespace(name_space);
    }
    const std::string path = path_of(name_space);
    LH_ASSIGN_OR_RETURN(
        const auto counts,
        transaction.query("SELECT (SELECT count(*) FROM tables WHERE namespace = $1),"
                          " (SELECT count(*) FROM views WHERE namespace = $1),"
                          " (SELECT count(*) FROM namespaces WHERE parent = $1)",
                          {path}));
    const std::int64_t tables = integer(counts[0][0]);
    const std::int64_t views = integer(counts[0][1]);
    const std::int64_t children = integer(counts[0][2]);
    if (tables > 0 || views > 0 || children > 0) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("Namespace is not empty: {} holds {} tables, {} views and {} "
                              "namespaces",
                              to_string(name_space), tables, views, children));
    }
    if (path == kDefaultNamespace) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("the namespace '{}' always exists", kDefaultNamespace));
    }
    LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM namespaces WHERE path = $1", {path}));
    return run_also(options, transaction);
  });
}

Result<PropertiesUpdate> Catalog::update_namespace_properties(
    const RequestContext& context, const Namespace& name_space,
    const std::vector<std::string>& removals, const Properties& updates,
    const CommitOptions& options) {
  LH_RETURN_IF_ERROR(check_namespace(name_space));
  for (const std::string& name : removals) {
    if (updates.contains(name)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("property '{}' is both to be set and to be removed", name));
    }
  }
  PropertiesUpdate answer;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    answer = {};
    LH_ASSIGN_OR_RETURN(const bool is_there, namespace_is_there(transaction, name_space));
    if (!is_there) {
      return no_namespace(name_space);
    }
    const std::string path = path_of(name_space);
    for (const std::string& name : removals) {
      LH_ASSIGN_OR_RETURN(
          const std::int64_t removed,
          transaction.execute("DELETE FROM namespace_properties WHERE namespace = $1 AND name = $2",
                              {path, name}));
      (removed > 0 ? answer.removed : answer.missing).push_back(name);
    }
    for (const auto& [name, value] : updates) {
      LH_RETURN_IF_ERROR(put_property(transaction, path, name, value));
      answer.updated.push_back(name);
    }
    return run_also(options, transaction);
  }));
  return answer;
}

}  // namespace lakehouse::catalog
