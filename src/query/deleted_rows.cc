#include "query/deleted_rows.h"

#include <charconv>
#include <string_view>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "iceberg/deletion_vector.h"

namespace lakehouse::query {
namespace {

// The positions travel as text: of numbers by the million, JSON's own arrays take thirty times it.
constexpr std::string_view kQuestion =
    "SELECT lh_file, regexp_replace(file_path, '^file:(//)?', '') AS path, "
    "string_agg(CAST(pos AS VARCHAR), ',') FROM read_parquet(getvariable('lh_files'), "
    "filename = 'lh_file', hive_partitioning = false) GROUP BY ALL";

Status add_positions(std::string_view text, RoaringSet& rows) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    std::uint64_t row = 0;
    const auto [after, problem] = std::from_chars(at, end, row);
    if (problem != std::errc() || row >> 63U != 0 || (after < end && *after != ',')) {
      return fail(ErrorCode::DataLoss, "a delete file has a position that is none");
    }
    rows.add(row);
    at = after + 1;
  }
  return {};
}

/// By estimate: two bytes a row.
std::size_t size_of(const DeletedRows::ByPath& rows) {
  std::size_t bytes = 0;
  for (const auto& [path, set] : rows) {
    bytes += 2 * path.size() + 200 + 2 * set.cardinality();
  }
  return bytes;
}

}  // namespace

std::string plain_path(std::string_view location) {
  if (location.starts_with("file:")) {
    location.remove_prefix(5);
    location.remove_prefix(location.starts_with("//") ? 2 : 0);
  }
  return std::string(location);
}

template <class T>
std::shared_ptr<const T> DeletedRows::known(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(key);
  if (found == known_.end()) {
    return nullptr;
  }
  recent_.splice(recent_.begin(), recent_, found->second);
  const auto* value = std::get_if<std::shared_ptr<const T>>(&found->second->value);
  return value == nullptr ? nullptr : *value;
}

void DeletedRows::keep(std::string key, Value value, std::size_t size_bytes) {
  const std::lock_guard lock(mutex_);
  if (size_bytes > bytes_max_ / 4 || known_.contains(key)) {
    return;
  }
  recent_.push_front({std::move(key), std::move(value), size_bytes});
  known_.emplace(recent_.front().key, recent_.begin());
  size_bytes_ += size_bytes;
  while (size_bytes_ > bytes_max_) {
    size_bytes_ -= recent_.back().size_bytes;
    known_.erase(recent_.back().key);
    recent_.pop_back();
  }
}

Result<std::unordered_map<std::string, std::shared_ptr<const DeletedRows::ByPath>>>
DeletedRows::positions(const RequestContext& context, const std::vector<std::string>& paths) {
  std::unordered_map<std::string, std::shared_ptr<const ByPath>> out;
  std::vector<std::string> missing;
  for (const std::string& path : paths) {
    if (auto rows = known<ByPath>(path)) {
      out.emplace(path, std::move(rows));
    } else {
      missing.push_back(path);
    }
  }
  if (missing.empty()) {
    return out;
  }
  std::unordered_map<std::string, ByPath> read;
  LH_RETURN_IF_ERROR(ask_engine(context, missing, read));
  for (const std::string& path : missing) {
    auto rows = std::make_shared<const ByPath>(std::move(read[path]));
    keep(path, rows, size_of(*rows) + path.size());
    out.emplace(path, std::move(rows));
  }
  return out;
}

Status DeletedRows::ask_engine(const RequestContext& context, const std::vector<std::string>& paths,
                               std::unordered_map<std::string, ByPath>& out) {
  engine::Statement question;
  question.text = kQuestion;
  boost::json::array files;
  for (const std::string& path : paths) {
    files.emplace_back(path);
  }
  question.variables.push_back({"lh_files", std::move(files)});
  auto rows = engine_.query_rows(context, std::move(question));
  if (!rows) {
    Error error = std::move(rows).error();
    error.position_bytes.reset();
    return std::unexpected(std::move(error).with_context("read position deletes"));
  }
  for (const boost::json::array& row : rows->rows) {
    if (row.size() != 3 || !row[0].is_string() || !row[1].is_string() || !row[2].is_string()) {
      return fail(ErrorCode::DataLoss, "a delete file names no file or no row");
    }
    RoaringSet& deleted = out[std::string(row[0].get_string())][std::string(row[1].get_string())];
    LH_RETURN_IF_ERROR(add_positions(row[2].get_string(), deleted));
  }
  return {};
}

Result<std::shared_ptr<const std::string>> DeletedRows::vector(const RequestContext& context,
                                                               const iceberg::TableMetadata& table,
                                                               const iceberg::DataFile& file) {
  const std::string key =
      fmt::format("{}|{}|{}", file.file_path, file.content_offset.value_or(0), file.record_count);
  if (auto bitmap = known<std::string>(key)) {
    return bitmap;
  }
  LH_ASSIGN_OR_RETURN(std::string read,
                      iceberg::read_deletion_vector(context, buckets_, table, file));
  auto bitmap = std::make_shared<const std::string>(std::move(read));
  keep(key, bitmap, bitmap->size() + key.size());
  return bitmap;
}

}  // namespace lakehouse::query
