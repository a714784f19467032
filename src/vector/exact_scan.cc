#include "vector/exact_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "vector/detail/table_data.h"
#include "vector/simd/kernels.h"

namespace lakehouse::vector {

namespace {

constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();

/// Writes `row` with length 1. False if it has no direction.
bool normalise(std::span<const float> row, float* out) {
  double square = 0;
  for (const float value : row) {
    square += double{value} * double{value};
  }
  const double length = std::sqrt(square);
  // Written so that NaN fails, too.
  if (!(length > 0) || !std::isfinite(length)) {
    return false;
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    out[i] = static_cast<float>(double{row[i]} / length);
  }
  return true;
}

std::int32_t to_product(double value) {
  if (!(value > double{kLowest})) {  // NaN, too: then nothing is cut off.
    return kLowest;
  }
  return value >= double{std::numeric_limits<std::int32_t>::max()}
             ? std::numeric_limits<std::int32_t>::max()
             : static_cast<std::int32_t>(std::floor(value));
}

/// How many vectors before they are scored they are fetched.
constexpr std::size_t kAhead = 3;

struct Candidate {
  std::int32_t product = 0;
  Row row = 0;
};

/// What a search has seen: the rows that can still be among the best, by the bound on their codes'
/// error. Products come in, exact scores are computed when they narrow that down, and at the end.
class Collector {
 public:
  Collector(const TableData& table, std::vector<float> unit, const ScanQuery& query)
      : table_(table),
        unit_(std::move(unit)),
        code_(table.encoder.encode_query(unit_)),
        k_(query.k),
        filter_(query.filter),
        narrow_at_(std::max<std::size_t>(std::size_t{4} * query.k, 256)) {
    if (!table.sketches.empty()) {
      coarse_ = table.sketches.coarse.encode(unit_);
      fine_ = table.sketches.fine.encode(unit_);
    }
    start(query.start);
  }

  [[nodiscard]] const QueryCode& code() const { return code_; }
  [[nodiscard]] const QueryCode& coarse() const { return coarse_; }
  [[nodiscard]] const QueryCode& fine() const { return fine_; }
  [[nodiscard]] const RowSet* filter() const { return filter_; }
  /// Rows of the block with lower products cannot be among the best.
  [[nodiscard]] std::int32_t least() const { return least_; }
  /// Nor can rows whose sketches have lower products.
  [[nodiscard]] std::int32_t coarse_least() const { return coarse_least_; }
  [[nodiscard]] std::int32_t fine_least() const { return fine_least_; }

  void begin_block(std::uint32_t block) {
    block_residual_ = double{table_.residuals_highest[block]};
    set_least();
  }

  /// Of this block, and allowed; only with a product of at least `least`.
  void offer(std::int32_t product, Row row) {
    kept_.push_back({product, row});
    if (kept_.size() >= narrow_at_) {
      narrow();
    }
  }

  std::vector<Hit> finish() {
    narrow();
    std::vector<Hit> best;
    std::vector<Row> rows;
    for (const Candidate& candidate : kept_) {
      rows.push_back(candidate.row);
    }
    each_score(rows, [&](Row row, float score) { best.push_back({row, score}); });
    std::sort(best.begin(), best.end(), better);
    best.resize(std::min(best.size(), k_));
    return best;
  }

 private:
  static bool higher(const Candidate& a, const Candidate& b) {
    return a.product > b.product || (a.product == b.product && a.row < b.row);
  }

  [[nodiscard]] double estimate(const Candidate& candidate) const {
    return static_cast<double>(std::int64_t{candidate.product} - code_.bias) * code_.scale;
  }

  /// Scores rows that may be good: what the k-th of them has, the k-th best has at least.
  void start(std::span<const Row> rows) {
    std::vector<Row> allowed;
    for (const Row row : rows) {
      if (row < table_.size && (filter_ == nullptr || filter_->contains(row))) {
        allowed.push_back(row);
      }
    }
    std::ranges::sort(allowed);
    const auto twice = std::ranges::unique(allowed);
    allowed.erase(twice.begin(), twice.end());
    if (allowed.size() < k_) {
      return;
    }
    std::vector<float> scores;
    each_score(allowed, [&](Row, float score) { scores.push_back(score); });
    std::ranges::nth_element(scores, scores.begin() + static_cast<std::ptrdiff_t>(k_ - 1),
                             std::greater());
    floor_ = double{scores[k_ - 1]};
  }

  /// The rows' scores, in their order. Vectors lie all over a file: the next ones are fetched
  /// meanwhile.
  template <class Visit>
  void each_score(std::span<const Row> rows, const Visit& visit) const {
    for (std::size_t i = 0; i < std::min(kAhead, rows.size()); ++i) {
      table_.prefetch(rows[i]);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i + kAhead < rows.size()) {
        table_.prefetch(rows[i + kAhead]);
      }
      visit(rows[i], table_.score(unit_.data(), rows[i]));
    }
  }

  void set_least() {
    if (floor_ <= -2) {
      return;
    }
    const double below = floor_ - table_.bound(code_, block_residual_);
    least_ = to_product(below / code_.scale + code_.bias - 1);
    coarse_least_ = sketch_least(coarse_);
    fine_least_ = sketch_least(fine_);
  }

  [[nodiscard]] std::int32_t sketch_least(const QueryCode& code) const {
    return code.bytes.empty()
               ? kLowest
               : to_product((floor_ - code.error - table_.rounding()) / code.scale + code.bias - 1);
  }

  /// The k best by their codes are scored: the worst of these scores is one that the k-th best has
  /// at least. What cannot reach it goes.
  void narrow() {
    if (kept_.size() > k_) {
      std::nth_element(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1),
                       kept_.end(), higher);
    }
    double worst = 2;
    std::vector<Row> rows;
    for (std::size_t i = 0; i < std::min<std::size_t>(k_, kept_.size()); ++i) {
      rows.push_back(kept_[i].row);
    }
    each_score(rows, [&](Row, float score) { worst = std::min(worst, double{score}); });
    floor_ = std::max(floor_, worst);
    std::erase_if(kept_, [&](const Candidate& candidate) {
      // The block's: a row's own would have to be fetched.
      const double residual =
          double{table_.residuals_highest[candidate.row / TableData::kBlockRows]};
      return estimate(candidate) + table_.bound(code_, residual) < floor_;
    });
    narrow_at_ = std::max(narrow_at_, 2 * kept_.size());
    set_least();
  }

  const TableData& table_;
  std::vector<float> unit_;
  QueryCode code_;
  QueryCode coarse_;
  QueryCode fine_;
  std::size_t k_;
  const RowSet* filter_;
  std::vector<Candidate> kept_;
  std::size_t narrow_at_;
  double floor_ = -2;  ///< The k-th best scores at least this.
  double block_residual_ = 0;
  std::int32_t least_ = kLowest;
  std::int32_t coarse_least_ = kLowest;
  std::int32_t fine_least_ = kLowest;
};

/// How many of the filter's rows there are from `first` to `first + count`; all without a filter.
std::uint32_t allowed_in(const RowSet* filter, std::uint32_t first, std::uint32_t count) {
  if (filter == nullptr) {
    return count;
  }
  const std::span<const std::uint64_t> words = filter->words();
  std::uint32_t allowed = 0;
  for (std::size_t i = first / 64; i < words.size() && i * 64 < std::size_t{first} + count; ++i) {
    allowed += static_cast<std::uint32_t>(std::popcount(words[i]));
  }
  return allowed;
}

/// Rows that are sieved before those that are left are scored: so many at most that scoring need
/// not wait for memory, and few in the beginning, since what they narrow down soon tells.
constexpr std::uint32_t kStripeRows = 4096;
constexpr std::uint32_t kStripeRowsMin = 256;
constexpr std::uint32_t kStripeTiles = kStripeRows / simd::kTileRows;
static_assert(TableData::kBlockRows % kStripeRows == 0);

std::uint32_t stripe_from(Row row, Row end, std::uint32_t most = kStripeRows) {
  return std::min(std::clamp(row, kStripeRowsMin, most), end - row);
}

std::uint32_t tiles_of(std::uint32_t rows) {
  return static_cast<std::uint32_t>((rows + simd::kTileRows - 1) / simd::kTileRows);
}

/// Scores what a sieve has left of a stripe, and offers it.
class Scorer {
 public:
  explicit Scorer(const TableData& table) : table_(table) {}

  /// `masks`: a bit for each row from `first`. Returns how many were left.
  std::uint32_t run(Collector& collector, Row first, std::span<const std::uint32_t> masks) {
    // Most are empty, and which ones no processor guesses: so they are told apart without a branch.
    std::array<std::uint32_t, kStripeTiles> tiles;
    std::size_t count = 0;
    for (std::uint32_t tile = 0; tile < masks.size(); ++tile) {
      tiles[count] = tile;
      count += masks[tile] != 0 ? 1U : 0U;
    }
    std::uint32_t found = 0;
    for (const std::uint32_t tile : std::span(tiles).first(count)) {
      const Row row = first + tile * static_cast<std::uint32_t>(simd::kTileRows);
      for (std::uint32_t mask = masks[tile] & allowed(collector.filter(), row); mask != 0;
           mask &= mask - 1) {
        rows_[found++] = row + static_cast<Row>(std::countr_zero(mask));
      }
    }
    score(collector, table_.sketches.empty() ? found : look_closer(collector, found));
    return found;
  }

  /// The filter's rows from `first` to `first + count`, without a sieve.
  void run_filter(Collector& collector, Row first, std::uint32_t count) {
    std::uint32_t found = 0;
    const std::span<const std::uint64_t> words = collector.filter()->words();
    for (std::size_t i = first / 64; i < words.size() && i * 64 < std::size_t{first} + count; ++i) {
      if (found + 64 > rows_.size()) {
        score(collector, found);
        found = 0;
      }
      for (std::uint64_t word = words[i]; word != 0; word &= word - 1) {
        rows_[found] = static_cast<Row>(i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
        found += rows_[found] < table_.size ? 1U : 0U;
      }
    }
    score(collector, found);
  }

 private:
  /// Of a tile's rows: those that there are, and that the filter has.
  [[nodiscard]] std::uint32_t allowed(const RowSet* filter, Row first) const {
    std::uint32_t mask = ~0U;
    if (table_.size - first < simd::kTileRows) {
      mask = (1U << (table_.size - first)) - 1;
    }
    if (filter != nullptr) {
      const std::span<const std::uint64_t> words = filter->words();
      mask &= first / 64 < words.size()
                  ? static_cast<std::uint32_t>(words[first / 64] >> first % 64)
                  : 0;
    }
    return mask;
  }

  /// Leaves of the rows those that their fine sketches do not rule out.
  std::uint32_t look_closer(const Collector& collector, std::uint32_t found) {
    const Sketch& fine = table_.sketches.fine;
    simd::kernels().dots(fine.codes(), fine.length(), rows_.data(), found,
                         collector.fine().bytes.data(), products_.data());
    std::uint32_t left = 0;
    for (std::uint32_t i = 0; i < found; ++i) {
      rows_[left] = rows_[i];
      left += products_[i] >= collector.fine_least() ? 1U : 0U;
    }
    return left;
  }

  void score(Collector& collector, std::uint32_t found) {
    if (found == 0) {
      return;
    }
    simd::kernels().dots(table_.codes, table_.encoder.code_bytes(), rows_.data(), found,
                         collector.code().bytes.data(), products_.data());
    for (std::uint32_t i = 0; i < found; ++i) {
      if (products_[i] >= collector.least()) {
        collector.offer(products_[i], rows_[i]);
      }
    }
  }

  const TableData& table_;
  std::array<Row, kStripeRows> rows_;
  std::array<std::int32_t, kStripeRows> products_;
};

/// One query over the rows of one block.
class BlockScan {
 public:
  BlockScan(const TableData& table, Collector& collector)
      : table_(table), collector_(collector), scorer_(table) {}

  void run(std::uint32_t block) {
    const std::uint32_t first = block * TableData::kBlockRows;
    const std::uint32_t count = std::min(TableData::kBlockRows, table_.size - first);
    const std::uint32_t allowed = allowed_in(collector_.filter(), first, count);
    if (allowed == 0) {
      return;
    }
    collector_.begin_block(block);
    if (allowed < count / 3) {
      scorer_.run_filter(collector_, first, count);
    } else if (table_.sketches.empty()) {
      scan(first, count);
    } else {
      sieve(first, count);
    }
  }

 private:
  void sieve(Row first, std::uint32_t count) {
    const Sketch& sketch = table_.sketches.coarse;
    const Row end = first + count;
    for (Row row = first; row < end;) {
      const std::uint32_t rows = stripe_from(row, end);
      std::array<std::uint32_t, kStripeTiles> masks;
      simd::kernels().sieve_one(sketch.codes() + row * sketch.length(), sketch.length(),
                                tiles_of(rows), collector_.coarse().bytes.data(),
                                collector_.coarse_least(), masks.data());
      scorer_.run(collector_, row, std::span(masks).first(tiles_of(rows)));
      row += rows;
    }
  }

  void scan(Row first, std::uint32_t count) {
    const std::size_t length = table_.encoder.code_bytes();
    const Row end = first + count;
    for (Row row = first; row < end;) {
      const std::uint32_t rows = stripe_from(row, end);
      simd::kernels().dots_in_order(table_.codes + row * length, length, rows,
                                    collector_.code().bytes.data(), products_.data());
      std::fill_n(products_.begin() + rows, (16 - rows % 16) % 16, kLowest);
      const std::size_t found = simd::kernels().at_least(products_.data(), (rows + 15) / 16 * 16,
                                                         collector_.least(), places_.data());
      for (std::size_t i = 0; i < found && places_[i] < rows; ++i) {
        const Row at = row + places_[i];
        if (collector_.filter() == nullptr || collector_.filter()->contains(at)) {
          collector_.offer(products_[places_[i]], at);
        }
      }
      row += rows;
    }
  }

  const TableData& table_;
  Collector& collector_;
  Scorer scorer_;
  std::array<std::int32_t, kStripeRows> products_;
  std::array<std::uint32_t, kStripeRows> places_;
};

/// Many queries over all rows: each stripe is read once for all of them.
class BatchScan {
 public:
  BatchScan(const TableData& table, std::span<Collector*> collectors)
      : table_(table), collectors_(collectors), scorer_(table) {
    use(!table.sketches.empty());
  }

  void run(std::uint32_t block) {
    const std::uint32_t first = block * TableData::kBlockRows;
    const std::uint32_t end = first + std::min(TableData::kBlockRows, table_.size - first);
    for (Collector* collector : collectors_) {
      collector->begin_block(block);
    }
    std::uint64_t left = 0;
    for (Row row = first; row < end;) {
      // What is packed here is to stay in the processor's cache.
      const std::uint32_t rows = stripe_from(row, end, sketched_ ? kStripeRows : kStripeRowsMin);
      const std::uint8_t* packed =
          sketched_ ? table_.sketches.coarse.codes() + row * length_ : pack(row, rows);
      for (std::size_t group = 0; group * simd::kTileQueries < collectors_.size(); ++group) {
        left += run_group(group, packed, row, tiles_of(rows));
      }
      row += rows;
    }
    // The first block has yet to find out what is good.
    if (sketched_ && block > 0 &&
        left * Sketches::kFineCost > (end - first) * collectors_.size() * saved_) {
      use(false);
    }
  }

 private:
  void use(bool sketched) {
    sketched_ = sketched;
    const std::size_t whole = table_.encoder.code_bytes();
    length_ = sketched ? table_.sketches.coarse.length() : whole;
    saved_ = (whole - length_) / 64;
    packed_rows_.resize(sketched ? 0 : kStripeRowsMin * length_);
    const std::size_t groups = (collectors_.size() + simd::kTileQueries - 1) / simd::kTileQueries;
    packed_queries_.resize(groups * simd::kTileQueries * length_);
    for (std::size_t group = 0; group < groups; ++group) {
      std::array<const std::int8_t*, simd::kTileQueries> codes;
      for (std::size_t i = 0; i < codes.size(); ++i) {
        // Places that are left over repeat the last query; nobody looks at their products.
        const Collector& collector =
            *collectors_[std::min(group * codes.size() + i, collectors_.size() - 1)];
        codes[i] = (sketched ? collector.coarse() : collector.code()).bytes.data();
      }
      simd::pack_queries(codes.data(), length_,
                         packed_queries_.data() + group * simd::kTileQueries * length_);
    }
  }

  const std::uint8_t* pack(Row first, std::uint32_t rows) {
    for (std::uint32_t row = 0; row < rows; row += simd::kTileRows) {
      const std::uint8_t* codes = table_.codes + (first + row) * length_;
      std::uint8_t* to = packed_rows_.data() + row * length_;
      if (row + simd::kTileRows <= rows) {
        simd::kernels().pack(codes, length_, to);
      } else {
        std::vector<std::uint8_t> last(simd::kTileRows * length_);
        std::copy_n(codes, (rows - row) * length_, last.begin());
        simd::kernels().pack(last.data(), length_, to);
      }
    }
    return packed_rows_.data();
  }

  std::uint64_t run_group(std::size_t group, const std::uint8_t* packed, Row row,
                          std::size_t tiles) {
    const std::size_t first = group * simd::kTileQueries;
    const std::size_t here = std::min(simd::kTileQueries, collectors_.size() - first);
    std::array<std::int32_t, simd::kTileQueries> least{};
    for (std::size_t q = 0; q < here; ++q) {
      const Collector& collector = *collectors_[first + q];
      least[q] = sketched_ ? collector.coarse_least() : collector.least();
    }
    for (std::size_t tile = 0; tile < tiles; ++tile) {
      simd::kernels().sieve(packed + tile * simd::kTileRows * length_, length_,
                            packed_queries_.data() + first * length_, least.data(),
                            masks_.data() + tile, kStripeTiles);
    }
    std::uint64_t left = 0;
    for (std::size_t q = 0; q < here; ++q) {
      left += scorer_.run(*collectors_[first + q], row,
                          std::span(masks_).subspan(q * kStripeTiles, tiles));
    }
    return left;
  }

  const TableData& table_;
  std::span<Collector*> collectors_;
  Scorer scorer_;
  bool sketched_ = false;
  std::size_t length_ = 0;
  std::size_t saved_ = 0;  ///< Of a row's sieving, by its sketch: in 64 bytes.
  std::vector<std::uint8_t> packed_rows_;
  std::vector<std::int8_t> packed_queries_;
  std::array<std::uint32_t, kStripeTiles * simd::kTileQueries> masks_;
};

std::uint32_t blocks_of(const TableData& table) {
  return (table.size + TableData::kBlockRows - 1) / TableData::kBlockRows;
}

/// A filter that leaves so little is quicker followed row by row than scored with the others.
bool goes_alone(const TableData& table, const RowSet* filter) {
  return filter != nullptr && filter->count() < table.size / 20;
}

}  // namespace

float TableData::score(const float* unit, Row row) const {
  const float score = simd::kernels().dot(unit, vectors + row * stride, stride);
  return score == score ? score : -2.0F;
}

Status TableData::reserve(std::size_t rows) {
  // Doubled: growing costs little for the pages, but not nothing.
  const auto grow = [rows](Pages& pages, std::size_t bytes_each) -> Status {
    const std::size_t bytes = rows * bytes_each;
    return bytes <= pages.bytes() ? Status{} : pages.reserve(std::max(bytes, 2 * pages.bytes()));
  };
  LH_RETURN_IF_ERROR(grow(own_vectors, stride * sizeof(float)));
  LH_RETURN_IF_ERROR(grow(own_codes, encoder.code_bytes()));
  LH_RETURN_IF_ERROR(grow(own_residuals, sizeof(float)));
  vectors = own_vectors.as<float>();
  codes = own_codes.as<std::uint8_t>();
  residuals = own_residuals.as<float>();
  return {};
}

Status TableData::copy(const TableData& from) {
  LH_RETURN_IF_ERROR(reserve(from.size));
  size = from.size;
  std::copy_n(from.vectors, size * stride, own_vectors.as<float>());
  std::copy_n(from.codes, size * encoder.code_bytes(), own_codes.as<std::uint8_t>());
  std::copy_n(from.residuals, size, own_residuals.as<float>());
  residuals_highest = from.residuals_highest;
  return {};
}

void TableData::note_residuals(std::uint32_t first) {
  residuals_highest.resize((std::size_t{size} + kBlockRows - 1) / kBlockRows, 0.0F);
  for (std::uint32_t row = first; row < size; ++row) {
    float& highest = residuals_highest[row / kBlockRows];
    highest = std::max(highest, residuals[row]);
  }
}

Result<std::vector<float>> unit_query(std::span<const float> query, std::uint32_t dimensions,
                                      std::size_t stride) {
  if (query.size() != dimensions) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the vector searched for has {} dimensions, the index has {}",
                            query.size(), dimensions),
                "Embed the query with the model of the index.");
  }
  std::vector<float> unit(stride, 0.0F);
  if (!normalise(query, unit.data())) {
    return fail(ErrorCode::InvalidArgument,
                "the vector searched for has no direction: it is zero or holds no finite numbers");
  }
  return unit;
}

Status check_k(std::uint32_t k) {
  if (k == 0 || k > VectorTable::kResultsMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("k is {}, it must be 1 to {}", k, VectorTable::kResultsMax));
  }
  return {};
}

VectorTable::VectorTable(std::uint32_t dimensions)
    : data_(std::make_unique<TableData>(dimensions)) {}
VectorTable::VectorTable(std::unique_ptr<TableData> data) : data_(std::move(data)) {}
VectorTable::~VectorTable() = default;
VectorTable::VectorTable(VectorTable&&) noexcept = default;
VectorTable& VectorTable::operator=(VectorTable&&) noexcept = default;

std::uint32_t VectorTable::dimensions() const {
  return data_->dimensions;
}
std::uint32_t VectorTable::size() const {
  return data_->size;
}
std::size_t VectorTable::memory_bytes() const {
  const TableData& data = *data_;
  std::size_t each = sizeof(float);
  each += data.own_vectors.bytes() == 0 ? 0 : data.stride * sizeof(float);
  each += data.own_codes.bytes() == 0 ? 0 : data.encoder.code_bytes();
  return data.size * each + data.sketches.memory_bytes();
}

std::span<const float> VectorTable::vector(Row row) const {
  return {data_->vectors + row * data_->stride, data_->dimensions};
}

Status VectorTable::add(std::span<const float> rows) {
  TableData& data = *data_;
  if (rows.size() % data.dimensions != 0) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{} numbers are no whole rows of {} dimensions", rows.size(), data.dimensions));
  }
  const std::size_t count = rows.size() / data.dimensions;
  if (count > RowSet::kRowsMax - data.size) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("an index holds at most {} vectors", RowSet::kRowsMax));
  }
  const std::size_t total = data.size + count;
  const std::size_t length = data.encoder.code_bytes();
  LH_RETURN_IF_ERROR(data.reserve(total));
  for (std::size_t i = 0; i < count; ++i) {
    float* vector = data.own_vectors.as<float>() + (data.size + i) * data.stride;
    if (!normalise(rows.subspan(i * data.dimensions, data.dimensions), vector)) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("vector {} has no direction: it is zero or holds no finite numbers", i));
    }
    data.own_residuals.as<float>()[data.size + i] = data.encoder.encode_row(
        {vector, data.dimensions}, data.own_codes.as<std::uint8_t>() + (data.size + i) * length);
  }
  const std::uint32_t first = data.size;
  data.size = static_cast<std::uint32_t>(total);
  data.sketches = Sketches();
  data.note_residuals(first);
  return {};
}

Result<std::vector<Hit>> VectorTable::search(const RequestContext& context,
                                             const ScanQuery& query) const {
  LH_RETURN_IF_ERROR(check_k(query.k));
  LH_ASSIGN_OR_RETURN(std::vector<float> unit,
                      unit_query(query.vector, data_->dimensions, data_->stride));
  Collector collector(*data_, std::move(unit), query);
  BlockScan scan(*data_, collector);
  for (std::uint32_t block = 0; block < blocks_of(*data_); ++block) {
    if (block % 16 == 0) {
      LH_RETURN_IF_ERROR(context.check());
    }
    scan.run(block);
  }
  return collector.finish();
}

Result<std::vector<std::vector<Hit>>> VectorTable::search(
    const RequestContext& context, std::span<const ScanQuery> queries) const {
  constexpr std::size_t kQueriesMax = 256;
  if (queries.size() > kQueriesMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} queries at once, at most {} are taken",
                                                        queries.size(), kQueriesMax));
  }
  std::vector<Collector> collectors;
  collectors.reserve(queries.size());
  std::vector<Collector*> together;
  for (const ScanQuery& query : queries) {
    LH_RETURN_IF_ERROR(check_k(query.k));
    LH_ASSIGN_OR_RETURN(std::vector<float> unit,
                        unit_query(query.vector, data_->dimensions, data_->stride));
    collectors.emplace_back(*data_, std::move(unit), query);
    if (!goes_alone(*data_, query.filter)) {
      together.push_back(&collectors.back());
    }
  }
  const bool batch = together.size() >= simd::kernels().batch_from;
  std::optional<BatchScan> scan;
  if (batch) {
    scan.emplace(*data_, together);
  }
  for (std::uint32_t block = 0; batch && block < blocks_of(*data_); ++block) {
    LH_RETURN_IF_ERROR(context.check());
    scan->run(block);
  }
  std::vector<std::vector<Hit>> answers;
  answers.reserve(queries.size());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (batch && !goes_alone(*data_, queries[i].filter)) {
      answers.push_back(collectors[i].finish());
    } else {
      LH_ASSIGN_OR_RETURN(std::vector<Hit> hits, search(context, queries[i]));
      answers.push_back(std::move(hits));
    }
  }
  return answers;
}

}  // namespace lakehouse::vector
