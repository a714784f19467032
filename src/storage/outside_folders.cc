#include "storage/outside_folders.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "storage/detail/file_location.h"
#include "storage/local_object_store.h"

namespace lakehouse::storage {

OutsideFolders::OutsideFolders(std::vector<std::string> folders) {
  for (const std::string& folder : folders) {
    if (folder.starts_with('/')) {
      folders_.push_back((std::filesystem::path(folder) / "").lexically_normal().string());
    }
  }
}

bool OutsideFolders::allows(std::string_view location) const {
  const auto path = detail::path_of_location(location);
  return path && std::ranges::any_of(folders_, [&](const std::string& folder) {
           return path->starts_with(folder) && check_key(path->substr(folder.size())).has_value();
         });
}

namespace {

struct File {
  std::unique_ptr<ObjectStore> folder;
  std::string name;
};

Result<File> open(const OutsideFolders& folders, std::string_view location) {
  const auto local = detail::path_of_location(location);
  if (!local || !folders.allows(location)) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("location '{}' is in no bucket of this lakehouse", location),
        "The setting storage.view_metadata_folders names where else a view's files may be.");
  }
  const std::filesystem::path path(*local);
  LH_ASSIGN_OR_RETURN(auto folder, LocalObjectStore::open(path.parent_path().string()));
  return File{.folder = std::move(folder), .name = path.filename().string()};
}

}  // namespace

Result<Bytes> OutsideFolders::read(const RequestContext& context, std::string_view location) const {
  LH_ASSIGN_OR_RETURN(const File file, open(*this, location));
  return file.folder->get_object(context, file.name, std::nullopt);
}

Status OutsideFolders::write_new(const RequestContext& context, std::string_view location,
                                 std::span<const std::byte> bytes) const {
  LH_ASSIGN_OR_RETURN(const File file, open(*this, location));
  const PutCondition if_absent{.kind = PutCondition::Kind::IfAbsent, .etag = {}};
  LH_RETURN_IF_ERROR(file.folder->put_object(context, file.name, bytes, if_absent));
  return {};
}

Status OutsideFolders::remove(const RequestContext& context, std::string_view location) const {
  LH_ASSIGN_OR_RETURN(const File file, open(*this, location));
  return file.folder->delete_object(context, file.name);
}

}  // namespace lakehouse::storage
