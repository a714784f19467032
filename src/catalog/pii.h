#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/registry.h"

/// \file
/// Personal data found in columns, from their names, types and a sample of their values together.
/// Pure: no I/O, no state.

namespace lakehouse::catalog {

enum class PiiKind : std::uint8_t {
  Email,
  Phone,
  Ssn,  ///< A social security number, or what other countries have for one.
  Salary,
  Address,
  Medical,
  Card,         ///< Of payment.
  BankAccount,  ///< IBAN, routing and account numbers.
  PersonName,
  BirthDate,
};
/// "email", "phone", "ssn", "salary", "address", "medical", "card", "bank_account", "person_name",
/// "birth_date": what the registry calls a column's category.
std::string_view to_string(PiiKind kind);
std::optional<PiiKind> pii_kind_from(std::string_view name);
/// What a column of this kind is at least: Confidential, or Restricted where the harm is greater.
Sensitivity sensitivity_of(PiiKind kind);

/// What a column holds, as far as looking for people goes.
enum class PiiType : std::uint8_t { Text, Whole, Number, Date, Bool, Other };

/// A column and some of its values.
struct PiiColumn {
  std::string name;  ///< The dotted path.
  std::int32_t field_id = 0;
  PiiType type = PiiType::Text;
  /// As text, without NULLs, in no particular order. Cut to `kPiiValueBytesMax`.
  std::vector<std::string> values;
};
constexpr std::size_t kPiiValueBytesMax = 400;
/// Values of one column that are looked at; more are not better.
constexpr std::size_t kPiiValuesMax = 1000;

struct PiiFinding {
  std::string column;
  std::int32_t field_id = 0;
  PiiKind kind = PiiKind::Email;
  double confidence = 0;  ///< 0.5 to 0.99.
  std::string reason;     ///< For a person; holds no value of the column.
  std::int64_t sample_size = 0;
  bool inside_texts = false;  ///< Not the values themselves: some of them mention it.
  friend bool operator==(const PiiFinding&, const PiiFinding&) = default;
};

/// The findings of at least half confidence, in the columns' order, the surest of a column first.
/// `dataset` is the table's name: a column "name" is another thing in `products` than in
/// `customers`. Values decide where they can be checked (shape, checksum); a name alone counts
/// less, and only where values do not speak against it.
std::vector<PiiFinding> detect_pii(std::string_view dataset, std::span<const PiiColumn> columns);

}  // namespace lakehouse::catalog
