#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "answer/schema_reader.h"

/// \file
/// Which tables a question is about, and which of its words may be values of theirs.

namespace lakehouse::answer {

/// Runs of one to four words of the question, in lower case, that could be a value: no run of words
/// that only hold sentences together, the longest first, at most `count_max`. What stands in quotes
/// is one, too.
std::vector<std::string> value_phrases(std::string_view question, std::size_t count_max = 60);

/// How much of the question's words a table speaks of, by its name, description, columns and notes;
/// words that many tables have count little.
std::vector<double> lexical_scores(std::string_view question,
                                   const std::vector<SchemaTable>& tables);

/// Names become words: "jobOrders" and "job_orders" are "job Orders" and "job orders".
std::string words_of_name(std::string_view name);

/// The different stems of a text's words.
std::set<std::string> terms_of(std::string_view text);

/// The text that stands for a table when meanings are compared.
std::string text_of_table(const SchemaTable& table);

/// False for a note that only repeats the names: "The name of the city" of city.city_name.
bool says_more_than_names(std::string_view note, const SchemaTable& table,
                          const SchemaColumn& column);

/// The column that names a table's rows, as its own name says: state.state_name, team.code. Null if
/// there is none.
const SchemaColumn* naming_column(const SchemaTable& table);

/// The values that a question names, one entry for each column that has them: without those that
/// are only a part of a longer one, and first the columns of which the question speaks.
std::vector<ValueFound> values_by_relevance(std::string_view question,
                                            std::vector<ValueFound> values);

/// A join that names and types suggest: sales.car_id = cars.id, city.state_name = state.state_name.
/// At most one for a column: the table that is called so, before one whose name ends so, before
/// what its values refer to.
struct LikelyJoin {
  std::size_t from_table = 0;
  std::string from_column;
  std::size_t to_table = 0;
  std::string to_column;
  friend bool operator==(const LikelyJoin&, const LikelyJoin&) = default;
};
std::vector<LikelyJoin> likely_joins(const std::vector<SchemaTable>& tables);

/// The tables to show: all if they have at most `columns_max` columns together; else the best by
/// `scores`, with what joins two of them, until the columns are used up. In their old order.
std::vector<SchemaTable> choose_tables(std::vector<SchemaTable> tables,
                                       const std::vector<double>& scores, std::size_t columns_max);

}  // namespace lakehouse::answer
