#include "catalog/catalog.h"

#include <chrono>

#include <fmt/format.h>

#include "catalog/detail/commit_queue.h"
#include "catalog/detail/locations.h"
#include "catalog/detail/metadata_files.h"
#include "catalog/detail/pointer_cache.h"
#include "catalog/detail/rows.h"

namespace lakehouse::catalog {

using metastore::text;
using metastore::Transaction;

Catalog::Catalog(storage::Buckets& buckets, metastore::Metastore& metastore, Options options)
    : buckets_(buckets),
      metastore_(metastore),
      options_(std::move(options)),
      view_folders_(options_.view_metadata_folders),
      pointers_(std::make_unique<PointerCache>()),
      files_(std::make_unique<MetadataFiles>(buckets, options_.metadata_cache_bytes_max)),
      queue_(std::make_unique<CommitQueue>()) {}

Catalog::~Catalog() = default;

Result<std::unique_ptr<Catalog>> Catalog::open(storage::Buckets& buckets,
                                               metastore::Metastore& metastore, Options options) {
  std::unique_ptr<Catalog> catalog(new Catalog(buckets, metastore, std::move(options)));
  const RequestContext context;
  const Namespace main{std::string(kDefaultNamespace)};
  LH_ASSIGN_OR_RETURN(const bool is_there, catalog->namespace_exists(context, main));
  if (!is_there) {
    auto made = catalog->create_namespace(context, main, {});
    // Another server on the same metastore may have been quicker.
    if (!made && made.error().code != ErrorCode::AlreadyExists) {
      return std::unexpected(std::move(made).error());
    }
  }
  // What fails now is tried again at the next start: the files are orphans until then.
  [[maybe_unused]] const Status purged = catalog->finish_purges(context);
  return catalog;
}

std::int64_t Catalog::now_ms() const {
  if (options_.now_ms) {
    return options_.now_ms();
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Result<std::optional<Catalog::Pointer>> Catalog::find_pointer(const RequestContext& context,
                                                              const TableIdentifier& table) {
  LH_RETURN_IF_ERROR(check_identifier(table));
  const auto version = metastore_.version();
  if (auto known = pointers_->find(table, version)) {
    return known;
  }
  std::optional<Pointer> pointer;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT uuid, metadata_location, location FROM tables "
                                          "WHERE namespace = $1 AND name = $2",
                                          {detail::path_of(table.name_space), table.name}));
    if (!rows.empty()) {
      pointer = Pointer{.uuid = text(rows[0][0]),
                        .metadata_location = text(rows[0][1]),
                        .location = text(rows[0][2])};
    }
    return {};
  }));
  if (pointer) {
    pointers_->remember(table, version, *pointer);
  }
  return pointer;
}

Result<bool> Catalog::location_in_use(const RequestContext& context, const std::string& location) {
  bool in_use = false;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT 1 FROM tables WHERE location = $1 OR location || '/' = "
                          "substr($1, 1, length(location) + 1) UNION ALL "
                          "SELECT 1 FROM views WHERE location = $1 OR location || '/' = "
                          "substr($1, 1, length(location) + 1) LIMIT 1",
                          {location}));
    in_use = !rows.empty();
    return {};
  }));
  return in_use;
}

Result<std::string> Catalog::metadata_location(const RequestContext& context,
                                               const TableIdentifier& table) {
  LH_ASSIGN_OR_RETURN(auto pointer, find_pointer(context, table));
  if (!pointer) {
    return detail::no_table(table);
  }
  return std::move(pointer->metadata_location);
}

Result<bool> Catalog::table_exists(const RequestContext& context, const TableIdentifier& table) {
  LH_ASSIGN_OR_RETURN(const auto pointer, find_pointer(context, table));
  return pointer.has_value();
}

Result<std::optional<LoadedTable>> Catalog::load_if_exists(const RequestContext& context,
                                                           const TableIdentifier& table) {
  std::string missing;
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto pointer, find_pointer(context, table));
    if (!pointer) {
      return std::nullopt;
    }
    auto content = files_->read(context, pointer->metadata_location);
    if (content) {
      return LoadedTable{.identifier = table,
                         .metadata_location = pointer->metadata_location,
                         .metadata = content->metadata,
                         .metadata_json = content->json};
    }
    if (content.error().code != ErrorCode::NotFound) {
      return std::unexpected(
          std::move(content).error().with_context(fmt::format("load table {}", to_string(table))));
    }
    // Dropped or replaced since the pointer was read? Then it reads otherwise now.
    if (missing == pointer->metadata_location) {
      return fail(ErrorCode::DataLoss,
                  fmt::format("table {}: its metadata file is missing: Failed to open input stream "
                              "for file: {}",
                              to_string(table), missing));
    }
    missing = pointer->metadata_location;
  }
}

Result<LoadedTable> Catalog::load_table(const RequestContext& context,
                                        const TableIdentifier& table) {
  LH_ASSIGN_OR_RETURN(auto loaded, load_if_exists(context, table));
  if (!loaded) {
    return detail::no_table(table);
  }
  return *std::move(loaded);
}

std::optional<LoadedTable> Catalog::load_table_if_cached(const TableIdentifier& table) {
  const auto pointer = pointers_->find(table, metastore_.version());
  if (!pointer) {
    return std::nullopt;
  }
  auto content = files_->find_sound(pointer->metadata_location);
  if (!content) {
    return std::nullopt;
  }
  return LoadedTable{.identifier = table,
                     .metadata_location = pointer->metadata_location,
                     .metadata = std::move(content->metadata),
                     .metadata_json = std::move(content->json)};
}

Result<LoadedTable> Catalog::load_table_at(const RequestContext& context,
                                           const TableIdentifier& table,
                                           const std::string& metadata_location) {
  LH_ASSIGN_OR_RETURN(auto content, files_->read(context, metadata_location));
  return LoadedTable{.identifier = table,
                     .metadata_location = metadata_location,
                     .metadata = content.metadata,
                     .metadata_json = content.json};
}

std::shared_ptr<const std::string> Catalog::referenced_metadata_json(const LoadedTable& table) {
  return files_->referenced_json(table.metadata_location, *table.metadata);
}

Result<Page<TableIdentifier>> Catalog::list_tables(const RequestContext& context,
                                                   const Namespace& name_space,
                                                   const PageRequest& page) {
  LH_RETURN_IF_ERROR(check_namespace(name_space));
  Page<TableIdentifier> answer;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        answer, detail::page_of_names(transaction,
                                      "SELECT name FROM tables WHERE namespace = $1 AND name > $2 "
                                      "ORDER BY name LIMIT $3",
                                      name_space, page));
    return {};
  }));
  return answer;
}

Result<std::vector<TableIdentifier>> Catalog::list_all_tables(const RequestContext& context) {
  std::vector<TableIdentifier> tables;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT namespace, name FROM tables "
                                                           "ORDER BY namespace, name"));
    tables.reserve(rows.size());
    for (const auto& row : rows) {
      tables.push_back({.name_space = detail::namespace_of(text(row[0])), .name = text(row[1])});
    }
    return {};
  }));
  return tables;
}

}  // namespace lakehouse::catalog
