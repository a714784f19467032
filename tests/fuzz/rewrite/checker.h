#pragma once

#include <cstdint>
#include <string>

#include "peer.h"

namespace lakehouse::query::fuzz {

enum class Verdict : std::uint8_t {
  Same,
  BothFailed,  ///< DuckDB would not run it either.
  Refused,     ///< By name, as something that is not allowed or not understood.
  Unclear,     ///< Cut or out of time, or its answer hangs on the order of rows or on chance.
  /// Failed while running, on a row that the other side's plan did not come to. Rare: were it that
  /// conditions are asked of rows that are not shown, there would be many.
  LateError,
  EndsDuckDb,  ///< Plain DuckDB did not survive it: a bug of its own.
  Differs,
  Leaks,    ///< A forbidden cell is in the answer or in the error.
  Crashes,  ///< The engine did not survive it, or the error is one of a bug.
};

constexpr bool is_failure(Verdict verdict) {
  return verdict == Verdict::Differs || verdict == Verdict::Leaks || verdict == Verdict::Crashes;
}

std::string_view to_string(Verdict verdict);

/// Runs `sql` on both sides. The peer shows what the principal of `policies` may see. `detail`, if
/// given, receives what differs.
Verdict check(QueryService& service, Peer& peer, const std::string& principal,
              const PolicySet& policies, const std::string& sql, std::string* detail = nullptr);

/// Whether the plan of a statement that runs tells what is not shown: Same or Leaks.
Verdict explains(QueryService& service, const Peer& peer, const std::string& principal,
                 const std::string& sql, std::string* detail);

/// A shorter statement with the same verdict, found by leaving tokens out.
std::string shrink(QueryService& service, Peer& peer, const std::string& principal,
                   const PolicySet& policies, std::string sql, Verdict verdict);

}  // namespace lakehouse::query::fuzz
