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
using catalog::SchemaRule;
using iceberg::NestedField;
using iceberg::Type;
using iceberg::TypeKind;

using Kind = catalog::MigrationRule::Kind;

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
      if (const SchemaRule* rule = rule_for(Kind::Rename, normalised)) {
        target = field_of(*rule);
      }
    }
    if (target == nullptr && rule_for(Kind::Drop, normalised) != nullptr) {
      match_.table_columns.emplace_back();
      match_.wanted.emplace_back();
    } else if (target == nullptr) {
      add_new(column, normalised);
    } else if (!targets_.insert(target->id).second) {
      differences_.add(
          column.name, duckdb_type(*target->type), column.type,
          fmt::format("is the table's {}, as is another of the file's columns", target->name));
    } else {
      take_known(column, normalised, *type, *target);
    }
    return {};
  }

  Result<ColumnMatch> finish() {
    for (const NestedField& field : schema_.fields) {
      if (!targets_.contains(field.id)) {
        take_missing(field);
      }
    }
    if (differences_.list.empty()) {
      return std::move(match_);
    }
    json::object details;
    details["differences"] = std::move(differences_.list);
    Error error{
        .code = ErrorCode::FailedPrecondition,
        .message = "the file does not fit the table: " + differences_.first,
        .hint =
            "Change the file or the table, decide how its columns are read (lakehouse datasets "
            "migrate), or send it with mode=replace or into another dataset.",
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

  [[nodiscard]] const SchemaRule* rule_for(Kind kind, std::string_view header) const {
    const auto found = std::ranges::find_if(options_.rules, [&](const SchemaRule& rule) {
      return rule.kind == kind && rule.header == header;
    });
    return found == options_.rules.end() ? nullptr : &*found;
  }

  /// The top-level column that a rule is about, if it is still there.
  [[nodiscard]] const NestedField* field_of(const SchemaRule& rule) const {
    const auto found = std::ranges::find(schema_.fields, rule.field_id, &NestedField::id);
    return found == schema_.fields.end() ? nullptr : &*found;
  }

  void take_missing(const NestedField& field) {
    const auto rule = std::ranges::find_if(options_.rules, [&](const SchemaRule& one) {
      return one.kind == Kind::Default && one.field_id == field.id;
    });
    if (rule != options_.rules.end()) {
      match_.defaults.push_back(
          {.column = field.name, .type = duckdb_type(*field.type), .value = rule->value});
    } else if (field.required) {
      differences_.add(field.name, duckdb_type(*field.type), "", "is required, the file lacks it");
    } else {
      match_.missing.push_back(field.name);
    }
  }

  void take_known(const FileColumn& column, const std::string& normalised, const Type& type,
                  const NestedField& target) {
    const Type& table_type = *target.type;
    const bool misfit = std::ranges::find(options_.misfits, target.name) != options_.misfits.end();
    const Fit how = fit(type, table_type, options_.inferred);
    const SchemaRule* cast = rule_for(Kind::Cast, normalised);
    const bool may_cast = cast != nullptr && cast->field_id == target.id && !is_nested(type) &&
                          !is_nested(table_type);
    const bool widens = !may_cast && !(type == table_type) && !is_nested(type) &&
                        can_promote(table_type, type, options_.format_version);
    if (widens && (misfit || !options_.inferred)) {
      match_.evolve.emplace_back(
          query::ChangeColumnType{.path = {target.name}, .type = column.type});
      match_.wanted.push_back({.table_type = column.type});
    } else if (!may_cast && (how == Fit::Lossy ||
                             (how == Fit::Checked && !options_.inferred && !is_nested(type)))) {
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

std::vector<std::string> shape_rows(const ColumnMatch& match, FileRows* rows) {
  const bool all = std::ranges::find(match.table_columns, "") == match.table_columns.end();
  if (all && match.defaults.empty()) {
    return match.table_columns;
  }
  std::vector<std::string> targets;
  std::vector<engine::Column> columns;
  std::string names;
  std::string select;
  for (std::size_t i = 0; i < match.table_columns.size(); ++i) {
    names += fmt::format("{}f{}", i == 0 ? "" : ", ", i);
    if (!match.table_columns[i].empty()) {
      select += fmt::format("{}f{}", select.empty() ? "" : ", ", i);
      targets.push_back(match.table_columns[i]);
      columns.push_back(std::move(rows->columns[i]));
    }
  }
  for (const ColumnDefault& one : match.defaults) {
    select += fmt::format("{}CAST({} AS {})", select.empty() ? "" : ", ",
                          one.value ? quote_sql_literal(*one.value) : "NULL", one.type);
    targets.push_back(one.column);
    columns.push_back({.name = one.column, .type = one.type});
  }
  rows->statement.text =
      fmt::format("SELECT {} FROM (\n{}\n) AS file({})", select, rows->statement.text, names);
  rows->columns = std::move(columns);
  return targets;
}

std::vector<std::string> rename_hints(const iceberg::Schema& schema, const ColumnMatch& match) {
  std::vector<catalog::DiffColumn> before;
  std::vector<catalog::DiffColumn> after;
  for (const std::string& name : match.missing) {
    if (const NestedField* field = schema.find(name)) {
      before.push_back({.name = name,
                        .type = field->type,
                        .required = false,
                        .field_id = 0,
                        .values = std::nullopt});
    }
  }
  for (const query::ColumnDefinition& column : match.added) {
    std::int32_t next_id = 1;
    if (auto type = iceberg::type_from_duckdb(column.type, next_id)) {
      after.push_back({.name = column.name,
                       .type = *std::move(type),
                       .required = false,
                       .field_id = 0,
                       .values = std::nullopt});
    }
  }
  std::vector<std::string> hints;
  if (before.empty() || after.empty()) {
    return hints;
  }
  for (const catalog::Rename& rename : catalog::diff_schemas(before, after).renamed) {
    hints.push_back(fmt::format(
        "column {} is new and {} is missing: likely one column under two names ({:.2f}); "
        "POST /catalog/schema/diff tells more",
        rename.to, rename.from, rename.confidence));
  }
  return hints;
}

std::string file_fingerprint(const std::vector<FileColumn>& columns, int format_version) {
  const auto schema = query::schema_from_columns(definitions_of(columns), format_version);
  return schema ? catalog::schema_fingerprint(*schema) : std::string();
}

std::string source_of_file(std::string_view file_name) {
  file_name.remove_prefix(file_name.find_last_of("/\\") + 1);
  file_name = file_name.substr(0, file_name.find('.', 1));
  std::string source;
  for (const char c : file_name) {
    const bool letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80U;
    if (letter) {
      source += c;
    } else if (!source.empty() && source.back() != '_') {
      source += '_';
    }
  }
  while (source.ends_with('_')) {
    source.pop_back();
  }
  return is_valid_utf8(source) ? to_lower(source) : std::string();
}

}  // namespace lakehouse::ingest
