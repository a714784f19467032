#include "vector/text_index.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "vector/text/delta.h"
#include "vector/text/image.h"
#include "vector/text/image_writer.h"
#include "vector/text/ranking.h"
#include "vector/text/words.h"

namespace lakehouse::vector {

namespace {

/// Different terms of one query that count; the rarest of more.
constexpr std::size_t kQueryTermsMax = 1'024;
// The relevance model: so many terms, and what is left to the words that were asked for.
constexpr std::size_t kFeedbackTerms = 20;
constexpr float kQueryShare = 0.7F;

class TextIndexImpl final : public TextIndex {
 public:
  TextIndexImpl(Analysis analysis, std::unique_ptr<TextImage> image)
      : analysis_(analysis),
        image_(std::move(image)),
        delta_(analysis),
        stop_terms_(stop_terms(analysis)) {
    if (image_ != nullptr) {
      gone_.resize(image_->header().row_bound, false);
    }
  }

  Status add(Row row, std::string_view text) override;
  void remove(Row row) override;
  Status save(const RequestContext& context, const std::filesystem::path& file,
              std::string_view note) const override;
  [[nodiscard]] Result<std::vector<Hit>> search(const RequestContext& context,
                                                const TextQuery& query) const override;
  [[nodiscard]] TextIndexStats stats() const override;
  [[nodiscard]] Analysis analysis() const override { return analysis_; }
  [[nodiscard]] std::string_view note() const override {
    return image_ == nullptr ? std::string_view() : image_->note();
  }

 private:
  using Weights = std::vector<std::pair<std::string, float>>;

  // All below are called with the lock held.
  void take_out(Row row);
  [[nodiscard]] bool is_in_image(Row row) const {
    return image_ != nullptr && image_->length(row) > 0 && !gone_[row];
  }
  [[nodiscard]] std::uint32_t rows() const;
  [[nodiscard]] Bm25 statistics() const;
  [[nodiscard]] std::uint32_t image_rows_with(std::uint32_t term) const;
  [[nodiscard]] std::vector<RankedTerm> resolve(const Weights& weights,
                                                const Bm25& statistics) const;
  /// visit(term, rows with it, count, length) for what is known of a row.
  template <class Visit>
  void each_term_of(Row row, Visit&& visit) const;
  void add_feedback(Weights& weights, std::span<const Hit> feedback, const Bm25& statistics) const;
  [[nodiscard]] std::vector<std::string_view> live_terms() const;
  [[nodiscard]] Result<std::string> image_of_all(const RequestContext& context,
                                                 std::string_view note) const;

  std::unique_ptr<Sums> take_sums() const;
  void give_back(std::unique_ptr<Sums> sums) const;

  const Analysis analysis_;
  const std::unique_ptr<TextImage> image_;  ///< May be null.
  mutable std::shared_mutex mutex_;         ///< Guards what follows, up to `sums_mutex_`.
  std::vector<bool> gone_;                  ///< Rows of the image that are no more.
  std::uint32_t gone_rows_ = 0;
  std::uint64_t gone_length_ = 0;
  std::unordered_map<std::uint32_t, std::uint32_t> gone_with_;  ///< Of these, by the image's terms.
  TextDelta delta_;
  const std::vector<std::string> stop_terms_;  ///< Sorted.
  mutable std::mutex sums_mutex_;
  mutable std::vector<std::unique_ptr<Sums>> free_sums_;
};

Status TextIndexImpl::add(Row row, std::string_view text) {
  if (row >= RowSet::kRowsMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("row {} is too high", row));
  }
  const std::unique_lock lock(mutex_);
  take_out(row);
  delta_.add(row, text.substr(0, kTextBytesMax));
  return {};
}

void TextIndexImpl::remove(Row row) {
  const std::unique_lock lock(mutex_);
  take_out(row);
}

void TextIndexImpl::take_out(Row row) {
  delta_.remove(row);
  if (!is_in_image(row)) {
    return;
  }
  gone_[row] = true;
  ++gone_rows_;
  gone_length_ += image_->length(row);
  image_->each_term_of(row, [&](std::uint32_t term, std::uint32_t) { ++gone_with_[term]; });
}

std::uint32_t TextIndexImpl::rows() const {
  return delta_.rows() + (image_ == nullptr ? 0 : image_->header().rows - gone_rows_);
}

Bm25 TextIndexImpl::statistics() const {
  const std::uint64_t length =
      delta_.length_sum() + (image_ == nullptr ? 0 : image_->header().length_sum - gone_length_);
  const std::uint32_t count = std::max(rows(), 1U);
  return {.rows = static_cast<float>(count),
          .mean_length = static_cast<float>(
              std::max(static_cast<double>(length) / static_cast<double>(count), 1.0))};
}

std::uint32_t TextIndexImpl::image_rows_with(std::uint32_t term) const {
  const auto gone = gone_with_.find(term);
  const std::uint32_t all = image_->rows_with(term);
  return gone == gone_with_.end() ? all : all - std::min(all, gone->second);
}

std::vector<RankedTerm> TextIndexImpl::resolve(const Weights& weights,
                                               const Bm25& statistics) const {
  std::vector<RankedTerm> terms;
  for (const auto& [term, weight] : weights) {
    RankedTerm found;
    std::uint32_t rows_with = 0;
    if (image_ != nullptr) {
      found.in_image = image_->find(term);
      rows_with += found.in_image ? image_rows_with(*found.in_image) : 0;
    }
    found.in_delta = delta_.find(term);
    rows_with += found.in_delta ? delta_.rows_with(*found.in_delta) : 0;
    if (rows_with > 0 && weight > 0) {
      found.weight = weight * statistics.idf(rows_with);
      found.place = static_cast<std::uint32_t>(terms.size());
      terms.push_back(found);
    }
  }
  if (terms.size() > kQueryTermsMax) {
    std::ranges::sort(terms, [](const RankedTerm& a, const RankedTerm& b) {
      return a.weight > b.weight || (a.weight == b.weight && a.place < b.place);
    });
    terms.resize(kQueryTermsMax);
  }
  return terms;
}

template <class Visit>
void TextIndexImpl::each_term_of(Row row, Visit&& visit) const {
  if (is_in_image(row)) {
    image_->each_term_of(row, [&](std::uint32_t term, std::uint32_t count) {
      const std::string_view text = image_->term(term);
      const auto in_delta = delta_.find(text);
      visit(text, image_rows_with(term) + (in_delta ? delta_.rows_with(*in_delta) : 0), count,
            image_->length(row));
    });
    return;
  }
  const auto slot = delta_.slot_of(row);
  if (!slot) {
    return;
  }
  delta_.each_term_of(*slot, [&](std::uint32_t term, std::uint32_t count) {
    const std::string_view text = delta_.term(term);
    const auto in_image = image_ == nullptr ? std::nullopt : image_->find(text);
    visit(text, delta_.rows_with(term) + (in_image ? image_rows_with(*in_image) : 0), count,
          delta_.slots()[*slot].length);
  });
}

/// RM3: the query's own terms keep most of the weight, the rest goes to the terms that stand out in
/// the rows (by their share of these rows' BM25).
void TextIndexImpl::add_feedback(Weights& weights, std::span<const Hit> feedback,
                                 const Bm25& statistics) const {
  static constexpr auto kSum = [](float sum, const auto& item) { return sum + item.second; };
  StringMap<float> model;
  for (const Hit& hit : feedback) {
    each_term_of(hit.row, [&](std::string_view term, std::uint32_t rows_with, std::uint32_t count,
                              std::uint32_t length) {
      auto place = model.find(term);
      if (place == model.end()) {
        place = model.emplace(std::string(term), 0.0F).first;
      }
      place->second += hit.score * statistics.idf(rows_with) * statistics.part(count, length);
    });
  }
  Weights best(model.begin(), model.end());
  std::erase_if(
      best, [&](const auto& item) { return std::ranges::binary_search(stop_terms_, item.first); });
  std::ranges::sort(best, [](const auto& a, const auto& b) {
    return a.second > b.second || (a.second == b.second && a.first < b.first);
  });
  best.resize(std::min(best.size(), kFeedbackTerms));
  const float asked = std::accumulate(weights.begin(), weights.end(), 0.0F, kSum);
  const float learned = std::accumulate(best.begin(), best.end(), 0.0F, kSum);
  if (!(learned > 0)) {
    return;
  }
  for (auto& [term, weight] : weights) {
    weight *= kQueryShare / asked;
  }
  for (const auto& [term, weight] : best) {
    const float share = (asked > 0 ? 1 - kQueryShare : 1) * weight / learned;
    const auto place = std::ranges::find(weights, term, &Weights::value_type::first);
    if (place == weights.end()) {
      weights.emplace_back(term, share);
    } else {
      place->second += share;
    }
  }
}

Result<std::vector<Hit>> TextIndexImpl::search(const RequestContext& context,
                                               const TextQuery& query) const {
  if (query.text.size() > kQueryBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the text to search for has {} bytes; at most {} are taken",
                            query.text.size(), kQueryBytesMax),
                "Search for the words that matter.");
  }
  if (query.k == 0 || query.k > kHitsMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("k is {}; it must be from 1 to {}", query.k, kHitsMax));
  }
  Weights weights;
  for (QueryTerm& term : query_terms(query.text, analysis_)) {
    weights.emplace_back(std::move(term.term), static_cast<float>(term.count));
  }
  const std::shared_lock lock(mutex_);
  const Bm25 statistic = statistics();
  if (!query.feedback.empty()) {
    add_feedback(weights, query.feedback, statistic);
  }
  std::vector<RankedTerm> terms = resolve(weights, statistic);
  const TextRows all{.image = image_.get(),
                     .gone = &gone_,
                     .delta = &delta_,
                     .allowed = query.allowed,
                     .statistics = statistic};
  std::unique_ptr<Sums> sums = take_sums();
  Result<std::vector<Hit>> hits = rank(context, all, terms, query.k, *sums);
  give_back(std::move(sums));
  return hits;
}

std::unique_ptr<Sums> TextIndexImpl::take_sums() const {
  const std::lock_guard lock(sums_mutex_);
  if (free_sums_.empty()) {
    return std::make_unique<Sums>();
  }
  std::unique_ptr<Sums> sums = std::move(free_sums_.back());
  free_sums_.pop_back();
  return sums;
}

void TextIndexImpl::give_back(std::unique_ptr<Sums> sums) const {
  constexpr std::size_t kKept = 4;
  const std::lock_guard lock(sums_mutex_);
  if (free_sums_.size() < kKept) {
    free_sums_.push_back(std::move(sums));
  }
}

TextIndexStats TextIndexImpl::stats() const {
  const std::shared_lock lock(mutex_);
  std::uint64_t terms = image_ == nullptr ? 0 : image_->terms();
  for (std::uint32_t term = 0; term < delta_.terms(); ++term) {
    terms += image_ == nullptr || !image_->find(delta_.term(term)) ? 1U : 0U;
  }
  return {.rows = rows(),
          .terms = terms,
          .file_bytes = image_ == nullptr ? 0 : image_->header().file_bytes,
          .memory_bytes = delta_.memory_bytes() + gone_.size() / 8 + gone_with_.size() * 32};
}

std::vector<std::string_view> TextIndexImpl::live_terms() const {
  std::vector<std::string_view> terms;
  for (std::uint32_t term = 0; image_ != nullptr && term < image_->terms(); ++term) {
    if (image_rows_with(term) > 0) {
      terms.push_back(image_->term(term));
    }
  }
  for (std::uint32_t term = 0; term < delta_.terms(); ++term) {
    if (delta_.rows_with(term) > 0) {
      terms.push_back(delta_.term(term));
    }
  }
  std::ranges::sort(terms);
  terms.erase(std::ranges::unique(terms).begin(), terms.end());
  return terms;
}

Result<std::string> TextIndexImpl::image_of_all(const RequestContext& context,
                                                std::string_view note) const {
  const std::vector<std::string_view> terms = live_terms();
  const auto number_of = [&](std::string_view term) {
    return static_cast<std::uint32_t>(std::ranges::lower_bound(terms, term) - terms.begin());
  };
  std::vector<std::uint32_t> from_image;
  for (std::uint32_t term = 0; image_ != nullptr && term < image_->terms(); ++term) {
    from_image.push_back(number_of(image_->term(term)));
  }
  std::vector<std::uint32_t> from_delta;
  for (std::uint32_t term = 0; term < delta_.terms(); ++term) {
    from_delta.push_back(number_of(delta_.term(term)));
  }
  std::vector<std::pair<Row, std::uint32_t>> slots;
  for (std::uint32_t slot = 0; slot < delta_.slots().size(); ++slot) {
    if (delta_.slots()[slot].length != 0) {
      slots.emplace_back(delta_.slots()[slot].row, slot);
    }
  }
  std::ranges::sort(slots);
  ImageWriter writer(analysis_, terms);
  ImageWriter::Terms found;
  const auto image_rows = static_cast<Row>(gone_.size());
  auto next = slots.begin();
  for (Row row = 0; row < image_rows || next != slots.end(); ++row) {
    if (row >= image_rows) {
      row = next->first;
    }
    if (row % 1024 == 0) {
      LH_RETURN_IF_ERROR(context.check());
    }
    found.clear();
    std::uint32_t length = 0;
    if (next != slots.end() && next->first == row) {
      length = delta_.slots()[next->second].length;
      delta_.each_term_of(next->second, [&](std::uint32_t term, std::uint32_t count) {
        found.emplace_back(from_delta[term], count);
      });
      std::ranges::sort(found);
      ++next;
    } else if (is_in_image(row)) {
      length = image_->length(row);
      image_->each_term_of(row, [&](std::uint32_t term, std::uint32_t count) {
        found.emplace_back(from_image[term], count);
      });
    }
    if (length != 0) {
      writer.add(row, length, found);
    }
  }
  return writer.finish(context, note);
}

Status TextIndexImpl::save(const RequestContext& context, const std::filesystem::path& file,
                           std::string_view note) const {
  if (note.size() > kNoteBytesMax) {
    return fail(ErrorCode::InvalidArgument, "the note of a full-text index is too long");
  }
  Result<std::string> bytes;
  {
    const std::shared_lock lock(mutex_);
    bytes = image_of_all(context, note);
  }
  LH_RETURN_IF_ERROR(bytes);
  return write_file_durably(context, file, *bytes);
}

}  // namespace

std::unique_ptr<TextIndex> TextIndex::make(Analysis analysis) {
  return std::make_unique<TextIndexImpl>(analysis, nullptr);
}

Result<std::unique_ptr<TextIndex>> TextIndex::load(const RequestContext& context,
                                                   const std::filesystem::path& file) {
  LH_ASSIGN_OR_RETURN(std::unique_ptr<TextImage> image, TextImage::open(context, file));
  const auto analysis = static_cast<Analysis>(image->header().analysis);
  return std::make_unique<TextIndexImpl>(analysis, std::move(image));
}

}  // namespace lakehouse::vector
