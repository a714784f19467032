#pragma once

#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

/// \file
/// What a node of a tree holds under a name, where that is of the type asked for.

namespace lakehouse::query {

/// Empty if there is no such text.
inline std::string_view text_of(const boost::json::object& node, std::string_view name) {
  const boost::json::value* found = node.if_contains(name);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string())
                                                : std::string_view();
}

inline const boost::json::object* object_in(const boost::json::object& node,
                                            std::string_view name) {
  const boost::json::value* found = node.if_contains(name);
  return found == nullptr ? nullptr : found->if_object();
}

inline const boost::json::array* array_in(const boost::json::object& node, std::string_view name) {
  const boost::json::value* found = node.if_contains(name);
  return found == nullptr ? nullptr : found->if_array();
}

}  // namespace lakehouse::query
