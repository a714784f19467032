#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/json/array.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "query/query_service.h"
#include "vector/source_sql.h"

/// \file
/// Which rows of a source are embedded, which are not, and which embeddings have lost their row.

namespace lakehouse::vector {

struct SourceKey {
  std::int64_t number = 0;
  std::string text = {};
  friend bool operator==(const SourceKey&, const SourceKey&) = default;
  [[nodiscard]] KeyView view() const { return {number, text}; }
};

struct SourceKeyHash {
  std::size_t operator()(const SourceKey& key) const { return ChunkRows::hash_of(key.view()); }
};

/// A row that is set aside.
struct BadRow {
  boost::json::value key;  ///< Null if it has none.
  std::string reason;
};

struct SourceDiff {
  std::vector<SourceKey> to_embed;  ///< New or changed, in the source's order.
  std::vector<SourceKey> gone;      ///< With embeddings of a text that is no row's any more.
  std::vector<SourceKey> changed;   ///< Of `gone`, those that are in `to_embed`, too.
  std::vector<BadRow> bad;
  std::int64_t rows = 0;      ///< Of the source, bad ones included.
  std::int64_t embedded = 0;  ///< Rows that are embedded as they are.
};

/// What to compare: SQL as source_sql.h makes it.
struct DiffRequest {
  std::string source;      ///< The table at a snapshot.
  std::string key;         ///< key_sql.
  std::string hash;        ///< row_hash_sql.
  std::string embeddings;  ///< The table at a snapshot; empty: there are none.
  bool has_text_keys = false;
};

/// ResourceExhausted for a source of more than 2^30 rows. Memory: about 100 bytes for each row.
Result<SourceDiff> diff_source(const RequestContext& context, query::QueryService& queries,
                               const DiffRequest& request);

}  // namespace lakehouse::vector
