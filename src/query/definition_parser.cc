#include "query/definition_parser.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::query {
namespace {

/// Parameters of the request would be gone when the definition is used.
Status refuse_parameters(const TokenCursor& cursor) {
  for (std::size_t i = cursor.at(); i < cursor.tokens().size(); ++i) {
    if (cursor.tokens()[i].kind == TokenKind::Parameter) {
      return cursor.fail_at(cursor.tokens()[i], "a definition that is kept has no parameters",
                            "Write the value.");
    }
  }
  return {};
}

Result<IfExists> if_not_exists(TokenCursor& cursor, bool or_replace) {
  const Token exists = cursor.peek();
  if (!cursor.accept_all({"IF", "NOT", "EXISTS"})) {
    return or_replace ? IfExists::Replace : IfExists::Fail;
  }
  if (or_replace) {
    return cursor.fail_at(exists, "OR REPLACE and IF NOT EXISTS exclude each other");
  }
  return IfExists::Keep;
}

/// The text of the tokens [from, to).
std::string text_between(const TokenCursor& cursor, std::size_t from, std::size_t to) {
  if (from >= to) {
    return {};
  }
  const std::size_t begin = cursor.tokens()[from].position;
  return std::string(cursor.sql().substr(begin, cursor.end_before(to) - begin));
}

Result<SqlStatement> create_view(TokenCursor& cursor, bool or_replace) {
  CreateViewStatement statement;
  LH_ASSIGN_OR_RETURN(statement.if_exists, if_not_exists(cursor, or_replace));
  LH_ASSIGN_OR_RETURN(statement.view, cursor.name_path("a view"));
  if (cursor.peek().is_symbol('(')) {
    LH_ASSIGN_OR_RETURN(statement.columns, cursor.name_list("a column"));
  }
  if (cursor.peek().is("COMMENT") && cursor.peek(1).kind == TokenKind::String) {
    cursor.take();
    statement.comment = cursor.take().value;
  }
  LH_RETURN_IF_ERROR(cursor.expect("AS"));
  if (cursor.peek().kind == TokenKind::End) {
    return cursor.expected("a SELECT");
  }
  LH_RETURN_IF_ERROR(refuse_parameters(cursor));
  statement.sql = text_between(cursor, cursor.at(), cursor.tokens().size() - 1);
  // What stands before is blanked, so that positions stay.
  statement.source.sql = std::string(cursor.sql().substr(0, cursor.peek().position));
  std::ranges::replace_if(statement.source.sql, [](char c) { return c != '\n'; }, ' ');
  statement.source.sql += statement.sql;
  return statement;
}

/// To the comma or bracket, outside of brackets, that ends an expression.
std::size_t end_of_expression(const TokenCursor& cursor) {
  const auto is_brace = [](const Token& token) {
    return token.is_symbol('{') ? 1 : token.is_symbol('}') ? -1 : 0;
  };
  std::size_t depth = 0;
  int braces = 0;
  for (std::size_t i = cursor.at(); i < cursor.tokens().size(); ++i) {
    const Token& token = cursor.tokens()[i];
    if (depth == 0 && braces == 0 && (token.is_symbol(',') || token.is_symbol(')'))) {
      return i;
    }
    TokenCursor::count_bracket(token, depth);
    braces += is_brace(token);
  }
  return cursor.tokens().size() - 1;
}

/// (a, b := 5)
Status macro_parameters(TokenCursor& cursor, MacroDefinition& definition) {
  LH_RETURN_IF_ERROR(cursor.expect_symbol('('));
  if (cursor.accept_symbol(')')) {
    return {};
  }
  do {
    const Token at = cursor.peek();
    MacroParameter parameter;
    LH_ASSIGN_OR_RETURN(parameter.name, cursor.name("a parameter"));
    if (cursor.accept_symbol(':')) {
      LH_RETURN_IF_ERROR(cursor.expect_symbol('='));
      const std::size_t end = end_of_expression(cursor);
      parameter.default_sql = text_between(cursor, cursor.at(), end);
      cursor.move_to(end);
    } else if (!definition.parameters.empty() && definition.parameters.back().default_sql) {
      return cursor.fail_at(at, "a parameter without a default stands behind one with a default");
    }
    const auto twin = [&parameter](const MacroParameter& other) {
      return to_lower(other.name) == to_lower(parameter.name);
    };
    if (std::ranges::any_of(definition.parameters, twin)) {
      return cursor.fail_at(at, fmt::format("two parameters are called {}", parameter.name));
    }
    definition.parameters.push_back(std::move(parameter));
  } while (cursor.accept_symbol(','));
  return cursor.expect_symbol(')');
}

Result<SqlStatement> create_macro(TokenCursor& cursor, bool or_replace) {
  CreateMacroStatement statement;
  LH_ASSIGN_OR_RETURN(statement.if_exists, if_not_exists(cursor, or_replace));
  LH_ASSIGN_OR_RETURN(statement.macro, cursor.name_path("a macro"));
  LH_RETURN_IF_ERROR(refuse_parameters(cursor));
  do {
    MacroDefinition definition;
    LH_RETURN_IF_ERROR(macro_parameters(cursor, definition));
    LH_RETURN_IF_ERROR(cursor.expect("AS"));
    definition.is_table = cursor.accept("TABLE");
    // Between two definitions stands a comma, then brackets, then AS.
    std::size_t end = end_of_expression(cursor);
    while (end + 1 < cursor.tokens().size() && definition.is_table &&
           cursor.tokens()[end].is_symbol(',') && !cursor.tokens()[end + 1].is_symbol('(')) {
      TokenCursor rest = cursor;
      rest.move_to(end + 1);
      end = end_of_expression(rest);
    }
    definition.sql = text_between(cursor, cursor.at(), end);
    if (definition.sql.empty()) {
      return cursor.expected(definition.is_table ? "a SELECT" : "an expression");
    }
    cursor.move_to(end);
    if (!statement.definitions.empty() &&
        statement.definitions.front().is_table != definition.is_table) {
      return cursor.fail_at(cursor.peek(), "a macro gives either a value or a table");
    }
    statement.definitions.push_back(std::move(definition));
  } while (cursor.accept_symbol(','));
  LH_RETURN_IF_ERROR(cursor.expect_end());
  return statement;
}

}  // namespace

bool begins_definition(const Token& token) {
  return token.is("VIEW") || token.is("MACRO") || token.is("FUNCTION");
}

Result<SqlStatement> parse_definition(TokenCursor& cursor, bool or_replace) {
  return cursor.take().is("VIEW") ? create_view(cursor, or_replace)
                                  : create_macro(cursor, or_replace);
}

Result<SqlStatement> parse_drop_definition(TokenCursor& cursor) {
  const bool is_view = cursor.take().is("VIEW");
  if (!is_view) {
    cursor.accept("TABLE");
  }
  const bool if_exists = cursor.accept_all({"IF", "EXISTS"});
  LH_ASSIGN_OR_RETURN(NamePath name, cursor.name_path(is_view ? "a view" : "a macro"));
  if (!cursor.accept("CASCADE")) {
    cursor.accept("RESTRICT");
  }
  LH_RETURN_IF_ERROR(cursor.expect_end());
  if (is_view) {
    return DropViewStatement{std::move(name), if_exists};
  }
  return DropMacroStatement{std::move(name), if_exists};
}

Result<SqlStatement> parse_alter_view(TokenCursor& cursor) {
  cursor.take();
  RenameViewStatement statement;
  statement.if_exists = cursor.accept_all({"IF", "EXISTS"});
  LH_ASSIGN_OR_RETURN(statement.view, cursor.name_path("a view"));
  if (!cursor.accept_all({"RENAME", "TO"})) {
    return cursor.expected("RENAME TO");
  }
  LH_ASSIGN_OR_RETURN(statement.to, cursor.name("the view's new name"));
  LH_RETURN_IF_ERROR(cursor.expect_end());
  return statement;
}

}  // namespace lakehouse::query
