#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "query/sql_lexer.h"
#include "query/statement.h"

/// A statement is anybody's text: cutting it must end in tokens or an error, the tokens must lie in
/// order within it, and what is handed to the engine must not be longer than what came.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view sql(reinterpret_cast<const char*>(data), size);
  const auto tokens = lakehouse::query::tokenize(sql);
  if (tokens) {
    std::size_t at = 0;
    for (const auto& token : *tokens) {
      if (token.position < at || token.end() > size) {
        std::abort();
      }
      at = token.end();
    }
  }
  const auto statement = lakehouse::query::parse_statement(sql);
  if (statement && !tokens) {
    std::abort();
  }
  if (statement) {
    const auto* select = std::get_if<lakehouse::query::SelectStatement>(&*statement);
    if (select != nullptr && select->sql.size() > size) {
      std::abort();
    }
  }
  return 0;
}
