#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

/// \file
/// DuckDB (1.5.5) does not ask an expression that can fail of rows that a filter below it takes
/// away. But it does not know of every function and cast that it can fail (regexp_full_match,
/// to_timestamp, chr, casts to BIT ...): those it pushes below the filter, or asks once for each
/// value of a dictionary, whichever of its rows are left. Where rows are filtered away that nobody
/// may see - by a policy, or because they are deleted - such a call would fail for one of them, and
/// say what is in it.
///
/// So an argument x of each such call becomes coalesce(x, error(CAST(x AS VARCHAR))), which is x,
/// error(NULL) being NULL, and of which DuckDB knows that it can fail.

namespace lakehouse::query {

/// The member that marks the coalesce in a tree: what it is for means nothing elsewhere.
inline constexpr std::string_view kGuardMember = "lh_guard";

/// COLUMNS(...), and not the * of a list, in an object of class STAR.
bool names_columns(const boost::json::object& node);

/// True for calls and casts that may fail without DuckDB knowing it. Aggregates and what is known
/// not to fail, or rightly known to fail, is none.
bool wants_guard(const boost::json::object& expression);

/// `expression` wants one. Its arguments move. False where none of them can take it: all come from
/// a *COLUMNS(...).
[[nodiscard]] bool guard_call(boost::json::object& expression);

/// A name for an unaliased column of a SELECT list, near to what DuckDB would call it.
std::string name_of_call(const boost::json::object& expression);

}  // namespace lakehouse::query
