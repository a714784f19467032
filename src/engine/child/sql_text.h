#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lakehouse::engine {

/// A statement's place in a text of several.
struct SqlPiece {
  std::size_t offset_bytes = 0;
  std::string_view text;
};

/// The statements between the semicolons of `sql`, by the rules of DuckDB's scanner: those in
/// strings, quoted names, dollar quotes and comments separate nothing. Blanks and comments before a
/// statement and blanks after it are left out, and pieces that hold nothing else.
std::vector<SqlPiece> split_statements(std::string_view sql);

/// The keyword that says what a statement is, in upper case: the first, or for WITH the one after
/// the common table expressions; empty if there is none.
std::string leading_keyword(std::string_view statement);

/// Bytes before the character number `characters` of `text`; its size if it has fewer.
std::size_t bytes_of_characters(std::string_view text, std::size_t characters);

/// The identifier that begins at `offset_bytes`, without its quotes; empty if none does.
std::string identifier_at(std::string_view sql, std::size_t offset_bytes);

}  // namespace lakehouse::engine
