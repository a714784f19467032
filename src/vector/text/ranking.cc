#include "vector/text/ranking.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace lakehouse::vector {

float Bm25::idf(std::uint32_t rows_with) const {
  const auto with = std::min(static_cast<float>(rows_with), rows);
  return std::log1p((rows - with + 0.5F) / (with + 0.5F));
}

namespace {

/// A block of 128 rows has none of so few candidates, mostly.
constexpr std::size_t kSparse = 64;

/// One search: terms in the order of what they can add, sums as they grow.
class Ranking {
 public:
  Ranking(const TextRows& rows, std::vector<RankedTerm>& terms, std::size_t k, Sums& sums)
      : rows_(rows), terms_(terms), k_(k), sums_(sums) {
    if (sums_.of.size() < rows.documents()) {
      sums_.of.resize(rows.documents(), 0.0F);
    }
  }
  ~Ranking() {
    for (const std::uint32_t document : sums_.touched) {
      sums_.of[document] = 0;
    }
    sums_.touched.clear();
  }
  Ranking(const Ranking&) = delete;
  Ranking& operator=(const Ranking&) = delete;

  Result<std::vector<Hit>> run(const RequestContext& context) {
    for (RankedTerm& term : terms_) {
      term.bound = bound_of(term);
    }
    std::ranges::sort(terms_, [](const RankedTerm& a, const RankedTerm& b) {
      return a.bound > b.bound || (a.bound == b.bound && a.place < b.place);
    });
    rest_.assign(terms_.size() + 1, 0.0F);
    for (std::size_t i = terms_.size(); i-- > 0;) {
      // A little more than the sum: it must not be missed by rounding.
      rest_[i] = (rest_[i + 1] + terms_[i].bound) * 1.000001F;
    }
    std::size_t i = 0;
    for (; i < terms_.size() && !is_settled(i); ++i) {
      LH_RETURN_IF_ERROR(context.check());
      add_everywhere(terms_[i]);
    }
    // From here on no document that has not been seen can be among the best.
    for (; i < terms_.size(); ++i) {
      LH_RETURN_IF_ERROR(context.check());
      keep_candidates(rest_[i]);
      add_to_candidates(terms_[i]);
    }
    return best();
  }

 private:
  [[nodiscard]] float bound_of(const RankedTerm& term) const {
    float part = 0;
    if (term.in_image) {
      for (const BlockInfo& block : rows_.image->blocks(*term.in_image)) {
        part = std::max(part, rows_.statistics.part(block.count_max, block.length_min));
      }
    }
    if (term.in_delta) {
      part = std::max(part, rows_.statistics.part(rows_.delta->count_max(*term.in_delta), 0));
    }
    return term.weight * part;
  }

  /// True if k documents have more already than any new one could get by the terms from `i` on.
  bool is_settled(std::size_t i) {
    if (sums_.touched.size() < k_ || rest_[i] > highest_) {
      return false;
    }
    // To find the k-th is a pass over all sums: no better than one over a list that is as long.
    if (rest_[i] > threshold_ && rows_with(terms_[i]) * 2 > sums_.touched.size()) {
      update_threshold();
    }
    return rest_[i] <= threshold_;
  }

  [[nodiscard]] std::size_t rows_with(const RankedTerm& term) const {
    return (term.in_image ? rows_.image->rows_with(*term.in_image) : 0) +
           (term.in_delta ? rows_.delta->rows_with(*term.in_delta) : 0);
  }

  /// What the k-th best has by now.
  void update_threshold() {
    const std::vector<std::uint32_t>& from = has_candidates_ ? candidates_ : sums_.touched;
    if (from.size() < k_) {
      return;
    }
    scores_.clear();
    for (const std::uint32_t document : from) {
      scores_.push_back(sums_.of[document]);
    }
    const auto place = scores_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::ranges::nth_element(scores_, place, std::ranges::greater());
    threshold_ = *place;
  }

  [[nodiscard]] bool may_see(Row row) const {
    return rows_.allowed == nullptr || rows_.allowed->contains(row);
  }

  void add(std::uint32_t document, float score) {
    float& sum = sums_.of[document];
    if (sum == 0) {
      sums_.touched.push_back(document);
    }
    sum += score;
    highest_ = std::max(highest_, sum);
  }

  void add_everywhere(const RankedTerm& term) {
    if (term.in_image) {
      const std::vector<bool>& gone = *rows_.gone;
      const std::span<const BlockInfo> blocks = rows_.image->blocks(*term.in_image);
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        rows_.image->each_posting_of(blocks, i, [&](Row row, std::uint32_t count) {
          if (may_see(row) && !(row < gone.size() && gone[row])) {
            add(row, term.weight * rows_.statistics.part(count, rows_.image->length(row)));
          }
        });
      }
    }
    if (term.in_delta) {
      const std::uint32_t base = rows_.image_rows();
      rows_.delta->each_posting_of(*term.in_delta, [&](std::uint32_t slot, std::uint32_t count) {
        const TextDelta::Slot& place = rows_.delta->slots()[slot];
        if (place.length != 0 && may_see(place.row)) {
          add(base + slot, term.weight * rows_.statistics.part(count, place.length));
        }
      });
    }
  }

  /// Leaves those that can still be among the best, in order.
  void keep_candidates(float rest) {
    update_threshold();
    const std::vector<std::uint32_t>& from = has_candidates_ ? candidates_ : sums_.touched;
    std::vector<std::uint32_t> kept;
    for (const std::uint32_t document : from) {
      if (sums_.of[document] + rest >= threshold_) {
        kept.push_back(document);
      }
    }
    candidates_ = std::move(kept);
    has_candidates_ = true;
    // So many of them that every block has some need no order to be found by.
    if (!is_sorted_ && candidates_.size() * kSparse < rows_.documents()) {
      std::ranges::sort(candidates_);
      is_sorted_ = true;
    }
  }

  /// Only blocks with a candidate are read. Others that were touched get their share, too: no harm.
  void add_to_candidates(const RankedTerm& term) {
    auto candidate = candidates_.begin();
    if (term.in_image) {
      const std::span<const BlockInfo> blocks = rows_.image->blocks(*term.in_image);
      for (std::size_t i = 0; i < blocks.size() && candidate != candidates_.end(); ++i) {
        if (is_sorted_ && *candidate > blocks[i].last_row) {
          continue;
        }
        rows_.image->each_posting_of(blocks, i, [&](Row row, std::uint32_t count) {
          if (sums_.of[row] != 0) {
            sums_.of[row] += term.weight * rows_.statistics.part(count, rows_.image->length(row));
          }
        });
        while (is_sorted_ && candidate != candidates_.end() && *candidate <= blocks[i].last_row) {
          ++candidate;
        }
      }
    }
    if (term.in_delta) {
      const std::uint32_t base = rows_.image_rows();
      rows_.delta->each_posting_of(*term.in_delta, [&](std::uint32_t slot, std::uint32_t count) {
        if (sums_.of[base + slot] != 0) {
          const std::uint32_t length = rows_.delta->slots()[slot].length;
          sums_.of[base + slot] += term.weight * rows_.statistics.part(count, length);
        }
      });
    }
  }

  [[nodiscard]] std::vector<Hit> best() const {
    const std::vector<std::uint32_t>& from = has_candidates_ ? candidates_ : sums_.touched;
    std::vector<Hit> hits;
    hits.reserve(from.size());
    for (const std::uint32_t document : from) {
      hits.push_back({.row = rows_.row_of(document), .score = sums_.of[document]});
    }
    const std::size_t count = std::min(k_, hits.size());
    std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(count), hits.end(),
                      better);
    hits.resize(count);
    return hits;
  }

  const TextRows& rows_;
  std::vector<RankedTerm>& terms_;
  const std::size_t k_;
  Sums& sums_;
  std::vector<float> rest_;    ///< What the terms from here on can add at most.
  std::vector<float> scores_;  ///< To find the k-th.
  float threshold_ = 0;        ///< At least k documents have so much.
  float highest_ = 0;
  bool has_candidates_ = false;
  bool is_sorted_ = false;
  std::vector<std::uint32_t> candidates_;
};

}  // namespace

Result<std::vector<Hit>> rank(const RequestContext& context, const TextRows& rows,
                              std::vector<RankedTerm>& terms, std::size_t k, Sums& sums) {
  return Ranking(rows, terms, k, sums).run(context);
}

}  // namespace lakehouse::vector
