#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>

#include "base/error.h"
#include "base/roaring.h"
#include "engine/child/duck.h"

namespace lakehouse::engine {

/// The deleted rows of a list of files. Immutable.
class RowMask {
 public:
  /// A Roaring bitmap in hexadecimal for each file, in the files' order; empty text for a file that
  /// has all its rows. DataLoss if one is no bitmap.
  static Result<std::shared_ptr<const RowMask>> make(const boost::json::array& bitmaps);

  [[nodiscard]] bool has(std::uint64_t file, std::int64_t row) const {
    if (file >= files_.size() || row < 0) {
      return false;
    }
    const File& one = files_[file];
    const auto number = static_cast<std::uint64_t>(row);
    if (one.in_bits) {
      return number / 64 < one.bits.size() && ((one.bits[number / 64] >> (number % 64)) & 1U) != 0;
    }
    return one.bitmap.contains(number);
  }

 private:
  struct File {
    std::string bytes;
    RoaringView bitmap;               ///< Of `bytes`.
    std::vector<std::uint64_t> bits;  ///< One for each row up to the last deleted one.
    bool in_bits = true;
  };
  std::vector<File> files_;
};

/// What lh_row_is_deleted asks, by connection and name while a statement runs on it. Thread-safe.
class RowMasks {
 public:
  /// Takes what a connection has away when its statement is over.
  class Scope {
   public:
    Scope(RowMasks& masks, const Connection& connection);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    Status put(const std::string& name, const boost::json::array& bitmaps);

   private:
    RowMasks& masks_;
    idx_t connection_;
  };

  /// Null if the connection has none of the name.
  [[nodiscard]] std::shared_ptr<const RowMask> find(idx_t connection,
                                                    const std::string& name) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<idx_t, std::string>, std::shared_ptr<const RowMask>> by_name_;
};

/// Registers lh_row_is_deleted(mask VARCHAR, file UBIGINT, row BIGINT) -> BOOLEAN; `mask` is the
/// constant name of one that the connection has. `masks` outlives the database.
Status register_row_masks(const Database& database, RowMasks& masks);

}  // namespace lakehouse::engine
