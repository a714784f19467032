#include "engine/child/values.h"

#include <algorithm>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace lakehouse::engine {
namespace {

namespace json = boost::json;

// The type that all elements of an array share: SQLNULL if there are none but nulls.
Result<LogicalType> type_of(const json::value& value, std::string_view what) {
  switch (value.kind()) {
    case json::kind::null: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_SQLNULL));
    case json::kind::bool_: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN));
    case json::kind::int64: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
    case json::kind::uint64: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT));
    case json::kind::double_: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE));
    case json::kind::string: return LogicalType(duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
    case json::kind::array: break;
    case json::kind::object:
      return fail(ErrorCode::InvalidArgument, fmt::format("{} is an object", what),
                  "Pass it as JSON text, and cast it: $1::JSON.");
  }
  // The first element that is no null decides; a double among whole numbers makes them doubles.
  const json::value* decides = nullptr;
  for (const json::value& element : value.get_array()) {
    const bool better = decides == nullptr || decides->is_null() ||
                        (decides->is_number() && element.is_double()) ||
                        (decides->is_array() && decides->get_array().empty());
    if (!element.is_null() && better) {
      decides = &element;
    }
  }
  LH_ASSIGN_OR_RETURN(const LogicalType element,
                      type_of(decides == nullptr ? json::value() : *decides, what));
  // A list of unknown type is one of strings: DuckDB has no list of nothing.
  if (duckdb_get_type_id(element.get()) == DUCKDB_TYPE_SQLNULL) {
    const LogicalType text(duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
    return LogicalType(duckdb_create_list_type(text.get()));
  }
  return LogicalType(duckdb_create_list_type(element.get()));
}

Result<Value> make_value(const json::value& value, const LogicalType& type, std::string_view what);

Result<Value> make_list(const json::array& array, const LogicalType& type, std::string_view what) {
  const LogicalType element_type(duckdb_list_type_child_type(type.get()));
  std::vector<Value> owned;
  std::vector<duckdb_value> elements;
  owned.reserve(array.size());
  elements.reserve(array.size() + 1);  // DuckDB wants a pointer even to nothing.
  for (const json::value& element : array) {
    LH_ASSIGN_OR_RETURN(Value made, make_value(element, element_type, what));
    elements.push_back(made.get());
    owned.push_back(std::move(made));
  }
  return Value(duckdb_create_list_value(element_type.get(), elements.data(), elements.size()));
}

Result<Value> make_value(const json::value& value, const LogicalType& type, std::string_view what) {
  if (value.is_null()) {
    return Value(duckdb_create_null_value());
  }
  // Only types that type_of gives can come here.
  const duckdb_type id = duckdb_get_type_id(type.get());
  if (id == DUCKDB_TYPE_BOOLEAN && value.is_bool()) {
    return Value(duckdb_create_bool(value.get_bool()));
  }
  if (id == DUCKDB_TYPE_BIGINT && value.is_int64()) {
    return Value(duckdb_create_int64(value.get_int64()));
  }
  if (id == DUCKDB_TYPE_UBIGINT && value.is_uint64()) {
    return Value(duckdb_create_uint64(value.get_uint64()));
  }
  if (id == DUCKDB_TYPE_DOUBLE && value.is_number()) {
    return Value(duckdb_create_double(value.to_number<double>()));
  }
  if (id == DUCKDB_TYPE_VARCHAR && value.is_string()) {
    if (!is_valid_utf8(value.get_string())) {
      return fail(ErrorCode::InvalidArgument, fmt::format("{} is not UTF-8", what));
    }
    return Value(
        duckdb_create_varchar_length(value.get_string().data(), value.get_string().size()));
  }
  if (id == DUCKDB_TYPE_LIST && value.is_array()) {
    return make_list(value.get_array(), type, what);
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("{} is a list of several types", what));
}

// What the caller gives, by the names that DuckDB uses: "1", "2"... for positions.
const json::value* given(const json::value& parameters, std::string_view name) {
  if (const json::object* object = parameters.if_object()) {
    for (const auto& [key, value] : *object) {
      // DuckDB's parameter names have no case.
      if (to_lower(key) == to_lower(name)) {
        return &value;
      }
    }
    return nullptr;
  }
  const json::array* array = parameters.if_array();
  if (array == nullptr || !std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) {
    return nullptr;
  }
  const std::size_t number = name.size() > 6 ? 0 : std::stoul(std::string(name));
  return number >= 1 && number <= array->size() ? array->data() + (number - 1) : nullptr;
}

std::vector<std::string> names_given(const json::value& parameters) {
  std::vector<std::string> names;
  if (const json::object* object = parameters.if_object()) {
    for (const auto& member : *object) {
      names.emplace_back(member.key());
    }
  } else if (const json::array* array = parameters.if_array()) {
    for (std::size_t i = 1; i <= array->size(); ++i) {
      names.push_back(std::to_string(i));
    }
  }
  return names;
}

}  // namespace

Result<Value> value_from_json(const json::value& json, std::string_view what) {
  LH_ASSIGN_OR_RETURN(const LogicalType type, type_of(json, what));
  return make_value(json, type, what);
}

Status bind_parameters(const Prepared& prepared, const json::value& parameters) {
  std::set<std::string> wanted;
  std::vector<std::string> missing;
  for (idx_t i = 1; i <= duckdb_nparams(prepared.get()); ++i) {
    char* raw_name = const_cast<char*>(duckdb_parameter_name(prepared.get(), i));
    const std::string name = take_string(raw_name);
    wanted.insert(to_lower(name));
    const json::value* value = given(parameters, name);
    if (value == nullptr) {
      missing.push_back("$" + name);
      continue;
    }
    LH_ASSIGN_OR_RETURN(const Value made, value_from_json(*value, "parameter $" + name));
    if (duckdb_bind_value(prepared.get(), i, made.get()) == DuckDBError) {
      return fail(ErrorCode::InvalidArgument, fmt::format("parameter ${} cannot be bound", name));
    }
  }
  if (!missing.empty()) {
    std::ranges::sort(missing);
    return fail(ErrorCode::InvalidArgument,
                fmt::format("no value is given for {}", fmt::join(missing, ", ")),
                "Positional parameters come as an array, named ones as an object.");
  }
  std::vector<std::string> extra;
  for (const std::string& name : names_given(parameters)) {
    if (!wanted.contains(to_lower(name))) {
      extra.push_back("$" + name);
    }
  }
  if (!extra.empty()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the statement has no parameter {}", fmt::join(extra, ", ")));
  }
  return {};
}

Status set_variable(const Connection& connection, const Variable& variable) {
  LH_ASSIGN_OR_RETURN(const Prepared prepared,
                      prepare_sql(connection, fmt::format("SET VARIABLE {} = $1",
                                                          quote_sql_identifier(variable.name))));
  LH_ASSIGN_OR_RETURN(const Value value,
                      value_from_json(variable.value, "variable " + variable.name));
  QueryResult result;
  if (duckdb_bind_value(prepared.get(), 1, value.get()) == DuckDBError ||
      duckdb_execute_prepared(prepared.get(), result.out()) == DuckDBError) {
    const char* message = duckdb_result_error(result.out());
    return std::unexpected(
        error_from_duckdb(message == nullptr ? "a variable cannot be bound" : message));
  }
  return {};
}

}  // namespace lakehouse::engine
