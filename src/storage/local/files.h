#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include "base/error.h"
#include "base/unique_fd.h"
#include "storage/object.h"

/// \file
/// System calls of the local store, with errors as values.

namespace lakehouse::storage::local {

/// What `error_number` of the system means for a caller; `doing` says what failed, and on what.
[[nodiscard]] std::unexpected<Error> system_error(int error_number, std::string_view doing,
                                                  std::string_view on);

/// Opens `path` below `root` (empty: the root itself) without following any symbolic link and
/// without leaving the root. Empty, with errno set, if that fails.
[[nodiscard]] UniqueFd open_beneath(int root, const std::string& path, int flags);

Status write_all(int fd, std::span<const std::byte> bytes, std::string_view on);
/// Fills at most `buffer` from `offset`; 0 at the end.
Result<std::size_t> read_at(int fd, std::span<std::byte> buffer, std::uint64_t offset_bytes,
                            std::string_view on);
Status sync(int fd, std::string_view on);

/// The folder part and the last segment of a key; the folder of "a" is "".
struct KeyParts {
  std::string folder;
  std::string leaf;
};
[[nodiscard]] KeyParts split_key(std::string_view key);

/// The version of a file: its time of change in nanoseconds, its size and its inode.
[[nodiscard]] ETag etag_of(const struct stat& status);
[[nodiscard]] ObjectInfo info_of(std::string_view key, const struct stat& status);

}  // namespace lakehouse::storage::local
