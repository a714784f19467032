#include "query/physical_schema.h"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using Kind = PhysicalField::Kind;

constexpr std::size_t kDepthMax = 100;

std::unexpected<Error> malformed() {
  return fail(ErrorCode::DataLoss, "a data file's schema is not understood");
}

/// Reads the flat list that Parquet keeps its schema tree in.
class Reader {
 public:
  explicit Reader(const json::array& rows) : rows_(rows) {}

  Result<std::vector<PhysicalField>> columns() {
    LH_ASSIGN_OR_RETURN(const Element root, next());
    return fields(root.child_count, 0);
  }

 private:
  struct Element {
    std::string name;
    std::size_t child_count = 0;
    std::optional<std::int32_t> id;
    std::string type;
    bool repeated = false;
    bool is_list = false;
    bool is_map = false;
    bool is_variant = false;
  };

  static std::string text(const json::object& row, std::string_view name) {
    const json::value* found = row.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                  : std::string();
  }

  Result<Element> next() {
    if (at_ >= rows_.size() || !rows_[at_].is_object()) {
      return malformed();
    }
    const json::object& row = rows_[at_++].get_object();
    Element element;
    element.name = text(row, "name");
    element.type = text(row, "duckdb_type");
    element.repeated = text(row, "repetition_type") == "REPEATED";
    const std::string converted = text(row, "converted_type");
    const std::string logical = text(row, "logical_type");
    element.is_list = converted == "LIST" || logical.starts_with("ListType");
    element.is_map =
        converted == "MAP" || converted == "MAP_KEY_VALUE" || logical.starts_with("MapType");
    element.is_variant = logical.starts_with("VariantType");
    if (const json::value* id = row.if_contains("field_id"); id != nullptr && id->is_int64()) {
      element.id = static_cast<std::int32_t>(id->get_int64());
    }
    if (const json::value* count = row.if_contains("num_children");
        count != nullptr && count->is_int64() && count->get_int64() > 0) {
      element.child_count = static_cast<std::size_t>(count->get_int64());
    }
    return element;
  }

  Result<std::vector<PhysicalField>> fields(std::size_t count, std::size_t depth) {
    std::vector<PhysicalField> out;
    for (std::size_t i = 0; i < count; ++i) {
      LH_ASSIGN_OR_RETURN(PhysicalField one, field(depth));
      out.push_back(std::move(one));
    }
    return out;
  }

  Result<PhysicalField> field(std::size_t depth) {
    LH_ASSIGN_OR_RETURN(const Element element, next());
    if (depth > kDepthMax) {
      return malformed();
    }
    LH_ASSIGN_OR_RETURN(PhysicalField out, field_of(element, depth));
    if (element.repeated) {
      // A repeated field outside of a list is a list of required elements.
      PhysicalField list{element.name, out.id, Kind::List, {}, {}};
      out.id.reset();
      out.name = "element";
      list.children.push_back(std::move(out));
      return list;
    }
    return out;
  }

  Result<PhysicalField> field_of(const Element& element, std::size_t depth) {
    PhysicalField out{element.name, element.id, Kind::Primitive, element.type, {}};
    if (element.child_count == 0) {
      return out;
    }
    out.type.clear();
    if (element.is_variant) {
      out.type = "VARIANT";
      LH_ASSIGN_OR_RETURN(const auto skipped, fields(element.child_count, depth + 1));
      return out;
    }
    if (element.is_list && element.child_count == 1) {
      out.kind = Kind::List;
      LH_ASSIGN_OR_RETURN(PhysicalField inner, list_element(element.name, depth + 1));
      out.children.push_back(std::move(inner));
      return out;
    }
    if (element.is_map && element.child_count == 1) {
      out.kind = Kind::Map;
      LH_ASSIGN_OR_RETURN(const Element entries, next());
      LH_ASSIGN_OR_RETURN(out.children, fields(entries.child_count, depth + 1));
      if (out.children.size() != 2) {
        return malformed();
      }
      return out;
    }
    out.kind = Kind::Struct;
    LH_ASSIGN_OR_RETURN(out.children, fields(element.child_count, depth + 1));
    return out;
  }

  /// The element under a list's repeated child, by the Parquet format's rules for old writers.
  Result<PhysicalField> list_element(const std::string& list_name, std::size_t depth) {
    LH_ASSIGN_OR_RETURN(const Element repeated, next());
    const bool two_levels = repeated.child_count != 1 || repeated.name == "array" ||
                            repeated.name == list_name + "_tuple";
    if (two_levels) {
      return field_of(repeated, depth);
    }
    return field(depth);
  }

  const json::array& rows_;
  std::size_t at_ = 0;
};

void sign(const std::vector<PhysicalField>& fields, std::string& out) {
  for (const PhysicalField& field : fields) {
    fmt::format_to(std::back_inserter(out), "{}:{}#{}:{}{}(", field.name.size(), field.name,
                   field.id ? std::to_string(*field.id) : "", static_cast<int>(field.kind),
                   field.type);
    sign(field.children, out);
    out.push_back(')');
  }
}

PhysicalSchemaPtr make_schema(std::vector<PhysicalField> columns) {
  auto schema = std::make_shared<PhysicalSchema>();
  sign(columns, schema->signature);
  schema->columns = std::move(columns);
  return schema;
}

bool any_id(const std::vector<PhysicalField>& fields) {
  return std::ranges::any_of(fields, [](const PhysicalField& field) {
    return field.id.has_value() || any_id(field.children);
  });
}

/// The mapping's entry that lists the name.
const json::object* find_mapping(const json::array& mapping, std::string_view name) {
  for (const json::value& entry : mapping) {
    const json::object* one = entry.if_object();
    const json::value* names = one == nullptr ? nullptr : one->if_contains("names");
    if (names == nullptr || !names->is_array()) {
      continue;
    }
    for (const json::value& candidate : names->get_array()) {
      if (candidate.is_string() && candidate.get_string() == name) {
        return one;
      }
    }
  }
  return nullptr;
}

std::string_view mapped_name(const PhysicalField& parent, std::size_t child) {
  if (parent.kind == Kind::List) {
    return "element";
  }
  if (parent.kind == Kind::Map) {
    return child == 0 ? "key" : "value";
  }
  return parent.children[child].name;
}

void map_ids(PhysicalField& field, std::string_view name, const json::array& mapping) {
  const json::object* entry = find_mapping(mapping, name);
  if (entry == nullptr) {
    return;
  }
  if (const json::value* id = entry->if_contains("field-id"); id != nullptr && id->is_int64()) {
    field.id = static_cast<std::int32_t>(id->get_int64());
  }
  const json::value* inner = entry->if_contains("fields");
  if (inner == nullptr || !inner->is_array()) {
    return;
  }
  for (std::size_t i = 0; i < field.children.size(); ++i) {
    map_ids(field.children[i], std::string(mapped_name(field, i)), inner->get_array());
  }
}

void name_ids(std::vector<PhysicalField>& fields, Kind kind, const iceberg::Type& type) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const iceberg::NestedField* found = nullptr;
    if (kind == Kind::Struct) {
      for (const iceberg::NestedField& candidate : type.fields) {
        if (candidate.name == fields[i].name ||
            (found == nullptr && to_lower(candidate.name) == to_lower(fields[i].name))) {
          found = &candidate;
        }
      }
    } else if (i < type.fields.size()) {
      found = &type.fields[i];
    }
    if (found != nullptr) {
      fields[i].id = found->id;
      name_ids(fields[i].children, fields[i].kind, *found->type);
    }
  }
}

}  // namespace

bool PhysicalSchema::has(std::string_view column) const {
  const std::string name = to_lower(column);
  return std::ranges::any_of(
      columns, [&name](const PhysicalField& field) { return to_lower(field.name) == name; });
}

Result<PhysicalSchemaPtr> physical_schema_from_json(std::string_view rows) {
  LH_ASSIGN_OR_RETURN(const json::value document, parse_json(rows, "a data file's schema"));
  if (!document.is_array()) {
    return malformed();
  }
  LH_ASSIGN_OR_RETURN(auto columns, Reader(document.get_array()).columns());
  return make_schema(std::move(columns));
}

Result<PhysicalSchemaPtr> with_ids(PhysicalSchemaPtr file, const iceberg::TableMetadata& table) {
  if (any_id(file->columns)) {
    return file;
  }
  std::vector<PhysicalField> columns = file->columns;
  if (const std::string* text = table.property("schema.name-mapping.default")) {
    LH_ASSIGN_OR_RETURN(const json::value mapping, parse_json(*text, "the table's name mapping"));
    if (!mapping.is_array()) {
      return fail(ErrorCode::DataLoss, "the table's name mapping is not a JSON array");
    }
    for (PhysicalField& column : columns) {
      map_ids(column, column.name, mapping.get_array());
    }
  } else {
    const iceberg::TypePtr all = iceberg::struct_of(table.current_schema()->fields);
    name_ids(columns, Kind::Struct, *all);
  }
  return make_schema(std::move(columns));
}

}  // namespace lakehouse::query
