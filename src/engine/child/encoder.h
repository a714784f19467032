#pragma once

#include <memory>
#include <vector>

#include "base/error.h"
#include "engine/child/duck.h"
#include "engine/child/output.h"
#include "engine/child/types.h"
#include "engine/engine.h"

namespace lakehouse::engine {

/// The columns of a result, as encoders need them.
struct ResultShape {
  std::vector<Column> columns;
  std::vector<TypeInfo> types;
};

/// Turns data chunks into bytes of one encoding. Not thread-safe.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// What stands before the first row.
  virtual Status begin() = 0;
  /// The first `row_count` rows of the chunk.
  virtual Status append(const DataChunk& chunk, idx_t row_count) = 0;
  /// What stands after the last row, and whatever is still held.
  virtual Status finish() = 0;
};

/// JSON, NDJSON or CSV.
std::unique_ptr<Encoder> make_text_encoder(Encoding encoding, const ResultShape& shape,
                                           DataSink& sink);

/// The Arrow IPC stream. `result` gives DuckDB's Arrow settings. Unimplemented for a type that
/// Arrow has no place for.
Result<std::unique_ptr<Encoder>> make_arrow_encoder(QueryResult& result, const ResultShape& shape,
                                                    DataSink& sink);

/// What engine/raw_rows.h reads. Unimplemented for a type that it does not have.
Result<std::unique_ptr<Encoder>> make_raw_encoder(const ResultShape& shape, DataSink& sink);

}  // namespace lakehouse::engine
