#pragma once

#include <cstdint>
#include <vector>

#include "engine/child/duck.h"
#include "engine/child/output.h"
#include "engine/child/types.h"

namespace lakehouse::engine {

/// One vector of a data chunk, laid open for reading: plain pointers, and the same of its children.
/// Valid as long as the chunk and the TypeInfo.
struct Cells {
  const TypeInfo* type = nullptr;
  const void* data = nullptr;
  const std::uint64_t* validity = nullptr;  ///< Null if every row is valid.
  std::vector<Cells> children;              ///< Of UNION: the tags, then the members.

  [[nodiscard]] bool is_null(idx_t row) const {
    return validity != nullptr && ((validity[row / 64] >> (row % 64)) & 1U) == 0;
  }
  template <class T>
  [[nodiscard]] const T& at(idx_t row) const {
    return static_cast<const T*>(data)[row];
  }
};

/// Lays open `vector`. Flat vectors only: what duckdb_fetch_chunk gives.
Cells open_cells(const TypeInfo& type, duckdb_vector vector);

/// Writes one cell as JSON; see Encoding for how each type looks.
void write_json(Buffer& out, const Cells& cells, idx_t row);

/// Writes one cell as a CSV field, quoted if it must be; nothing for NULL. `scratch` is for use
/// within.
void write_csv(Buffer& out, Buffer& scratch, const Cells& cells, idx_t row);

/// Writes one CSV field with these bytes, quoted if it must be.
void write_csv_text(Buffer& out, std::string_view text);

}  // namespace lakehouse::engine
