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

bool is_shared(std::string_view url_or_path) {
  return url_or_path.starts_with("postgresql://") || url_or_path.starts_with("postgres://");
}

Result<std::unique_ptr<Metastore>> open(const std::string& url_or_path) {
  return is_shared(url_or_path) ? open_postgres(url_or_path) : open_sqlite(url_or_path);
}

}  // namespace lakehouse::metastore
