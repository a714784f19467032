#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"

/// \file
/// JSON in, typed values out. Boost.JSON is the document; this adds errors that name the field.

namespace lakehouse {

/// The document in `text`. InvalidArgument, with the byte offset, if it is not one JSON value, or
/// is nested deeper than 200 levels. `what` names the document in the message: "the request body".
Result<boost::json::value> parse_json(std::string_view text, std::string_view what);

std::string to_json(const boost::json::value& value);

/// Reads the members of one JSON object by name and type, and knows which were asked for, so that
/// the rest can be refused. Not thread-safe; outlived by the object it reads.
///
/// `require_...` is InvalidArgument if the member is absent or null; `optional_...` is then empty.
/// Both are InvalidArgument if the member has another type. The messages name the member.
class JsonFields {
 public:
  /// InvalidArgument if `value` is no object. `what` names it in messages: "the request body".
  static Result<JsonFields> of(const boost::json::value& value, std::string what);
  JsonFields(const boost::json::object& object, std::string what)
      : object_(&object), what_(std::move(what)) {}

  Result<std::string> require_string(std::string_view name);
  Result<std::int64_t> require_int64(std::string_view name);
  Result<bool> require_bool(std::string_view name);
  Result<const boost::json::object*> require_object(std::string_view name);
  Result<const boost::json::array*> require_array(std::string_view name);
  Result<std::vector<std::string>> require_strings(std::string_view name);

  Result<std::optional<std::string>> optional_string(std::string_view name);
  Result<std::optional<std::int64_t>> optional_int64(std::string_view name);
  Result<std::optional<double>> optional_double(std::string_view name);
  Result<std::optional<bool>> optional_bool(std::string_view name);
  Result<const boost::json::object*> optional_object(std::string_view name);  ///< Null if absent.
  Result<const boost::json::array*> optional_array(std::string_view name);    ///< Null if absent.
  /// An object whose members are all strings, such as Iceberg's properties; empty if absent.
  Result<std::vector<std::pair<std::string, std::string>>> optional_string_map(
      std::string_view name);
  /// The member as it is, or null.
  const boost::json::value* optional_value(std::string_view name);

  /// InvalidArgument, naming the first member that nobody asked for and the nearest one known.
  Status refuse_unknown() const;

  /// The members that nobody asked for: for documents whose unknown fields must survive.
  boost::json::object unknown() const;

 private:
  const boost::json::value* find(std::string_view name);
  std::unexpected<Error> wrong(std::string_view name, std::string_view wanted) const;

  const boost::json::object* object_;
  std::string what_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace lakehouse
