#include "query/policy_rewrite.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "query/tree.h"
#include "query/tree_members.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using governance::ColumnMask;
using governance::TablePolicy;
using iceberg::NestedField;
using iceberg::TypeKind;

/// The field that a policy means by a name: the current one of that name, else the last that was
/// called so. Older snapshots may call it differently.
const NestedField* field_named(const iceberg::TableMetadata& metadata, std::string_view name) {
  const auto in = [name](const iceberg::Schema& schema) {
    const auto found = std::ranges::find(schema.fields, name, &NestedField::name);
    return found == schema.fields.end() ? nullptr : &*found;
  };
  const NestedField* found = in(*metadata.current_schema());
  for (auto schema = metadata.schemas.rbegin();
       found == nullptr && schema != metadata.schemas.rend(); ++schema) {
    found = in(*schema);
  }
  return found;
}

const NestedField* field_by_id(const iceberg::Schema& schema, std::int32_t id) {
  const auto found = std::ranges::find(schema.fields, id, &NestedField::id);
  return found == schema.fields.end() ? nullptr : &*found;
}

// --- Expressions that cannot fail need no TRY, which would keep them from reaching the files.

bool is_number(TypeKind kind) {
  return kind == TypeKind::Int || kind == TypeKind::Long || kind == TypeKind::Float ||
         kind == TypeKind::Double;
}

std::string_view constant_type(const json::object& node) {
  const json::value* holder = node.if_contains("value");
  const json::object* value = holder == nullptr ? nullptr : holder->if_object();
  const json::value* type = value == nullptr ? nullptr : value->if_contains("type");
  return type == nullptr || !type->is_object() ? std::string_view()
                                               : text_of(type->get_object(), "id");
}

class Judge {
 public:
  explicit Judge(const iceberg::Schema& schema) : schema_(schema) {}

  [[nodiscard]] bool cannot_fail(const json::object& node) const {
    const std::string_view kind = text_of(node, "class");
    const std::string_view type = text_of(node, "type");
    if (kind == "COLUMN_REF" || kind == "CONSTANT") {
      return true;
    }
    if (kind == "CONJUNCTION" || type == "OPERATOR_NOT" || type == "OPERATOR_IS_NULL" ||
        type == "OPERATOR_IS_NOT_NULL") {
      return all_children(node, [this](const json::object& child) { return cannot_fail(child); });
    }
    if (kind == "COMPARISON") {
      const json::value* left = node.if_contains("left");
      const json::value* right = node.if_contains("right");
      return left != nullptr && right != nullptr && left->is_object() && right->is_object() &&
             (fits(left->get_object(), right->get_object()) ||
              fits(right->get_object(), left->get_object()));
    }
    if (type == "COMPARE_IN" || type == "COMPARE_NOT_IN") {
      const json::value* children = node.if_contains("children");
      const json::object* first =
          children == nullptr || !children->is_array() || children->get_array().empty()
              ? nullptr
              : children->get_array().front().if_object();
      return first != nullptr && all_children(node, [&](const json::object& child) {
               return &child == first || fits(*first, child);
             });
    }
    return false;
  }

 private:
  template <class Test>
  static bool all_children(const json::object& node, const Test& test) {
    const json::value* children = node.if_contains("children");
    return children != nullptr && children->is_array() &&
           std::ranges::all_of(children->get_array(), [&test](const json::value& child) {
             return child.is_object() && test(child.get_object());
           });
  }

  /// True if a constant is compared with a column whose values need no cast for it.
  [[nodiscard]] bool fits(const json::object& column, const json::object& constant) const {
    const json::value* names = column.if_contains("column_names");
    if (text_of(column, "class") != "COLUMN_REF" || names == nullptr || !names->is_array() ||
        names->get_array().size() != 1 || text_of(constant, "class") != "CONSTANT") {
      return false;
    }
    const auto field = std::ranges::find_if(schema_.fields, [names](const NestedField& one) {
      return names->get_array().front() == json::value(one.name);
    });
    if (field == schema_.fields.end()) {
      return false;
    }
    const TypeKind kind = field->type->kind;
    const std::string_view type = constant_type(constant);
    if (type == "VARCHAR") {
      return kind == TypeKind::String || kind == TypeKind::Date || kind == TypeKind::Timestamp ||
             kind == TypeKind::Timestamptz;
    }
    return (type == "BOOLEAN" && kind == TypeKind::Boolean) ||
           ((type == "INTEGER" || type == "BIGINT") && is_number(kind));
  }

  const iceberg::Schema& schema_;
};

bool holds_subquery(const json::value& at) {
  if (const json::array* list = at.if_array()) {
    return std::ranges::any_of(*list, holds_subquery);
  }
  const json::object* node = at.if_object();
  return node != nullptr && (text_of(*node, "class") == "SUBQUERY" ||
                             std::ranges::any_of(*node, [](const auto& field) {
                               return holds_subquery(field.value());
                             }));
}

/// NULL where the expression would fail; as far as DuckDB allows it, which is not around
/// subqueries.
json::object tried(json::object node, const Judge& judge) {
  if (judge.cannot_fail(node)) {
    return node;
  }
  if (!holds_subquery(node)) {
    return {{"class", "OPERATOR"},
            {"type", "OPERATOR_TRY"},
            {"children", json::array{std::move(node)}}};
  }
  if (json::value* children = node.if_contains("children");
      children != nullptr && children->is_array()) {
    for (json::value& child : children->get_array()) {
      if (child.is_object()) {
        child = tried(std::move(child.get_object()), judge);
      }
    }
  }
  if (json::value* child = node.if_contains("child"); child != nullptr && child->is_object()) {
    *child = tried(std::move(child->get_object()), judge);
  }
  return node;
}

/// current_user becomes the principal's name.
void name_user(json::value& at, const std::string& principal) {
  if (json::array* list = at.if_array()) {
    for (json::value& entry : *list) {
      name_user(entry, principal);
    }
    return;
  }
  json::object* node = at.if_object();
  if (node == nullptr) {
    return;
  }
  if (text_of(*node, "class") == "COLUMN_REF") {
    const json::value* names = node->if_contains("column_names");
    if (names != nullptr && *names == json::value(json::array{"current_user"})) {
      *node = tree::string(principal);
    }
    return;
  }
  for (auto& field : *node) {
    name_user(field.value(), principal);
  }
}

// --- Masks.

bool is_hidden(const TablePolicy& policy, const PolicyTarget& target, std::int32_t id) {
  return std::ranges::any_of(policy.hidden_columns, [&](const std::string& name) {
    const NestedField* field = field_named(target.metadata, name);
    return field != nullptr && field->id == id;
  });
}

const ColumnMask* mask_of(const TablePolicy& policy, const PolicyTarget& target, std::int32_t id) {
  const auto found = std::ranges::find_if(policy.masks, [&](const ColumnMask& mask) {
    const NestedField* field = field_named(target.metadata, mask.column);
    return field != nullptr && field->id == id;
  });
  return found == policy.masks.end() ? nullptr : &*found;
}

json::object as_text(json::object column) {
  return tree::cast(std::move(column), *iceberg::primitive(TypeKind::String));
}

json::object hashed(const ColumnMask& mask, json::object column) {
  json::object text = as_text(std::move(column));
  if (!mask.salt.empty()) {
    text = tree::function("||", json::array{tree::string(mask.salt), std::move(text)});
  }
  json::object digest = tree::function("sha256", json::array{std::move(text)});
  return mask.length == 0
             ? digest
             : tree::function("left",
                              json::array{std::move(digest),
                                          tree::integer(static_cast<std::int64_t>(mask.length))});
}

json::object partly(const ColumnMask& mask, const json::object& column) {
  const auto first = static_cast<std::int64_t>(std::min<std::size_t>(mask.first, 1U << 20U));
  const auto last = static_cast<std::int64_t>(std::min<std::size_t>(mask.last, 1U << 20U));
  const json::object text = as_text(column);
  const json::object length = tree::function("length", json::array{text});
  const auto stars = [](json::object count) {
    return tree::function("repeat", json::array{tree::string("*"), std::move(count)});
  };
  json::object shown = tree::function(
      "||",
      json::array{
          tree::function(
              "||", json::array{tree::function("left", json::array{text, tree::integer(first)}),
                                stars(tree::function(
                                    "-", json::array{length, tree::integer(first + last)}))}),
          tree::function("right", json::array{text, tree::integer(last)})});
  return tree::when(tree::compare("COMPARE_GREATERTHAN", length, tree::integer(first + last)),
                    std::move(shown), stars(length));
}

json::object untyped_null() {
  return {{"class", "CONSTANT"},
          {"type", "VALUE_CONSTANT"},
          {"value", json::object{{"type", json::object{{"id", "NULL"}}}, {"is_null", true}}}};
}

/// The expressions that policy_statement lists, in its order.
json::array take_expressions(json::object& statement) {
  return std::move(statement["statements"]
                       .as_array()[0]
                       .as_object()["node"]
                       .as_object()["select_list"]
                       .as_array());
}

/// A column as it is, or as it is shown.
json::object shown_as(const NestedField& field, const ColumnMask* mask, json::object column,
                      json::array& expressions, std::size_t& next) {
  if (mask == nullptr) {
    return column;
  }
  switch (mask->kind) {
    case ColumnMask::Kind::Null: return tree::null_of(*field.type);
    case ColumnMask::Kind::Hash: return hashed(*mask, std::move(column));
    case ColumnMask::Kind::Partial: return partly(*mask, column);
    case ColumnMask::Kind::Expression: return std::move(expressions[next++].as_object());
  }
  return tree::null_of(*field.type);
}

/// The masks that are expressions, in the order of the read schema's columns.
std::vector<const ColumnMask*> mask_expressions(const TablePolicy& policy,
                                                const PolicyTarget& target) {
  std::vector<const ColumnMask*> out;
  for (const NestedField& field : target.schema.fields) {
    const ColumnMask* mask = mask_of(policy, target, field.id);
    if (mask != nullptr && mask->kind == ColumnMask::Kind::Expression &&
        !is_hidden(policy, target, field.id)) {
      out.push_back(mask);
    }
  }
  return out;
}

std::string free_name(const iceberg::Schema& schema, std::string name) {
  while (std::ranges::any_of(
      schema.fields, [&name](const NestedField& field) { return to_lower(field.name) == name; })) {
    name.push_back('_');
  }
  return name;
}

bool is_same_naming(const PolicyTarget& target) {
  const iceberg::Schema& now = *target.metadata.current_schema();
  return std::ranges::all_of(now.fields, [&target](const NestedField& field) {
    const NestedField* read = field_by_id(target.schema, field.id);
    return read != nullptr && read->name == field.name;
  });
}

/// Columns by the names that the policy knows them by; what an older snapshot does not have is
/// NULL. `names` gets the name of each column of the read schema.
json::object by_current_names(const PolicyTarget& target, json::object source,
                              const std::vector<std::string>& extra,
                              std::vector<std::string>& names) {
  const iceberg::Schema& now = *target.metadata.current_schema();
  json::array columns;
  for (const NestedField& field : target.schema.fields) {
    const NestedField* current = field_by_id(now, field.id);
    names.push_back(current != nullptr ? current->name : fmt::format("lh_old_{}", field.id));
    columns.push_back(tree::aliased(tree::column({field.name}), names.back()));
  }
  for (const NestedField& field : now.fields) {
    if (field_by_id(target.schema, field.id) == nullptr) {
      columns.push_back(tree::aliased(tree::null_of(*field.type), field.name));
    }
  }
  for (const std::string& name : extra) {
    columns.push_back(tree::column({name}));
  }
  return tree::select(std::move(columns), tree::subquery(std::move(source), "lh_read"));
}

/// Checks that the names of an expression, outside of subqueries, are columns of the table.
bool names_columns(const json::value& at, const iceberg::Schema& schema) {
  if (const json::array* list = at.if_array()) {
    return std::ranges::all_of(
        *list, [&schema](const json::value& entry) { return names_columns(entry, schema); });
  }
  const json::object* node = at.if_object();
  if (node == nullptr || text_of(*node, "class") == "SUBQUERY" ||
      text_of(*node, "class") == "LAMBDA") {
    return true;
  }
  if (text_of(*node, "class") == "COLUMN_REF") {
    const json::array& names = node->at("column_names").as_array();
    return std::ranges::any_of(names, [&schema](const json::value& name) {
      return name.is_string() &&
             std::ranges::any_of(schema.fields, [&name](const NestedField& field) {
               return to_lower(field.name) == to_lower(name.get_string());
             });
    });
  }
  return std::ranges::all_of(
      *node, [&schema](const auto& field) { return names_columns(field.value(), schema); });
}

}  // namespace

std::unexpected<Error> policy_unfit(std::string_view table) {
  return fail(ErrorCode::FailedPrecondition,
              fmt::format("the access policy of {} cannot be applied to it", table),
              "Ask who administers the policies: it may name a column that is gone.");
}

Result<json::object> policy_statement(const RequestContext& context, KeptTrees& trees,
                                      const TablePolicy& policy, const PolicyTarget& target) {
  for (const ColumnMask& mask : policy.masks) {
    if (field_named(target.metadata, mask.column) == nullptr) {
      return policy_unfit(target.name);
    }
  }
  for (const std::string& name : policy.hidden_columns) {
    if (field_named(target.metadata, name) == nullptr) {
      return policy_unfit(target.name);
    }
  }
  std::vector<std::string> texts;
  if (!policy.row_filter.empty()) {
    texts.push_back(policy.row_filter);
  }
  for (const ColumnMask* mask : mask_expressions(policy, target)) {
    texts.push_back(mask->sql);
  }
  const Judge judge(*target.metadata.current_schema());
  json::array expressions;
  for (const std::string& text : texts) {
    const auto parsed = trees.expression(context, text);
    if (!parsed && parsed.error().code != ErrorCode::InvalidArgument) {
      return std::unexpected(parsed.error());
    }
    if (!parsed) {
      return policy_unfit(target.name);
    }
    json::value expression = **parsed;
    name_user(expression, context.principal);
    if (!names_columns(expression, *target.metadata.current_schema())) {
      return policy_unfit(target.name);
    }
    expressions.emplace_back(tried(std::move(expression.as_object()), judge));
  }
  return tree::statement(tree::select(std::move(expressions), tree::empty_table()));
}

json::object restricted(const TablePolicy& policy, const PolicyTarget& target,
                        json::object statement, json::object source,
                        const std::vector<std::string>& extra) {
  json::array expressions = take_expressions(statement);
  std::size_t next = 0;
  std::vector<std::string> names;
  if (is_same_naming(target)) {
    for (const NestedField& field : target.schema.fields) {
      names.push_back(field.name);
    }
  } else {
    source = by_current_names(target, std::move(source), extra, names);
  }
  const std::string table = target.name.substr(target.name.rfind('.') + 1);
  json::object from = tree::subquery(std::move(source), table);
  std::optional<json::object> ok;
  if (!policy.row_filter.empty()) {
    const std::string name = free_name(*target.metadata.current_schema(), "lh_ok");
    json::array all{tree::star(), tree::aliased(std::move(expressions[next++].as_object()), name)};
    from = tree::subquery(tree::select(std::move(all), std::move(from)), table);
    ok = tree::column({name});
  }
  json::array columns;
  const auto show = [&](json::object expression, std::string_view name) {
    if (ok) {
      expression = tree::when(*ok, std::move(expression), untyped_null());
    }
    columns.push_back(tree::aliased(std::move(expression), name));
  };
  for (std::size_t i = 0; i < target.schema.fields.size(); ++i) {
    const NestedField& field = target.schema.fields[i];
    if (is_hidden(policy, target, field.id)) {
      continue;
    }
    const ColumnMask* mask = mask_of(policy, target, field.id);
    show(shown_as(field, mask, tree::column({names[i]}), expressions, next), field.name);
  }
  for (const std::string& name : extra) {
    columns.push_back(tree::column({name}));
  }
  return tree::select(std::move(columns), std::move(from), std::move(ok));
}

json::object outside(const PolicyTarget& target, json::object statement, json::object rows) {
  json::array expressions = take_expressions(statement);
  const std::string table = target.name.substr(target.name.rfind('.') + 1);
  const json::object truth = tree::boolean(true);
  return tree::select(
      json::array{tree::integer(1)}, tree::subquery(std::move(rows), table),
      tree::compare("COMPARE_DISTINCT_FROM", std::move(expressions.at(0).as_object()), truth));
}

ColumnAccess column_access(const TablePolicy& policy, const PolicyTarget& target,
                           std::int32_t field_id) {
  if (is_hidden(policy, target, field_id)) {
    return ColumnAccess::Hidden;
  }
  return mask_of(policy, target, field_id) == nullptr ? ColumnAccess::Shown : ColumnAccess::Masked;
}

json::object stand_in(const TablePolicy& policy, const PolicyTarget& target,
                      const std::vector<std::string>& extra) {
  const iceberg::TypePtr text = iceberg::primitive(TypeKind::String);
  json::array columns;
  for (const NestedField& field : target.schema.fields) {
    if (is_hidden(policy, target, field.id)) {
      continue;
    }
    const ColumnMask* mask = mask_of(policy, target, field.id);
    const bool is_text = mask != nullptr && (mask->kind == ColumnMask::Kind::Hash ||
                                             mask->kind == ColumnMask::Kind::Partial);
    json::object value =
        tree::cast(tree::cast(tree::column({"range"}), *text), is_text ? *text : *field.type);
    value["try_cast"] = true;
    columns.push_back(tree::aliased(std::move(value), field.name));
  }
  for (const std::string& name : extra) {
    columns.push_back(tree::aliased(tree::column({"range"}), name));
  }
  return tree::select(
      std::move(columns),
      tree::table_function("range", json::array{tree::integer(1000)}, "restricted"));
}

std::vector<Condition> conditions_under(const TablePolicy& policy, const PolicyTarget& target,
                                        const json::object& statement,
                                        std::vector<Condition> conditions) {
  // A condition on a masked column speaks of what is shown, not of what the files hold.
  const auto is_of_masked = [&](const auto& self, const Condition& one) -> bool {
    if (one.kind != Condition::Kind::Is) {
      return std::ranges::any_of(one.parts,
                                 [&self](const Condition& part) { return self(self, part); });
    }
    const auto field = std::ranges::find_if(target.schema.fields, [&one](const NestedField& each) {
      return to_lower(each.name) == to_lower(one.column);
    });
    return field == target.schema.fields.end() || mask_of(policy, target, field->id) != nullptr ||
           is_hidden(policy, target, field->id);
  };
  std::vector<Condition> out;
  const auto keep = [&](const auto& self, Condition one) -> void {
    if (one.kind == Condition::Kind::And) {
      for (Condition& part : one.parts) {
        self(self, std::move(part));
      }
    } else if (!is_of_masked(is_of_masked, one)) {
      out.push_back(std::move(one));
    }
  };
  for (Condition& one : conditions) {
    keep(keep, std::move(one));
  }
  if (!policy.row_filter.empty() && is_same_naming(target)) {
    const json::object table{{"type", "BASE_TABLE"}, {"alias", ""}, {"table_name", "t"}};
    const json::object node = tree::select({}, table,
                                           statement.at("statements")
                                               .as_array()[0]
                                               .as_object()
                                               .at("node")
                                               .as_object()
                                               .at("select_list")
                                               .as_array()[0]
                                               .as_object());
    for (auto& [at, found] : conditions_of(node)) {
      std::ranges::move(found, std::back_inserter(out));
    }
  }
  return out;
}

}  // namespace lakehouse::query
