#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lakehouse::query::fuzz {

/// What an expression is of; the generator makes expressions by kind.
enum class Kind : std::uint8_t { Int, Number, Text, Day, Moment, Bool, Texts, Struct };

struct Column {
  std::string name;
  Kind kind = Kind::Int;
};

/// A table that statements are about. Texts worth hiding are a Q and twelve hexadecimal digits,
/// numbers worth hiding have seven digits and begin with 77, each in one row only: found in an
/// answer, they tell where they are from.
struct Table {
  std::string name;
  std::vector<Column> columns;
  /// How it came to be, the same for a lake and for plain DuckDB; {} stands before its name.
  std::vector<std::string> history;
};

const std::vector<Table>& tables();

/// CREATE VIEW and CREATE MACRO over them, for statements.sql.
const std::vector<std::string>& definitions();
/// The same for plain DuckDB, where an argument `boss` of a macro is the `boss` of the macro's own
/// table, if that has one, and the caller's common table expressions are a table macro's tables.
std::vector<std::string> plain_definitions();
/// The views' names, the outer ones first.
const std::vector<std::string>& views();

}  // namespace lakehouse::query::fuzz
