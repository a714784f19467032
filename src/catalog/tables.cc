#include <fmt/format.h>

#include "base/id.h"
#include "catalog/catalog.h"
#include "catalog/detail/folder_notes.h"
#include "catalog/detail/locations.h"
#include "catalog/detail/metadata_files.h"
#include "catalog/detail/rows.h"
#include "catalog/lineage.h"
#include "catalog/pii_findings.h"

// Making, naming and unmaking tables. What changes a table that is there: commits.cc.

namespace lakehouse::catalog {
namespace {

using metastore::text;
using metastore::Transaction;

constexpr std::size_t kPurgePage = 1000;

}  // namespace

Result<std::string> Catalog::new_location(const TableIdentifier& table, std::string_view uuid,
                                          std::string_view bucket) const {
  return buckets_.location(bucket.empty() ? std::string_view(buckets_.primary()) : bucket,
                           detail::table_key(table, uuid));
}

// Other programs write below a table's location by themselves, and do not make folders.
Status Catalog::make_table_folders(const RequestContext& context,
                                   const std::string& location) const {
  LH_ASSIGN_OR_RETURN(const auto at, buckets_.resolve(location));
  for (const std::string_view folder : {"data", "metadata"}) {
    LH_RETURN_IF_ERROR(at.store->make_folder(context, fmt::format("{}/{}", at.key, folder)));
  }
  return {};
}

void Catalog::remove_made_table(const std::string& location,
                                const std::string& metadata_file) const {
  const RequestContext context;  // Cleaning up outlives the request that failed.
  if (!metadata_file.empty()) {
    [[maybe_unused]] const Status removed = buckets_.remove(context, metadata_file);
  }
  if (const auto at = buckets_.resolve(location)) {
    [[maybe_unused]] const Status removed = at->store->remove_empty_folders(context, at->key);
  }
}

Result<LoadedTable> Catalog::create_table(const RequestContext& context, CreateTable request,
                                          const CommitOptions& options) {
  const TableIdentifier& table = request.identifier;
  LH_RETURN_IF_ERROR(check_identifier(table));
  const std::string uuid = new_uuid();
  LH_ASSIGN_OR_RETURN(const std::string location, new_location(table, uuid, request.bucket));
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) {
    return detail::check_new_name(transaction, table, detail::Kind::Table);
  }));
  const iceberg::NewTable parts{.schema = std::move(request.schema),
                                .spec = std::move(request.spec).value_or(iceberg::PartitionSpec{}),
                                .order = std::move(request.order).value_or(iceberg::SortOrder{}),
                                .location = location,
                                .properties = std::move(request.properties),
                                .format_version = request.format_version,
                                .uuid = uuid,
                                .now_ms = now_ms()};
  LH_ASSIGN_OR_RETURN(iceberg::TableMetadata metadata, iceberg::new_table_metadata(parts));
  LH_RETURN_IF_ERROR(make_table_folders(context, location));
  const MetadataFiles::Content content = MetadataFiles::render(std::move(metadata));
  LoadedTable made{.identifier = table,
                   .metadata_location = {},
                   .metadata = content.metadata,
                   .metadata_json = content.json};
  if (request.stage) {
    return made;
  }
  made.metadata_location = MetadataFiles::next_name(location, "");
  Status done = files_->write(context, made.metadata_location, content);
  if (done) {
    done = metastore_.write(context, [&](Transaction& transaction) -> Status {
      LH_RETURN_IF_ERROR(detail::check_new_name(transaction, table, detail::Kind::Table));
      const std::int64_t now = now_ms();
      LH_RETURN_IF_ERROR(transaction.execute(
          "INSERT INTO tables (namespace, name, uuid, metadata_location, location, created_at_ms, "
          "updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $6)",
          {detail::path_of(table.name_space), table.name, uuid, made.metadata_location, location,
           now}));
      return options.also ? options.also(transaction, {made}) : Status();
    });
  }
  if (!done) {
    if (done.error().code != ErrorCode::CommitStateUnknown) {
      remove_made_table(location, made.metadata_location);
    }
    return std::unexpected(std::move(done).error());
  }
  files_->remember(made.metadata_location, content);
  detail::note_name(buckets_, location, uuid, detail::Kind::Table, table);
  return made;
}

Status Catalog::drop_table(const RequestContext& context, const TableIdentifier& table, bool purge,
                           const CommitOptions& options) {
  LH_RETURN_IF_ERROR(check_identifier(table));
  std::string location;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    const std::string path = detail::path_of(table.name_space);
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT uuid, location FROM tables WHERE namespace = $1 AND name = $2",
                          {path, table.name}));
    if (rows.empty()) {
      return detail::no_table(table);
    }
    LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM tables WHERE namespace = $1 AND name = $2",
                                           {path, table.name}));
    location = text(rows[0][1]);
    if (purge) {
      LH_ASSIGN_OR_RETURN(const auto others, detail::datasets_at(transaction, location));
      if (!others.empty()) {
        return fail(ErrorCode::FailedPrecondition,
                    fmt::format("table {} cannot be purged: table {} lies in the same folder",
                                to_string(table), to_string(others.front())),
                    "Drop it without purge.");
      }
      LH_RETURN_IF_ERROR(forget_ingested_files(transaction, text(rows[0][0])));
      LH_RETURN_IF_ERROR(forget_runs(transaction, text(rows[0][0])));
      LH_RETURN_IF_ERROR(forget_what_was_seen(transaction, text(rows[0][0])));
      LH_RETURN_IF_ERROR(
          transaction.execute("INSERT INTO purges (location, requested_at_ms) VALUES ($1, $2) "
                              "ON CONFLICT (location) DO NOTHING",
                              {location, now_ms()}));
    }
    return options.also ? options.also(transaction, {}) : Status();
  }));
  if (purge) {
    // The table is gone by now: what fails here is done at the next start, and no one's failure.
    [[maybe_unused]] const Status purged = finish_purges(context);
  } else {
    detail::note_dropped(buckets_, location, detail::Kind::Table, table);
  }
  return {};
}

Status Catalog::finish_purges(const RequestContext& context) {
  std::vector<std::string> locations;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT location FROM purges"));
    for (const auto& row : rows) {
      locations.push_back(text(row[0]));
    }
    return {};
  }));
  for (const std::string& location : locations) {
    const auto at = buckets_.resolve(location);
    if (!at) {
      continue;  // Its bucket is not configured now.
    }
    // Metadata files first: a folder that still has one looks like a table to be rebuilt.
    for (const std::string_view suffix : {".metadata.json", ""}) {
      std::string after;
      do {
        LH_ASSIGN_OR_RETURN(const auto list,
                            at->store->list_objects(context, at->key + "/", "", after, kPurgePage));
        for (const auto& object : list.objects) {
          if (object.key.ends_with(suffix)) {
            LH_RETURN_IF_ERROR(at->store->delete_object(context, object.key));
          }
        }
        after = list.next_start_after;
      } while (!after.empty());
    }
    LH_RETURN_IF_ERROR(at->store->remove_empty_folders(context, at->key));
    LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
      LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM purges WHERE location = $1", {location}));
      return {};
    }));
  }
  return {};
}

Status Catalog::rename_table(const RequestContext& context, const TableIdentifier& from,
                             const TableIdentifier& to, const CommitOptions& options) {
  LH_RETURN_IF_ERROR(check_identifier(from));
  LH_RETURN_IF_ERROR(check_identifier(to));
  std::vector<metastore::Row> renamed;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const detail::Kind kind, detail::kind_of(transaction, from));
    if (kind != detail::Kind::Table) {
      return detail::no_table(from);
    }
    LH_RETURN_IF_ERROR(detail::check_rename(transaction, from, to));
    LH_ASSIGN_OR_RETURN(
        renamed,
        transaction.query("UPDATE tables SET namespace = $1, name = $2, updated_at_ms = $3 "
                          "WHERE namespace = $4 AND name = $5 RETURNING location, uuid",
                          {detail::path_of(to.name_space), to.name, now_ms(),
                           detail::path_of(from.name_space), from.name}));
    return options.also ? options.also(transaction, {}) : Status();
  }));
  detail::note_name(buckets_, text(renamed[0][0]), text(renamed[0][1]), detail::Kind::Table, to);
  return {};
}

Result<LoadedTable> Catalog::register_table(const RequestContext& context,
                                            const TableIdentifier& table,
                                            const std::string& metadata_location, bool overwrite,
                                            const CommitOptions& options) {
  LH_RETURN_IF_ERROR(check_identifier(table));
  LH_RETURN_IF_ERROR(buckets_.resolve(metadata_location));
  auto content = files_->read(context, metadata_location);
  if (!content) {
    Error error = std::move(content).error();
    // The caller named the file: that it is none is the caller's error, not a loss of ours.
    if (error.code == ErrorCode::DataLoss) {
      error.code = ErrorCode::InvalidArgument;
    }
    return std::unexpected(std::move(error));
  }
  const std::string& location = content->metadata->location;
  if (auto resolved = buckets_.resolve(location); !resolved) {
    return std::unexpected(std::move(resolved).error().with_context("the table to register"));
  }
  LoadedTable after{.identifier = table,
                    .metadata_location = metadata_location,
                    .metadata = content->metadata,
                    .metadata_json = content->json};
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    const std::string path = detail::path_of(table.name_space);
    if (overwrite) {
      LH_RETURN_IF_ERROR(transaction.execute(
          "DELETE FROM tables WHERE namespace = $1 AND name = $2", {path, table.name}));
    }
    LH_RETURN_IF_ERROR(detail::check_new_name(transaction, table, detail::Kind::Table));
    LH_ASSIGN_OR_RETURN(const auto others, detail::datasets_at(transaction, location));
    if (!others.empty()) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("the table at '{}' is registered, or lies in the same folder as one "
                              "that is: {}",
                              location, to_string(others.front())));
    }
    const std::int64_t now = now_ms();
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO tables (namespace, name, uuid, metadata_location, location, created_at_ms, "
        "updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $6)",
        {path, table.name, content->metadata->table_uuid, metadata_location, location, now}));
    // A drop with purge of the same folder may be unfinished: it must not go on now.
    LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM purges WHERE location = $1", {location}));
    LH_RETURN_IF_ERROR(restore_lineage(transaction, table, content->metadata->table_uuid,
                                       content->metadata->properties));
    return options.also ? options.also(transaction, {after}) : Status();
  }));
  detail::note_name(buckets_, location, content->metadata->table_uuid, detail::Kind::Table, table);
  return after;
}

}  // namespace lakehouse::catalog
