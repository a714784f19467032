#include "query/column_expressions.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "iceberg/type_mapping.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

using iceberg::NestedField;
using iceberg::Type;
using iceberg::TypeKind;
using Kind = PhysicalField::Kind;

/// True if DuckDB reads the field with exactly the type's names, order and types.
bool same(const PhysicalField& file, const Type& type) {
  switch (file.kind) {
    case Kind::Primitive:
      return !iceberg::is_nested(type) && file.type == iceberg::duckdb_type(type);
    case Kind::List:
      return type.kind == TypeKind::List && same(file.children.front(), *type.fields.front().type);
    case Kind::Map:
      return type.kind == TypeKind::Map && same(file.children[0], *type.fields[0].type) &&
             same(file.children[1], *type.fields[1].type);
    case Kind::Struct:
      return type.kind == TypeKind::Struct &&
             std::ranges::equal(file.children, type.fields,
                                [](const PhysicalField& have, const NestedField& want) {
                                  return have.id == want.id && have.name == want.name &&
                                         same(have, *want.type);
                                });
  }
  return false;
}

tree::object fill(const NestedField& field) {
  if (field.initial_default && !field.initial_default->is_null() &&
      !iceberg::is_nested(*field.type)) {
    if (const auto value = iceberg::literal_from_json(*field.type, *field.initial_default)) {
      return tree::literal(*value);
    }
  }
  return tree::null_of(*field.type);
}

tree::object convert(tree::object expression, const PhysicalField& file, const Type& type,
                     int depth);

tree::object rebuild_struct(const tree::object& expression, const PhysicalField& file,
                            const Type& type, int depth) {
  tree::array members;
  for (const NestedField& field : type.fields) {
    const PhysicalField* found = find_by_id(file.children, field.id);
    tree::object member = fill(field);
    if (found != nullptr) {
      member = convert(
          tree::function("struct_extract", tree::array{expression, tree::string(found->name)}),
          *found, *field.type, depth);
    }
    members.push_back(tree::aliased(std::move(member), field.name));
  }
  // A struct of NULLs is not NULL.
  return tree::when(tree::is_null(expression), tree::null_of(type),
                    tree::function("struct_pack", std::move(members)));
}

/// list_transform(list, lambda lh_x: ...), which keeps NULL.
tree::object transform(tree::object list, int depth, const auto& body) {
  const std::string parameter = fmt::format("lh_x{}", depth);
  return tree::function(
      "list_transform",
      tree::array{std::move(list), tree::lambda(parameter, body(tree::column({parameter})))});
}

tree::object convert(tree::object expression, const PhysicalField& file, const Type& type,
                     int depth) {
  if (same(file, type)) {
    return expression;
  }
  if (file.kind == Kind::Struct && type.kind == TypeKind::Struct) {
    return rebuild_struct(expression, file, type, depth);
  }
  if (file.kind == Kind::List && type.kind == TypeKind::List) {
    return transform(std::move(expression), depth, [&](tree::object element) {
      return convert(std::move(element), file.children.front(), *type.fields.front().type,
                     depth + 1);
    });
  }
  if (file.kind == Kind::Map && type.kind == TypeKind::Map) {
    auto entries = transform(
        tree::function("map_entries", tree::array{std::move(expression)}), depth,
        [&](const tree::object& entry) {
          tree::array members;
          for (std::size_t i = 0; i < 2; ++i) {
            const char* name = i == 0 ? "key" : "value";
            members.push_back(tree::aliased(
                convert(tree::function("struct_extract", tree::array{entry, tree::string(name)}),
                        file.children[i], *type.fields[i].type, depth + 1),
                name));
          }
          return tree::function("struct_pack", std::move(members));
        });
    return tree::function("map_from_entries", tree::array{std::move(entries)});
  }
  if (type.kind == TypeKind::Uuid && file.type == "BLOB") {
    // Sixteen bytes without UUID's annotation, as some writers leave them.
    return tree::cast(tree::function("lower", tree::array{tree::function(
                                                  "hex", tree::array{std::move(expression)})}),
                      type);
  }
  if (type.kind == TypeKind::Variant || type.kind == TypeKind::Geometry) {
    return expression;
  }
  return tree::cast(std::move(expression), type);
}

}  // namespace

const PhysicalField* find_by_id(const std::vector<PhysicalField>& fields, std::int32_t id) {
  const auto found = std::ranges::find(fields, std::optional(id), &PhysicalField::id);
  return found == fields.end() ? nullptr : &*found;
}

boost::json::object column_from_file(const NestedField& column, const PhysicalSchema& file,
                                     std::string_view relation,
                                     const std::optional<iceberg::Literal>& partition_value) {
  const PhysicalField* found = find_by_id(file.columns, column.id);
  if (found == nullptr) {
    return partition_value ? tree::cast(tree::literal(*partition_value), *column.type)
                           : fill(column);
  }
  return convert(tree::column({std::string(relation), found->name}), *found, *column.type, 0);
}

}  // namespace lakehouse::query
