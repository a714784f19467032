#include "engine/child/cells.h"
#include "engine/child/encoder.h"

namespace lakehouse::engine {
namespace {

class TextEncoder : public Encoder {
 public:
  TextEncoder(const ResultShape& shape, DataSink& sink) : shape_(shape), sink_(sink) {}

  Status begin() override { return {}; }

  Status append(const DataChunk& chunk, idx_t row_count) override {
    cells_.clear();
    for (std::size_t i = 0; i < shape_.types.size(); ++i) {
      cells_.push_back(open_cells(shape_.types[i], duckdb_data_chunk_get_vector(chunk.get(), i)));
    }
    for (idx_t row = 0; row < row_count; ++row) {
      write_row(sink_.buffer(), row);
      LH_RETURN_IF_ERROR(sink_.flush_if_full());
    }
    return sink_.flush_if_late();
  }

  Status finish() override { return sink_.flush(); }

 protected:
  virtual void write_row(Buffer& out, idx_t row) = 0;

  const ResultShape& shape_;
  DataSink& sink_;
  std::vector<Cells> cells_;
};

class JsonEncoder final : public TextEncoder {
 public:
  using TextEncoder::TextEncoder;

 private:
  void write_row(Buffer& out, idx_t row) override {
    out.append(first_ ? "[" : ",\n[");
    first_ = false;
    bool first_cell = true;
    for (const Cells& cells : cells_) {
      if (!first_cell) {
        out.push(',');
      }
      first_cell = false;
      write_json(out, cells, row);
    }
    out.push(']');
  }

  bool first_ = true;
};

class NdjsonEncoder final : public TextEncoder {
 public:
  NdjsonEncoder(const ResultShape& shape, DataSink& sink) : TextEncoder(shape, sink) {
    for (const Column& column : shape.columns) {
      keys_.push_back((keys_.empty() ? "{" : ",") + quote_json(column.name) + ":");
    }
  }

 private:
  void write_row(Buffer& out, idx_t row) override {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      out.append(keys_[i]);
      write_json(out, cells_[i], row);
    }
    out.append("}\n");
  }

  std::vector<std::string> keys_;  // Each with what stands before it.
};

class CsvEncoder final : public TextEncoder {
 public:
  using TextEncoder::TextEncoder;

  Status begin() override {
    Buffer& out = sink_.buffer();
    for (std::size_t i = 0; i < shape_.columns.size(); ++i) {
      if (i > 0) {
        out.push(',');
      }
      write_csv_text(out, shape_.columns[i].name);
    }
    out.append("\r\n");
    return {};
  }

 private:
  void write_row(Buffer& out, idx_t row) override {
    const std::size_t begin = out.size();
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (i > 0) {
        out.push(',');
      }
      write_csv(out, scratch_, cells_[i], row);
    }
    // Readers skip empty lines, so the NULL of a single column would be no row at all.
    if (out.size() == begin) {
      out.append("\"\"");
    }
    out.append("\r\n");
  }

  Buffer scratch_;
};

}  // namespace

std::unique_ptr<Encoder> make_text_encoder(Encoding encoding, const ResultShape& shape,
                                           DataSink& sink) {
  if (encoding == Encoding::Csv) {
    return std::make_unique<CsvEncoder>(shape, sink);
  }
  if (encoding == Encoding::Ndjson) {
    return std::make_unique<NdjsonEncoder>(shape, sink);
  }
  return std::make_unique<JsonEncoder>(shape, sink);
}

}  // namespace lakehouse::engine
