#include "iceberg/schema.h"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/json.h"
#include "base/testing/matchers.h"
#include "iceberg/detail/fresh_ids.h"
#include "iceberg/table_metadata.h"
#include "iceberg/tests/generators.h"

namespace lakehouse::iceberg {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;

NestedField field(std::int32_t id, std::string name, TypePtr type, bool required = false) {
  NestedField made;
  made.id = id;
  made.name = std::move(name);
  made.type = std::move(type);
  made.required = required;
  return made;
}

Result<Schema> schema_of_text(std::string_view text) {
  const auto value = parse_json(text, "the schema");
  return value ? schema_from_json(*value) : std::unexpected(value.error());
}

constexpr std::string_view kSchema = R"json({
  "type": "struct", "schema-id": 3, "identifier-field-ids": [1], "made-up": {"a": [1]},
  "fields": [
    {"id": 1, "name": "id", "required": true, "type": "long", "doc": "the key", "color": "red"},
    {"id": 2, "name": "price", "required": false, "type": "decimal(9,2)",
                           "initial-default" : "1.50", "write-default" : "2.50"
},
    {"id": 3, "name": "tags", "required": false,
     "type": {"type": "list", "element-id": 5, "element": "string", "element-required": true, "x": 1}},
    {"id": 4, "name": "at", "required": false,
     "type": {"type": "struct", "fields": [{"id": 6, "name": "lat", "required": true, "type": "double"}]}},
    {"id": 7, "name": "m", "required": false,
     "type": {"type": "map", "key-id": 8, "key": "string", "value-id": 9, "value": "fixed[4]",
              "value-required": false}},
    {"id": 10, "name": "g", "required": false, "type": "geometry(srid:4326)"}
  ]
})json";

TEST(Schema, JsonRoundTripKeepsEverythingAndWhatIsNotKnown) {
  const auto schema = schema_of_text(kSchema);
  ASSERT_THAT(schema, IsOk());
  const boost::json::object written = schema_to_json(*schema);
  const auto again = schema_from_json(written);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(*again == *schema);
  EXPECT_EQ(written.at("made-up"), boost::json::parse(R"({"a": [1]})"));
  EXPECT_EQ(written.at("fields").at(0).at("color"), "red");
  EXPECT_EQ(written.at("fields").at(1).at("type"), "decimal(9, 2)");
  EXPECT_EQ(written.at("fields").at(2).at("type").at("x"), 1);
}

TEST(Schema, FieldsAreFoundByNameIdAndPath) {
  const auto schema = schema_of_text(kSchema);
  ASSERT_THAT(schema, IsOk());
  ASSERT_NE(schema->find("price"), nullptr);
  EXPECT_EQ(schema->find("price")->id, 2);
  EXPECT_EQ(schema->find("Price"), nullptr);
  ASSERT_NE(schema->find_by_id(6), nullptr);
  EXPECT_EQ(schema->path_of(6), "at.lat");
  EXPECT_EQ(schema->path_of(5), "tags.element");
  EXPECT_EQ(schema->path_of(9), "m.value");
  EXPECT_EQ(schema->path_of(99), "");
  EXPECT_EQ(schema->highest_field_id(), 10);
}

TEST(Schema, TypesThatAreNoneAreRefusedWithAHint) {
  for (const std::string_view text : {"int32", "decimal(39,2)", "decimal(3,4)", "decimal(3)",
                                      "fixed[0]", "fixed[x]", "fixed", "decimal(-1,0)", "struct"}) {
    SCOPED_TRACE(text);
    EXPECT_THAT(type_from_json(boost::json::value(text)), FailsWith(ErrorCode::InvalidArgument));
  }
  const auto slip = type_from_json(boost::json::value("strin"));
  ASSERT_FALSE(slip.has_value());
  EXPECT_THAT(slip.error().hint, HasSubstr("string"));
  EXPECT_THAT(type_from_json(boost::json::parse(R"({"type": "list", "element": "int"})")),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(type_from_json(boost::json::value(3)), FailsWith(ErrorCode::InvalidArgument));
}

TEST(Schema, FreshIdsNumberALevelBeforeWhatItHolds) {
  Schema schema;
  schema.fields = {
      field(20, "a",
            struct_of({field(30, "x", list_of(40, primitive(TypeKind::Int), false)),
                       field(31, "y", primitive(TypeKind::Int))})),
      field(21, "b", primitive(TypeKind::Int), true),
      field(22, "c", map_of(50, primitive(TypeKind::String), 51, primitive(TypeKind::Int), false))};
  schema.identifier_field_ids = {21};
  const Schema fresh = with_fresh_ids(schema);
  EXPECT_EQ(fresh.find("a")->id, 1);
  EXPECT_EQ(fresh.find("b")->id, 2);
  EXPECT_EQ(fresh.find("c")->id, 3);
  EXPECT_EQ(fresh.path_of(4), "a.x");
  EXPECT_EQ(fresh.path_of(5), "a.y");
  EXPECT_EQ(fresh.path_of(6), "a.x.element");
  EXPECT_EQ(fresh.path_of(7), "c.key");
  EXPECT_EQ(fresh.path_of(8), "c.value");
  EXPECT_EQ(fresh.identifier_field_ids, std::vector<std::int32_t>{2});
}

TEST(Schema, OnlyWideningPromotionsAreAllowed) {
  const auto may = [](const TypePtr& from, const TypePtr& to, int version = 2) {
    return can_promote(*from, *to, version);
  };
  EXPECT_TRUE(may(primitive(TypeKind::Int), primitive(TypeKind::Long)));
  EXPECT_FALSE(may(primitive(TypeKind::Long), primitive(TypeKind::Int)));
  EXPECT_TRUE(may(primitive(TypeKind::Float), primitive(TypeKind::Double)));
  EXPECT_TRUE(may(decimal(9, 2), decimal(12, 2)));
  EXPECT_FALSE(may(decimal(9, 2), decimal(12, 3)));
  EXPECT_FALSE(may(primitive(TypeKind::Date), primitive(TypeKind::Timestamp), 2));
  EXPECT_TRUE(may(primitive(TypeKind::Date), primitive(TypeKind::Timestamp), 3));
  EXPECT_FALSE(may(primitive(TypeKind::Date), primitive(TypeKind::Timestamptz), 3));
  EXPECT_TRUE(may(primitive(TypeKind::Unknown), primitive(TypeKind::String), 3));
  EXPECT_FALSE(may(primitive(TypeKind::Int), primitive(TypeKind::String), 3));
}

TEST(Schema, ValidationNamesWhatIsWrong) {
  const auto validate = [](std::vector<NestedField> fields, std::vector<std::int32_t> ids = {},
                           int version = 2) {
    Schema schema;
    schema.fields = std::move(fields);
    schema.identifier_field_ids = std::move(ids);
    return validate_schema(schema, version);
  };
  const TypePtr number = primitive(TypeKind::Int);
  EXPECT_THAT(validate({field(1, "a", number, true)}, {1}), IsOk());
  const struct {
    const char* what;
    Status status;
    const char* message;
  } cases[] = {
      {"name twice", validate({field(1, "a", number), field(2, "a", number)}), "name 'a'"},
      {"id twice", validate({field(1, "a", number), field(1, "b", number)}), "same id 1"},
      {"no name", validate({field(1, "", number)}), "no name"},
      {"path twice",
       validate({field(1, "a.b", number), field(2, "a", struct_of({field(3, "b", number)}))}),
       "'a.b'"},
      {"reserved", validate({field(2'147'483'546, "_file", number)}), "reserved"},
      {"v3 type", validate({field(1, "t", primitive(TypeKind::TimestampNs))}), "format version 3"},
      {"identifier gone", validate({field(1, "a", number, true)}, {2}), "not in the schema"},
      {"identifier optional", validate({field(1, "a", number)}, {1}), "not required"},
      {"identifier double", validate({field(1, "a", primitive(TypeKind::Double), true)}, {1}),
       "floating point"},
      {"identifier in a list", validate({field(1, "a", list_of(2, number, true), true)}, {2}),
       "list or a map"},
      {"identifier in an optional struct",
       validate({field(1, "a", struct_of({field(2, "b", number, true)}))}, {2}), "struct around"},
  };
  for (const auto& it : cases) {
    SCOPED_TRACE(it.what);
    ASSERT_THAT(it.status, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(it.status.error().message, HasSubstr(it.message));
  }
  NestedField with_default = field(1, "a", number);
  with_default.initial_default = 5;
  EXPECT_THAT(validate({with_default}, {}, 2), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(validate({with_default}, {}, 3), IsOk());
  with_default.initial_default = "five";
  EXPECT_THAT(validate({with_default}, {}, 3), FailsWith(ErrorCode::InvalidArgument));
}

TEST(Schema, LawTypesSurviveJson) {
  EXPECT_TRUE(rc::check([] {
    const auto type = *testing::any_type(3);
    std::int32_t next_id = 1;
    const TypePtr numbered = detail::with_fresh_ids(type, next_id, nullptr);
    const auto again = type_from_json(boost::json::parse(to_json(type_to_json(*numbered))));
    RC_ASSERT(again.has_value());
    RC_ASSERT(**again == *numbered);
  }));
}

}  // namespace
}  // namespace lakehouse::iceberg
