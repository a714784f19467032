#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "iceberg/literal.h"
#include "iceberg/schema.h"

/// \file
/// Nodes of DuckDB's SQL tree, as json_serialize_sql writes and json_deserialize_sql reads them
/// (1.5.5). What has a default there is left out; what must be there is always given.

namespace lakehouse::query::tree {

using boost::json::array;
using boost::json::object;
using boost::json::value;

/// A node's place in the statement is query_location; absent, or this, for made-up nodes.
inline constexpr std::uint64_t kNoLocation = 18446744073709551615U;

// --- Expressions.

object column(const std::vector<std::string>& names);
object string(std::string_view text);
object integer(std::int64_t number);
object boolean(bool truth);
/// NULL of a type.
object null_of(const iceberg::Type& type);
object star();
object function(std::string_view name, array children);
/// `name := expression`, as arguments of struct_pack and of table functions are named.
object aliased(object expression, std::string_view alias);
object cast(object expression, const iceberg::Type& type);
/// The same to a type whose tree is given: {"id": "BIGINT"}.
object cast_to(object expression, object type);
object compare(std::string_view type, object left, object right);
object is_null(object expression);
object all_of(array conditions);  ///< At least one; a single one stays as it is.
object any_of(array conditions);
object negated(object expression);
object exists(object node);
/// (SELECT ...), a value.
object scalar(object node);
/// CASE WHEN condition THEN then ELSE otherwise END.
object when(object condition, object then, object otherwise);
object lambda(std::string_view parameter, object body);
object list(array elements);
/// A value of its own type.
object literal(const iceberg::Literal& value);

/// The type as a tree.
object type_of(const iceberg::Type& type);

// --- Table references.

object empty_table();
object subquery(object node, std::string_view alias);
object table_function(std::string_view name, array arguments, std::string_view alias);
/// A named argument of a table function.
object argument(std::string_view name, object expression);
object join(std::string_view join_type, object left, object right, object condition);
/// VALUES (...) AS values(columns): rows of expressions, at least one.
object values(std::vector<array> rows, const std::vector<std::string>& columns);

// --- Query nodes and statements.

object select(array select_list, object from, std::optional<object> where = std::nullopt);
object union_all(object left, object right);
/// A statement as json_deserialize_sql takes it.
object statement(object node);

}  // namespace lakehouse::query::tree
