#include "iceberg/sort_order.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/source_column.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

Result<SortField> sort_field_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a sort field"));
  SortField field;
  LH_ASSIGN_OR_RETURN(const std::string transform, fields.require_string("transform"));
  LH_ASSIGN_OR_RETURN(field.transform, transform_from_string(transform));
  LH_ASSIGN_OR_RETURN(const auto sources, detail::sources_from_json(fields, transform));
  field.source_id = sources.id;
  field.source_ids = sources.ids;
  LH_ASSIGN_OR_RETURN(const std::string direction, fields.require_string("direction"));
  const std::string direction_lower = to_lower(direction);
  if (direction_lower != "asc" && direction_lower != "desc") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a sort direction is 'asc' or 'desc', not '{}'", direction));
  }
  field.direction = direction_lower == "asc" ? SortDirection::Ascending : SortDirection::Descending;
  LH_ASSIGN_OR_RETURN(const std::string nulls, fields.require_string("null-order"));
  const std::string nulls_lower = to_lower(nulls);
  if (nulls_lower != "nulls-first" && nulls_lower != "nulls-last") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a null order is 'nulls-first' or 'nulls-last', not '{}'", nulls));
  }
  field.null_order = nulls_lower == "nulls-first" ? NullOrder::NullsFirst : NullOrder::NullsLast;
  field.unknown = fields.unknown();
  return field;
}

json::object sort_field_to_json(const SortField& field) {
  json::object object;
  object.emplace("transform", to_string(field.transform));
  detail::sources_to_json(object, field.source_id, field.source_ids);
  object.emplace("direction", field.direction == SortDirection::Ascending ? "asc" : "desc");
  object.emplace("null-order",
                 field.null_order == NullOrder::NullsFirst ? "nulls-first" : "nulls-last");
  detail::add_unknown(object, field.unknown);
  return object;
}

}  // namespace

bool same_order(const SortOrder& a, const SortOrder& b) {
  return std::ranges::equal(a.fields, b.fields, [](const SortField& left, const SortField& right) {
    return left.source_id == right.source_id && left.source_ids == right.source_ids &&
           left.transform == right.transform && left.direction == right.direction &&
           left.null_order == right.null_order;
  });
}

Result<SortOrder> sort_order_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "the sort order"));
  SortOrder order;
  LH_ASSIGN_OR_RETURN(const auto order_id, detail::optional_int32(fields, "order-id"));
  LH_ASSIGN_OR_RETURN(const json::array* list, fields.require_array("fields"));
  for (const json::value& element : *list) {
    LH_ASSIGN_OR_RETURN(SortField field, sort_field_from_json(element));
    order.fields.push_back(std::move(field));
  }
  order.order_id = order_id.value_or(order.fields.empty() ? 0 : 1);
  order.unknown = fields.unknown();
  return order;
}

json::object sort_order_to_json(const SortOrder& order) {
  json::array list;
  for (const SortField& field : order.fields) {
    list.emplace_back(sort_field_to_json(field));
  }
  json::object object;
  object.emplace("order-id", order.order_id);
  object.emplace("fields", std::move(list));
  detail::add_unknown(object, order.unknown);
  return object;
}

Status validate_sort_order(const SortOrder& order, const Schema& schema) {
  for (const SortField& field : order.fields) {
    const std::string what = fmt::format("sort field {}", to_string(field.transform));
    const auto source = detail::source_column(schema, field.source_id);
    if (!source) {
      return std::unexpected(Error(source.error()).with_context(what));
    }
    const auto type = result_type(field.transform, **source);
    if (!type) {
      return std::unexpected(Error(type.error()).with_context(what));
    }
  }
  return {};
}

}  // namespace lakehouse::iceberg
