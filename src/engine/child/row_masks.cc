#include "engine/child/row_masks.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/child/database.h"

namespace lakehouse::engine {
namespace {

// A bit for each row is an eighth of a byte: what a statement may take for that.
constexpr std::uint64_t kBitsMax = std::uint64_t{1} << 29U;
// Numbers are unpacked one by one; where there are more the bitmap itself is asked.
constexpr std::uint64_t kUnpackedMax = std::uint64_t{8} << 20U;

using ClientContext = Handle<duckdb_client_context, duckdb_destroy_client_context>;
using Expression = Handle<duckdb_expression, duckdb_destroy_expression>;
using MaskPtr = std::shared_ptr<const RowMask>;

idx_t id_of(const Connection& connection) {
  ClientContext context;
  duckdb_connection_get_client_context(connection.get(), context.out());
  return duckdb_client_context_get_connection_id(context.get());
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Result<std::string> bytes_from_hex(std::string_view hex) {
  std::string bytes(hex.size() / 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = digit_of(hex[2 * i]);
    const int low = digit_of(hex[2 * i + 1]);
    if (high < 0 || low < 0 || hex.size() % 2 != 0) {
      return fail(ErrorCode::DataLoss, "a row mask is not in hexadecimal");
    }
    bytes[i] = static_cast<char>(high * 16 + low);
  }
  return bytes;
}

void destroy_mask(void* mask) {
  delete static_cast<MaskPtr*>(mask);
}

void* copy_mask(void* mask) {
  return new MaskPtr(*static_cast<MaskPtr*>(mask));
}

void bind_mask(duckdb_bind_info info) {
  const auto* masks =
      static_cast<const RowMasks*>(duckdb_scalar_function_bind_get_extra_info(info));
  ClientContext context;
  duckdb_scalar_function_get_client_context(info, context.out());
  const Expression name(duckdb_scalar_function_bind_get_argument(info, 0));
  if (!duckdb_expression_is_foldable(name.get())) {
    return duckdb_scalar_function_bind_set_error(info, "a row mask is named by a constant");
  }
  Value value;
  const ErrorData problem(duckdb_expression_fold(context.get(), name.get(), value.out()));
  if (duckdb_error_data_has_error(problem.get()) || duckdb_is_null_value(value.get())) {
    return duckdb_scalar_function_bind_set_error(info, "a row mask is named by a constant");
  }
  auto mask = masks->find(duckdb_client_context_get_connection_id(context.get()),
                          take_string(duckdb_get_varchar(value.get())));
  if (mask == nullptr) {
    return duckdb_scalar_function_bind_set_error(info, "there is no row mask of this name");
  }
  duckdb_scalar_function_set_bind_data(info, new MaskPtr(std::move(mask)), destroy_mask);
  duckdb_scalar_function_set_bind_data_copy(info, copy_mask);
}

void row_is_deleted(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const RowMask& mask = **static_cast<const MaskPtr*>(duckdb_scalar_function_get_bind_data(info));
  const auto* files = static_cast<const std::uint64_t*>(
      duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 1)));
  const auto* rows = static_cast<const std::int64_t*>(
      duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 2)));
  auto* answers = static_cast<bool*>(duckdb_vector_get_data(output));
  const idx_t size = duckdb_data_chunk_get_size(input);
  for (idx_t i = 0; i < size; ++i) {
    answers[i] = mask.has(files[i], rows[i]);
  }
}

}  // namespace

Result<MaskPtr> RowMask::make(const boost::json::array& bitmaps) {
  auto mask = std::make_shared<RowMask>();
  mask->files_.resize(bitmaps.size());
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < bitmaps.size(); ++i) {
    File& file = mask->files_[i];
    const boost::json::string* hex = bitmaps[i].if_string();
    if (hex == nullptr || hex->empty()) {
      continue;
    }
    LH_ASSIGN_OR_RETURN(file.bytes, bytes_from_hex(*hex));
    LH_ASSIGN_OR_RETURN(file.bitmap, RoaringView::open(file.bytes));
    LH_RETURN_IF_ERROR(file.bitmap.check());
    const std::uint64_t size = file.bitmap.highest().value_or(0) + 1;
    file.in_bits = file.bitmap.cardinality() <= kUnpackedMax && size <= kBitsMax - bits;
    if (file.in_bits) {
      bits += size;
      file.bits.resize(size / 64 + 1);
      LH_ASSIGN_OR_RETURN(const RoaringSet set, RoaringSet::parse(file.bytes));
      for (const std::uint64_t number : set.numbers()) {
        file.bits[number / 64] |= std::uint64_t{1} << (number % 64);
      }
    }
  }
  return mask;
}

RowMasks::Scope::Scope(RowMasks& masks, const Connection& connection)
    : masks_(masks), connection_(id_of(connection)) {}

RowMasks::Scope::~Scope() {
  const std::lock_guard lock(masks_.mutex_);
  std::erase_if(masks_.by_name_, [&](const auto& each) { return each.first.first == connection_; });
}

Status RowMasks::Scope::put(const std::string& name, const boost::json::array& bitmaps) {
  LH_ASSIGN_OR_RETURN(auto mask, RowMask::make(bitmaps));
  const std::lock_guard lock(masks_.mutex_);
  masks_.by_name_.insert_or_assign({connection_, name}, std::move(mask));
  return {};
}

MaskPtr RowMasks::find(idx_t connection, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find({connection, name});
  return found == by_name_.end() ? nullptr : found->second;
}

Status register_row_masks(const Database& database, RowMasks& masks) {
  LH_ASSIGN_OR_RETURN(const Connection connection, open_connection(database));
  const ScalarFunction function(duckdb_create_scalar_function());
  duckdb_scalar_function_set_name(function.get(), "lh_row_is_deleted");
  for (const duckdb_type type : {DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_UBIGINT, DUCKDB_TYPE_BIGINT}) {
    const LogicalType argument(duckdb_create_logical_type(type));
    duckdb_scalar_function_add_parameter(function.get(), argument.get());
  }
  const LogicalType answer(duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN));
  duckdb_scalar_function_set_return_type(function.get(), answer.get());
  duckdb_scalar_function_set_extra_info(function.get(), &masks, nullptr);
  duckdb_scalar_function_set_bind(function.get(), bind_mask);
  duckdb_scalar_function_set_function(function.get(), row_is_deleted);
  if (duckdb_register_scalar_function(connection.get(), function.get()) == DuckDBError) {
    return fail(ErrorCode::Internal, "DuckDB refuses lh_row_is_deleted");
  }
  return {};
}

}  // namespace lakehouse::engine
