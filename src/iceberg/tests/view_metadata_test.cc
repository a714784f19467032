#include "iceberg/view_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/json.h"
#include "base/testing/matchers.h"
#include "iceberg/tests/metadata_fixture.h"

namespace lakehouse::iceberg {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using testing::column;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kMade = 1'000;
constexpr std::int64_t kNow = 2'000;

// As the view spec's appendix writes it, with members that this version does not know everywhere.
constexpr std::string_view kDocument = R"({
  "view-uuid": "fa6506c3-7681-40c8-86dc-e36561f83385",
  "format-version": 1,
  "location": "file:///lake/default.db/event_agg",
  "current-version-id": 1,
  "properties": {"comment": "Daily event counts"},
  "versions": [{
    "version-id": 1, "timestamp-ms": 1573518431292, "schema-id": 1,
    "default-catalog": "prod", "default-namespace": ["default", "a.b"],
    "summary": {"engine-name": "Spark", "engine-version": "3.3.2"},
    "storage-table": {"namespace": ["default"], "name": "stored"},
    "representations": [
      {"type": "sql", "sql": "SELECT\n    COUNT(1)\nFROM events", "dialect": "spark", "later": [1.5]},
      {"type": "plan", "bytes": "AAEC"}]}],
  "schemas": [{
    "schema-id": 1, "type": "struct", "later": true,
    "fields": [{"id": 1, "name": "event_count", "required": false, "type": "int", "doc": "Count of events"}]}],
  "version-log": [{"timestamp-ms": 1573518431292, "version-id": 1, "by": "anna"}],
  "max-staleness-ms": null})";

ViewVersion version_of(std::string sql, std::string dialect = "spark") {
  ViewVersion version;
  version.version_id = 1;
  version.timestamp_ms = kMade;
  version.summary = {{"operation", "create"}};
  version.default_namespace = {"main"};
  ViewRepresentation representation;
  representation.sql = std::move(sql);
  representation.dialect = std::move(dialect);
  version.representations.push_back(std::move(representation));
  return version;
}

Schema schema_of(const std::string& name) {
  Schema schema;
  schema.schema_id = 7;
  schema.fields = {column(1, name, TypeKind::Long)};
  return schema;
}

ViewMetadata sample() {
  return new_view_metadata({.schema = schema_of("id"),
                            .version = version_of("SELECT 1"),
                            .properties = {},
                            .location = "file:///lake/v/",
                            .uuid = "u"})
      .value();
}

Result<ViewMetadata> applied(const ViewMetadata& base, const std::vector<ViewUpdate>& updates) {
  auto next = apply_view_updates(base, updates, kNow);
  if (next) {
    EXPECT_EQ(view_metadata_from_text(view_metadata_to_text(*next)).value(), *next);
  }
  return next;
}

void expect_refused(const Result<ViewMetadata>& result, const char* message) {
  SCOPED_TRACE(message);
  ASSERT_THAT(result, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(result.error().message, HasSubstr(message));
}

std::vector<std::int32_t> ids_of(const std::vector<ViewVersion>& versions) {
  std::vector<std::int32_t> ids;
  for (const ViewVersion& version : versions) {
    ids.push_back(version.version_id);
  }
  return ids;
}

std::vector<std::int32_t> ids_of(const std::vector<ViewHistoryEntry>& log) {
  std::vector<std::int32_t> ids;
  for (const ViewHistoryEntry& entry : log) {
    ids.push_back(entry.version_id);
  }
  return ids;
}

TEST(ViewMetadata, WhatIsReadIsWrittenWithNothingLost) {
  const auto document = parse_json(kDocument, "the view").value();
  const auto view = view_metadata_from_json(document);
  ASSERT_THAT(view, IsOk());
  EXPECT_EQ(view->current_schema()->fields[0].name, "event_count");
  EXPECT_EQ(*view->current_version()->sql_for("SPARK"), "SELECT\n    COUNT(1)\nFROM events");
  EXPECT_EQ(view->current_version()->sql_for("plan"), nullptr);
  EXPECT_EQ(boost::json::value(view_metadata_to_json(*view)), document);
}

TEST(ViewMetadata, DamagedDocumentsAreRefused) {
  const struct {
    std::string_view part;
    std::string_view instead;
    const char* message;
  } cases[] = {
      {R"("format-version": 1)", R"("format-version": 2)", "format version 2"},
      {R"("current-version-id": 1)", R"("current-version-id": 3)", "no current version 3"},
      {R"("schema-id": 1,
    "default)",
       R"("schema-id": 9,
    "default)",
       "no schema 9"},
      {R"("type": "sql", "sql")", R"("type": "sql", "text")", "'sql'"},
      {R"("summary": {)", R"("summary": [], "other": {)", "'summary'"},
      {R"("view-uuid")", R"("table-uuid")", "'view-uuid'"},
      {R"("versions": [)", R"("versions": [7, )", "a view's version"},
  };
  for (const auto& each : cases) {
    std::string text(kDocument);
    const auto at = text.find(each.part);
    ASSERT_NE(at, std::string::npos) << each.part;
    text.replace(at, each.part.size(), each.instead);
    expect_refused(view_metadata_from_text(text), each.message);
  }
}

TEST(ViewMetadata, CutDocumentsAreErrorsAndNotCrashes) {
  rc::check([](std::uint16_t at, char byte) {
    std::string text(kDocument);
    text[at % text.size()] = byte;
    const auto view = view_metadata_from_text(text);
    if (view) {
      RC_ASSERT(view_metadata_from_text(view_metadata_to_text(*view)).value() == *view);
    }
  });
}

TEST(ViewMetadata, ANewViewHasOneVersionWithFreshIds) {
  const ViewMetadata view = sample();
  EXPECT_EQ(view.location, "file:///lake/v");
  EXPECT_EQ(view.current_version_id, 1);
  EXPECT_EQ(view.current_schema()->schema_id, 0);
  ASSERT_THAT(view.version_log, SizeIs(1));
  EXPECT_EQ(view.version_log[0].timestamp_ms, kMade);
}

TEST(ViewUpdate, EveryUpdateOfTheProtocolSurvivesJson) {
  for (
      const std::string_view text :
      {R"({"action": "assign-uuid", "uuid": "u"})",
       R"({"action": "upgrade-format-version", "format-version": 1})",
       R"({"action": "add-schema", "schema": {"type": "struct", "schema-id": 0, "fields": []}})",
       R"({"action": "set-location", "location": "file:///x"})",
       R"({"action": "set-properties", "updates": {"a": "b"}})",
       R"({"action": "remove-properties", "removals": ["a"]})",
       R"({"action": "set-current-view-version", "view-version-id": -1})",
       R"({"action": "add-view-version", "view-version": {"version-id": 1, "timestamp-ms": 1, "schema-id": -1,
              "summary": {}, "default-namespace": ["a"], "later": 1,
              "representations": [{"type": "sql", "sql": "SELECT 1", "dialect": "trino"}]}})"}) {
    SCOPED_TRACE(text);
    const auto json = parse_json(text, "an update").value();
    const auto update = view_update_from_json(json);
    ASSERT_THAT(update, IsOk());
    EXPECT_EQ(boost::json::value(view_update_to_json(*update)), json);
  }
}

TEST(ViewUpdate, UpdatesAndRequirementsOfTablesAreRefused) {
  const auto update = view_update_from_json(
      parse_json(R"({"action": "remove-schemas", "schema-ids": [1]})", "x").value());
  ASSERT_THAT(update, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(update.error().message, HasSubstr("remove-schemas"));
  const auto requirement =
      view_requirement_from_json(parse_json(R"({"type": "assert-create"})", "x").value());
  ASSERT_THAT(requirement, FailsWith(ErrorCode::InvalidArgument));
}

TEST(ViewUpdate, AReplacementGetsTheNextIds) {
  const auto next =
      applied(sample(), {AddSchema{.schema = schema_of("other"), .last_column_id = {}},
                         [] {
                           ViewVersion version = version_of("SELECT 2");
                           version.schema_id = -1;
                           return AddViewVersion{.version = version};
                         }(),
                         SetCurrentViewVersion{}});
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->current_version_id, 2);
  EXPECT_EQ(next->current_schema()->schema_id, 1);
  EXPECT_THAT(ids_of(next->version_log), ElementsAre(1, 2));
}

TEST(ViewUpdate, AnEqualVersionIsUsedAgainAndLoggedAsOfNow) {
  auto second = applied(
      sample(), {AddViewVersion{.version = version_of("SELECT 2")}, SetCurrentViewVersion{}});
  ASSERT_THAT(second, IsOk());
  const auto back = applied(
      *second, {AddViewVersion{.version = version_of("SELECT 1")}, SetCurrentViewVersion{}});
  ASSERT_THAT(back, IsOk());
  EXPECT_THAT(ids_of(back->versions), ElementsAre(1, 2));
  EXPECT_THAT(ids_of(back->version_log), ElementsAre(1, 2, 1));
  EXPECT_EQ(back->version_log.back().timestamp_ms, kNow);
  // What changes nothing is nothing.
  EXPECT_EQ(
      applied(*back, {AddViewVersion{.version = version_of("SELECT 1")}, SetCurrentViewVersion{}})
          .value(),
      *back);
}

TEST(ViewUpdate, ADialectIsLostOnlyIfThatIsAllowed) {
  const std::vector<ViewUpdate> to_trino = {
      AddViewVersion{.version = version_of("SELECT 1", "trino")}, SetCurrentViewVersion{}};
  expect_refused(applied(sample(), to_trino), "loss of view dialects");
  std::vector<ViewUpdate> allowed = to_trino;
  allowed.insert(allowed.begin(),
                 SetProperties{.updates = {{"replace.drop-dialect.allowed", "true"}}});
  EXPECT_THAT(applied(sample(), allowed), IsOk());
  EXPECT_THAT(applied(sample(), {AddViewVersion{.version = version_of("SELECT 3", "SPARK")},
                                 SetCurrentViewVersion{}}),
              IsOk());
}

TEST(ViewUpdate, WrongUpdatesAreRefused) {
  expect_refused(applied(sample(), {AssignUuid{.uuid = "other"}}), "Cannot reassign uuid");
  expect_refused(applied(sample(), {UpgradeFormatVersion{.format_version = 2}}), "format version");
  expect_refused(applied(sample(), {SetCurrentViewVersion{}}), "Cannot set last version id");
  expect_refused(applied(sample(), {SetCurrentViewVersion{.version_id = 5}}), "unknown version: 5");
  ViewVersion version = version_of("SELECT 2");
  version.schema_id = 5;
  expect_refused(applied(sample(), {AddViewVersion{.version = version}}), "unknown schema: 5");
  version.schema_id = -1;
  expect_refused(applied(sample(), {AddViewVersion{.version = version}}),
                 "no schema has been added");
  version.schema_id = 0;
  version.representations.push_back(version_of("SELECT 3", "Spark").representations[0]);
  expect_refused(applied(sample(), {AddViewVersion{.version = version}}), "dialect spark");
  version.representations.clear();
  expect_refused(applied(sample(), {AddViewVersion{.version = version}}), "no representation");
  for (const char* count : {"0", "-1", "ten", "1 "}) {
    expect_refused(
        applied(sample(), {SetProperties{.updates = {{"version.history.num-entries", count}}}}),
        "must be a positive number");
  }
  expect_refused(
      applied(sample(), std::vector<ViewUpdate>(1001, SetCurrentViewVersion{.version_id = 1})),
      "1000 updates");
  EXPECT_THAT(check_view_requirements(std::vector{AssertViewUuid{.uuid = "x"}}, sample()),
              FailsWith(ErrorCode::Aborted));
}

TEST(ViewUpdate, IdsAreNeverUsedUpIntoOverflow) {
  ViewMetadata view = sample();
  view.versions[0].version_id = view.current_version_id = std::numeric_limits<std::int32_t>::max();
  expect_refused(applied(view, {AddViewVersion{.version = version_of("SELECT 2")}}), "used up");
}

TEST(ViewUpdate, OldVersionsGoAndTheLogBeginsAfterThem) {
  ViewMetadata view =
      applied(sample(), {SetProperties{.updates = {{"version.history.num-entries", "2"}}}}).value();
  for (const char* sql : {"SELECT 2", "SELECT 3", "SELECT 4"}) {
    view = applied(view, {AddViewVersion{.version = version_of(sql)}, SetCurrentViewVersion{}})
               .value();
  }
  EXPECT_THAT(ids_of(view.versions), ElementsAre(3, 4));
  EXPECT_THAT(ids_of(view.version_log), ElementsAre(3, 4));
  // Those that one commit adds stay, and so does the current one, however old.
  view = applied(view, {SetCurrentViewVersion{.version_id = 3}}).value();
  view = applied(view, {AddViewVersion{.version = version_of("SELECT 5")},
                        AddViewVersion{.version = version_of("SELECT 6")}})
             .value();
  EXPECT_THAT(ids_of(view.versions), ElementsAre(3, 5, 6));
  EXPECT_THAT(ids_of(view.version_log), ElementsAre(3));
}

// The rules for any sequence of replacements: the current version and its schema are there, ids are
// unique and the log ends with the current version.
TEST(ViewUpdate, AnyHistoryKeepsTheRules) {
  rc::check([](const std::vector<std::uint8_t>& steps, std::uint8_t kept) {
    ViewMetadata view = sample();
    view.properties["version.history.num-entries"] = std::to_string(kept % 5 + 1);
    for (const std::uint8_t step : steps) {
      const auto next = apply_view_updates(
          view,
          std::vector<ViewUpdate>{
              AddSchema{.schema = schema_of(std::to_string(step % 3)), .last_column_id = {}},
              [&] {
                ViewVersion version = version_of(std::to_string(step % 7));
                version.schema_id = -1;
                return AddViewVersion{.version = version};
              }(),
              SetCurrentViewVersion{}},
          kNow);
      RC_ASSERT(next.has_value());
      view = *next;
      RC_ASSERT(view.versions.size() <= std::size_t{kept} % 5 + 1);
      RC_ASSERT(*view.current_version()->sql_for("spark") == std::to_string(step % 7));
      RC_ASSERT(view.current_schema()->fields[0].name == std::to_string(step % 3));
      RC_ASSERT(view.version_log.back().version_id == view.current_version_id);
      RC_ASSERT(view_metadata_from_text(view_metadata_to_text(view)).value() == view);
    }
  });
}

}  // namespace
}  // namespace lakehouse::iceberg
