#include "vector/exact_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "vector/detail/table_data.h"
#include "vector/simd/kernels.h"

namespace lakehouse::vector {

namespace {

constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();

/// Writes `row` with length 1. False if it has no direction.
bool normalise(std::span<const float> row, float* out) {
  // Several sums, so that they need not wait for each other.
  std::array<double, 8> squares{};
  for (std::size_t i = 0; i < row.size(); ++i) {
    squares[i % squares.size()] += double{row[i]} * double{row[i]};
  }
  const double length = std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
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
constexpr std::size_t kAhead = 12;

struct Candidate {
  float estimate = 0;
  Row row = 0;
};

/// What a search has seen: the rows that can still be among the best, by the bound on their codes'
/// error. Estimates come in, exact scores are computed when they narrow that down, and at the end.
class Collector {
 public:
  /// The query outlives it.
  Collector(const TableData& table, const PreparedQuery& query)
      : table_(table),
        query_(query),
        k_(query.k),
        narrow_at_(std::max<std::size_t>(std::size_t{4} * query.k, 256)) {
    start(query.start);
  }

  [[nodiscard]] const QueryCode& code() const { return query_.code; }
  [[nodiscard]] const QueryCode& coarse() const { return query_.coarse; }
  [[nodiscard]] const QueryCode& fine() const { return query_.fine; }
  [[nodiscard]] const RowSet* filter() const { return query_.filter; }
  /// Rows of the block with lower products cannot be among the best.
  [[nodiscard]] std::int32_t least() const { return least_; }
  /// Nor can rows whose sketches have lower products.
  [[nodiscard]] std::int32_t coarse_least() const { return coarse_least_; }
  [[nodiscard]] std::int32_t fine_least() const { return fine_least_; }

  void begin_block(std::uint32_t block) {
    block_residual_ = double{table_.residuals_highest[block]};
    set_least();
  }

  /// A row of this block, allowed: its products with the query's code and with the code's rest.
  void offer(std::int32_t product, std::int32_t rest, Row row) {
    const QueryCode& code = query_.code;
    const double estimate = (static_cast<double>(std::int64_t{product} - code.bias) +
                             static_cast<double>(std::int64_t{rest} - code.rest_bias) / 256) *
                            code.scale;
    if (estimate + table_.bound(code.rest_error, block_residual_) < floor_) {
      return;
    }
    kept_.push_back({static_cast<float>(estimate), row});
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
    return a.estimate > b.estimate || (a.estimate == b.estimate && a.row < b.row);
  }

  /// Scores rows that may be good: what the k-th of them has, the k-th best has at least.
  void start(std::span<const Row> rows) {
    std::vector<Row> allowed;
    for (const Row row : rows) {
      if (row < table_.size && (query_.filter == nullptr || query_.filter->contains(row))) {
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
      visit(rows[i], table_.score(query_.unit.data(), rows[i]));
    }
  }

  void set_least() {
    if (floor_ <= -2) {
      return;
    }
    const QueryCode& code = query_.code;
    const double below = floor_ - table_.bound(code.error, block_residual_);
    least_ = to_product(below / code.scale + code.bias - 1);
    coarse_least_ = sketch_least(query_.coarse);
    fine_least_ = sketch_least(query_.fine);
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
      return double{candidate.estimate} + table_.bound(query_.code.rest_error, residual) < floor_;
    });
    narrow_at_ = std::max(narrow_at_, 2 * kept_.size());
    set_least();
  }

  const TableData& table_;
  const PreparedQuery& query_;
  std::size_t k_;
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

/// Scores what sieves have left, and offers it: of several questions in one go, so that while one's
/// rows are scored those of the next are on their way.
class Scorer {
 public:
  explicit Scorer(const TableData& table)
      : table_(table), rows_(kRoom + 16), products_(kRoom + 16) {}

  /// `masks`: a bit for each row from `first`. Returns how many were left.
  std::size_t add(Collector& collector, Row first, std::span<std::uint32_t> masks) {
    if (collector.filter() != nullptr || table_.size - first < masks.size() * simd::kTileRows) {
      for (std::size_t tile = 0; tile < masks.size(); ++tile) {
        masks[tile] &=
            allowed(collector.filter(), first + static_cast<Row>(tile * simd::kTileRows));
      }
    }
    make_room(masks.size() * simd::kTileRows);
    const std::size_t found =
        simd::kernels().rows_of(masks.data(), masks.size(), first, rows_.data() + used_);
    close_part(collector, found);
    return found;
  }

  /// The filter's rows from `first` to `first + count`, without a sieve.
  void add_filter(Collector& collector, Row first, std::uint32_t count) {
    make_room(count);
    std::size_t end = used_;
    const std::span<const std::uint64_t> words = collector.filter()->words();
    for (std::size_t i = first / 64; i < words.size() && i * 64 < std::size_t{first} + count; ++i) {
      for (std::uint64_t word = words[i]; word != 0; word &= word - 1) {
        rows_[end] = static_cast<Row>(i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
        end += rows_[end] < table_.size ? 1U : 0U;
      }
    }
    close_part(collector, end - used_);
  }

  /// Scores what was added, and offers what is left.
  void flush() {
    if (!table_.sketches.empty()) {
      const Sketch& fine = table_.sketches.fine;
      score(fine.codes(), fine.length(), &Collector::fine, &Collector::fine_least);
    }
    score(table_.codes, table_.encoder.code_bytes(), &Collector::code, &Collector::least);
    std::size_t from = 0;
    for (const Part& part : parts_) {
      offer(*part.collector, std::span(rows_).subspan(from, part.end - from),
            products_.data() + from);
      from = part.end;
    }
    parts_.clear();
    used_ = 0;
  }

  /// Rows of the block and their products. Their codes were just read: they are near.
  void offer(Collector& collector, std::span<const Row> rows, const std::int32_t* products) {
    rests_.resize(rows.size());
    simd::kernels().dots(table_.codes, table_.encoder.code_bytes(), rows.data(), rows.size(),
                         collector.code().rest.data(), rests_.data(), 0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      collector.offer(products[i], rests_[i], rows[i]);
    }
  }

 private:
  static constexpr std::size_t kRoom = 4 * std::size_t{kStripeRows};

  /// One question's rows, from where the last part ends.
  struct Part {
    Collector* collector;
    std::size_t end;
  };

  void make_room(std::size_t rows) {
    if (used_ + rows > kRoom) {
      flush();
    }
  }

  void close_part(Collector& collector, std::size_t found) {
    used_ += found;
    if (found > 0) {
      parts_.push_back({&collector, used_});
    }
  }

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

  /// Leaves of each part the rows whose products are as high as they must be.
  void score(const std::uint8_t* codes, std::size_t length,
             const QueryCode& (Collector::*query)() const,
             std::int32_t (Collector::*least)() const) {
    std::size_t from = 0;
    std::size_t kept = 0;
    for (Part& part : parts_) {
      const std::size_t count = part.end - from;
      const std::size_t next = used_ - part.end;
      simd::kernels().dots(codes, length, rows_.data() + from, count,
                           (part.collector->*query)().bytes.data(), products_.data() + from, next);
      kept += simd::kernels().keep(rows_.data() + from, products_.data() + from, count,
                                   (part.collector->*least)(), rows_.data() + kept,
                                   products_.data() + kept);
      from = part.end;
      part.end = kept;
    }
    used_ = kept;
  }

  const TableData& table_;
  std::vector<Part> parts_;
  std::size_t used_ = 0;
  std::vector<Row> rows_;
  std::vector<std::int32_t> products_;
  std::vector<std::int32_t> rests_;
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
      scorer_.add_filter(collector_, first, count);
      scorer_.flush();
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
      scorer_.add(collector_, row, std::span(masks).first(tiles_of(rows)));
      scorer_.flush();
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
      std::size_t left = 0;
      for (std::size_t i = 0; i < found && places_[i] < rows; ++i) {
        const Row at = row + places_[i];
        products_[left] = products_[places_[i]];
        rows_[left] = at;
        left += collector_.filter() == nullptr || collector_.filter()->contains(at) ? 1U : 0U;
      }
      scorer_.offer(collector_, std::span(rows_).first(left), products_.data());
      row += rows;
    }
  }

  const TableData& table_;
  Collector& collector_;
  Scorer scorer_;
  std::array<std::int32_t, kStripeRows> products_;
  std::array<std::uint32_t, kStripeRows> places_;
  std::array<Row, kStripeRows> rows_;
};

/// Many queries over all rows: each stripe is read once for all of them.
class BatchScan {
 public:
  BatchScan(const TableData& table, std::span<Collector> collectors)
      : table_(table), collectors_(collectors), scorer_(table) {
    use(!table.sketches.empty());
  }

  void run(std::uint32_t block) {
    const std::uint32_t first = block * TableData::kBlockRows;
    const std::uint32_t end = first + std::min(TableData::kBlockRows, table_.size - first);
    for (Collector& collector : collectors_) {
      collector.begin_block(block);
    }
    std::uint64_t left = 0;
    for (Row row = first; row < end;) {
      // What is packed here is to stay in the processor's cache.
      const std::uint32_t rows = stripe_from(row, end, sketched_ ? kStripeRows : kStripeRowsMin);
      const std::uint8_t* packed =
          sketched_ ? table_.sketches.coarse.codes() + row * length_ : pack(row, rows);
      for (std::size_t group = 0; group * simd::kTileQueries < collectors_.size(); ++group) {
        sieve_group(group, packed, tiles_of(rows));
      }
      for (std::size_t q = 0; q < collectors_.size(); ++q) {
        left += scorer_.add(collectors_[q], row,
                            std::span(masks_).subspan(q * kStripeTiles, tiles_of(rows)));
      }
      scorer_.flush();
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
    groups_ = (collectors_.size() + simd::kTileQueries - 1) / simd::kTileQueries;
    packed_queries_.resize(groups_ * simd::kTileQueries * length_);
    masks_.resize(groups_ * simd::kTileQueries * kStripeTiles);
    for (std::size_t group = 0; group < groups_; ++group) {
      std::array<const std::int8_t*, simd::kTileQueries> codes;
      for (std::size_t i = 0; i < codes.size(); ++i) {
        // Places that are left over repeat the last query; nobody looks at their products.
        const Collector& collector =
            collectors_[std::min(group * codes.size() + i, collectors_.size() - 1)];
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

  /// A mask for each tile, of each query of the group.
  void sieve_group(std::size_t group, const std::uint8_t* packed, std::size_t tiles) {
    const std::size_t first = group * simd::kTileQueries;
    const std::size_t here = std::min(simd::kTileQueries, collectors_.size() - first);
    std::array<std::int32_t, simd::kTileQueries> least{};
    for (std::size_t q = 0; q < here; ++q) {
      const Collector& collector = collectors_[first + q];
      least[q] = sketched_ ? collector.coarse_least() : collector.least();
    }
    const std::size_t bytes = simd::kTileRows * length_;
    for (std::size_t tile = 0; tile < tiles; ++tile, packed += bytes) {
      if (sketched_) {
        // Each group fetches its share of the next stripe: one alone would wait for memory.
        const std::uint8_t* next = packed + tiles * bytes;
        for (std::size_t at = bytes * group / groups_; at < bytes * (group + 1) / groups_;
             at += 64) {
          __builtin_prefetch(next + at, 0, 2);
        }
      }
      simd::kernels().sieve(packed, length_, packed_queries_.data() + first * length_, least.data(),
                            masks_.data() + first * kStripeTiles + tile, kStripeTiles);
    }
  }

  const TableData& table_;
  std::span<Collector> collectors_;
  Scorer scorer_;
  bool sketched_ = false;
  std::size_t length_ = 0;
  std::size_t groups_ = 0;  ///< Of queries that are sieved together.
  std::size_t saved_ = 0;   ///< Of a row's sieving, by its sketch: in 64 bytes.
  std::vector<std::uint8_t> packed_rows_;
  std::vector<std::int8_t> packed_queries_;
  std::vector<std::uint32_t> masks_;  ///< Of each query, kStripeTiles for it.
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

Result<PreparedQuery> prepare_query(const TableData& table, const ScanQuery& query) {
  LH_RETURN_IF_ERROR(check_k(query.k));
  PreparedQuery out;
  LH_ASSIGN_OR_RETURN(out.unit, unit_query(query.vector, table.dimensions, table.stride));
  out.code = table.encoder.encode_query(std::span(out.unit).first(table.dimensions));
  if (!table.sketches.empty()) {
    out.coarse = table.sketches.coarse.encode(out.unit);
    out.fine = table.sketches.fine.encode(out.unit);
  }
  out.k = query.k;
  out.filter = query.filter;
  out.start.assign(query.start.begin(), query.start.end());
  return out;
}

Result<std::vector<Hit>> scan_table(const RequestContext& context, const TableData& table,
                                    const PreparedQuery& query) {
  Collector collector(table, query);
  BlockScan scan(table, collector);
  for (std::uint32_t block = 0; block < blocks_of(table); ++block) {
    if (block % 16 == 0) {
      LH_RETURN_IF_ERROR(context.check());
    }
    scan.run(block);
  }
  return collector.finish();
}

Result<std::vector<std::vector<Hit>>> scan_table(const RequestContext& context,
                                                 const TableData& table,
                                                 std::span<const PreparedQuery* const> queries) {
  constexpr std::size_t kQueriesMax = 256;
  if (queries.size() > kQueriesMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} queries at once, at most {} are taken",
                                                        queries.size(), kQueriesMax));
  }
  std::vector<Collector> collectors;
  collectors.reserve(queries.size());
  for (const PreparedQuery* query : queries) {
    if (!goes_alone(table, query->filter)) {
      collectors.emplace_back(table, *query);
    }
  }
  if (collectors.size() < simd::kernels().batch_from) {
    collectors.clear();
  } else {
    BatchScan scan(table, collectors);
    for (std::uint32_t block = 0; block < blocks_of(table); ++block) {
      LH_RETURN_IF_ERROR(context.check());
      scan.run(block);
    }
  }
  std::vector<std::vector<Hit>> answers;
  answers.reserve(queries.size());
  auto next = collectors.begin();
  for (const PreparedQuery* query : queries) {
    if (next != collectors.end() && !goes_alone(table, query->filter)) {
      answers.push_back((next++)->finish());
    } else {
      LH_ASSIGN_OR_RETURN(std::vector<Hit> hits, scan_table(context, table, *query));
      answers.push_back(std::move(hits));
    }
  }
  return answers;
}

Result<std::vector<Hit>> VectorTable::search(const RequestContext& context,
                                             const ScanQuery& query) const {
  LH_ASSIGN_OR_RETURN(const PreparedQuery prepared, prepare_query(*data_, query));
  return scan_table(context, *data_, prepared);
}

Result<std::vector<std::vector<Hit>>> VectorTable::search(
    const RequestContext& context, std::span<const ScanQuery> queries) const {
  std::vector<PreparedQuery> prepared;
  prepared.reserve(queries.size());
  std::vector<const PreparedQuery*> asked;
  for (const ScanQuery& query : queries) {
    LH_ASSIGN_OR_RETURN(PreparedQuery one, prepare_query(*data_, query));
    asked.push_back(&prepared.emplace_back(std::move(one)));
  }
  return scan_table(context, *data_, asked);
}

}  // namespace lakehouse::vector
