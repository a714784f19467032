#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "engine/raw_rows.h"
#include "iceberg/schema.h"
#include "query/query_service.h"
#include "vector/chunk_rows.h"
#include "vector/index_spec.h"

/// \file
/// What indexes ask of datasets, in SQL: always through QueryService, in somebody's name and under
/// their policies.

namespace lakehouse::vector {

/// The key's type by the dataset's schema. NotFound, with the nearest names, if it has no such
/// column; InvalidArgument if its type is none that keys may have.
Result<KeyType> key_type_of(const iceberg::Schema& schema, const std::string& key);

/// A row's text as an expression: NULL where there is none. NotFound for a column that is not
/// there; InvalidArgument for a template that does not parse.
Result<std::string> text_sql(const iceberg::Schema& schema, const Recipe& recipe);
/// A number that differs if the text does (64 bits of MD5); NULL for a text without a letter.
std::string row_hash_sql(const std::string& text_sql);
/// The key as raw rows have it: BIGINT or VARCHAR.
std::string key_sql(const std::string& column, KeyType type);
[[nodiscard]] constexpr bool has_text_keys(KeyType type) {
  return type == KeyType::String || type == KeyType::Uuid;
}
/// As `key_sql` gives it.
KeyView key_in(const engine::RawColumn& column, std::size_t row, bool is_text);
boost::json::value key_json(const KeyView& key, bool is_text);

/// "ns"."table", perhaps at a snapshot.
std::string table_sql(const std::string& dataset);
std::string table_sql(const std::string& dataset, std::int64_t snapshot_id);

/// Success if `filter` is a condition and nothing else, wherever brackets close in it: the
/// statement around it stays the same tree. Asks the engine's parser. InvalidArgument, with the
/// position in the filter.
Status check_filter(const RequestContext& context, engine::Engine& engine,
                    const std::string& filter);

struct RawRead {
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;
  std::string tag;  ///< As QueryAnswer's.
  bool is_unchanged = false;
};

/// Runs a question of our own and gives its rows to `take`, batch by batch; an error of its ends
/// it. With `knows_tag`, nothing is read if that says so of the answer.
Result<RawRead> read_raw(const RequestContext& context, query::QueryService& queries,
                         query::SqlRequest request,
                         const std::function<Status(const engine::RawBatch&)>& take);

}  // namespace lakehouse::vector
