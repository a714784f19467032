#pragma once

#include <expected>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/answer.h"
#include "cli/http_client.h"

/// \file
/// What commands that ask the server for JSON have in common.

namespace lakehouse::cli {

/// A failed call: what was printed about it, as an exit code.
using Called = std::expected<boost::json::value, int>;

/// The answer's JSON; null for an empty one. A body that is not null is sent as JSON.
Called call(HttpClient& client, const std::string& method, const std::string& path,
            const boost::json::value& body = nullptr);

/// One column a member, in the order of `wanted`, without those that no row has.
Answer table_of(const boost::json::array& rows, const std::vector<std::string>& wanted);

/// Prints them as a table and how many they are; as a JSON array with `as_json`.
void print_rows(const boost::json::array& rows, const std::vector<std::string>& wanted,
                bool as_json);

/// All pages of a list: `path` may have a query; the rows are in the member `list`.
std::expected<boost::json::array, int> call_pages(HttpClient& client, const std::string& path,
                                                  const std::string& list);

}  // namespace lakehouse::cli
