#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lakehouse::catalog {

/// A word of a column's name.
struct NamePart {
  std::string text;     ///< As written, in lower case.
  std::string meaning;  ///< What it stands for: "qty" is "quantity", "Kunde" is "customer".
  bool known = false;   ///< The meaning comes from our list of words.
  double weight = 1;    ///< How much it says: "customer" much, "id" some, "of" hardly anything.
};

/// The words of a name: "CustNo" -> customer, number; "orderdate" -> order, date. At most 12.
std::vector<NamePart> name_parts(std::string_view name);

struct NameLikeness {
  double score = 0;          ///< 0: nothing in common, 1: the same words.
  bool exclusive = false;    ///< Each has a word that the other's excludes: start and end.
  bool both_differ = false;  ///< Each has a telling word that the other lacks.
  std::string common;        ///< The words in common, for people: "customer, id".
  std::string opposed;       ///< "start / end".
};

NameLikeness compare_names(const std::vector<NamePart>& a, const std::vector<NamePart>& b);

/// True if the name says nothing of what is in the column: "c1", "field_07", "x".
[[nodiscard]] bool says_nothing(const std::vector<NamePart>& parts);

}  // namespace lakehouse::catalog
