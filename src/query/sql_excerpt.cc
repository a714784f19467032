#include "query/sql_excerpt.h"

#include <algorithm>

namespace lakehouse::query {

std::string sql_excerpt(std::string_view sql) {
  constexpr std::size_t kBytesMax = 2'000;
  std::size_t size = std::min(sql.size(), kBytesMax);
  while (size > 0 && size < sql.size() &&
         (static_cast<unsigned char>(sql[size]) & 0xC0U) == 0x80U) {
    --size;  // Not within a character.
  }
  return std::string(sql.substr(0, size));
}

}  // namespace lakehouse::query
