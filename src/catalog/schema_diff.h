#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/column_sketch.h"
#include "iceberg/schema.h"

/// \file
/// What changed between two shapes of the same data, such as a dataset and the next file for it.
/// Pure: nothing here does I/O.

namespace lakehouse::catalog {

/// A column of one side: its name, its type, and what its values look like if that is known.
struct DiffColumn {
  std::string name = {};
  iceberg::TypePtr type = {};
  bool required = false;
  std::int32_t field_id = 0;  ///< 0: not known. Columns of equal ids are the same, renamed or not.
  std::optional<ColumnSketch> values = {};
};

/// One reason for or against.
struct Evidence {
  std::string kind = {};    ///< "name", "type", "values", "overlap", "position", "rivals", "id".
  std::string detail = {};  ///< For a person: "customer, id in common".
  double weight = 0;        ///< Log-odds: above 0 speaks for it.
};

/// A column that is likely another one under a new name.
struct Rename {
  std::string from = {};
  std::string to = {};
  double confidence = 0;  ///< 0 to 1.
  std::vector<Evidence> evidence = {};
};

/// One column that became several (full_name: first_name, last_name), or several one.
struct Split {
  std::string whole = {};
  std::vector<std::string> parts = {};
  bool merged = false;  ///< The parts are the old ones.
  double confidence = 0;
  std::vector<Evidence> evidence = {};
};

enum class TypeChange : std::uint8_t {
  Widens,  ///< Iceberg allows the column to become the new type.
  Fits,    ///< The new type's values all fit the old one.
  Casts    ///< Values have to be converted, and some may not fit.
};
std::string_view to_string(TypeChange change);  ///< "widens", "fits", "casts".

struct Retyped {
  std::string from = {};  ///< The column before; differs from `to` if it was renamed, too.
  std::string to = {};
  iceberg::TypePtr from_type = {};
  iceberg::TypePtr to_type = {};
  TypeChange change = TypeChange::Casts;
  /// Of the new values, how many are of the old type by their looks; nothing if none is known.
  std::optional<double> share_fits = {};
};

struct SchemaDiff {
  std::vector<std::string> added = {};    ///< In the new one only, and not the new name of another.
  std::vector<std::string> removed = {};  ///< In the old one only.
  std::vector<Retyped> retyped = {};
  std::vector<Rename> renamed = {};  ///< At least kRenameSure; the surest first.
  std::vector<Rename> unclear = {};  ///< Between kRenameUnclear and kRenameSure.
  std::vector<Split> splits = {};
  [[nodiscard]] bool empty() const {
    return added.empty() && removed.empty() && retyped.empty() && renamed.empty();
  }
};

inline constexpr double kRenameSure = 0.7;
inline constexpr double kRenameUnclear = 0.2;
/// Pairs of columns are compared each with each: of more than so many on a side only the first
/// ones.
inline constexpr std::size_t kDiffCandidatesMax = 200;

/// `same_name` says which columns are the same by name: pairs of indexes (before, after). Of the
/// rest, those with equal field ids are renames for certain, and the others are compared: by parts
/// of their names, types, values, overlap of values and place.
SchemaDiff diff_schemas(std::span<const DiffColumn> before, std::span<const DiffColumn> after,
                        std::span<const std::pair<std::size_t, std::size_t>> same_name,
                        int format_version = 2);
/// The same, where names that differ in case only are the same.
SchemaDiff diff_schemas(std::span<const DiffColumn> before, std::span<const DiffColumn> after,
                        int format_version = 2);

/// Something that would make the table, or the reading of a file, fit the other.
struct MigrationRule {
  enum class Kind : std::uint8_t {
    Rename,   ///< The table's `column` becomes `to`; files may say either.
    Widen,    ///< The table's `column` becomes `type`.
    Cast,     ///< The file's values (headed `to`, if given) take the type of the table's `column`.
    Default,  ///< A file that lacks `column` gets `value` there.
    Drop,     ///< `column` goes; files that still have it are read without it.
    Add       ///< A new `column` of `type`.
  };
  Kind kind = Kind::Add;
  std::string column = {};
  std::string to = {};                    ///< Rename, Cast.
  std::string type = {};                  ///< Widen, Add, Cast: as SQL calls it.
  std::optional<std::string> value = {};  ///< Default, as text; nothing is NULL.
  bool only_files = false;                ///< Rename: the table keeps its name, files may say `to`.
  double confidence = 1;
  /// Loses nothing, and is likely meant: what one applies unless one thinks otherwise.
  bool recommended = false;
  std::string reason = {};
};
std::string_view to_string(MigrationRule::Kind kind);  ///< "rename"...
std::optional<MigrationRule::Kind> rule_kind_from(std::string_view name);

/// What would take `before` (a table) to `after`. Drops are proposed, never recommended.
std::vector<MigrationRule> propose_rules(const SchemaDiff& diff, std::span<const DiffColumn> before,
                                         std::span<const DiffColumn> after);

/// The rule as a statement for `table` (already quoted): ALTER TABLE, or for rules about reading a
/// comment with the expression that is used. Tables keep defaults from format version 3 on.
std::string rule_sql(const MigrationRule& rule, std::string_view table, int format_version = 2);

/// A question for a language model about what stays unclear, which asks for JSON back; empty if
/// nothing is. Names, types and shapes of values only: no value leaves with it. At most 100 columns
/// of a side.
std::string prompt_for(const SchemaDiff& diff, std::span<const DiffColumn> before,
                       std::span<const DiffColumn> after);

/// Equal for schemas of equal names, types, nullability and nesting, in any order of the columns;
/// 32 hexadecimal digits.
std::string schema_fingerprint(const iceberg::Schema& schema);

}  // namespace lakehouse::catalog
