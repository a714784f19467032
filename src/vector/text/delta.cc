#include "vector/text/delta.h"

#include <algorithm>
#include <limits>

namespace lakehouse::vector {

namespace {
constexpr std::uint32_t kNoTerm = std::numeric_limits<std::uint32_t>::max();
}  // namespace

std::uint32_t TextDelta::number_of(const WordReader& reader) {
  // What has no stem is never the same as a word: "c++" against "c".
  const auto known = reader.has_stem() ? words_.find(reader.word()) : words_.end();
  if (known != words_.end()) {
    return known->second;
  }
  const std::string_view term = stemmer_.term(reader);
  std::uint32_t number = kNoTerm;
  if (!term.empty()) {
    const auto found = numbers_.find(term);
    if (found != numbers_.end()) {
      number = found->second;
    } else {
      number = terms();
      const auto place = numbers_.emplace(std::string(term), number).first;
      lists_.emplace_back().term = &place->first;
    }
  }
  if (reader.has_stem()) {
    if (words_.size() >= kWordsMax) {
      words_.clear();
    }
    words_.emplace(reader.word(), number);
  }
  return number;
}

bool TextDelta::add(Row row, std::string_view text) {
  numbers_seen_.clear();
  WordReader reader(text);
  while (reader.next()) {
    const std::uint32_t number = number_of(reader);
    if (number != kNoTerm) {
      numbers_seen_.push_back(number);
    }
  }
  if (numbers_seen_.empty()) {
    return false;
  }
  std::ranges::sort(numbers_seen_);
  const auto slot = static_cast<std::uint32_t>(slots_.size());
  slots_.push_back({.row = row,
                    .length = static_cast<std::uint32_t>(numbers_seen_.size()),
                    .begin = documents_.size()});
  std::uint32_t before = 0;
  for (std::size_t i = 0; i < numbers_seen_.size();) {
    const std::uint32_t number = numbers_seen_[i];
    std::uint32_t count = 0;
    for (; i < numbers_seen_.size() && numbers_seen_[i] == number; ++i) {
      ++count;
    }
    append_varint(documents_, number - before);
    append_varint(documents_, count);
    before = number;
    List& list = lists_[number];
    const std::size_t size = list.bytes.size();
    append_posting(list.bytes, list.last_slot, slot, count);
    list_bytes_ += list.bytes.size() - size;
    list.last_slot = slot;
    ++list.rows;
    list.count_max = std::max(list.count_max, count);
  }
  slot_of_.emplace(row, slot);
  length_sum_ += slots_.back().length;
  return true;
}

bool TextDelta::remove(Row row) {
  const auto found = slot_of_.find(row);
  if (found == slot_of_.end()) {
    return false;
  }
  each_term_of(found->second, [&](std::uint32_t term, std::uint32_t) { --lists_[term].rows; });
  length_sum_ -= slots_[found->second].length;
  slots_[found->second].length = 0;
  slot_of_.erase(found);
  return true;
}

std::optional<std::uint32_t> TextDelta::slot_of(Row row) const {
  const auto found = slot_of_.find(row);
  return found == slot_of_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::uint32_t> TextDelta::find(std::string_view term) const {
  const auto found = numbers_.find(term);
  return found == numbers_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t TextDelta::memory_bytes() const {
  constexpr std::size_t kMapEntry = 80;  // A node with a short string, and its bucket.
  return documents_.capacity() + list_bytes_ + lists_.capacity() * sizeof(List) +
         slots_.capacity() * sizeof(Slot) + slot_of_.size() * 32 +
         (numbers_.size() + words_.size()) * kMapEntry;
}

}  // namespace lakehouse::vector
