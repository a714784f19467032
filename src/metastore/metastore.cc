#include "metastore/metastore.h"

namespace lakehouse::metastore {

const std::string& text(const Value& value) {
  return std::get<std::string>(value);
}

std::int64_t integer(const Value& value) {
  return std::get<std::int64_t>(value);
}

bool is_null(const Value& value) {
  return std::holds_alternative<std::monostate>(value);
}

}  // namespace lakehouse::metastore
