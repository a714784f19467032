#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "answer/schema_reader.h"

/// \file
/// A statement that a model wrote, by its tokens: made to name what there is, and said in words.
/// What is no SQL stays as it is.

namespace lakehouse::answer {

/// Names of tables as a prompt shows them, in lower case, and as statements must write them.
using FullNames = std::map<std::string, std::string>;

/// `sql` with the tables that it names by a key of `names` called by their full name. What WITH
/// defines keeps its name.
std::string with_full_names(std::string_view sql, const FullNames& names);

/// `sql` with the strings that differ from a value that was found in case alone written as the
/// value is, if there is only one such.
std::string with_stored_values(std::string_view sql, const std::vector<ValueFound>& values);

/// `sql` without rows that are there twice; itself if it does not begin with SELECT, or has
/// DISTINCT.
std::string with_distinct(std::string_view sql);

/// `sql` with the columns that it selects beside sums and counts in its GROUP BY, too, if it has
/// one.
std::string with_all_grouped(std::string_view sql);

/// `sql` with the columns that it selects in the order in which the question speaks of them: a list
/// of columns that is asked for, "the make, the model and the number of sales", is one to be
/// answered in that order. Itself if a column might belong to several parts of the question.
std::string with_columns_in_order(std::string_view sql, std::string_view question);

/// What is wrong with `sql` though it runs; empty if nothing is seen. A subquery of one table that
/// names a column which that table has not takes it from the outer statement: `state_name IN
/// (SELECT state_name FROM river)` is true for every row, and nobody means that. Rows by state and
/// month of which only the state is selected cannot be told apart.
std::string hidden_mistake(std::string_view sql, const std::vector<SchemaTable>& tables);

/// One line that says what `sql` gives, for somebody who does not read SQL well. Empty if it is no
/// SELECT.
std::string explanation_of(std::string_view sql);

}  // namespace lakehouse::answer
