#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "catalog/pii.h"

/// \file
/// What a column's name says. Pure.

namespace lakehouse::catalog::pii {

/// What a name says about a kind. `Against`: it says that the column is something else.
enum class Says : std::uint8_t { Against, Nothing, Perhaps, Clearly };

/// "homeAddr1" -> " home addr 1 ": words in lower case, each between blanks.
std::string words_of(std::string_view name);

/// `words` are those of a column's dotted path.
Says name_says(PiiKind kind, const std::string& words);
bool names_postal_code(const std::string& words);

/// Of a table's name or a column's: people are what it lists.
bool names_people(const std::string& words);
bool names_things(const std::string& words);

/// True if one of the phrases, separated by '|', is among the words.
bool has_phrase(const std::string& words, std::string_view phrases);

}  // namespace lakehouse::catalog::pii
