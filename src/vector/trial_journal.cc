#include "vector/trial_journal.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <span>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/json.h"
#include "base/unique_fd.h"

namespace lakehouse::vector {
namespace {

constexpr std::string_view kFolder = "_hnsw_trials";
constexpr std::size_t kListed = 1000;
constexpr int kSegmentTries = 100;

std::string file_key(std::string_view index) {
  return fmt::format("{}/{}.jsonl", kFolder, index);
}

std::unexpected<Error> io_error(std::string_view doing) {
  return fail(
      errno == ENOSPC ? ErrorCode::ResourceExhausted : ErrorCode::Unavailable,
      fmt::format("{} the journal of trials: {}", doing, std::generic_category().message(errno)));
}

/// The keys of the segments, in their order.
Result<std::vector<std::string>> segments(const RequestContext& context,
                                          storage::ObjectStore& store, std::string_view index) {
  std::vector<std::string> keys;
  const std::string prefix = fmt::format("{}/{}.", kFolder, index);
  std::string after;
  do {
    LH_ASSIGN_OR_RETURN(const storage::ObjectList page,
                        store.list_objects(context, prefix, "", after, kListed));
    for (const storage::ObjectInfo& object : page.objects) {
      const std::string_view middle = std::string_view(object.key).substr(prefix.size());
      if (middle.size() > 6 && middle.ends_with(".jsonl") &&
          middle.find_first_not_of("0123456789") == middle.size() - 6) {
        keys.push_back(object.key);
      }
    }
    after = page.next_start_after;
  } while (!after.empty());
  std::ranges::sort(keys);
  return keys;
}

}  // namespace

Status TrialJournal::append(const RequestContext& context, const std::string& bucket,
                            const std::vector<Trial>& trials) {
  if (trials.empty()) {
    return {};
  }
  std::string lines;
  for (const Trial& trial : trials) {
    lines += lakehouse::to_json(to_json(trial)) + "\n";
  }
  LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets_.find(bucket));
  const std::string& index = trials.front().index;
  const auto path = may_append_ ? store->local_path(file_key(index)) : std::nullopt;
  const std::lock_guard lock(appending_);
  if (path) {
    LH_RETURN_IF_ERROR(store->make_folder(context, kFolder));
    return append_file(*path, lines);
  }
  return append_segment(context, *store, index, lines);
}

Status TrialJournal::append_file(const std::string& path, std::string_view lines) {
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (file.get() < 0 || ::flock(file.get(), LOCK_EX) != 0) {
    return io_error("open");
  }
  // A line that a crash has cut stays alone on its line.
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(file.get(), &last, 1, size - 1) != 1) {
    return io_error("read");
  }
  std::string text = last == '\n' ? std::string() : std::string("\n");
  text += lines;
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t written = ::write(file.get(), rest.data(), rest.size());
    if (written < 0 && errno != EINTR) {
      return io_error("write");
    }
    rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return ::fsync(file.get()) == 0 ? Status() : io_error("keep");
}

Status TrialJournal::append_segment(const RequestContext& context, storage::ObjectStore& store,
                                    std::string_view index, std::string_view lines) {
  LH_ASSIGN_OR_RETURN(const std::vector<std::string> there, segments(context, store, index));
  for (std::size_t number = there.size() + 1; number < there.size() + kSegmentTries; ++number) {
    const auto put =
        store.put_object(context, fmt::format("{}/{}.{:08}.jsonl", kFolder, index, number),
                         std::as_bytes(std::span(lines)),
                         {.kind = storage::PutCondition::Kind::IfAbsent, .etag = {}});
    if (put || put.error().code != ErrorCode::AlreadyExists) {
      return put ? Status() : std::unexpected(put.error());
    }
  }
  return fail(ErrorCode::Aborted, "too many write into the journal of trials at once");
}

Result<std::vector<Trial>> TrialJournal::read(const RequestContext& context,
                                              const std::string& bucket, std::string_view index) {
  LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets_.find(bucket));
  LH_ASSIGN_OR_RETURN(std::vector<std::string> keys, segments(context, *store, index));
  keys.insert(keys.begin(), file_key(index));
  std::string text;
  for (const std::string& key : keys) {
    const auto bytes = store->get_object(context, key, std::nullopt);
    if (!bytes && bytes.error().code != ErrorCode::NotFound) {
      return std::unexpected(bytes.error());
    }
    if (bytes) {
      text.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
      text.push_back('\n');
    }
    if (text.size() > kBytesMax) {
      return fail(ErrorCode::ResourceExhausted,
                  fmt::format("the journal of the trials of {} has more than 64 MiB", index));
    }
  }
  std::vector<Trial> trials;
  std::set<std::string> ids;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto json = parse_json(line, "a line");
    auto trial = json ? trial_from_json(*json) : std::unexpected(json.error());
    if (trial && ids.insert(trial->id).second) {
      trials.push_back(*std::move(trial));
    }
  }
  return trials;
}

}  // namespace lakehouse::vector
