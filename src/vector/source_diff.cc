#include "vector/source_diff.h"

#include <utility>

#include <fmt/format.h>

#include "vector/row_set.h"

namespace lakehouse::vector {
namespace {

constexpr std::string_view kNoKey = "the key is NULL";
constexpr std::string_view kTwice = "several rows have this key";
constexpr std::string_view kNoText = "there is no text";

/// A row of the source.
struct Row {
  std::int64_t hash = 0;
  bool has_text = false;
  bool is_embedded = false;
  bool is_twice = false;
};

class Diff {
 public:
  explicit Diff(const DiffRequest& request) : request_(request) {}

  Status take_source(const engine::RawBatch& batch) {
    for (std::size_t i = 0; i < batch.rows; ++i) {
      ++out_.rows;
      if (batch.columns[0].is_null(i)) {
        out_.bad.push_back({nullptr, std::string(kNoKey)});
        continue;
      }
      const KeyView view = key_in(batch.columns[0], i, request_.has_text_keys);
      SourceKey key{view.number, std::string(view.text)};
      const auto [at, is_new] = places_.emplace(std::move(key), rows_.size());
      if (!is_new) {
        rows_[at->second].is_twice = true;
        continue;
      }
      keys_.push_back(&at->first);
      rows_.push_back({batch.columns[1].integer(i), !batch.columns[1].is_null(i), false, false});
    }
    return rows_.size() <= RowSet::kRowsMax
               ? Status()
               : fail(ErrorCode::ResourceExhausted, "the dataset has too many rows for an index");
  }

  Status take_embedded(const engine::RawBatch& batch) {
    for (std::size_t i = 0; i < batch.rows; ++i) {
      const KeyView view = key_in(batch.columns[0], i, request_.has_text_keys);
      SourceKey key{view.number, std::string(view.text)};
      const auto found = places_.find(key);
      Row* row = found == places_.end() ? nullptr : &rows_[found->second];
      if (row != nullptr && row->has_text && !row->is_twice &&
          row->hash == batch.columns[1].integer(i)) {
        row->is_embedded = true;
      } else {
        gone_.emplace(std::move(key), row != nullptr);
      }
    }
    return {};
  }

  SourceDiff finish() {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const Row& row = rows_[i];
      const SourceKey& key = *keys_[i];
      if (row.is_twice || !row.has_text) {
        out_.bad.push_back({key_json(key.view(), request_.has_text_keys),
                            std::string(row.is_twice ? kTwice : kNoText)});
      } else if (row.is_embedded && !gone_.contains(key)) {
        ++out_.embedded;
      } else {
        // Also one that has chunks of its text and of an earlier one: all of them go.
        out_.to_embed.push_back(key);
        if (gone_.contains(key)) {
          out_.changed.push_back(key);
        }
      }
    }
    for (const auto& [key, is_there] : gone_) {
      out_.gone.push_back(key);
    }
    return std::move(out_);
  }

 private:
  const DiffRequest& request_;
  SourceDiff out_;
  std::vector<Row> rows_;
  std::vector<const SourceKey*> keys_;
  std::unordered_map<SourceKey, std::size_t, SourceKeyHash> places_;
  std::unordered_map<SourceKey, bool, SourceKeyHash> gone_;
};

}  // namespace

Result<SourceDiff> diff_source(const RequestContext& context, query::QueryService& queries,
                               const DiffRequest& request) {
  Diff diff(request);
  query::SqlRequest source;
  source.sql = fmt::format("SELECT {}, {} FROM {}", request.key, request.hash, request.source);
  LH_RETURN_IF_ERROR(read_raw(context, queries, std::move(source),
                              [&](const auto& batch) { return diff.take_source(batch); }));
  if (!request.embeddings.empty()) {
    query::SqlRequest embedded;
    embedded.sql = fmt::format("SELECT CAST(key AS {}), row_hash FROM {}",
                               request.has_text_keys ? "VARCHAR" : "BIGINT", request.embeddings);
    LH_RETURN_IF_ERROR(read_raw(context, queries, std::move(embedded),
                                [&](const auto& batch) { return diff.take_embedded(batch); }));
  }
  return diff.finish();
}

}  // namespace lakehouse::vector
