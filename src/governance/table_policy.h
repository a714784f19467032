#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"

/// \file
/// What of a table a principal may see. Decided here, enforced where tables are read
/// (query/policy_rewrite.h).

namespace lakehouse::governance {

/// What is shown in place of a column's values.
struct ColumnMask {
  enum class Kind : std::uint8_t {
    Null,        ///< Nothing.
    Hash,        ///< SHA-256 of the value's text, in hexadecimal, cut to `length` digits if > 0.
    Partial,     ///< Text with all but its first and last characters replaced by '*'.
    Expression,  ///< Of the table's own columns, in SQL.
  };
  std::string column;  ///< A top-level column, by its exact name.
  Kind kind = Kind::Null;
  std::size_t length = 0;  ///< Of Hash.
  std::string salt = {};   ///< Of Hash: put before the text, so that nobody can look digests up.
  std::size_t first = 0;   ///< Of Partial: characters kept at the begin and at the end. Text that
  std::size_t last = 0;    ///< is not longer than both together is masked whole.
  std::string sql = {};    ///< Of Expression.
  friend bool operator==(const ColumnMask&, const ColumnMask&) = default;
};

/// For one principal and one table. SQL in it is the administrator's: it sees the table's real
/// columns; `current_user` in it is the principal's name; it may read other tables in subqueries
/// (written with their namespace), and those without a policy. It may call what requests may call,
/// nothing volatile.
struct TablePolicy {
  std::string row_filter;  ///< A condition; rows for which it is not true are not there. Or empty.
  std::vector<ColumnMask> masks;
  std::vector<std::string> hidden_columns;  ///< Exact names: as if the table did not have them.
  /// Differs whenever the rest does: part of the key of whatever is kept of an answer.
  std::string version;

  [[nodiscard]] bool restricts() const {
    return !row_filter.empty() || !masks.empty() || !hidden_columns.empty();
  }
  friend bool operator==(const TablePolicy&, const TablePolicy&) = default;
};

struct PolicyTable {
  std::string uuid;  ///< The table's, for life.
  std::string name;  ///< "namespace.table".
};

/// Decides. Asked for every table of every statement: quick. Thread-safe.
class TablePolicies {
 public:
  virtual ~TablePolicies() = default;

  /// One that does not restrict if everything may be seen. PermissionDenied if nothing may; any
  /// error refuses the statement.
  virtual Result<TablePolicy> policy_for(const RequestContext& context,
                                         const PolicyTable& table) = 0;
};

}  // namespace lakehouse::governance
