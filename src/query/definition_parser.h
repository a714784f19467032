#pragma once

#include "base/error.h"
#include "query/statement.h"
#include "query/token_cursor.h"

/// \file
/// The part of the statement parser that cuts definitions of views and macros. Used by
/// statement.cc.

namespace lakehouse::query {

/// True at VIEW, MACRO and FUNCTION, behind CREATE, DROP or ALTER.
[[nodiscard]] bool begins_definition(const Token& token);

/// The rest of CREATE [OR REPLACE] VIEW or MACRO; the cursor stands at that word.
Result<SqlStatement> parse_definition(TokenCursor& cursor, bool or_replace);
/// The rest of DROP VIEW or MACRO [TABLE].
Result<SqlStatement> parse_drop_definition(TokenCursor& cursor);
/// The rest of ALTER VIEW: RENAME TO.
Result<SqlStatement> parse_alter_view(TokenCursor& cursor);

}  // namespace lakehouse::query
