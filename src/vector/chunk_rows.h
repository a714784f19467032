#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "vector/row_set.h"

/// \file
/// What stands behind the row ordinals of an index: which chunk of which row of the source.

namespace lakehouse::vector {

/// A key of the source: a number or, of string and UUID keys, text. A view.
struct KeyView {
  std::int64_t number = 0;
  std::string_view text = {};
  friend bool operator==(const KeyView&, const KeyView&) = default;
};

/// One chunk. A view.
struct ChunkView {
  KeyView key;
  std::uint32_t chunk = 0;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::int64_t row_hash = 0;  ///< Of the whole text that the row had.
  std::string_view text;
};

/// Chunks in the order that they came. Safe to read from many threads; adding is not, and not
/// beside readers.
class ChunkRows {
 public:
  explicit ChunkRows(bool has_text_keys) : has_text_keys_(has_text_keys) {}

  void add(const ChunkView& chunk);
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(chunks_.size()); }
  [[nodiscard]] std::size_t memory_bytes() const;
  [[nodiscard]] ChunkView at(Row row) const;
  /// Calls `visit(row)` for each chunk of the key.
  template <class Visit>
  void each_of(const KeyView& key, Visit&& visit) const {
    const auto [from, to] = by_key_.equal_range(hash_of(key));
    for (auto at_hash = from; at_hash != to; ++at_hash) {
      if (key_at(at_hash->second) == key) {
        visit(at_hash->second);
      }
    }
  }

  [[nodiscard]] static std::uint64_t hash_of(const KeyView& key);

 private:
  friend class ChunkFile;
  struct Fixed {
    std::int64_t number = 0;
    std::uint64_t key_at = 0;  ///< Of text keys.
    std::uint32_t key_size = 0;
    std::uint32_t chunk = 0;
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::int64_t row_hash = 0;
    std::uint64_t text_at = 0;
    std::uint64_t text_size = 0;
  };
  [[nodiscard]] KeyView key_at(Row row) const;

  bool has_text_keys_;
  std::vector<Fixed> chunks_;
  std::string keys_;
  std::string texts_;
  std::unordered_multimap<std::uint64_t, Row> by_key_;
};

/// The same in a file, memory-mapped. Immutable, thread-safe.
class ChunkFile {
 public:
  /// Writes it durably. ResourceExhausted if the disk is full. `note` is kept with it.
  static Status write(const ChunkRows& rows, std::string_view note, const std::string& path);
  /// Everything but the texts is read and compared with its sum; nothing is read outside of the
  /// file, whatever it holds. DataLoss if it is damaged or none of ours; NotFound.
  static Result<std::unique_ptr<ChunkFile>> open(const std::string& path);
  ~ChunkFile();
  ChunkFile(const ChunkFile&) = delete;
  ChunkFile& operator=(const ChunkFile&) = delete;

  [[nodiscard]] std::string_view note() const { return note_; }
  [[nodiscard]] std::uint32_t size() const { return rows_; }
  [[nodiscard]] std::size_t file_bytes() const { return bytes_.size(); }
  [[nodiscard]] ChunkView at(Row row) const;
  template <class Visit>
  void each_of(const KeyView& key, Visit&& visit) const {
    for (std::uint64_t at_slot = ChunkRows::hash_of(key) & slot_mask_;;
         at_slot = (at_slot + 1) & slot_mask_) {
      const Row row = slot(at_slot);
      if (row == kNoRow) {
        return;
      }
      if (key_at(row) == key) {
        visit(row);
      }
    }
  }

 private:
  static constexpr Row kNoRow = UINT32_MAX;
  ChunkFile() = default;
  [[nodiscard]] Row slot(std::uint64_t at_slot) const;
  [[nodiscard]] KeyView key_at(Row row) const;
  Status check();

  std::string_view bytes_;  ///< The whole mapping.
  std::string_view note_;
  std::string_view fixed_;
  std::string_view slots_;
  std::string_view keys_;
  std::string_view texts_;
  std::uint32_t rows_ = 0;
  std::uint64_t slot_mask_ = 0;
  bool has_text_keys_ = false;
};

}  // namespace lakehouse::vector
