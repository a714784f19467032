#include "vector/exact_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
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
        narrow_at_(std::max<std::size_t>(std::size_t{4} * query.k, 256)) {}

  [[nodiscard]] const QueryCode& code() const { return code_; }
  [[nodiscard]] const RowSet* filter() const { return filter_; }
  /// Rows of the block with lower products cannot be among the best.
  [[nodiscard]] std::int32_t least() const { return least_; }

  void begin_block(std::uint32_t block) {
    block_residual_ = double{table_.residuals_highest[block]};
    set_least();
  }

  /// Of this block; only with a product of at least `least`.
  void offer(std::int32_t product, Row row) {
    if (filter_ != nullptr && !filter_->contains(row)) {
      return;
    }
    kept_.push_back({product, row});
    if (kept_.size() >= narrow_at_) {
      narrow();
    }
  }

  std::vector<Hit> finish() {
    std::sort(kept_.begin(), kept_.end(), higher);
    double residual = 0;
    for (const float highest : table_.residuals_highest) {
      residual = std::max(residual, double{highest});
    }
    const double bound = table_.bound(code_, residual);
    std::vector<Hit> best;  // A heap, the worst on top.
    for (const Candidate& candidate : kept_) {
      if (best.size() == k_ && estimate(candidate) + bound < double{best.front().score}) {
        break;  // So do all that follow.
      }
      const Hit hit{candidate.row, table_.score(unit_.data(), candidate.row)};
      if (best.size() < k_) {
        best.push_back(hit);
        std::push_heap(best.begin(), best.end(), better);
      } else if (better(hit, best.front())) {
        std::pop_heap(best.begin(), best.end(), better);
        best.back() = hit;
        std::push_heap(best.begin(), best.end(), better);
      }
    }
    std::sort_heap(best.begin(), best.end(), better);
    return best;
  }

 private:
  static bool higher(const Candidate& a, const Candidate& b) {
    return a.product > b.product || (a.product == b.product && a.row < b.row);
  }

  [[nodiscard]] double estimate(const Candidate& candidate) const {
    return static_cast<double>(std::int64_t{candidate.product} - code_.bias) * code_.scale;
  }

  void set_least() {
    const double below = floor_ - table_.bound(code_, block_residual_);
    least_ = floor_ > -2 ? to_product(below / code_.scale + code_.bias - 1) : kLowest;
  }

  /// The k best by their codes are scored: the worst of these scores is one that the k-th best has
  /// at least. What cannot reach it goes.
  void narrow() {
    if (kept_.size() > k_) {
      std::nth_element(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1),
                       kept_.end(), higher);
    }
    double worst = 2;
    for (std::size_t i = 0; i < std::min<std::size_t>(k_, kept_.size()); ++i) {
      worst = std::min(worst, double{table_.score(unit_.data(), kept_[i].row)});
    }
    floor_ = std::max(floor_, worst);
    std::erase_if(kept_, [&](const Candidate& candidate) {
      const double residual = double{table_.residuals[candidate.row]};
      return estimate(candidate) + table_.bound(code_, residual) < floor_;
    });
    narrow_at_ = std::max(narrow_at_, 2 * kept_.size());
    set_least();
  }

  const TableData& table_;
  std::vector<float> unit_;
  QueryCode code_;
  std::size_t k_;
  const RowSet* filter_;
  std::vector<Candidate> kept_;
  std::size_t narrow_at_;
  double floor_ = -2;  ///< The k-th best scores at least this.
  double block_residual_ = 0;
  std::int32_t least_ = kLowest;
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

/// One query over the rows of one block.
class BlockScan {
 public:
  BlockScan(const TableData& table, Collector& collector) : table_(table), collector_(collector) {}

  void run(std::uint32_t block) {
    const std::uint32_t first = block * TableData::kBlockRows;
    const std::uint32_t count = std::min(TableData::kBlockRows, table_.size - first);
    const std::uint32_t allowed = allowed_in(collector_.filter(), first, count);
    if (allowed == 0) {
      return;
    }
    collector_.begin_block(block);
    const simd::Kernels& kernels = simd::kernels();
    const std::size_t length = table_.encoder.code_bytes();
    const std::int8_t* query = collector_.code().bytes.data();
    if (allowed >= count / 3) {
      kernels.dots_in_order(table_.codes + first * length, length, count, query, products_.data());
      offer(count, [&](std::uint32_t place) { return first + place; });
      return;
    }
    std::uint32_t found = 0;
    const std::span<const std::uint64_t> words = collector_.filter()->words();
    for (std::size_t i = first / 64; i < words.size() && i * 64 < std::size_t{first} + count; ++i) {
      for (std::uint64_t word = words[i]; word != 0; word &= word - 1) {
        const auto row =
            static_cast<Row>(i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
        rows_[found] = row;
        found += row < table_.size ? 1U : 0U;
      }
    }
    kernels.dots(table_.codes, length, rows_.data(), found, query, products_.data());
    offer(found, [&](std::uint32_t place) { return rows_[place]; });
  }

 private:
  template <class RowAt>
  void offer(std::uint32_t count, const RowAt& row_at) {
    // In short pieces: the first of a search narrow down what later ones offer.
    constexpr std::uint32_t kPiece = 256;
    const std::uint32_t padded = (count + 15) / 16 * 16;
    std::fill(products_.begin() + count, products_.begin() + padded, kLowest);
    std::array<std::uint32_t, kPiece> places;
    for (std::uint32_t at = 0; at < count; at += kPiece) {
      const std::size_t found = simd::kernels().at_least(
          products_.data() + at, std::min(kPiece, padded - at), collector_.least(), places.data());
      for (std::size_t i = 0; i < found && at + places[i] < count; ++i) {
        collector_.offer(products_[at + places[i]], row_at(at + places[i]));
      }
    }
  }

  const TableData& table_;
  Collector& collector_;
  std::array<std::int32_t, TableData::kBlockRows> products_;
  std::array<Row, TableData::kBlockRows> rows_;
};

/// Many queries over all rows: each tile of rows is read once for all of them.
class BatchScan {
 public:
  BatchScan(const TableData& table, std::span<Collector*> collectors)
      : table_(table), collectors_(collectors), length_(table.encoder.code_bytes()) {
    packed_rows_.resize(simd::kTileRows * length_);
    const std::size_t groups = (collectors.size() + simd::kTileQueries - 1) / simd::kTileQueries;
    packed_queries_.resize(groups * simd::kTileQueries * length_);
    for (std::size_t group = 0; group < groups; ++group) {
      std::array<const std::int8_t*, simd::kTileQueries> codes;
      for (std::size_t i = 0; i < codes.size(); ++i) {
        // Places that are left over repeat the last query; nobody looks at their products.
        const std::size_t at = std::min(group * codes.size() + i, collectors.size() - 1);
        codes[i] = collectors[at]->code().bytes.data();
      }
      simd::pack_queries(codes.data(), length_,
                         packed_queries_.data() + group * simd::kTileQueries * length_);
    }
  }

  void run(std::uint32_t block) {
    const std::uint32_t first = block * TableData::kBlockRows;
    const std::uint32_t end = first + std::min(TableData::kBlockRows, table_.size - first);
    for (Collector* collector : collectors_) {
      collector->begin_block(block);
    }
    std::uint32_t row = first;
    for (; row + simd::kTileRows <= end; row += simd::kTileRows) {
      run_tile(row);
    }
    for (Collector* collector : collectors_) {
      std::array<std::int32_t, simd::kTileRows> products;
      simd::kernels().dots_in_order(table_.codes + row * length_, length_, end - row,
                                    collector->code().bytes.data(), products.data());
      for (std::uint32_t i = 0; row + i < end; ++i) {
        if (products[i] >= collector->least()) {
          collector->offer(products[i], row + i);
        }
      }
    }
  }

 private:
  void run_tile(std::uint32_t row) {
    const simd::Kernels& kernels = simd::kernels();
    kernels.pack(table_.codes + row * length_, length_, packed_rows_.data());
    for (std::size_t first = 0; first < collectors_.size(); first += simd::kTileQueries) {
      kernels.tile(packed_rows_.data(), length_, packed_queries_.data() + first * length_,
                   products_.data());
      const std::size_t here = std::min(simd::kTileQueries, collectors_.size() - first);
      for (std::size_t q = 0; q < here; ++q) {
        Collector& collector = *collectors_[first + q];
        const std::int32_t* products = products_.data() + q * simd::kTileRows;
        std::array<std::uint32_t, simd::kTileRows> places;
        const std::size_t found =
            kernels.at_least(products, simd::kTileRows, collector.least(), places.data());
        for (std::size_t i = 0; i < found; ++i) {
          collector.offer(products[places[i]], row + places[i]);
        }
      }
    }
  }

  const TableData& table_;
  std::span<Collector*> collectors_;
  std::size_t length_;
  std::vector<std::uint8_t> packed_rows_;
  std::vector<std::int8_t> packed_queries_;
  std::array<std::int32_t, simd::kTileRows * simd::kTileQueries> products_;
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
  return data.size * each;
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
