#include "catalog/detail/rows.h"

#include <algorithm>
#include <limits>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/hash.h"

namespace lakehouse::catalog {
namespace {

constexpr std::string_view kNoNamespace = "Namespace does not exist: ";

}  // namespace

bool is_no_namespace(const Error& error) {
  return error.code == ErrorCode::NotFound && error.message.contains(kNoNamespace);
}

namespace detail {
namespace {

constexpr char kSeparator = '\x1F';

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::string path_of(const Namespace& name_space) {
  return fmt::format("{}", fmt::join(name_space, std::string_view(&kSeparator, 1)));
}

Namespace namespace_of(std::string_view path) {
  Namespace levels;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find(kSeparator, begin), path.size());
    levels.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return levels;
}

std::string page_token(std::string_view last) {
  return to_hex(std::as_bytes(std::span(last)));
}

Result<std::string> last_of(std::string_view page_token) {
  std::string last;
  for (std::size_t i = 0; i + 1 < page_token.size(); i += 2) {
    const int high = hex_value(page_token[i]);
    const int low = hex_value(page_token[i + 1]);
    if (high < 0 || low < 0) {
      break;
    }
    last += static_cast<char>(high * 16 + low);
  }
  if (last.size() * 2 != page_token.size()) {
    return fail(ErrorCode::InvalidArgument, "the page token is not one that was given out");
  }
  return last;
}

Result<bool> namespace_is_there(metastore::Transaction& transaction, const Namespace& name_space) {
  LH_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT 1 FROM namespaces WHERE path = $1",
                                                         {path_of(name_space)}));
  return !rows.empty();
}

std::unexpected<Error> no_namespace(const Namespace& name_space) {
  return fail(ErrorCode::NotFound, fmt::format("{}{}", kNoNamespace, to_string(name_space)));
}

std::unexpected<Error> no_table(const TableIdentifier& table) {
  return fail(ErrorCode::NotFound, fmt::format("Table does not exist: {}", to_string(table)));
}

std::unexpected<Error> table_exists(const TableIdentifier& table) {
  return fail(ErrorCode::AlreadyExists, fmt::format("Table already exists: {}", to_string(table)));
}

std::int64_t fetch_limit(const PageRequest& page) {
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
  return page.limit == 0 ? -1 : static_cast<std::int64_t>(std::min(page.limit, most) + 1);
}

}  // namespace detail
}  // namespace lakehouse::catalog
