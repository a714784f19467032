#include "tables.h"

#include <algorithm>

namespace lakehouse::query::fuzz {
namespace {

constexpr const char* kPeople =
    "SELECT i AS id, 'Q' || substr(md5('name' || i), 1, 12) AS name, "
    "'Q' || substr(md5('mail' || i), 1, 12) || '@x.org' AS email, "
    "['Bonn', 'Ulm', 'Jena', 'Köln'][1 + i % 4] AS city, "
    "CASE WHEN i % 7 <> 0 THEN 7700000 + i * 137 % 10000 END AS pay, "
    "CASE WHEN i > 3 THEN i // 3 END AS boss, DATE '1970-01-01' + (i * 211 % 15000)::INT AS born, "
    "{'street': 'Q' || substr(md5('street' || i), 1, 12), 'zip': 10000 + i % 9} AS address, "
    "['t' || i % 3, 't' || i % 5] AS tags FROM range(";

constexpr const char* kOrders =
    "SELECT i AS id, i * 7 % 90 AS person, (i * 13 % 500)::DECIMAL(9, 2) AS total, "
    "TIMESTAMP '2021-01-01' + INTERVAL (i * 17) HOUR AS moment, "
    "['open', 'paid', 'void'][1 + i % 3] AS state, "
    "CASE WHEN i % 5 <> 0 THEN 'Q' || substr(md5('note' || i), 1, 12) END AS note, "
    "[{'sku': 'k' || i % 11, 'n': i % 4}] AS items FROM range(";

constexpr const char* kPayOf =
    "CREATE MACRO pay_of(p) AS (SELECT max(pay) FROM people WHERE id = p)";
constexpr const char* kPlainPayOf =
    "CREATE MACRO pay_of(p) AS (SELECT (SELECT max(pay) FROM people WHERE id = given.p) "
    "FROM (SELECT p) AS given(p))";

constexpr const char* kPeopleOf =
    "CREATE MACRO people_of(c) AS TABLE SELECT id, name, email FROM people WHERE city = c";
constexpr const char* kPlainPeopleOf =
    "CREATE MACRO people_of(c) AS TABLE SELECT id, name, email FROM main.people WHERE city = c";

std::vector<Table> make() {
  const std::string people(kPeople);
  const std::string orders(kOrders);
  return {
      {"people",
       {{"id", Kind::Int},
        {"name", Kind::Text},
        {"email", Kind::Text},
        {"city", Kind::Text},
        {"pay", Kind::Int},
        {"boss", Kind::Int},
        {"born", Kind::Day},
        {"address", Kind::Struct},
        {"tags", Kind::Texts}},
       {"CREATE TABLE {}people AS " + people + "50) t(i)",
        "INSERT INTO {}people " + people + "50, 70) t(i)",
        // In both files rows are marked as deleted.
        "DELETE FROM {}people WHERE id % 11 = 4"}},
      {"orders",
       {{"id", Kind::Int},
        {"person", Kind::Int},
        {"total", Kind::Number},
        {"moment", Kind::Moment},
        {"state", Kind::Text},
        {"note", Kind::Text}},
       {"CREATE TABLE {}orders AS " + orders + "100) t(i)",
        "INSERT INTO {}orders " + orders + "100, 140) t(i)",
        "DELETE FROM {}orders WHERE id % 9 = 2"}},
      // Its files hold what it was called before and lack what came later.
      {"events",
       {{"person", Kind::Int},
        {"kind", Kind::Text},
        {"n", Kind::Int},
        {"score", Kind::Number},
        {"day", Kind::Day},
        {"seen", Kind::Bool},
        {"late", Kind::Text}},
       {"CREATE TABLE {}events AS SELECT i % 70 AS person, ['call', 'mail', 'visit'][1 + i % 3] AS "
        "sort, (i * 11 % 40)::INT AS n, (i % 16) * 0.25::DOUBLE AS score, DATE '2022-01-01' + (i % "
        "60)::INT AS day, i % 4 = 0 AS seen FROM range(90) t(i)",
        "ALTER TABLE {}events RENAME COLUMN sort TO kind",
        "ALTER TABLE {}events ALTER n TYPE BIGINT", "ALTER TABLE {}events ADD COLUMN late VARCHAR",
        "INSERT INTO {}events SELECT i % 70, 'late', 5000000000 + i, i * 0.5, NULL, NULL, 'Q' || "
        "substr(md5('late' || i), 1, 12) FROM range(20) t(i)"}},
      {"numbers",
       {{"n", Kind::Int}, {"d", Kind::Int}},
       {"CREATE TABLE {}numbers AS SELECT i AS n, i % 10 AS d FROM range(30) t(i)"}},
      {"empty",
       {{"id", Kind::Int}, {"word", Kind::Text}},
       {"CREATE TABLE {}empty (id BIGINT, word VARCHAR)"}},
  };
}

}  // namespace

const std::vector<Table>& tables() {
  static const std::vector<Table> all = make();
  return all;
}

const std::vector<std::string>& definitions() {
  static const std::vector<std::string> all = {
      "CREATE VIEW rich AS SELECT id, name, pay, city FROM people WHERE pay > 7702000",
      "CREATE VIEW bills AS SELECT p.name, o.note, o.total, o.state FROM people p JOIN orders o ON "
      "o.person = p.id",
      "CREATE VIEW richest AS SELECT city, max(pay) AS pay, max(name) AS name FROM rich GROUP BY "
      "city",
      "CREATE MACRO next_one(x) AS x + 1",
      kPayOf,
      kPeopleOf};
  return all;
}

std::vector<std::string> plain_definitions() {
  std::vector<std::string> out = definitions();
  std::ranges::replace(out, std::string(kPayOf), std::string(kPlainPayOf));
  std::ranges::replace(out, std::string(kPeopleOf), std::string(kPlainPeopleOf));
  return out;
}

const std::vector<std::string>& views() {
  static const std::vector<std::string> all = {"richest", "bills", "rich"};
  return all;
}

}  // namespace lakehouse::query::fuzz
