#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "iceberg/manifest.h"
#include "iceberg/snapshot.h"

namespace lakehouse::iceberg::detail {

/// Counts what a snapshot adds and removes, in the words of the reference implementation (spec,
/// appendix F).
class SummaryBuilder {
 public:
  void added(const DataFile& file);
  void removed(const DataFile& file);

  /// The summary with totals: the parent's, changed by what was counted. Totals that the parent
  /// does not have cannot be known, unless the snapshot starts anew (no parent, or everything
  /// removed).
  Properties finish(std::string operation, const std::map<std::string, std::string>& more,
                    const Properties* parent, bool starts_anew) const;

 private:
  struct Counts {
    std::int64_t data_files = 0;
    std::int64_t delete_files = 0;
    std::int64_t position_delete_files = 0;
    std::int64_t equality_delete_files = 0;
    std::int64_t vectors = 0;
    std::int64_t records = 0;
    std::int64_t position_deletes = 0;
    std::int64_t equality_deletes = 0;
    std::int64_t files_size = 0;

    void count(const DataFile& file);
  };

  Counts added_;
  Counts removed_;
  std::set<std::string> partitions_;
};

}  // namespace lakehouse::iceberg::detail
