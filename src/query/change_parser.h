#pragma once

#include "base/error.h"
#include "query/statement.h"
#include "query/token_cursor.h"

/// \file
/// The part of the statement parser that cuts DELETE, UPDATE, MERGE, the tail of an INSERT and
/// transactions. Used by statement.cc.

namespace lakehouse::query {

/// DELETE, UPDATE, MERGE or TRUNCATE.
[[nodiscard]] bool begins_change(const Token& token);

/// The whole statement; the cursor stands at the verb, behind any WITH.
Result<SqlStatement> parse_change(TokenCursor& cursor);

/// OR REPLACE and OR IGNORE behind INSERT.
Status parse_insert_or(TokenCursor& cursor, InsertStatement* statement);

/// ON CONFLICT and RETURNING: looked for behind the cursor, outside of brackets. The cursor is left
/// where the source of the rows ends.
Status parse_insert_tail(TokenCursor& cursor, InsertStatement* statement);

/// BEGIN; ...; COMMIT.
Result<SqlStatement> parse_transaction(TokenCursor& cursor);

}  // namespace lakehouse::query
