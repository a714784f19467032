#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "vector/row_set.h"
#include "vector/text/image.h"
#include "vector/text/varint.h"
#include "vector/text/words.h"

namespace lakehouse::vector {

/// Lets maps with string keys be asked with views.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};
template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

/// Rows of a full-text index in memory. Each row that is added takes the next slot; one that is
/// removed leaves its slot dead. Not thread-safe.
class TextDelta {
 public:
  struct Slot {
    Row row = 0;
    std::uint32_t length = 0;  ///< 0: dead.
    std::size_t begin = 0;     ///< Of its terms in `documents_`; they end where the next begin.
  };

  explicit TextDelta(Analysis analysis) : stemmer_(analysis) {}

  /// The row must not be there. False if the text has no term, and nothing is added.
  bool add(Row row, std::string_view text);
  /// False if it is not there.
  bool remove(Row row);

  [[nodiscard]] std::optional<std::uint32_t> slot_of(Row row) const;
  [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }
  [[nodiscard]] std::uint32_t rows() const { return static_cast<std::uint32_t>(slot_of_.size()); }
  [[nodiscard]] std::uint64_t length_sum() const { return length_sum_; }

  [[nodiscard]] std::uint32_t terms() const { return static_cast<std::uint32_t>(lists_.size()); }
  [[nodiscard]] std::string_view term(std::uint32_t number) const { return *lists_[number].term; }
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view term) const;
  /// That live rows have it in.
  [[nodiscard]] std::uint32_t rows_with(std::uint32_t term) const { return lists_[term].rows; }
  [[nodiscard]] std::uint32_t count_max(std::uint32_t term) const { return lists_[term].count_max; }
  /// visit(slot, count), dead slots too.
  template <class Visit>
  void each_posting_of(std::uint32_t term, Visit&& visit) const {
    const std::string& bytes = lists_[term].bytes;
    each_posting(bytes.data(), bytes.data() + bytes.size(), -1, visit);
  }
  /// visit(term, count), ascending.
  template <class Visit>
  void each_term_of(std::uint32_t slot, Visit&& visit) const {
    const char* at = documents_.data() + slots_[slot].begin;
    const char* const end =
        documents_.data() + (slot + 1 < slots_.size() ? slots_[slot + 1].begin : documents_.size());
    std::uint32_t number = 0;
    while (at != end) {
      number += read_varint(at);
      visit(number, read_varint(at));
    }
  }

  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct List {
    const std::string* term = nullptr;  ///< The key in `numbers_`.
    std::string bytes;                  ///< As a block's postings, slots for rows.
    std::int64_t last_slot = -1;
    std::uint32_t rows = 0;
    std::uint32_t count_max = 0;
  };
  /// Beyond so many words the map from words to terms begins anew.
  static constexpr std::size_t kWordsMax = 500'000;

  std::uint32_t number_of(const WordReader& reader);

  Stemmer stemmer_;
  StringMap<std::uint32_t> numbers_;
  StringMap<std::uint32_t> words_;  ///< Spares stemming: text has few words, often.
  std::vector<List> lists_;
  std::vector<Slot> slots_;
  std::unordered_map<Row, std::uint32_t> slot_of_;
  std::string documents_;  ///< As the image's.
  std::uint64_t length_sum_ = 0;
  std::size_t list_bytes_ = 0;
  std::vector<std::uint32_t> numbers_seen_;  ///< Of the text that is being added.
};

}  // namespace lakehouse::vector
