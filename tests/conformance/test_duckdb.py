"""DuckDB's own Iceberg extension, attached to the server's catalog, beside the server's SQL."""

import pytest

from harness import duckdb_attached


@pytest.fixture(scope="module")
def duck(server):
    server.sql("CREATE SCHEMA duck")
    return duckdb_attached(server)


def test_what_was_ingested_is_read_inserted_updated_and_deleted(server, duck):
    server.ingest("id,city,pay\n" + "".join(f"{i},c{i % 7},{i * 10}\n" for i in range(1000)), "duck.people")
    assert duck.sql("SELECT count(*), sum(pay) FROM lake.duck.people").fetchone() == (1000, 4995000)
    duck.sql("INSERT INTO lake.duck.people VALUES (1000, 'new', 1)")
    assert server.value("SELECT pay FROM duck.people WHERE id = 1000") == 1
    duck.sql("DELETE FROM lake.duck.people WHERE id % 10 = 3")
    assert server.value("SELECT count(*) FROM duck.people") == 901
    assert server.value("SELECT count(*) FROM duck.people WHERE id % 10 = 3") == 0
    duck.sql("UPDATE lake.duck.people SET pay = -1 WHERE city = 'c2'")
    expected = duck.sql("SELECT count(*), sum(pay), min(id), max(id) FROM lake.duck.people").fetchone()
    assert server.rows("SELECT count(*), sum(pay), min(id), max(id) FROM duck.people") == [list(expected)]
    server.sql("INSERT INTO duck.people VALUES (2000, 'ours', 5)")
    assert duck.sql("SELECT city FROM lake.duck.people WHERE id = 2000").fetchall() == [("ours",)]


def test_tables_that_duckdb_creates_are_ours_at_once(server, duck):
    duck.sql("CREATE TABLE lake.duck.made (a INTEGER, b VARCHAR, s STRUCT(x INTEGER, y VARCHAR), l INTEGER[])")
    duck.sql("INSERT INTO lake.duck.made VALUES (1, 'one', {'x': 5, 'y': 'five'}, [1, 2]), (2, NULL, NULL, NULL)")
    assert server.rows("SELECT a, b, s, l FROM duck.made ORDER BY a") == [
        [1, "one", {"x": 5, "y": "five"}, [1, 2]], [2, None, None, None]]
    duck.sql("CREATE TABLE lake.duck.copied AS SELECT range AS i, 'v' || range AS v FROM range(500)")
    assert server.rows("SELECT count(*), max(v) FROM duck.copied") == [[500, "v99"]]
    server.sql("DROP TABLE duck.copied")
    assert "copied" not in [row[0] for row in duck.sql("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'duck'").fetchall()]


def test_schemas_evolved_by_duckdb_read_right(server, duck):
    duck.sql("CREATE TABLE lake.duck.grown (a INTEGER, b VARCHAR)")
    duck.sql("INSERT INTO lake.duck.grown VALUES (1, 'x')")
    duck.sql("ALTER TABLE lake.duck.grown ADD COLUMN c DOUBLE")
    duck.sql("ALTER TABLE lake.duck.grown RENAME COLUMN b TO text")
    duck.sql("INSERT INTO lake.duck.grown VALUES (2, 'y', 0.5)")
    assert server.rows("SELECT a, text, c FROM duck.grown ORDER BY a") == [[1, "x", None], [2, "y", 0.5]]


def test_a_transaction_over_two_tables_is_all_or_nothing(server, duck):
    duck.sql("CREATE TABLE lake.duck.left_side (a INTEGER)")
    duck.sql("CREATE TABLE lake.duck.right_side (a INTEGER)")
    duck.sql("BEGIN")
    duck.sql("INSERT INTO lake.duck.left_side VALUES (1)")
    duck.sql("INSERT INTO lake.duck.right_side VALUES (2)")
    assert server.value("SELECT count(*) FROM duck.left_side") == 0
    duck.sql("COMMIT")
    assert server.rows("SELECT l.a, r.a FROM duck.left_side l, duck.right_side r") == [[1, 2]]
    duck.sql("BEGIN")
    duck.sql("INSERT INTO lake.duck.left_side VALUES (3)")
    duck.sql("ROLLBACK")
    assert server.value("SELECT count(*) FROM duck.left_side") == 1


def test_deletes_of_duckdb_over_evolved_and_appended_files(server, duck):
    server.sql("CREATE TABLE duck.mixed AS SELECT i AS id, i % 5 AS grp FROM range(10000) t(i)")
    duck.sql("DELETE FROM lake.duck.mixed WHERE id < 100")
    server.sql("ALTER TABLE duck.mixed ADD COLUMN extra INTEGER")
    server.sql("INSERT INTO duck.mixed SELECT i, 9, 1 FROM range(50) t(i)")
    duck.sql("DELETE FROM lake.duck.mixed WHERE grp = 4")
    assert server.rows("SELECT count(*), count(extra), sum(id) FROM duck.mixed") == [
        list(duck.sql("SELECT count(*), count(extra), sum(id) FROM lake.duck.mixed").fetchone())]
    assert server.value("SELECT count(*) FROM duck.mixed WHERE grp = 4") == 0
