#include <algorithm>

#include <fmt/format.h>

#include "base/id.h"
#include "catalog/catalog.h"
#include "catalog/detail/folder_notes.h"
#include "catalog/detail/locations.h"
#include "catalog/detail/metadata_files.h"
#include "catalog/detail/rows.h"

// Views: a metadata file each, and a pointer to it, as with tables. They are small and seldom
// change, so their files are read anew each time.

namespace lakehouse::catalog {
namespace {

using detail::Kind;
using detail::path_of;
using iceberg::ViewMetadata;
using metastore::text;
using metastore::Transaction;

LoadedView rendered(const TableIdentifier& view, std::string metadata_location,
                    ViewMetadata metadata) {
  auto json = std::make_shared<const std::string>(iceberg::view_metadata_to_text(metadata));
  return {.identifier = view,
          .metadata_location = std::move(metadata_location),
          .metadata = std::make_shared<const ViewMetadata>(std::move(metadata)),
          .metadata_json = std::move(json)};
}

// Where the view's current metadata is; nothing if there is no such view.
Result<std::optional<std::string>> find_view(Transaction& transaction,
                                             const TableIdentifier& view) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT metadata_location FROM views WHERE namespace = $1 AND name = $2",
                        {path_of(view.name_space), view.name}));
  return rows.empty() ? std::nullopt : std::optional(text(rows[0][0]));
}

Status insert_view(Transaction& transaction, const LoadedView& view, std::int64_t now_ms) {
  LH_RETURN_IF_ERROR(detail::check_new_name(transaction, view.identifier, Kind::View));
  auto made = transaction.execute(
      "INSERT INTO views (namespace, name, uuid, metadata_location, location, created_at_ms, "
      "updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $6)",
      {path_of(view.identifier.name_space), view.identifier.name, view.metadata->view_uuid,
       view.metadata_location, view.metadata->location, now_ms});
  if (!made && made.error().code == ErrorCode::AlreadyExists) {
    return fail(ErrorCode::AlreadyExists,
                fmt::format("the view with the UUID {} is registered by another name",
                            view.metadata->view_uuid));
  }
  LH_RETURN_IF_ERROR(made);
  return {};
}

// False if another commit was quicker.
Result<bool> swap_pointer(Transaction& transaction, const LoadedView& base, const LoadedView& next,
                          std::int64_t now_ms) {
  LH_ASSIGN_OR_RETURN(
      const std::int64_t swapped,
      transaction.execute("UPDATE views SET metadata_location = $1, updated_at_ms = $2 "
                          "WHERE namespace = $3 AND name = $4 AND metadata_location = $5",
                          {next.metadata_location, now_ms, path_of(base.identifier.name_space),
                           base.identifier.name, base.metadata_location}));
  return swapped > 0;
}

// Folders of ours begin with '_', hidden ones with '.'.
bool is_private(std::string_view key) {
  return key.starts_with('_') || key.starts_with('.') || key.contains("/_") || key.contains("/.");
}

// True if the folder is one that `create_view` made for the view, whatever its name was then.
bool is_own_folder(const ViewMetadata& view) {
  const std::string key = detail::table_key({.name_space = {}, .name = ""}, view.view_uuid);
  return view.location.ends_with(std::string_view(key).substr(key.rfind('/') + 1));
}

}  // namespace

// A view's files are in a bucket, or in a folder that may be used beside them.
Status Catalog::write_view_file(const RequestContext& context, const LoadedView& view) const {
  const auto bytes = std::as_bytes(std::span(*view.metadata_json));
  return buckets_.resolve(view.metadata_location)
             ? buckets_.write_new(context, view.metadata_location, bytes)
             : view_folders_.write_new(context, view.metadata_location, bytes);
}

void Catalog::remove_view_file(const std::string& location) const {
  // Cleaning up outlives the request that failed.
  const RequestContext context;
  [[maybe_unused]] const Status removed = buckets_.resolve(location)
                                              ? buckets_.remove(context, location)
                                              : view_folders_.remove(context, location);
}

Result<std::string> Catalog::next_view_file(const RequestContext& context, const ViewMetadata& view,
                                            std::string_view previous) {
  std::string file = MetadataFiles::next_name(view.location, previous);
  const std::string* wanted = view.property("write.metadata.path");
  if (wanted == nullptr) {
    return file;
  }
  const std::string wanted_file =
      fmt::format("{}{}", std::string_view(*wanted).substr(0, wanted->find_last_not_of('/') + 1),
                  file.substr(file.rfind('/')));
  const auto at = buckets_.resolve(*wanted);
  if (!at) {
    return view_folders_.allows(wanted_file) ? wanted_file : file;
  }
  if (is_private(at->key)) {
    return file;
  }
  bool is_free = true;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    // As it was asked for and as we would write it: the same folder has several spellings.
    LH_ASSIGN_OR_RETURN(const std::string ours, buckets_.location(at->bucket, at->key));
    for (const std::string& location : {*wanted, ours}) {
      LH_ASSIGN_OR_RETURN(const auto others, detail::datasets_at(transaction, location));
      is_free = is_free && others.empty();
    }
    return {};
  }));
  return is_free ? wanted_file : file;
}

Result<LoadedView> Catalog::create_view(const RequestContext& context, CreateView request,
                                        const ViewCommitOptions& options) {
  const TableIdentifier& view = request.identifier;
  LH_RETURN_IF_ERROR(check_identifier(view));
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) {
    return detail::check_new_name(transaction, view, Kind::View);
  }));
  iceberg::NewView parts{.schema = std::move(request.schema),
                         .version = std::move(request.version),
                         .properties = std::move(request.properties),
                         .location = {},
                         .uuid = new_uuid()};
  LH_ASSIGN_OR_RETURN(parts.location, new_location(view, parts.uuid, request.bucket));
  LH_ASSIGN_OR_RETURN(ViewMetadata metadata, iceberg::new_view_metadata(parts));
  LH_ASSIGN_OR_RETURN(std::string file, next_view_file(context, metadata, ""));
  LoadedView made = rendered(view, std::move(file), std::move(metadata));
  Status done = write_view_file(context, made);
  if (done) {
    done = metastore_.write(context, [&](Transaction& transaction) -> Status {
      LH_RETURN_IF_ERROR(insert_view(transaction, made, now_ms()));
      return options.also ? options.also(transaction, made) : Status();
    });
  }
  if (!done) {
    if (done.error().code != ErrorCode::CommitStateUnknown) {
      remove_made_table(parts.location, made.metadata_location);
    }
    return std::unexpected(std::move(done).error());
  }
  detail::note_name(buckets_, made.metadata->location, made.metadata->view_uuid, Kind::View, view);
  return made;
}

Result<LoadedView> Catalog::load_view_at(const RequestContext& context, const TableIdentifier& view,
                                         const std::string& metadata_location) {
  LH_ASSIGN_OR_RETURN(const storage::Bytes bytes,
                      buckets_.resolve(metadata_location)
                          ? buckets_.read(context, metadata_location)
                          : view_folders_.read(context, metadata_location));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): a text's bytes are its characters.
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto metadata = iceberg::view_metadata_from_text(file);
  if (!metadata) {
    return fail(ErrorCode::DataLoss, fmt::format("metadata file '{}' is damaged: {}",
                                                 metadata_location, metadata.error().message));
  }
  return rendered(view, metadata_location, *std::move(metadata));
}

Result<LoadedView> Catalog::load_view(const RequestContext& context, const TableIdentifier& view) {
  LH_RETURN_IF_ERROR(check_identifier(view));
  std::string missing;
  while (true) {
    std::optional<std::string> location;
    LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
      LH_ASSIGN_OR_RETURN(location, find_view(transaction, view));
      return {};
    }));
    if (!location) {
      return detail::no_view(view);
    }
    auto loaded = load_view_at(context, view, *location);
    if (loaded) {
      return loaded;
    }
    if (loaded.error().code != ErrorCode::NotFound) {
      return std::unexpected(
          std::move(loaded).error().with_context(fmt::format("load view {}", to_string(view))));
    }
    // Dropped or replaced since the pointer was read? Then it reads otherwise now.
    if (missing == *location) {
      return fail(ErrorCode::DataLoss, fmt::format("view {}: its metadata file is missing: {}",
                                                   to_string(view), missing));
    }
    missing = *location;
  }
}

Result<bool> Catalog::view_exists(const RequestContext& context, const TableIdentifier& view) {
  LH_RETURN_IF_ERROR(check_identifier(view));
  bool is_there = false;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto location, find_view(transaction, view));
    is_there = location.has_value();
    return {};
  }));
  return is_there;
}

Result<Page<TableIdentifier>> Catalog::list_views(const RequestContext& context,
                                                  const Namespace& name_space,
                                                  const PageRequest& page) {
  LH_RETURN_IF_ERROR(check_namespace(name_space));
  Page<TableIdentifier> answer;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        answer, detail::page_of_names(transaction,
                                      "SELECT name FROM views WHERE namespace = $1 AND name > $2 "
                                      "ORDER BY name LIMIT $3",
                                      name_space, page));
    return {};
  }));
  return answer;
}

Result<std::vector<TableIdentifier>> Catalog::list_all_views(const RequestContext& context) {
  std::vector<TableIdentifier> views;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT namespace, name FROM views ORDER BY namespace, name"));
    for (const auto& row : rows) {
      views.push_back({.name_space = detail::namespace_of(text(row[0])), .name = text(row[1])});
    }
    return {};
  }));
  return views;
}

Result<LoadedView> Catalog::replace_view(const RequestContext& context, const TableIdentifier& view,
                                         const std::vector<iceberg::AssertViewUuid>& requirements,
                                         const std::vector<iceberg::ViewUpdate>& updates,
                                         const ViewCommitOptions& options) {
  std::vector<iceberg::ViewUpdate> staying = updates;
  std::erase_if(staying, [](const iceberg::ViewUpdate& update) {
    return std::holds_alternative<iceberg::SetLocation>(update);
  });
  for (int attempt = 1;; ++attempt) {
    LH_RETURN_IF_ERROR(context.check());
    LH_ASSIGN_OR_RETURN(const LoadedView base, load_view(context, view));
    LH_RETURN_IF_ERROR(iceberg::check_view_requirements(requirements, *base.metadata));
    LH_ASSIGN_OR_RETURN(ViewMetadata metadata,
                        iceberg::apply_view_updates(*base.metadata, staying, now_ms()));
    LoadedView next = base;
    const bool changes = metadata != *base.metadata;
    Status done;
    if (changes) {
      LH_ASSIGN_OR_RETURN(std::string file,
                          next_view_file(context, metadata, base.metadata_location));
      next = rendered(view, std::move(file), std::move(metadata));
      done = write_view_file(context, next);
    }
    bool lost_race = false;
    if (done) {
      done = metastore_.write(context, [&](Transaction& transaction) -> Status {
        LH_ASSIGN_OR_RETURN(const bool swapped, swap_pointer(transaction, base, next, now_ms()));
        lost_race = !swapped;
        if (lost_race) {
          return fail(ErrorCode::Aborted, fmt::format("view {} has changed", to_string(view)));
        }
        return options.also ? options.also(transaction, next) : Status();
      });
    }
    if (done) {
      return next;
    }
    if (changes && done.error().code != ErrorCode::CommitStateUnknown) {
      remove_view_file(next.metadata_location);
    }
    if (!lost_race || attempt >= options_.commit_tries_max) {
      return std::unexpected(std::move(done).error());
    }
  }
}

Status Catalog::drop_view(const RequestContext& context, const TableIdentifier& view,
                          const CommitOptions& options) {
  // A view whose file is lost or damaged can be dropped, too.
  const auto loaded = load_view(context, view);
  if (!loaded && loaded.error().code != ErrorCode::DataLoss) {
    return std::unexpected(loaded.error());
  }
  bool purge = false;
  if (loaded && is_own_folder(*loaded->metadata)) {
    const std::string* collect = loaded->metadata->property("gc.enabled");
    purge = collect == nullptr || *collect != "false";
  }
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const std::int64_t dropped,
                        transaction.execute("DELETE FROM views WHERE namespace = $1 AND name = $2",
                                            {path_of(view.name_space), view.name}));
    if (dropped == 0) {
      return detail::no_view(view);
    }
    if (purge) {
      const std::string& location = loaded->metadata->location;
      LH_ASSIGN_OR_RETURN(const auto others, detail::datasets_at(transaction, location));
      purge = others.empty();
    }
    if (purge) {
      LH_RETURN_IF_ERROR(
          transaction.execute("INSERT INTO purges (location, requested_at_ms) VALUES ($1, $2) "
                              "ON CONFLICT (location) DO NOTHING",
                              {loaded->metadata->location, now_ms()}));
    }
    return options.also ? options.also(transaction, {}) : Status();
  }));
  if (purge) {
    // The view is gone by now: what fails here is done at the next start, and no one's failure.
    [[maybe_unused]] const Status purged = finish_purges(context);
  } else if (loaded) {
    detail::note_dropped(buckets_, loaded->metadata->location, Kind::View, view);
  }
  return {};
}

Status Catalog::rename_view(const RequestContext& context, const TableIdentifier& from,
                            const TableIdentifier& to, const CommitOptions& options) {
  LH_RETURN_IF_ERROR(check_identifier(from));
  LH_RETURN_IF_ERROR(check_identifier(to));
  std::vector<metastore::Row> renamed;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const Kind kind, detail::kind_of(transaction, from));
    if (kind != Kind::View) {
      return detail::no_view(from);
    }
    LH_RETURN_IF_ERROR(detail::check_rename(transaction, from, to));
    LH_ASSIGN_OR_RETURN(
        renamed, transaction.query("UPDATE views SET namespace = $1, name = $2, updated_at_ms = $3 "
                                   "WHERE namespace = $4 AND name = $5 RETURNING location, uuid",
                                   {path_of(to.name_space), to.name, now_ms(),
                                    path_of(from.name_space), from.name}));
    return options.also ? options.also(transaction, {}) : Status();
  }));
  detail::note_name(buckets_, text(renamed[0][0]), text(renamed[0][1]), Kind::View, to);
  return {};
}

Result<LoadedView> Catalog::register_view(const RequestContext& context,
                                          const TableIdentifier& view,
                                          const std::string& metadata_location,
                                          const ViewCommitOptions& options) {
  LH_RETURN_IF_ERROR(check_identifier(view));
  auto loaded = load_view_at(context, view, metadata_location);
  if (!loaded) {
    Error error = std::move(loaded).error();
    // The caller named the file: that it is none is the caller's error, not a loss of ours.
    if (error.code == ErrorCode::DataLoss) {
      error.code = ErrorCode::InvalidArgument;
    }
    return std::unexpected(std::move(error));
  }
  const std::string& location = loaded->metadata->location;
  if (auto resolved = buckets_.resolve(location); !resolved) {
    return std::unexpected(std::move(resolved).error().with_context("the view to register"));
  }
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_RETURN_IF_ERROR(detail::check_new_name(transaction, view, Kind::View));
    LH_ASSIGN_OR_RETURN(const auto others, detail::datasets_at(transaction, location));
    if (!others.empty()) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("the view at '{}' is registered, or lies in the same folder as what "
                              "is: {}",
                              location, to_string(others.front())));
    }
    LH_RETURN_IF_ERROR(insert_view(transaction, *loaded, now_ms()));
    // A drop of the same folder may be unfinished: it must not go on now.
    LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM purges WHERE location = $1", {location}));
    return options.also ? options.also(transaction, *loaded) : Status();
  }));
  detail::note_name(buckets_, location, loaded->metadata->view_uuid, Kind::View, view);
  return loaded;
}

}  // namespace lakehouse::catalog
