#include "query/leaf_columns.h"

#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::query {
namespace {

using iceberg::NestedField;
using iceberg::TypeKind;

struct Walk {
  Lists lists = Lists::Inside;
  std::size_t count_max = 0;
  std::vector<LeafColumn> out = {};
};

void add(const NestedField& field, std::string path, std::string sql, Walk& walk) {
  if (walk.out.size() >= walk.count_max) {
    return;
  }
  const bool is_struct = field.type->kind == TypeKind::Struct;
  if (!iceberg::is_nested(*field.type) || (walk.lists == Lists::Whole && !is_struct)) {
    walk.out.push_back(
        {.field_id = field.id, .path = std::move(path), .type = field.type, .sql = std::move(sql)});
    return;
  }
  for (const NestedField& child : field.type->fields) {
    std::string child_sql;
    if (is_struct) {
      child_sql = fmt::format("struct_extract({}, {})", sql, quote_sql_literal(child.name));
    } else if (field.type->kind == TypeKind::List) {
      child_sql = fmt::format("list_extract({}, 1)", sql);
    } else {
      child_sql = fmt::format("list_extract(map_{}s({}), 1)", child.name, sql);
    }
    add(child, path + "." + child.name, std::move(child_sql), walk);
  }
}

}  // namespace

std::vector<LeafColumn> leaf_columns(const iceberg::Schema& schema, Lists lists,
                                     std::size_t count_max) {
  Walk walk{.lists = lists, .count_max = count_max};
  for (const NestedField& field : schema.fields) {
    add(field, field.name, quote_sql_identifier(field.name), walk);
  }
  return std::move(walk.out);
}

}  // namespace lakehouse::query
