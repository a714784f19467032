#include "peer.h"

#include <regex>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "tables.h"

namespace lakehouse::query::fuzz {
namespace {

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

}  // namespace

Peer::Peer() {
  make_tables();
  show("", {});
}

void Peer::make_tables() {
  must("CREATE SCHEMA IF NOT EXISTS whole");
  must("CREATE SCHEMA IF NOT EXISTS diluted");
  for (const Table& table : tables()) {
    for (const std::string& step : table.history) {
      must(replaced(step, "{}", "whole."));
      // Also what is deleted by the next step.
      for (std::string& secret : secrets_in(must("FROM whole." + table.name))) {
        all_secrets_.insert(std::move(secret));
      }
    }
  }
}

void Peer::make_table(const std::string& name, const std::string& select, Layout layout) {
  const std::string rows =
      layout.order == 0
          ? select
          : fmt::format("FROM ({}) AS shuffled ORDER BY md5(shuffled::VARCHAR || '{}')", select,
                        layout.order);
  // Each is either a table or a view.
  (void)ask(engine_.pool(), "DROP VIEW IF EXISTS main." + name);
  (void)ask(engine_.pool(), "DROP TABLE IF EXISTS main." + name);
  if (!layout.is_diluted) {
    must(fmt::format("CREATE TABLE main.{} AS {}", name, rows));
    return;
  }
  must(
      fmt::format("CREATE OR REPLACE TABLE diluted.{} AS SELECT rows_shown.*, copy_number FROM "
                  "({}) AS rows_shown, range(50) AS copies(copy_number)",
                  name, rows));
  must(
      fmt::format("CREATE VIEW main.{0} AS SELECT * EXCLUDE (copy_number) FROM diluted.{0} "
                  "WHERE copy_number = 7",
                  name));
}

void Peer::show(const std::string& principal, const PolicySet& policies, Layout layout) {
  principal_ = principal;
  policies_ = policies;
  shown_secrets_.clear();
  for (const std::string& name : views()) {
    must("DROP VIEW IF EXISTS main." + name);
  }
  for (const Table& table : tables()) {
    const auto policy = policies.find(table.name);
    std::string select =
        masked_select(table.name, "whole." + table.name,
                      policy == policies.end() ? governance::TablePolicy{} : policy->second);
    select = replaced(std::move(select), "current_user", fmt::format("'{}'", principal));
    select = replaced(std::move(select), "main.", "whole.");
    make_table(table.name, select, layout);
    for (std::string& secret : secrets_in(must("FROM main." + table.name))) {
      shown_secrets_.insert(std::move(secret));
    }
  }
  for (const std::string& definition : plain_definitions()) {
    // Of a column that is not shown there is no view: then it fails on both sides.
    (void)ask(engine_.pool(), replaced(definition, "CREATE MACRO", "CREATE OR REPLACE MACRO"));
  }
}

Answer Peer::run(const std::string& sql) {
  Answer answer = ask(engine_.pool(), sql);
  if (!answer.is_ok && answer.code == ErrorCode::Unavailable) {
    // The child died of it: the next one begins empty.
    all_secrets_.clear();
    make_tables();
    show(principal_, PolicySet(policies_));
  }
  // Where DuckDB calls a column by its expression: a table's full name, and how a lambda was
  // spelled.
  static const std::regex kLambda(R"(lambda (\w+):)");
  for (std::string& row : answer.rows) {
    row = replaced(std::move(row), "memory.main.", "");
    if (row.contains("lambda ")) {
      row = std::regex_replace(row, kLambda, "$1 ->");
    }
  }
  return answer;
}

std::string Peer::must(const std::string& sql) {
  Answer answer = ask(engine_.pool(), sql);
  if (!answer.is_ok) {
    throw std::runtime_error(answer.message + ": " + sql);
  }
  return std::move(answer.raw);
}

}  // namespace lakehouse::query::fuzz
