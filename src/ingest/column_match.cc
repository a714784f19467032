#include "ingest/column_match.h"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "iceberg/type_mapping.h"
#include "ingest/names.h"
#include "query/ddl.h"

namespace lakehouse::ingest {

namespace {

namespace json = boost::json;
using iceberg::NestedField;
using iceberg::Type;
using iceberg::TypeKind;

/// What becomes of a value when it is written into the table's type.
enum class Fit : std::uint8_t {
  Fits,     ///< Every value, unchanged.
  Checked,  ///< A value that does not fit is noticed.
  Lossy     ///< Or it would change silently, or means something else.
};

bool is_integer(TypeKind kind) {
  return kind == TypeKind::Int || kind == TypeKind::Long;
}
bool is_float(TypeKind kind) {
  return kind == TypeKind::Float || kind == TypeKind::Double;
}

Fit fit_number(const Type& from, const Type& to) {
  if (is_integer(from.kind)) {
    if (to.kind == TypeKind::Long || is_float(to.kind)) {
      return Fit::Fits;
    }
    return is_integer(to.kind) || to.kind == TypeKind::Decimal ? Fit::Checked : Fit::Lossy;
  }
  if (is_float(from.kind)) {
    return to.kind == TypeKind::Double                                  ? Fit::Fits
           : to.kind == TypeKind::Float || to.kind == TypeKind::Decimal ? Fit::Checked
                                                                        : Fit::Lossy;
  }
  if (from.kind == TypeKind::Decimal) {
    if (to.kind == TypeKind::Decimal && to.scale >= from.scale) {
      return to.precision - to.scale >= from.precision - from.scale ? Fit::Fits : Fit::Checked;
    }
    return is_float(to.kind) ? Fit::Fits : Fit::Lossy;
  }
  return Fit::Lossy;
}

Fit fit(const Type& from, const Type& to, bool inferred) {
  if (from == to) {
    return Fit::Fits;
  }
  if (is_nested(from) || is_nested(to)) {
    // By name, field by field; DuckDB refuses what does not go.
    return from.kind == to.kind ? Fit::Checked : Fit::Lossy;
  }
  if (to.kind == TypeKind::String) {
    return Fit::Fits;
  }
  if (from.kind == TypeKind::String) {
    return inferred ? Fit::Checked : Fit::Lossy;
  }
  const bool to_instant = to.kind == TypeKind::Timestamp || to.kind == TypeKind::Timestamptz;
  if (to_instant && (from.kind == TypeKind::Date || from.kind == TypeKind::Timestamp)) {
    return Fit::Fits;
  }
  if (to.kind == TypeKind::Timestamp && from.kind == TypeKind::Timestamptz && inferred) {
    return Fit::Fits;
  }
  return fit_number(from, to);
}

/// The file's name of a column, where the table's is another.
std::optional<std::string> doc_of(const std::string& original, const std::string& normalised) {
  return original.empty() || original == normalised ? std::nullopt : std::optional(original);
}

/// The table's column that a file's column means.
const NestedField* find_target(const iceberg::Schema& schema, const std::string& original,
                               const std::string& normalised) {
  // First the name that this file's column would get: it tells columns of one name apart.
  if (const NestedField* found = query::find_column(schema.fields, normalised)) {
    return found;
  }
  return query::find_column(schema.fields, original);
}

struct Differences {
  json::array list;
  std::string first;

  void add(std::string_view column, std::string_view table_type, std::string_view file_type,
           std::string_view problem) {
    json::object difference;
    difference["column"] = column;
    difference["table_type"] = table_type.empty() ? json::value() : json::value(table_type);
    difference["file_type"] = file_type.empty() ? json::value() : json::value(file_type);
    difference["problem"] = problem;
    list.push_back(std::move(difference));
    if (!first.empty()) {
      first += "; ";
    }
    if (list.size() <= 5) {
      first += fmt::format("{}: {}", column, problem);
    } else if (list.size() == 6) {
      first += "...";
    }
  }
};

class Matcher {
 public:
  Matcher(const iceberg::Schema& schema, const MatchOptions& options)
      : schema_(schema), options_(options) {}

  Status take(const FileColumn& column, const std::string& normalised) {
    std::int32_t next_id = 1'000'000;
    LH_ASSIGN_OR_RETURN(const iceberg::TypePtr type,
                        iceberg::type_from_duckdb(column.type, next_id, options_.format_version));
    const NestedField* target = find_target(schema_, column.name, normalised);
    if (target == nullptr) {
      add_new(column, normalised);
    } else if (!targets_.insert(target->id).second) {
      differences_.add(
          column.name, duckdb_type(*target->type), column.type,
          fmt::format("is the table's {}, as is another of the file's columns", target->name));
    } else {
      take_known(column, *type, *target);
    }
    return {};
  }

  Result<ColumnMatch> finish() {
    for (const NestedField& field : schema_.fields) {
      if (field.required && !targets_.contains(field.id)) {
        differences_.add(field.name, duckdb_type(*field.type), "",
                         "is required, the file lacks it");
      }
    }
    if (differences_.list.empty()) {
      return std::move(match_);
    }
    json::object details;
    details["differences"] = std::move(differences_.list);
    Error error{.code = ErrorCode::FailedPrecondition,
                .message = "the file does not fit the table: " + differences_.first,
                .hint =
                    "Change the file or the table, or send it with mode=replace or into another "
                    "dataset.",
                .position_bytes = std::nullopt,
                .details_json = json::serialize(details)};
    return std::unexpected(std::move(error));
  }

 private:
  void add_new(const FileColumn& column, const std::string& normalised) {
    if (!options_.may_add) {
      differences_.add(column.name.empty() ? normalised : column.name, "", column.type,
                       "is no column of the table");
      return;
    }
    query::ColumnDefinition definition{.name = normalised,
                                       .type = column.type,
                                       .required = false,
                                       .doc = doc_of(column.name, normalised)};
    match_.table_columns.push_back(normalised);
    match_.wanted.emplace_back();
    match_.evolve.emplace_back(
        query::AddColumn{.parent = {}, .column = definition, .if_not_exists = false});
    match_.added.push_back(std::move(definition));
  }

  void take_known(const FileColumn& column, const Type& type, const NestedField& target) {
    const Type& table_type = *target.type;
    const bool misfit = std::ranges::find(options_.misfits, target.name) != options_.misfits.end();
    const Fit how = fit(type, table_type, options_.inferred);
    const bool widens = !(type == table_type) && !is_nested(type) &&
                        can_promote(table_type, type, options_.format_version);
    if (widens && (misfit || !options_.inferred)) {
      match_.evolve.emplace_back(
          query::ChangeColumnType{.path = {target.name}, .type = column.type});
      match_.wanted.push_back({.table_type = column.type});
    } else if (how == Fit::Lossy ||
               (how == Fit::Checked && !options_.inferred && !is_nested(type))) {
      differences_.add(target.name, duckdb_type(table_type), column.type,
                       fmt::format("is {} in the table, but {} in the file",
                                   duckdb_type(table_type), column.type));
      match_.wanted.emplace_back();
    } else {
      if (type.kind == TypeKind::Struct && table_type.kind == TypeKind::Struct) {
        add_nested({target.name}, type, table_type);
      }
      match_.wanted.push_back({.table_type = duckdb_type(table_type)});
    }
    match_.table_columns.push_back(target.name);
  }

  /// Fields that a struct of the table lacks.
  void add_nested(const std::vector<std::string>& path, const Type& from, const Type& to) {
    for (const NestedField& field : from.fields) {
      const NestedField* known = query::find_column(to.fields, field.name);
      if (known == nullptr) {
        match_.evolve.emplace_back(query::AddColumn{.parent = path,
                                                    .column = {.name = field.name,
                                                               .type = duckdb_type(*field.type),
                                                               .required = false,
                                                               .doc = std::nullopt},
                                                    .if_not_exists = false});
      } else if (known->type->kind == TypeKind::Struct && field.type->kind == TypeKind::Struct) {
        std::vector<std::string> deeper = path;
        deeper.push_back(known->name);
        add_nested(deeper, *field.type, *known->type);
      }
    }
  }

  const iceberg::Schema& schema_;
  const MatchOptions& options_;
  ColumnMatch match_;
  Differences differences_;
  std::set<std::int32_t> targets_;
};

std::vector<std::string> normalised(const std::vector<FileColumn>& columns) {
  std::vector<std::string> names;
  for (const FileColumn& column : columns) {
    names.push_back(column.name);
  }
  return normalise_names(names, true);
}

}  // namespace

std::vector<query::ColumnDefinition> definitions_of(const std::vector<FileColumn>& columns) {
  const std::vector<std::string> names = normalised(columns);
  std::vector<query::ColumnDefinition> definitions;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    definitions.push_back({.name = names[i],
                           .type = columns[i].type,
                           .required = false,
                           .doc = doc_of(columns[i].name, names[i])});
  }
  return definitions;
}

Result<ColumnMatch> match_columns(const iceberg::Schema& schema,
                                  const std::vector<FileColumn>& columns,
                                  const MatchOptions& options) {
  const std::vector<std::string> names = normalised(columns);
  Matcher matcher(schema, options);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    LH_RETURN_IF_ERROR(matcher.take(columns[i], names[i]));
  }
  return matcher.finish();
}

}  // namespace lakehouse::ingest
