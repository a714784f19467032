#include "query/constant_fold.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <initializer_list>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"
#include "iceberg/literal.h"
#include "iceberg/schema.h"
#include "query/tree_members.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

constexpr std::int64_t kDay = std::int64_t{86'400} * 1'000'000;
// Years 1 to 9999: what is about the ends of DuckDB's own range is left to it.
constexpr std::int64_t kFirst = -719'162 * kDay;
constexpr std::int64_t kLast = 2'932'896 * kDay;

struct Whole {
  std::int64_t value = 0;
  bool is_big = false;  ///< BIGINT, not INTEGER.
};

struct Interval {
  std::int64_t months = 0;
  std::int64_t us = 0;  ///< Days are of 24 hours in UTC.
};

using Folded = std::variant<Whole, Moment, Interval>;
using Maybe = std::optional<Folded>;

Maybe checked(Moment moment) {
  return moment.first_us < kFirst || moment.last_us > kLast ? Maybe() : Folded(std::move(moment));
}

std::int64_t day_of(std::int64_t us) {
  return (us >= 0 ? us : us - (kDay - 1)) / kDay;
}

std::int64_t plus_months(std::int64_t us, std::int64_t months) {
  using namespace std::chrono;
  const std::int64_t day = day_of(us);
  const year_month_day date{sys_days(days(day))};
  year_month_day moved = date + std::chrono::months(static_cast<int>(months));
  if (!moved.ok()) {
    moved = moved.year() / moved.month() / last;
  }
  return sys_days(moved).time_since_epoch().count() * kDay + (us - day * kDay);
}

/// A function of time that never falls, at both ends.
template <class F>
Moment at_both(const Moment& moment, F&& f) {
  Moment out = moment;
  out.first_us = f(moment.first_us);
  out.last_us = f(moment.last_us);
  return out;
}

Maybe plus(const Moment& moment, const Interval& interval, int sign) {
  constexpr std::int64_t kMonthsMax = 120'000;
  if (interval.months > kMonthsMax || interval.months < -kMonthsMax || interval.us > kLast ||
      interval.us < kFirst) {
    return {};
  }
  Moment out = at_both(moment, [&](std::int64_t us) {
    return plus_months(us, sign * interval.months) + sign * interval.us;
  });
  out.is_day = false;  // DATE and INTERVAL make a TIMESTAMP.
  return checked(std::move(out));
}

Maybe plus_days(const Moment& moment, std::int64_t days) {
  if (!moment.is_day || days > kLast / kDay || days < -(kLast / kDay)) {
    return {};
  }
  return checked(at_both(moment, [&](std::int64_t us) { return us + days * kDay; }));
}

Maybe calculated(std::string_view op, Whole a, Whole b) {
  Whole out{.value = 0, .is_big = a.is_big || b.is_big};
  const bool overflows = op == "+"   ? __builtin_add_overflow(a.value, b.value, &out.value)
                         : op == "-" ? __builtin_sub_overflow(a.value, b.value, &out.value)
                                     : __builtin_mul_overflow(a.value, b.value, &out.value);
  // DuckDB's INTEGER does not grow, but fails.
  const bool fits = out.is_big || (out.value >= std::numeric_limits<std::int32_t>::min() &&
                                   out.value <= std::numeric_limits<std::int32_t>::max());
  return overflows || !fits ? Maybe() : Folded(out);
}

Maybe binary(std::string_view op, const Folded& a, const Folded& b) {
  const auto* a_whole = std::get_if<Whole>(&a);
  const auto* b_whole = std::get_if<Whole>(&b);
  if (a_whole != nullptr && b_whole != nullptr) {
    return calculated(op, *a_whole, *b_whole);
  }
  const auto* moment = std::get_if<Moment>(&a);
  const int sign = op == "-" ? -1 : 1;
  if (op == "*" || (moment == nullptr && (sign < 0 || !std::holds_alternative<Moment>(b)))) {
    return {};
  }
  if (moment == nullptr) {
    return binary(op, b, a);
  }
  if (const auto* interval = std::get_if<Interval>(&b)) {
    return plus(*moment, *interval, sign);
  }
  return b_whole != nullptr && !b_whole->is_big ? plus_days(*moment, sign * b_whole->value)
                                                : Maybe();
}

struct Unit {
  std::string_view name;
  std::int64_t months;
  std::int64_t us;
};
constexpr std::array<Unit, 8> kUnits{{{"year", 12, 0},
                                      {"quarter", 3, 0},
                                      {"month", 1, 0},
                                      {"week", 0, 7 * kDay},
                                      {"day", 0, kDay},
                                      {"hour", 0, kDay / 24},
                                      {"minute", 0, kDay / 1440},
                                      {"second", 0, kDay / 86'400}}};

/// By its name in the singular or the plural.
const Unit* unit_of(std::string_view name) {
  if (name.ends_with('s')) {
    name.remove_suffix(1);
  }
  const auto* const found = std::ranges::find(kUnits, name, &Unit::name);
  return found == kUnits.end() ? nullptr : found;
}

Maybe interval_of(std::int64_t count, const Unit& unit) {
  constexpr std::int64_t kCountMax = 1'000'000'000;
  if (count > kCountMax || count < -kCountMax) {
    return {};
  }
  Interval out{.months = count * unit.months, .us = 0};
  return __builtin_mul_overflow(count, unit.us, &out.us) ? Maybe() : Folded(out);
}

/// "2 months 3 days"; of other texts nothing.
Maybe interval_of(std::string_view text) {
  Interval out;
  bool is_empty = true;
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (problem != std::errc() || !text.starts_with(' ')) {
      return {};
    }
    text.remove_prefix(1);
    const std::string_view word = text.substr(0, text.find(' '));
    const Unit* unit = unit_of(to_lower(word));
    const Maybe part = unit == nullptr ? Maybe() : interval_of(count, *unit);
    if (!part || __builtin_add_overflow(out.us, std::get<Interval>(*part).us, &out.us)) {
      return {};
    }
    out.months += std::get<Interval>(*part).months;
    is_empty = false;
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  return is_empty ? Maybe() : Folded(out);
}

Maybe moment_of(std::string_view text, std::string_view type) {
  using iceberg::TypeKind;
  const bool is_day = type == "DATE";
  if ((text.size() == 10) != is_day && type != "TIMESTAMP") {
    return {};
  }
  const std::string whole = std::string(text) + (text.size() == 10 && !is_day ? " 00:00:00" : "");
  const auto literal = iceberg::literal_from_text(
      *iceberg::primitive(is_day ? TypeKind::Date : TypeKind::Timestamp), whole);
  if (!literal) {
    return {};
  }
  const std::int64_t us = is_day ? literal->as_int32() * kDay : literal->as_int64();
  return checked({.first_us = us, .last_us = us, .is_day = is_day});
}

Moment clock(std::int64_t now_us, bool is_day, std::string_view name = {}) {
  const std::int64_t today = day_of(now_us) * kDay;
  return {.first_us = today,
          .last_us = today + (is_day ? kDay : 2 * kDay - 1),
          .is_day = is_day,
          .name = std::string(name)};
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

/// Reads one expression.
class Folder {
 public:
  explicit Folder(std::int64_t now_us) : now_us_(now_us) {}

  [[nodiscard]] Maybe fold(const json::object& node) const {
    const std::string_view kind = text_of(node, "class");
    if (kind == "CONSTANT") {
      return constant(node);
    }
    if (kind == "CAST") {
      return cast(node);
    }
    if (kind == "COLUMN_REF") {
      return name(node);
    }
    return kind == "FUNCTION" ? function(node) : Maybe();
  }

 private:
  static Maybe constant(const json::object& node) {
    const json::object* holder = object_in(node, "value");
    const json::object* type = holder == nullptr ? nullptr : object_in(*holder, "type");
    const json::value* value = holder == nullptr ? nullptr : holder->if_contains("value");
    if (type == nullptr || value == nullptr || !value->is_int64()) {
      return {};
    }
    const std::string_view id = text_of(*type, "id");
    return id == "INTEGER" || id == "BIGINT"
               ? Maybe(Whole{.value = value->get_int64(), .is_big = id == "BIGINT"})
               : Maybe();
  }

  /// The text of a VARCHAR constant.
  static std::optional<std::string_view> text(const json::object& node) {
    const json::object* holder = object_in(node, "value");
    const json::value* value = holder == nullptr ? nullptr : holder->if_contains("value");
    return text_of(node, "class") == "CONSTANT" && value != nullptr && value->is_string()
               ? std::optional<std::string_view>(value->get_string())
               : std::nullopt;
  }

  [[nodiscard]] Maybe cast(const json::object& node) const {
    const json::object* child = object_in(node, "child");
    const json::object* type = object_in(node, "cast_type");
    if (child == nullptr || type == nullptr) {
      return {};
    }
    const std::string_view to = text_of(*type, "id");
    if (const auto literal = text(*child)) {
      return to == "INTERVAL"                    ? interval_of(*literal)
             : to == "DATE" || to == "TIMESTAMP" ? moment_of(*literal, to)
                                                 : Maybe();
    }
    Maybe value = fold(*child);
    auto* moment = value ? std::get_if<Moment>(&*value) : nullptr;
    if (moment == nullptr) {
      return {};
    }
    if (to == "DATE") {
      *moment = at_both(*moment, [](std::int64_t us) { return day_of(us) * kDay; });
    } else if (to != "TIMESTAMP" && to != "TIMESTAMP WITH TIME ZONE") {
      return {};
    }
    moment->is_day = to == "DATE";
    return value;
  }

  [[nodiscard]] Maybe name(const json::object& node) const {
    const json::value* names = node.if_contains("column_names");
    if (names == nullptr || !names->is_array() || names->get_array().size() != 1 ||
        !names->get_array()[0].is_string()) {
      return {};
    }
    const std::string one = to_lower(names->get_array()[0].get_string());
    return is_one_of(one, {"current_date", "current_timestamp", "localtimestamp"})
               ? Maybe(clock(now_us_, one == "current_date", one))
               : Maybe();
  }

  [[nodiscard]] Maybe function(const json::object& node) const {
    const json::value* held = node.if_contains("children");
    const std::string called = to_lower(text_of(node, "function_name"));
    if (held == nullptr || !held->is_array() || !text_of(node, "schema").empty()) {
      return {};
    }
    std::vector<const json::object*> children;
    for (const json::value& child : held->get_array()) {
      if (!child.is_object()) {
        return {};
      }
      children.push_back(&child.get_object());
    }
    if (children.empty()) {
      return is_one_of(called, {"today", "current_date"}) ? Maybe(clock(now_us_, true))
             : is_one_of(called, {"now", "get_current_timestamp", "current_timestamp",
                                  "transaction_timestamp"})
                 ? Maybe(clock(now_us_, false))
                 : Maybe();
    }
    if (called == "make_date" && children.size() == 3) {
      return made_date(children);
    }
    if (called == "date_trunc" && children.size() == 2) {
      return truncated(*children[0], *children[1]);
    }
    if (called.starts_with("to_") && children.size() == 1) {
      return counted(called.substr(3), *children[0]);
    }
    if (!is_one_of(called, {"+", "-", "*"}) || children.size() != 2) {
      return {};
    }
    const Maybe a = fold(*children[0]);
    const Maybe b = a ? fold(*children[1]) : Maybe();
    return b ? binary(called, *a, *b) : Maybe();
  }

  [[nodiscard]] Maybe made_date(const std::vector<const json::object*>& children) const {
    std::array<int, 3> parts{};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Maybe part = fold(*children[i]);
      const auto* whole = part ? std::get_if<Whole>(&*part) : nullptr;
      if (whole == nullptr || whole->value < 1 || whole->value > 9999) {
        return {};
      }
      parts[i] = static_cast<int>(whole->value);
    }
    using namespace std::chrono;
    const year_month_day date{year{parts[0]}, month{static_cast<unsigned>(parts[1])},
                              day{static_cast<unsigned>(parts[2])}};
    if (!date.ok()) {
      return {};
    }
    const std::int64_t us = sys_days(date).time_since_epoch().count() * kDay;
    return checked({.first_us = us, .last_us = us, .is_day = true});
  }

  [[nodiscard]] Maybe truncated(const json::object& to, const json::object& of) const {
    const auto literal = text(to);
    const Unit* unit = literal ? unit_of(to_lower(*literal)) : nullptr;
    Maybe value = fold(of);
    auto* moment = value ? std::get_if<Moment>(&*value) : nullptr;
    if (unit == nullptr || moment == nullptr) {
      return {};
    }
    *moment = at_both(*moment, [&](std::int64_t us) {
      using namespace std::chrono;
      if (unit->months != 0) {
        const year_month_day date{sys_days(days(day_of(us)))};
        const auto months = static_cast<unsigned>(unit->months);
        const unsigned first = (static_cast<unsigned>(date.month()) - 1) / months * months + 1;
        return sys_days(date.year() / month(first) / 1).time_since_epoch().count() * kDay;
      }
      // Weeks begin on Mondays, and 1970 with a Thursday.
      const std::int64_t shift = unit->us == 7 * kDay ? 3 * kDay : 0;
      const std::int64_t rest = (us + shift) % unit->us;
      return us - (rest < 0 ? rest + unit->us : rest);
    });
    return checked(*std::move(moment));
  }

  /// to_days(3), as INTERVAL 3 DAY reads in a tree: of whole numbers behind casts.
  [[nodiscard]] Maybe counted(std::string_view unit_name, const json::object& of) const {
    const Unit* unit = unit_of(unit_name);
    const json::object* inner = &of;
    while (inner != nullptr && text_of(*inner, "class") != "CONSTANT") {
      const json::value* children = inner->if_contains("children");
      inner = text_of(*inner, "class") == "CAST" ? object_in(*inner, "child")
              : text_of(*inner, "function_name") == "trunc" && children != nullptr &&
                      children->is_array() && children->get_array().size() == 1
                  ? children->get_array()[0].if_object()
                  : nullptr;
    }
    const Maybe count = inner == nullptr ? Maybe() : constant(*inner);
    return unit == nullptr || !count ? Maybe() : interval_of(std::get<Whole>(*count).value, *unit);
  }

  std::int64_t now_us_;
};

}  // namespace

std::optional<FoldedConstant> fold_constant(const json::object& node, std::int64_t now_us) {
  const Maybe folded = Folder(now_us).fold(node);
  if (!folded) {
    return std::nullopt;
  }
  if (const auto* whole = std::get_if<Whole>(&*folded)) {
    return whole->value;
  }
  const auto* moment = std::get_if<Moment>(&*folded);
  return moment == nullptr ? std::nullopt : std::optional<FoldedConstant>(*moment);
}

}  // namespace lakehouse::query
