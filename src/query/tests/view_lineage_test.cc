#include "query/view_lineage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ViewLineageTest, EveryTableThatIsNamedIsFoundOnce) {
  testing::TestLake lake;
  const auto named = [&](std::string_view sql) {
    const auto parsed = lake.engine().parse(engine::testing::patient_context(), sql);
    EXPECT_TRUE(parsed) << sql;
    return parsed ? tables_named(parsed->front().tree) : std::vector<std::vector<std::string>>();
  };
  EXPECT_THAT(named("SELECT 1"), IsEmpty());
  EXPECT_THAT(named("FROM a JOIN s.b USING (id), a AS again"),
              ElementsAre(ElementsAre("a"), ElementsAre("s", "b")));
  EXPECT_THAT(named("WITH c AS (SELECT * FROM lake.s.t) SELECT (SELECT max(i) FROM d) FROM c"),
              ElementsAre(ElementsAre("d"), ElementsAre("lake", "s", "t")));
  EXPECT_THAT(named("SELECT spark_only(x) FROM e WHERE x IN (SELECT y FROM f UNION FROM g)"),
              ElementsAre(ElementsAre("e"), ElementsAre("f"), ElementsAre("g")));
}

}  // namespace
}  // namespace lakehouse::query
