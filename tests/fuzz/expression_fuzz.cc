#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"
#include "iceberg/expression.h"
#include "iceberg/scan.h"

/// Filters come from clients: whatever the JSON is, reading it must end in a filter or an error,
/// and a filter must survive being written and read again, and prune without a crash.

namespace {

using namespace lakehouse::iceberg;

Schema make_schema() {
  Schema schema;
  const TypePtr types[] = {primitive(TypeKind::Int),
                           primitive(TypeKind::Long),
                           primitive(TypeKind::String),
                           primitive(TypeKind::Double),
                           primitive(TypeKind::Timestamp),
                           primitive(TypeKind::Date),
                           decimal(9, 2),
                           primitive(TypeKind::Binary)};
  for (const TypePtr& type : types) {
    NestedField field;
    field.id = static_cast<std::int32_t>(schema.fields.size()) + 1;
    field.name = std::string(1, static_cast<char>('a' + schema.fields.size()));
    field.type = type;
    schema.fields.push_back(field);
  }
  return schema;
}

DataFile make_file(const Schema& schema) {
  DataFile file;
  for (const NestedField& field : schema.fields) {
    file.value_counts.set(field.id, 10);
    file.null_value_counts.set(field.id, 1);
    const bool is_short = field.type->kind == TypeKind::Int || field.type->kind == TypeKind::Date;
    file.lower_bounds.set(field.id, std::string(is_short ? 4 : 8, '\1'));
    file.upper_bounds.set(field.id, std::string(is_short ? 4 : 8, '\2'));
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Schema kSchema = make_schema();
  static const DataFile kFile = make_file(kSchema);
  const auto json = lakehouse::parse_json(
      std::string_view(reinterpret_cast<const char*>(data), size), "the filter");
  if (!json) {
    return 0;
  }
  const auto filter = expression_from_json(*json, kSchema, size % 2 == 0);
  if (!filter) {
    return 0;
  }
  const auto again = expression_from_json(expression_to_json(*filter, kSchema), kSchema);
  if (!again || !(*again == *filter)) {
    std::abort();
  }
  static_cast<void>(may_match(kSchema, kFile, *filter));
  return 0;
}
