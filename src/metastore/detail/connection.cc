#include "metastore/detail/connection.h"

namespace lakehouse::metastore::detail {

Status WorkTransaction::check() const {
  return failed_ ? fail(ErrorCode::Internal,
                        "a metastore transaction went on after a statement of it had failed")
                 : Status();
}

Result<std::vector<Row>> WorkTransaction::query(std::string_view sql,
                                                std::span<const Value> parameters) {
  LH_RETURN_IF_ERROR(check());
  auto rows = connection_.query(sql, parameters);
  failed_ = !rows;
  return rows;
}

Result<std::int64_t> WorkTransaction::execute(std::string_view sql,
                                              std::span<const Value> parameters) {
  LH_RETURN_IF_ERROR(check());
  auto changed = connection_.execute(sql, parameters);
  failed_ = !changed;
  return changed;
}

}  // namespace lakehouse::metastore::detail
