#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace lakehouse::query {

struct TableScan;

/// Scans that were planned, the last used first: a snapshot never changes, and so neither does what
/// reads it. Thread-safe.
class KeptScans {
 public:
  explicit KeptScans(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Null if there is none of this key.
  std::shared_ptr<const TableScan> find(std::string_view key);
  void keep(std::string key, std::shared_ptr<const TableScan> scan);

 private:
  struct Item {
    std::string key;
    std::shared_ptr<const TableScan> scan;
    std::size_t size_bytes = 0;
  };

  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::list<Item> recent_;
  std::unordered_map<std::string_view, std::list<Item>::iterator> by_key_;
  std::size_t size_bytes_ = 0;
};

}  // namespace lakehouse::query
