#include "catalog/detail/rows.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/hash.h"
#include "catalog/detail/locations.h"

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

Result<std::int64_t> number_of_token(std::string_view page_token) {
  if (page_token.empty()) {
    return std::numeric_limits<std::int64_t>::max();
  }
  std::int64_t number = 0;
  const char* end = page_token.data() + page_token.size();
  const auto [stop, problem] = std::from_chars(page_token.data(), end, number);
  if (problem != std::errc() || stop != end) {
    return fail(ErrorCode::InvalidArgument, "the page token is not one that was given out");
  }
  return number;
}

Result<bool> namespace_is_there(metastore::Transaction& transaction, const Namespace& name_space) {
  LH_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT 1 FROM namespaces WHERE path = $1",
                                                         {path_of(name_space)}));
  return !rows.empty();
}

Status make_namespaces(metastore::Transaction& transaction, const Namespace& name_space,
                       std::int64_t now_ms) {
  for (std::size_t depth = 1; depth <= name_space.size(); ++depth) {
    const auto end = name_space.begin() + static_cast<std::ptrdiff_t>(depth);
    const Namespace level(name_space.begin(), end);
    const Namespace parent(name_space.begin(), end - 1);
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO namespaces (path, parent, created_at_ms) VALUES ($1, $2, $3) "
        "ON CONFLICT (path) DO NOTHING",
        {path_of(level), path_of(parent), now_ms}));
  }
  return {};
}

std::unexpected<Error> no_namespace(const Namespace& name_space) {
  return fail(ErrorCode::NotFound, fmt::format("{}{}", kNoNamespace, to_string(name_space)));
}

std::unexpected<Error> no_table(const TableIdentifier& table) {
  return fail(ErrorCode::NotFound, fmt::format("Table does not exist: {}", to_string(table)));
}

std::unexpected<Error> no_view(const TableIdentifier& view) {
  return fail(ErrorCode::NotFound, fmt::format("View does not exist: {}", to_string(view)));
}

Result<Kind> kind_of(metastore::Transaction& transaction, const TableIdentifier& name) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT 'table' FROM tables WHERE namespace = $1 AND name = $2 UNION ALL "
                        "SELECT 'view' FROM views WHERE namespace = $1 AND name = $2",
                        {path_of(name.name_space), name.name}));
  if (rows.empty()) {
    return Kind::Nothing;
  }
  return metastore::text(rows[0][0]) == "table" ? Kind::Table : Kind::View;
}

Status check_new_name(metastore::Transaction& transaction, const TableIdentifier& name,
                      Kind wanted) {
  LH_ASSIGN_OR_RETURN(const bool has_namespace, namespace_is_there(transaction, name.name_space));
  if (!has_namespace) {
    return no_namespace(name.name_space);
  }
  LH_ASSIGN_OR_RETURN(const Kind kind, kind_of(transaction, name));
  if (kind == Kind::Nothing) {
    return {};
  }
  return fail(ErrorCode::AlreadyExists,
              fmt::format("{}{} already exists: {}", kind == Kind::Table ? "Table" : "View",
                          kind == wanted ? "" : " with same name", to_string(name)));
}

Status check_rename(metastore::Transaction& transaction, const TableIdentifier& from,
                    const TableIdentifier& to) {
  LH_ASSIGN_OR_RETURN(const bool has_namespace, namespace_is_there(transaction, to.name_space));
  if (!has_namespace) {
    return no_namespace(to.name_space);
  }
  LH_ASSIGN_OR_RETURN(const Kind kind, kind_of(transaction, to));
  if (kind == Kind::Nothing) {
    return {};
  }
  return fail(ErrorCode::AlreadyExists,
              fmt::format("Cannot rename {} to {}. {} already exists", to_string(from),
                          to_string(to), kind == Kind::Table ? "Table" : "View"));
}

Result<std::vector<TableIdentifier>> datasets_at(metastore::Transaction& transaction,
                                                 const std::string& location) {
  LH_ASSIGN_OR_RETURN(const auto rows,
                      transaction.query("SELECT namespace, name, location FROM tables UNION ALL "
                                        "SELECT namespace, name, location FROM views"));
  std::vector<TableIdentifier> found;
  for (const auto& row : rows) {
    if (overlap(metastore::text(row[2]), location)) {
      found.push_back(
          {.name_space = namespace_of(metastore::text(row[0])), .name = metastore::text(row[1])});
    }
  }
  return found;
}

Result<Page<TableIdentifier>> page_of_names(metastore::Transaction& transaction,
                                            std::string_view sql, const Namespace& name_space,
                                            const PageRequest& page) {
  LH_ASSIGN_OR_RETURN(const std::string after, last_of(page.page_token));
  LH_ASSIGN_OR_RETURN(const bool is_there, namespace_is_there(transaction, name_space));
  if (!is_there) {
    return no_namespace(name_space);
  }
  LH_ASSIGN_OR_RETURN(auto rows,
                      transaction.query(sql, {path_of(name_space), after, fetch_limit(page)}));
  Page<TableIdentifier> answer;
  if (page.limit > 0 && rows.size() > page.limit) {
    rows.resize(page.limit);
    answer.next_page_token = page_token(metastore::text(rows.back()[0]));
  }
  for (const auto& row : rows) {
    answer.items.push_back({.name_space = name_space, .name = metastore::text(row[0])});
  }
  return answer;
}

std::int64_t fetch_limit(const PageRequest& page) {
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int64_t>(page.limit == 0 ? most : std::min(page.limit, most)) + 1;
}

}  // namespace detail
}  // namespace lakehouse::catalog
