#pragma once

#include <string>
#include <vector>

#include <rapidcheck.h>

#include "iceberg/literal.h"
#include "iceberg/schema.h"

/// \file
/// Random types and values for laws.

namespace lakehouse::iceberg::testing {

inline rc::Gen<TypePtr> primitive_type() {
  const auto kinds = rc::gen::element(
      TypeKind::Boolean, TypeKind::Int, TypeKind::Long, TypeKind::Float, TypeKind::Double,
      TypeKind::Date, TypeKind::Time, TypeKind::Timestamp, TypeKind::Timestamptz,
      TypeKind::TimestampNs, TypeKind::TimestamptzNs, TypeKind::String, TypeKind::Uuid,
      TypeKind::Binary, TypeKind::Decimal, TypeKind::Fixed);
  return rc::gen::mapcat(kinds, [](TypeKind kind) -> rc::Gen<TypePtr> {
    if (kind == TypeKind::Decimal) {
      return rc::gen::mapcat(rc::gen::inRange(1, 39), [](int precision) {
        return rc::gen::map(rc::gen::inRange(0, precision + 1),
                            [precision](int scale) { return decimal(precision, scale); });
      });
    }
    if (kind == TypeKind::Fixed) {
      return rc::gen::map(rc::gen::inRange(1, 20), [](int length) { return fixed(length); });
    }
    return rc::gen::just(primitive(kind));
  });
}

inline rc::Gen<std::string> bytes_of(std::size_t size) {
  return rc::gen::container<std::string>(size, rc::gen::arbitrary<char>());
}

/// Any value of a primitive type; dates and timestamps are those that have a text.
inline rc::Gen<Literal> literal_of(const TypePtr& type) {
  const auto wrap = [type](auto gen) {
    return rc::gen::map(std::move(gen), [type](auto value) {
      return Literal{type->kind, type->precision, type->scale, Literal::Value(std::move(value))};
    });
  };
  switch (type->kind) {
    case TypeKind::Boolean: return wrap(rc::gen::arbitrary<bool>());
    case TypeKind::Int: return wrap(rc::gen::arbitrary<std::int32_t>());
    case TypeKind::Date: return wrap(rc::gen::inRange<std::int32_t>(-2'000'000, 2'000'000));
    case TypeKind::Long: return wrap(rc::gen::arbitrary<std::int64_t>());
    case TypeKind::Time: return wrap(rc::gen::inRange<std::int64_t>(0, 86'400'000'000));
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: return wrap(rc::gen::arbitrary<std::int64_t>());
    case TypeKind::Float: return wrap(rc::gen::arbitrary<float>());
    case TypeKind::Double: return wrap(rc::gen::arbitrary<double>());
    case TypeKind::Decimal: {
      const auto digits = rc::gen::container<std::string>(static_cast<std::size_t>(type->precision),
                                                          rc::gen::inRange('0', ':'));
      return rc::gen::map(rc::gen::pair(digits, rc::gen::arbitrary<bool>()),
                          [type](const std::pair<std::string, bool>& it) {
                            const Int128 unscaled = *decimal_from_string(it.first, 0);
                            return Literal::of_decimal(it.second ? -unscaled : unscaled,
                                                       type->precision, type->scale);
                          });
    }
    case TypeKind::Uuid: return wrap(bytes_of(16));
    case TypeKind::Fixed: return wrap(bytes_of(static_cast<std::size_t>(type->length)));
    case TypeKind::Binary: return wrap(rc::gen::arbitrary<std::string>());
    case TypeKind::String:
      return wrap(rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '\x7F')));
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return rc::gen::just(Literal::of_int(0));
}

inline rc::Gen<Literal> any_literal() {
  return rc::gen::mapcat(primitive_type(), literal_of);
}

inline rc::Gen<std::string> field_name() {
  return rc::gen::nonEmpty(rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::inRange('a', 'g'), rc::gen::element(' ', '"', '.', '\'', '_'))));
}

/// A type of at most `depth` levels. Ids are 0: with_fresh_ids gives them.
inline rc::Gen<TypePtr> any_type(int depth) {
  if (depth == 0) {
    return primitive_type();
  }
  const auto inner = rc::gen::lazy([depth] { return any_type(depth - 1); });
  const auto field = rc::gen::map(rc::gen::tuple(field_name(), inner, rc::gen::arbitrary<bool>()),
                                  [](const std::tuple<std::string, TypePtr, bool>& it) {
                                    NestedField made;
                                    made.name = std::get<0>(it);
                                    made.type = std::get<1>(it);
                                    made.required = std::get<2>(it);
                                    return made;
                                  });
  return rc::gen::oneOf(
      primitive_type(),
      rc::gen::map(inner, [](const TypePtr& type) { return list_of(0, type, false); }),
      rc::gen::map(rc::gen::pair(inner, inner),
                   [](const std::pair<TypePtr, TypePtr>& it) {
                     return map_of(0, it.first, 0, it.second, true);
                   }),
      rc::gen::map(rc::gen::resize(
                       4, rc::gen::nonEmpty(rc::gen::container<std::vector<NestedField>>(field))),
                   [](const std::vector<NestedField>& fields) { return struct_of(fields); }));
}

}  // namespace lakehouse::iceberg::testing

namespace lakehouse::iceberg {

inline void showValue(const TypePtr& type, std::ostream& os) {
  os << to_string(*type);
}
inline void showValue(const Literal& literal, std::ostream& os) {
  os << literal_to_sql(literal);
}

}  // namespace lakehouse::iceberg
