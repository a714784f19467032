#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/testing/matchers.h"
#include "engine/engine_pool.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::engine {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using testing::patient_context;
using testing::TestEngine;
namespace fs = std::filesystem;

Result<Rows> run(EnginePool& pool, std::string sql) {
  Statement statement;
  statement.text = std::move(sql);
  return pool.query_rows(patient_context(), std::move(statement));
}

EngineOptions like(const TestEngine& engine, const char* spill) {
  EngineOptions options;
  options.executable = LH_ENGINE_HOST;
  options.arguments = {};
  options.spill_directory = engine.folder() / spill;
  options.memory_limit_bytes = std::uint64_t{256} << 20U;
  options.threads = 1;
  options.ready_wait_max = std::chrono::seconds(60);
  options.on_log = [](std::string_view) {};
  return options;
}

fs::path make_file(const fs::path& folder) {
  fs::create_directories(folder);
  std::ofstream(folder / "x.csv") << "a\n1\n";
  return folder / "x.csv";
}

TEST(Grant, FilesOutsideAreRefusedAndTheEngineLives) {
  TestEngine other;
  const fs::path read = make_file(other.folder() / "read");
  const fs::path secret = make_file(other.folder() / "secret");
  EngineOptions options = like(other, "spill-a");
  options.grant.readable = {other.folder() / "read"};
  const auto pool = EnginePool::start(std::move(options));
  ASSERT_THAT(pool, IsOk());
  EXPECT_THAT(run(**pool, fmt::format("FROM read_csv('{}')", read.string())), IsOk());
  EXPECT_THAT(run(**pool, fmt::format("FROM read_csv('{}')", secret.string())),
              FailsWith(ErrorCode::PermissionDenied));
  EXPECT_FALSE(run(**pool, fmt::format("COPY (SELECT 1) TO '{}.new'", read.string())).has_value());
  EXPECT_EQ((*pool)->metrics().crashes, 0U);
  EXPECT_FALSE((*pool)->metrics().sandbox.empty());
}

TEST(Grant, AChildIsStartedBeforeItsFilesAreKnown) {
  TestEngine other;
  const fs::path mine = make_file(other.folder() / "mine");
  const fs::path yours = make_file(other.folder() / "yours");
  EngineOptions options = like(other, "spill-b");
  options.grant_later = true;
  const auto pool = EnginePool::start(std::move(options));
  ASSERT_THAT(pool, IsOk());
  RequestContext soon = patient_context();
  soon.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_FALSE((*pool)->wait_ready(soon).has_value());
  EngineGrant grant;
  grant.writable = {mine.parent_path()};
  (*pool)->give(grant);
  EXPECT_THAT(run(**pool, fmt::format("COPY (FROM '{0}') TO '{0}.copy'", mine.string())), IsOk());
  EXPECT_THAT(run(**pool, fmt::format("FROM '{}'", yours.string())),
              FailsWith(ErrorCode::PermissionDenied));
  // The next child has it, too.
  (*pool)->kill();
  const auto again = [&] { return run(**pool, fmt::format("FROM '{}'", mine.string())); };
  auto rows = again();
  rows = rows ? std::move(rows) : again();
  EXPECT_THAT(rows, IsOk());
}

TEST(Grant, AMissingFolderIsSaidSo) {
  TestEngine other;
  EngineOptions options = like(other, "spill-c");
  options.grant.readable = {other.folder() / "missing"};
  const auto pool = EnginePool::start(std::move(options));
  ASSERT_THAT(pool, IsOk());
  RequestContext soon = patient_context();
  soon.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  EXPECT_FALSE((*pool)->wait_ready(soon).has_value());
}

TEST(Grant, WhatIsTooBigForMemoryIsSpilled) {
  TestEngine other;
  EngineOptions options = like(other, "spill-d");
  options.memory_limit_bytes = std::uint64_t{96} << 20U;
  const auto pool = EnginePool::start(std::move(options));
  ASSERT_THAT(pool, IsOk());
  const auto rows = run(**pool,
                        "SELECT count(*), min(t) FROM (SELECT i, repeat('x', 60) || i AS t "
                        "FROM range(2000000) r(i) ORDER BY hash(i))");
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(rows->rows.at(0).at(0).to_number<int>(), 2'000'000);
}

}  // namespace
}  // namespace lakehouse::engine
