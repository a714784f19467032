#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "iceberg/schema.h"
#include "query/trino_client.h"

namespace lakehouse::query {

/// Rows of Trino's protocol in an encoding of ours: an engine gives the values their types and
/// encodes them, batch by batch, and what each batch has before and after its rows is given once.
/// Not thread-safe.
class TrinoRows {
 public:
  /// `columns` are as our own engine would give them, and what Trino's values become.
  /// Unimplemented if one of Trino's types cannot become it without loss.
  static Result<TrinoRows> open(const RequestContext& context, engine::Engine& engine,
                                const std::vector<engine::Column>& columns,
                                const std::vector<TrinoColumn>& given, engine::Encoding encoding);

  /// What stands before the first row; may be empty.
  [[nodiscard]] std::string prefix() const { return frame_.substr(0, frame_.size() - tail_bytes_); }
  /// What stands after the last one; may be empty.
  [[nodiscard]] std::string suffix() const { return frame_.substr(frame_.size() - tail_bytes_); }
  /// The rows, which are moved from.
  Result<std::string> encode(const RequestContext& context, boost::json::array rows);

 private:
  struct Column {
    std::string variable;
    std::string sql;          ///< The cast of a text to the column's type.
    iceberg::TypePtr nested;  ///< Null for plain values.
  };
  TrinoRows(engine::Engine& engine, engine::Encoding encoding)
      : engine_(&engine), encoding_(encoding) {}
  Result<std::string> run(const RequestContext& context, boost::json::array rows);

  engine::Engine* engine_;
  engine::Encoding encoding_;
  std::vector<Column> columns_;
  std::string statement_;
  std::string frame_;           ///< An answer without rows.
  std::size_t tail_bytes_ = 0;  ///< Of it, what ends the answer.
  bool has_rows_ = false;
};

}  // namespace lakehouse::query
