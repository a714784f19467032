#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <duckdb.h>

#include "base/error.h"

/// \file
/// DuckDB's C API behind owners, for the child alone.

namespace lakehouse::engine {

/// Owns one thing that DuckDB made and `Destroy` takes back. An empty one is destroyed, too: the
/// C API accepts that everywhere.
template <class T, auto Destroy>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T value) : value_(value) {}
  ~Handle() { Destroy(&value_); }
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, T{})) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      Destroy(&value_);
      value_ = std::exchange(other.value_, T{});
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  [[nodiscard]] T get() const { return value_; }
  /// For functions that fill it in, or change it; what it held must have been destroyed.
  T* out() { return &value_; }

 private:
  T value_{};
};

using Database = Handle<duckdb_database, duckdb_close>;
using Config = Handle<duckdb_config, duckdb_destroy_config>;
using Connection = Handle<duckdb_connection, duckdb_disconnect>;
using Prepared = Handle<duckdb_prepared_statement, duckdb_destroy_prepare>;
using Pending = Handle<duckdb_pending_result, duckdb_destroy_pending>;
using QueryResult = Handle<duckdb_result, duckdb_destroy_result>;
using DataChunk = Handle<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using LogicalType = Handle<duckdb_logical_type, duckdb_destroy_logical_type>;
using Value = Handle<duckdb_value, duckdb_destroy_value>;
using Extracted = Handle<duckdb_extracted_statements, duckdb_destroy_extracted>;
using ScalarFunction = Handle<duckdb_scalar_function, duckdb_destroy_scalar_function>;
using ArrowOptions = Handle<duckdb_arrow_options, duckdb_destroy_arrow_options>;
using ErrorData = Handle<duckdb_error_data, duckdb_destroy_error_data>;

/// Copies a string that DuckDB allocated, and frees it.
inline std::string take_string(char* text) {
  std::string copy = text == nullptr ? "" : text;
  duckdb_free(text);
  return copy;
}

inline std::string_view view(const duckdb_string_t& text) {
  // Up to 12 bytes lie in the struct itself.
  const auto size = text.value.inlined.length;
  return {size <= 12 ? text.value.inlined.inlined : text.value.pointer.ptr, size};
}

/// What DuckDB's error text says, as ours: code, message without DuckDB's own decoration, hint, and
/// `position_bytes` as DuckDB counts it in the SQL that it was given. Absolute paths are cut to
/// their last part.
Error error_from_duckdb(std::string_view text);

/// Runs SQL for its effect.
Status run_sql(const Connection& connection, const std::string& sql);

/// Prepares one statement.
Result<Prepared> prepare_sql(const Connection& connection, const std::string& sql);

}  // namespace lakehouse::engine
