#include <arrow/array/data.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <fmt/format.h>

#include "engine/child/encoder.h"

namespace lakehouse::engine {
namespace {

// Batches of this size are what readers vectorise well over; DuckDB's chunks are 2048 rows.
constexpr std::int64_t kBatchRows = 65'536;
// Wide rows make a batch earlier.
constexpr std::int64_t kBatchBytes = std::int64_t{4} << 20U;

Error arrow_error(const arrow::Status& status) {
  return Error{.code = status.IsOutOfMemory()      ? ErrorCode::ResourceExhausted
                       : status.IsNotImplemented() ? ErrorCode::Unimplemented
                                                   : ErrorCode::Internal,
               .message = "Arrow: " + status.message(),
               .hint = {},
               .position_bytes = std::nullopt,
               .details_json = {}};
}

Status check(duckdb_error_data raw) {
  const ErrorData error(raw);
  if (duckdb_error_data_has_error(error.get())) {
    return std::unexpected(error_from_duckdb(duckdb_error_data_message(error.get())));
  }
  return {};
}

/// Arrow's writer in front, frames behind. Keeps our own error: Arrow's has no place for it.
class SinkStream final : public arrow::io::OutputStream {
 public:
  explicit SinkStream(DataSink& sink) : sink_(sink) {}

  arrow::Status Close() override { return arrow::Status::OK(); }
  [[nodiscard]] bool closed() const override { return false; }
  [[nodiscard]] arrow::Result<std::int64_t> Tell() const override { return written_; }
  arrow::Status Write(const void* data, std::int64_t size_bytes) override {
    written_ += size_bytes;
    error_ = sink_.write({static_cast<const char*>(data), static_cast<std::size_t>(size_bytes)});
    return error_ ? arrow::Status::OK() : arrow::Status::IOError("the reader is gone");
  }
  using arrow::io::OutputStream::Write;

  /// The error of Arrow's operation: the sink's own if that is why it failed.
  Status own(const arrow::Status& status) const {
    if (status.ok()) {
      return {};
    }
    return error_ ? Status(std::unexpected(arrow_error(status))) : error_;
  }

 private:
  DataSink& sink_;
  std::int64_t written_ = 0;
  Status error_;
};

class ArrowEncoder final : public Encoder {
 public:
  ArrowEncoder(ArrowOptions options, std::shared_ptr<arrow::Schema> schema, DataSink& sink)
      : options_(std::move(options)), schema_(std::move(schema)), sink_(sink), stream_(sink) {}

  Status begin() override {
    auto writer = arrow::ipc::MakeStreamWriter(&stream_, schema_);
    if (!writer.ok()) {
      return stream_.own(writer.status());
    }
    writer_ = *std::move(writer);
    return {};
  }

  Status append(const DataChunk& chunk, idx_t row_count) override {
    ArrowArray array{};
    LH_RETURN_IF_ERROR(check(duckdb_data_chunk_to_arrow(options_.get(), chunk.get(), &array)));
    auto imported = arrow::ImportRecordBatch(&array, schema_);
    if (!imported.ok()) {
      return std::unexpected(arrow_error(imported.status()));
    }
    std::shared_ptr<arrow::RecordBatch> batch = *std::move(imported);
    if (batch->num_rows() > static_cast<std::int64_t>(row_count)) {
      batch = batch->Slice(0, static_cast<std::int64_t>(row_count));
    }
    if (held_rows_ == 0) {
      bytes_per_chunk_ = bytes_of(*batch);
    }
    held_rows_ += batch->num_rows();
    held_.push_back(std::move(batch));
    const auto held_bytes = bytes_per_chunk_ * static_cast<std::int64_t>(held_.size());
    if (held_rows_ >= kBatchRows || held_bytes >= kBatchBytes) {
      return write_held();
    }
    return {};
  }

  Status finish() override {
    LH_RETURN_IF_ERROR(write_held());
    LH_RETURN_IF_ERROR(stream_.own(writer_->Close()));
    return sink_.flush();
  }

 private:
  // An estimate from the top level: exact sizes of nested columns are not worth a walk.
  static std::int64_t bytes_of(const arrow::RecordBatch& batch) {
    std::int64_t bytes = 0;
    for (int i = 0; i < batch.num_columns(); ++i) {
      for (const auto& buffer : batch.column_data(i)->buffers) {
        bytes += buffer == nullptr ? 0 : buffer->size();
      }
    }
    return bytes;
  }

  Status write_held() {
    if (held_.empty()) {
      return {};
    }
    std::shared_ptr<arrow::RecordBatch> whole = held_[0];
    if (held_.size() > 1) {
      auto merged = arrow::ConcatenateRecordBatches(held_);
      if (!merged.ok()) {
        return std::unexpected(arrow_error(merged.status()));
      }
      whole = *std::move(merged);
    }
    held_.clear();
    held_rows_ = 0;
    LH_RETURN_IF_ERROR(stream_.own(writer_->WriteRecordBatch(*whole)));
    return sink_.flush();
  }

  ArrowOptions options_;
  std::shared_ptr<arrow::Schema> schema_;
  DataSink& sink_;
  SinkStream stream_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> held_;
  std::int64_t held_rows_ = 0;
  std::int64_t bytes_per_chunk_ = 0;
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_arrow_encoder(QueryResult& result, const ResultShape& shape,
                                                    DataSink& sink) {
  ArrowOptions options(duckdb_result_get_arrow_options(result.out()));
  std::vector<LogicalType> owned;
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    owned.emplace_back(duckdb_column_logical_type(result.out(), i));
    types.push_back(owned.back().get());
    names.push_back(shape.columns[i].name.c_str());
  }
  ArrowSchema exported{};
  LH_RETURN_IF_ERROR(check(
      duckdb_to_arrow_schema(options.get(), types.data(), names.data(), types.size(), &exported)));
  auto schema = arrow::ImportSchema(&exported);
  if (!schema.ok()) {
    return std::unexpected(arrow_error(schema.status()));
  }
  return std::make_unique<ArrowEncoder>(std::move(options), *std::move(schema), sink);
}

}  // namespace lakehouse::engine
