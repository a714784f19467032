#include "query/kept_scans.h"

#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "query/table_source.h"

namespace lakehouse::query {
namespace {

/// By estimate, as boost keeps it.
std::size_t size_of(const boost::json::value& value) {
  std::size_t bytes = sizeof value;
  if (const auto* array = value.if_array()) {
    for (const boost::json::value& each : *array) {
      bytes += size_of(each);
    }
  } else if (const auto* object = value.if_object()) {
    for (const auto& each : *object) {
      bytes += sizeof each + each.key().size() + size_of(each.value());
    }
  } else if (const auto* text = value.if_string()) {
    bytes += text->size();
  }
  return bytes;
}

std::size_t size_of(const TableScan& scan) {
  std::size_t bytes = size_of(boost::json::value(scan.node));
  for (const engine::Variable& variable : scan.variables) {
    bytes += variable.name.size() + size_of(variable.value);
  }
  for (const std::string& file : scan.files) {
    bytes += sizeof file + file.size();
  }
  return bytes;
}

}  // namespace

std::shared_ptr<const TableScan> KeptScans::find(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    return nullptr;
  }
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->scan;
}

void KeptScans::keep(std::string key, std::shared_ptr<const TableScan> scan) {
  const std::size_t size_bytes = size_of(*scan) + 2 * key.size();
  const std::lock_guard lock(mutex_);
  if (size_bytes > bytes_max_ / 4 || by_key_.contains(key)) {
    return;
  }
  recent_.push_front({std::move(key), std::move(scan), size_bytes});
  by_key_.emplace(recent_.front().key, recent_.begin());
  size_bytes_ += size_bytes;
  while (size_bytes_ > bytes_max_) {
    size_bytes_ -= recent_.back().size_bytes;
    by_key_.erase(recent_.back().key);
    recent_.pop_back();
  }
}

}  // namespace lakehouse::query
