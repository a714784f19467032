#include "base/roaring.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace lakehouse {
namespace {

constexpr std::uint32_t kCookieWithoutRuns = 12346;
constexpr std::uint32_t kCookieWithRuns = 12347;
constexpr std::size_t kOffsetsFrom = 4;  ///< Containers; fewer, with runs, have no offsets.
constexpr std::size_t kArrayMax = 4096;
constexpr std::size_t kChunkNumbers = 65'536;
constexpr std::size_t kBitsetBytes = kChunkNumbers / 8;
constexpr std::size_t kWords = kChunkNumbers / 64;
constexpr std::size_t kContainersMax = 65'536;  ///< Of one 32-bit bitmap.
constexpr std::uint64_t kKeyMax = 0x7FFFFFFF;

std::unexpected<Error> broken(std::string_view why) {
  return fail(ErrorCode::DataLoss, fmt::format("a Roaring bitmap {}", why));
}

template <class T>
T load(std::string_view bytes, std::size_t at) {
  static_assert(std::endian::native == std::endian::little);
  T out{};
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

template <class T>
void put(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  std::array<char, sizeof value> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  out.append(bytes.data(), bytes.size());
}

/// Takes values off the front of bytes; `ok` is false once they were too few.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T take() {
    const std::string_view bytes = raw(sizeof(T));
    return ok_ ? load<T>(bytes, 0) : T{};
  }
  std::string_view raw(std::size_t count) {
    if (!ok_ || rest_.size() < count) {
      ok_ = false;
      return {};
    }
    const std::string_view out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t rest() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

struct Header {
  std::size_t count = 0;
  bool has_runs = false;
  std::string_view run_flags;
  std::string_view descriptions;
};

Result<Header> read_header(Cursor& in) {
  Header header;
  const auto cookie = in.take<std::uint32_t>();
  if (cookie == kCookieWithoutRuns) {
    header.count = in.take<std::uint32_t>();
  } else if ((cookie & 0xFFFFU) == kCookieWithRuns) {
    header.has_runs = true;
    header.count = (cookie >> 16U) + 1;
  } else {
    return broken("has an unknown cookie");
  }
  if (header.count > kContainersMax) {
    return broken("has too many containers");
  }
  header.run_flags = in.raw(header.has_runs ? (header.count + 7) / 8 : 0);
  header.descriptions = in.raw(4 * header.count);
  // The offsets say what the sizes say already.
  in.raw(!header.has_runs || header.count >= kOffsetsFrom ? 4 * header.count : 0);
  return in.ok() ? Result<Header>(header) : broken("ends too early");
}

template <class Visit>
void each_run(std::string_view runs, Visit&& visit) {
  for (std::size_t at = 0; at < runs.size(); at += 4) {
    const std::uint32_t from = load<std::uint16_t>(runs, at);
    visit(from, from + load<std::uint16_t>(runs, at + 2));
  }
}

}  // namespace

Result<RoaringView> RoaringView::open(std::string_view bytes) {
  RoaringView out;
  Cursor in(bytes);
  const auto bitmap_count = in.take<std::uint64_t>();
  // A bitmap takes twelve bytes at least, with its key.
  if (!in.ok() || bitmap_count > in.rest() / 12) {
    return broken("ends too early");
  }
  std::optional<std::uint64_t> last_key;
  for (std::uint64_t i = 0; i < bitmap_count; ++i) {
    const std::uint64_t key = in.take<std::uint32_t>();
    if (key > kKeyMax || (last_key && key <= *last_key)) {
      return broken("has keys that are out of order or too large");
    }
    last_key = key;
    LH_ASSIGN_OR_RETURN(const Header header, read_header(in));
    for (std::size_t k = 0; k < header.count; ++k) {
      Container one;
      const std::uint64_t low_key = load<std::uint16_t>(header.descriptions, 4 * k);
      one.high = key << 16U | low_key;
      one.cardinality = load<std::uint16_t>(header.descriptions, 4 * k + 2) + 1U;
      if (k > 0 && one.high <= out.containers_.back().high) {
        return broken("has containers that are out of order");
      }
      if (header.has_runs &&
          (static_cast<unsigned char>(header.run_flags[k / 8]) >> (k % 8) & 1U) != 0) {
        one.form = Form::Runs;
        const std::size_t run_count = in.take<std::uint16_t>();
        one.bytes = in.raw(4 * run_count);
      } else if (one.cardinality <= kArrayMax) {
        one.bytes = in.raw(std::size_t{2} * one.cardinality);
      } else {
        one.form = Form::Bitset;
        one.bytes = in.raw(kBitsetBytes);
      }
      if (!in.ok()) {
        return broken("ends too early");
      }
      out.cardinality_ += one.cardinality;
      out.containers_.push_back(one);
    }
  }
  return in.rest() == 0 ? Result<RoaringView>(std::move(out)) : broken("has bytes behind its end");
}

Status RoaringView::check_container(const Container& container) {
  const std::string_view bytes = container.bytes;
  std::uint64_t count = 0;
  bool ordered = true;
  switch (container.form) {
    case Form::Array:
      for (std::size_t at = 2; at < bytes.size(); at += 2) {
        ordered = ordered && load<std::uint16_t>(bytes, at - 2) < load<std::uint16_t>(bytes, at);
      }
      count = bytes.size() / 2;
      break;
    case Form::Bitset:
      for (std::size_t at = 0; at < bytes.size(); at += 8) {
        count += static_cast<std::uint64_t>(std::popcount(load<std::uint64_t>(bytes, at)));
      }
      break;
    case Form::Runs: {
      std::int64_t end = -1;
      each_run(bytes, [&](std::uint32_t from, std::uint32_t last) {
        ordered = ordered && std::int64_t{from} > end && last < kChunkNumbers;
        end = last;
        count += last - from + 1;
      });
      break;
    }
  }
  if (!ordered) {
    return broken("has numbers that are out of order");
  }
  return count == container.cardinality ? Status() : broken("has another cardinality than it says");
}

Status RoaringView::check() const {
  for (const Container& container : containers_) {
    LH_RETURN_IF_ERROR(check_container(container));
  }
  return {};
}

bool RoaringView::contains(std::uint64_t number) const {
  const auto found = std::ranges::lower_bound(containers_, number >> 16U, {}, &Container::high);
  if (found == containers_.end() || found->high != number >> 16U) {
    return false;
  }
  const auto low = static_cast<std::uint32_t>(number & 0xFFFFU);
  const std::string_view bytes = found->bytes;
  if (found->form == Form::Bitset) {
    return (static_cast<unsigned char>(bytes[low / 8]) >> (low % 8) & 1U) != 0;
  }
  // The last entry that begins at or before the number.
  const std::size_t width = found->form == Form::Array ? 2 : 4;
  std::size_t begin = 0;
  std::size_t end = bytes.size() / width;
  while (begin < end) {
    const std::size_t middle = begin + (end - begin) / 2;
    if (load<std::uint16_t>(bytes, middle * width) <= low) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  if (begin == 0) {
    return false;
  }
  const std::size_t at = (begin - 1) * width;
  const std::uint32_t from = load<std::uint16_t>(bytes, at);
  return found->form == Form::Array ? from == low
                                    : low - from <= load<std::uint16_t>(bytes, at + 2);
}

std::optional<std::uint64_t> RoaringView::highest() const {
  if (containers_.empty() || containers_.back().bytes.empty()) {
    return std::nullopt;
  }
  const Container& last = containers_.back();
  std::uint64_t low = 0;
  const std::size_t size = last.bytes.size();
  switch (last.form) {
    case Form::Array: low = load<std::uint16_t>(last.bytes, size - 2); break;
    case Form::Bitset:
      for (std::size_t word = kWords; word-- > 0;) {
        const auto bits = load<std::uint64_t>(last.bytes, 8 * word);
        if (bits != 0) {
          low = 64 * word + 63 - static_cast<std::uint64_t>(std::countl_zero(bits));
          break;
        }
      }
      break;
    case Form::Runs:
      low = std::uint64_t{load<std::uint16_t>(last.bytes, size - 4)} +
            load<std::uint16_t>(last.bytes, size - 2);
      break;
  }
  return (last.high << 16U) + low;
}

void RoaringSet::Chunk::to_bits() {
  if (!bits.empty()) {
    return;
  }
  bits.assign(kWords, 0);
  for (const std::uint16_t low : list) {
    bits[low / 64U] |= std::uint64_t{1} << (low % 64U);
  }
  list = {};
}

void RoaringSet::Chunk::add(std::uint16_t low) {
  if (bits.empty()) {
    const auto at = std::ranges::lower_bound(list, low);
    if (at != list.end() && *at == low) {
      return;
    }
    list.insert(at, low);
    ++count;
    if (list.size() > kArrayMax) {
      to_bits();
    }
    return;
  }
  std::uint64_t& word = bits[low / 64U];
  const std::uint64_t bit = std::uint64_t{1} << (low % 64U);
  count += (word & bit) == 0 ? 1 : 0;
  word |= bit;
}

bool RoaringSet::Chunk::contains(std::uint16_t low) const {
  return bits.empty() ? std::ranges::binary_search(list, low)
                      : (bits[low / 64U] >> (low % 64U) & 1U) != 0;
}

template <class Each>
void RoaringSet::Chunk::each(Each&& visit) const {
  for (const std::uint16_t low : list) {
    visit(low);
  }
  for (std::size_t word = 0; word < bits.size(); ++word) {
    for (std::uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
      visit(
          static_cast<std::uint16_t>(64 * word + static_cast<std::size_t>(std::countr_zero(rest))));
    }
  }
}

Result<RoaringSet> RoaringSet::parse(std::string_view bytes) {
  LH_ASSIGN_OR_RETURN(const RoaringView view, RoaringView::open(bytes));
  LH_RETURN_IF_ERROR(view.check());
  std::size_t unpacked_bytes = 0;
  for (const RoaringView::Container& container : view.containers_) {
    unpacked_bytes += std::min(std::size_t{2} * container.cardinality, kBitsetBytes) + 128;
  }
  if (unpacked_bytes > kUnpackedBytesMax) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("a Roaring bitmap takes {} bytes unpacked", unpacked_bytes));
  }
  RoaringSet out;
  for (const RoaringView::Container& container : view.containers_) {
    Chunk& chunk = out.chunks_[container.high];
    if (container.form == RoaringView::Form::Runs) {
      each_run(container.bytes, [&chunk](std::uint32_t from, std::uint32_t last) {
        for (std::uint32_t low = from; low <= last; ++low) {
          chunk.add(static_cast<std::uint16_t>(low));
        }
      });
      continue;
    }
    const bool is_list = container.form == RoaringView::Form::Array;
    chunk.count = container.cardinality;
    chunk.list.resize(is_list ? container.cardinality : 0);
    chunk.bits.resize(is_list ? 0 : kWords);
    void* to = is_list ? static_cast<void*>(chunk.list.data()) : chunk.bits.data();
    std::memcpy(to, container.bytes.data(), container.bytes.size());
  }
  return out;
}

void RoaringSet::append_bitmap(std::string& out,
                               const std::vector<std::pair<std::uint16_t, const Chunk*>>& chunks) {
  using Run = std::pair<std::uint16_t, std::uint16_t>;  // Begin, and how many follow.
  std::vector<std::vector<Run>> runs(chunks.size());
  std::string run_flags((chunks.size() + 7) / 8, '\0');
  bool has_runs = false;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    chunks[i].second->each([&](std::uint16_t low) {
      if (!runs[i].empty() && runs[i].back().first + runs[i].back().second + 1 == low) {
        ++runs[i].back().second;
      } else {
        runs[i].emplace_back(low, 0);
      }
    });
    const std::size_t plain = std::min(std::size_t{2} * chunks[i].second->count, kBitsetBytes);
    if (2 + 4 * runs[i].size() < plain) {
      has_runs = true;
      run_flags[i / 8] = static_cast<char>(run_flags[i / 8] | (1 << (i % 8)));
    } else {
      runs[i].clear();
    }
  }
  const std::size_t start = out.size();
  if (has_runs) {
    put(out, kCookieWithRuns | static_cast<std::uint32_t>(chunks.size() - 1) << 16U);
    out += run_flags;
  } else {
    put(out, kCookieWithoutRuns);
    put(out, static_cast<std::uint32_t>(chunks.size()));
  }
  for (const auto& [low_key, chunk] : chunks) {
    put(out, low_key);
    put(out, static_cast<std::uint16_t>(chunk->count - 1));
  }
  const bool has_offsets = !has_runs || chunks.size() >= kOffsetsFrom;
  std::size_t offset = out.size() - start + (has_offsets ? 4 * chunks.size() : 0);
  for (std::size_t i = 0; has_offsets && i < chunks.size(); ++i) {
    put(out, static_cast<std::uint32_t>(offset));
    offset += runs[i].empty() ? std::min(std::size_t{2} * chunks[i].second->count, kBitsetBytes)
                              : 2 + 4 * runs[i].size();
  }
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const Chunk& chunk = *chunks[i].second;
    if (!runs[i].empty()) {
      put(out, static_cast<std::uint16_t>(runs[i].size()));
      for (const auto& [from, more] : runs[i]) {
        put(out, from);
        put(out, more);
      }
    } else if (chunk.bits.empty()) {
      chunk.each([&out](std::uint16_t low) { put(out, low); });
    } else {
      std::ranges::for_each(chunk.bits, [&out](std::uint64_t word) { put(out, word); });
    }
  }
}

std::string RoaringSet::serialize() const {
  std::vector<std::pair<std::uint32_t, std::vector<std::pair<std::uint16_t, const Chunk*>>>> maps;
  for (const auto& [high, chunk] : chunks_) {
    const auto key = static_cast<std::uint32_t>(high >> 16U);
    if (maps.empty() || maps.back().first != key) {
      maps.emplace_back(key, std::vector<std::pair<std::uint16_t, const Chunk*>>());
    }
    maps.back().second.emplace_back(static_cast<std::uint16_t>(high & 0xFFFFU), &chunk);
  }
  std::string out;
  put(out, static_cast<std::uint64_t>(maps.size()));
  for (const auto& [key, chunks] : maps) {
    put(out, key);
    append_bitmap(out, chunks);
  }
  return out;
}

void RoaringSet::add(std::uint64_t number) {
  chunks_[number >> 16U].add(static_cast<std::uint16_t>(number & 0xFFFFU));
}

void RoaringSet::merge(const RoaringSet& other) {
  for (const auto& [high, chunk] : other.chunks_) {
    Chunk& mine = chunks_[high];
    chunk.each([&mine](std::uint16_t low) { mine.add(low); });
  }
}

bool RoaringSet::contains(std::uint64_t number) const {
  const auto found = chunks_.find(number >> 16U);
  return found != chunks_.end() &&
         found->second.contains(static_cast<std::uint16_t>(number & 0xFFFFU));
}

std::uint64_t RoaringSet::cardinality() const {
  std::uint64_t out = 0;
  for (const auto& [high, chunk] : chunks_) {
    out += chunk.count;
  }
  return out;
}

std::vector<std::uint64_t> RoaringSet::numbers() const {
  std::vector<std::uint64_t> out;
  out.reserve(cardinality());
  for (const auto& [high, chunk] : chunks_) {
    chunk.each([&out, base = high << 16U](std::uint16_t low) { out.push_back(base + low); });
  }
  return out;
}

}  // namespace lakehouse
