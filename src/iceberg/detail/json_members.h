#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"

/// \file
/// What the readers and writers of Iceberg's JSON share.

namespace lakehouse::iceberg::detail {

inline Result<std::int32_t> narrow(std::int64_t number, std::string_view name) {
  if (number < std::numeric_limits<std::int32_t>::min() ||
      number > std::numeric_limits<std::int32_t>::max()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' must fit 32 bits, and is {}", name, number));
  }
  return static_cast<std::int32_t>(number);
}

inline Result<std::int32_t> require_int32(JsonFields& fields, std::string_view name) {
  LH_ASSIGN_OR_RETURN(const std::int64_t number, fields.require_int64(name));
  return narrow(number, name);
}

inline Result<std::optional<std::int32_t>> optional_int32(JsonFields& fields,
                                                          std::string_view name) {
  LH_ASSIGN_OR_RETURN(const std::optional<std::int64_t> number, fields.optional_int64(name));
  if (!number) {
    return std::nullopt;
  }
  return narrow(*number, name);
}

/// The whole numbers of an array. InvalidArgument names the array.
template <class Int>
Result<std::vector<Int>> integers_of(const boost::json::array& array, std::string_view name) {
  std::vector<Int> numbers;
  numbers.reserve(array.size());
  for (const boost::json::value& element : array) {
    boost::system::error_code error;
    const auto number = element.to_number<Int>(error);
    if (error) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' must be an array of whole numbers", name));
    }
    numbers.push_back(number);
  }
  return numbers;
}

/// Puts the members that this version does not know back where they were read from.
inline void add_unknown(boost::json::object& object, const boost::json::object& unknown) {
  for (const auto& member : unknown) {
    object.emplace(member.key(), member.value());  // Never replaces a member that we wrote.
  }
}

template <class T>
void put_if(boost::json::object& object, std::string_view name, const std::optional<T>& value) {
  if (value) {
    object.emplace(name, *value);
  }
}

}  // namespace lakehouse::iceberg::detail
