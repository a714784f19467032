#pragma once

#include <list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/child/duck.h"
#include "engine/wire/messages.h"

namespace lakehouse::engine {

/// SQL to tree and back, by statements prepared once on a connection of its own. Not thread-safe.
class SqlTree {
 public:
  static Result<SqlTree> open(const Database& database);

  /// The statements in `sql`; InvalidArgument with the position of a syntax error.
  Result<std::vector<ParsedText>> parse(std::string_view sql);

  /// The SQL of a tree with one statement; InvalidArgument if it is no such tree.
  Result<std::string> to_sql(std::string_view tree);

 private:
  struct Serialized {
    std::string json;
    bool failed = false;  ///< Then the JSON tells why.
    idx_t statement_count = 0;
  };

  SqlTree(Connection connection, Prepared serialize, Prepared deserialize)
      : connection_(std::move(connection)),
        serialize_(std::move(serialize)),
        deserialize_(std::move(deserialize)) {}
  Result<Serialized> serialize(std::string_view sql);
  Result<ParsedText> parse_piece(std::string_view sql, std::size_t offset_bytes);

  Connection connection_;
  Prepared serialize_;
  Prepared deserialize_;
  /// Trees and their SQL, the last used first: statements that differ in their parameters alone
  /// come with the same tree.
  std::list<std::pair<std::string, std::string>> known_;
};

/// Turns the position in `error`, which DuckDB gave for `sql`, into one in the caller's own text:
/// it is that already if there is no tree; else it is the place where the tree says the same name
/// stands, if there is only one such place. Takes what error_from_duckdb left for this purpose out
/// of the error.
Error locate_error(Error error, std::string_view sql, std::string_view tree);

}  // namespace lakehouse::engine
