#include "iceberg/detail/summary.h"

#include <charconv>
#include <optional>
#include <utility>

namespace lakehouse::iceberg::detail {
namespace {

std::optional<std::int64_t> number(const Properties& properties, std::string_view name) {
  const auto found = properties.find(name);
  if (found == properties.end()) {
    return std::nullopt;
  }
  std::int64_t value = 0;
  const std::string& text = found->second;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                 : std::nullopt;
}

}  // namespace

void SummaryBuilder::Counts::count(const DataFile& file) {
  files_size +=
      file.is_deletion_vector() ? file.content_size_in_bytes.value_or(0) : file.file_size_in_bytes;
  switch (file.content) {
    case FileContent::Data:
      ++data_files;
      records += file.record_count;
      return;
    case FileContent::PositionDeletes:
      ++delete_files;
      position_deletes += file.record_count;
      ++(file.is_deletion_vector() ? vectors : position_delete_files);
      return;
    case FileContent::EqualityDeletes:
      ++delete_files;
      ++equality_delete_files;
      equality_deletes += file.record_count;
      return;
  }
}

void SummaryBuilder::added(const DataFile& file) {
  added_.count(file);
  partitions_.insert(partition_key(file.spec_id, file.partition));
}

void SummaryBuilder::removed(const DataFile& file) {
  removed_.count(file);
  partitions_.insert(partition_key(file.spec_id, file.partition));
}

Properties SummaryBuilder::finish(std::string operation,
                                  const std::map<std::string, std::string>& more,
                                  const Properties* parent, bool starts_anew) const {
  Properties out;
  for (const auto& [name, value] : more) {
    out[name] = value;
  }
  out["operation"] = std::move(operation);
  const auto set = [&](const char* name, std::int64_t value) {
    if (value > 0) {
      out[name] = std::to_string(value);
    }
  };
  set("added-data-files", added_.data_files);
  set("deleted-data-files", removed_.data_files);
  set("added-delete-files", added_.delete_files);
  set("removed-delete-files", removed_.delete_files);
  set("added-position-delete-files", added_.position_delete_files);
  set("removed-position-delete-files", removed_.position_delete_files);
  set("added-equality-delete-files", added_.equality_delete_files);
  set("removed-equality-delete-files", removed_.equality_delete_files);
  set("added-dvs", added_.vectors);
  set("removed-dvs", removed_.vectors);
  set("added-records", added_.records);
  set("deleted-records", removed_.records);
  set("added-position-deletes", added_.position_deletes);
  set("removed-position-deletes", removed_.position_deletes);
  set("added-equality-deletes", added_.equality_deletes);
  set("removed-equality-deletes", removed_.equality_deletes);
  set("added-files-size", added_.files_size);
  set("removed-files-size", removed_.files_size);
  out["changed-partition-count"] = std::to_string(partitions_.size());

  const auto total = [&](const char* name, std::int64_t plus, std::int64_t minus) {
    std::optional<std::int64_t> before = 0;
    if (starts_anew) {
      minus = 0;
    } else if (parent != nullptr) {
      before = number(*parent, name);
    }
    if (before && *before + plus - minus >= 0) {
      out[name] = std::to_string(*before + plus - minus);
    }
  };
  total("total-records", added_.records, removed_.records);
  total("total-files-size", added_.files_size, removed_.files_size);
  total("total-data-files", added_.data_files, removed_.data_files);
  total("total-delete-files", added_.delete_files, removed_.delete_files);
  total("total-position-deletes", added_.position_deletes, removed_.position_deletes);
  total("total-equality-deletes", added_.equality_deletes, removed_.equality_deletes);
  return out;
}

}  // namespace lakehouse::iceberg::detail
