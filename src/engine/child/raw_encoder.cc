#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/child/encoder.h"
#include "engine/raw_rows.h"

namespace lakehouse::engine {
namespace {

using Kind = RawColumn::Kind;

/// A batch with long texts is cut into several, each about so large.
constexpr std::size_t kBatchBytes = std::size_t{4} << 20U;

/// A column of one chunk.
struct Vector {
  Kind kind = Kind::Int64;
  const char* data = nullptr;
  std::uint64_t* validity = nullptr;  ///< Null: no NULLs.
  const char* elements = nullptr;     ///< Of Floats.
  std::uint64_t* element_validity = nullptr;
  idx_t array_size = 0;  ///< Of a FLOAT[n].

  [[nodiscard]] bool is_valid(idx_t row) const {
    return validity == nullptr || duckdb_validity_row_is_valid(validity, row);
  }
  [[nodiscard]] std::string_view text(idx_t row) const {
    auto* string = reinterpret_cast<duckdb_string_t*>(const_cast<char*>(data)) + row;
    return {duckdb_string_t_data(string), duckdb_string_t_length(*string)};
  }
  /// Where the row's elements begin, and how many.
  [[nodiscard]] duckdb_list_entry list(idx_t row) const {
    return array_size > 0 ? duckdb_list_entry{row * array_size, array_size}
                          : reinterpret_cast<const duckdb_list_entry*>(data)[row];
  }
  [[nodiscard]] std::uint32_t length(idx_t row) const {
    if (!is_valid(row)) {
      return 0;
    }
    return static_cast<std::uint32_t>(kind == Kind::Text ? text(row).size() : list(row).length);
  }
};

template <class T>
void put(Buffer& out, T value) {
  char* to = out.reserve(sizeof(T));
  std::memcpy(to, &value, sizeof(T));
  out.commit(to + sizeof(T));
}

class RawEncoder final : public Encoder {
 public:
  RawEncoder(std::vector<Kind> kinds, const ResultShape& shape, DataSink& sink)
      : kinds_(std::move(kinds)), shape_(shape), sink_(sink) {}

  Status begin() override { return {}; }

  Status append(const DataChunk& chunk, idx_t row_count) override {
    open(chunk);
    idx_t from = 0;
    std::size_t size = 0;
    for (idx_t row = 0; row < row_count; ++row) {
      size += size_of(row);
      if (size >= kBatchBytes || row + 1 == row_count) {
        LH_RETURN_IF_ERROR(write(from, row + 1));
        from = row + 1;
        size = 0;
      }
    }
    return sink_.flush_if_late();
  }

  Status finish() override { return sink_.flush(); }

 private:
  void open(const DataChunk& chunk) {
    vectors_.clear();
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      duckdb_vector raw = duckdb_data_chunk_get_vector(chunk.get(), i);
      Vector vector;
      vector.kind = kinds_[i];
      vector.validity = duckdb_vector_get_validity(raw);
      vector.data = static_cast<const char*>(duckdb_vector_get_data(raw));
      if (vector.kind == Kind::Floats) {
        vector.array_size = shape_.types[i].array_size;
        duckdb_vector child = vector.array_size > 0 ? duckdb_array_vector_get_child(raw)
                                                    : duckdb_list_vector_get_child(raw);
        vector.elements = static_cast<const char*>(duckdb_vector_get_data(child));
        vector.element_validity = duckdb_vector_get_validity(child);
      }
      vectors_.push_back(vector);
    }
  }

  [[nodiscard]] std::size_t size_of(idx_t row) const {
    std::size_t size = 0;
    for (const Vector& vector : vectors_) {
      size += RawColumn::width_of(vector.kind);
      if (vector.kind == Kind::Text || vector.kind == Kind::Floats) {
        size += vector.length(row) * RawColumn::width_of(vector.kind);
      }
    }
    return size;
  }

  Status write(idx_t from, idx_t to) {
    batch_.clear();
    put(batch_, static_cast<std::uint32_t>(to - from));
    for (const Vector& vector : vectors_) {
      write_column(vector, from, to);
    }
    put(sink_.buffer(), static_cast<std::uint64_t>(batch_.size()));
    return sink_.write(batch_.view());
  }

  void write_column(const Vector& vector, idx_t from, idx_t to) {
    bool has_nulls = false;
    for (idx_t row = from; row < to && vector.validity != nullptr; ++row) {
      has_nulls = has_nulls || !vector.is_valid(row);
    }
    batch_.push(has_nulls ? '\1' : '\0');
    for (idx_t row = from; row < to && has_nulls; ++row) {
      batch_.push(vector.is_valid(row) ? '\1' : '\0');
    }
    const std::size_t width = RawColumn::width_of(vector.kind);
    if (vector.kind != Kind::Text && vector.kind != Kind::Floats) {
      batch_.append({vector.data + from * width, (to - from) * width});
      return;
    }
    for (idx_t row = from; row < to; ++row) {
      put(batch_, vector.length(row));
    }
    for (idx_t row = from; row < to; ++row) {
      if (vector.length(row) == 0) {
        continue;
      }
      if (vector.kind == Kind::Text) {
        batch_.append(vector.text(row));
      } else {
        write_floats(vector, vector.list(row));
      }
    }
  }

  void write_floats(const Vector& vector, duckdb_list_entry list) {
    batch_.append({vector.elements + list.offset * sizeof(float), list.length * sizeof(float)});
    if (vector.element_validity == nullptr) {
      return;
    }
    char* end = batch_.data() + batch_.size();
    for (idx_t i = 0; i < list.length; ++i) {
      if (!duckdb_validity_row_is_valid(vector.element_validity, list.offset + i)) {
        const float nan = std::numeric_limits<float>::quiet_NaN();
        std::memcpy(end - (list.length - i) * sizeof(float), &nan, sizeof(float));
      }
    }
  }

  std::vector<Kind> kinds_;
  const ResultShape& shape_;
  DataSink& sink_;
  std::vector<Vector> vectors_;
  Buffer batch_;
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_raw_encoder(const ResultShape& shape, DataSink& sink) {
  std::vector<Kind> kinds;
  for (const Column& column : shape.columns) {
    LH_ASSIGN_OR_RETURN(const Kind kind, RawColumn::kind_of(column.type));
    kinds.push_back(kind);
  }
  return std::make_unique<RawEncoder>(std::move(kinds), shape, sink);
}

}  // namespace lakehouse::engine
