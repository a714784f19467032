"""Rows that our UPDATE, DELETE and MERGE changed, as DuckDB's Iceberg extension and PyIceberg see them; and the other way round:
we change what they have changed before."""

import pytest

from harness import duckdb_attached, pyiceberg_catalog


@pytest.fixture(scope="module")
def duck(server):
    server.sql("CREATE SCHEMA seen")
    return duckdb_attached(server)


def everybody_sees(server, duck, name):
    """The rows, which must be the same for all three."""
    ours = server.rows(f"SELECT * FROM seen.{name} ORDER BY ALL")
    theirs = [list(row) for row in duck.sql(f"SELECT * FROM lake.seen.{name} ORDER BY ALL").fetchall()]
    assert ours == theirs
    scanned = pyiceberg_catalog(server).load_table(f"seen.{name}").scan().to_arrow().to_pylist()
    key = lambda row: [(value is None, value) for value in row]
    assert sorted(ours, key=key) == sorted([list(row.values()) for row in scanned], key=key)
    return ours


@pytest.mark.parametrize("partitions", ["", "PARTITIONED BY (grp)", "PARTITIONED BY (bucket(4, id), truncate(1, name))"])
@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_changes_are_seen_by_everybody(server, duck, version, partitions):
    name = f"v{version}_{len(partitions)}"
    server.sql(f"CREATE TABLE seen.{name} (id BIGINT NOT NULL, name VARCHAR, grp INTEGER) {partitions} "
               f"WITH ('format-version' = '{version}')")
    for part in range(3):
        server.sql(f"INSERT INTO seen.{name} SELECT i, 'n' || i, i % 4 FROM range({part * 100}, {part * 100 + 100}) t(i)")
    assert server.value(f"DELETE FROM seen.{name} WHERE id % 10 = 3") == 30
    everybody_sees(server, duck, name)
    assert server.value(f"UPDATE seen.{name} SET name = 'x' || name, grp = 9 WHERE id % 25 = 0") == 12
    everybody_sees(server, duck, name)
    assert server.value(f"DELETE FROM seen.{name} WHERE id BETWEEN 5 AND 80") == 69
    merged = server.value(f"MERGE INTO seen.{name} AS t USING (SELECT i AS id, 'm' || i AS name FROM range(290, 310) r(i)) AS s "
                          "ON t.id = s.id WHEN MATCHED AND s.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name "
                          "WHEN NOT MATCHED THEN INSERT (id, name, grp) VALUES (s.id, s.name, NULL)")
    assert merged == 20
    rows = everybody_sees(server, duck, name)
    assert len(rows) == 300 - 30 - 69 + 11 - 5
    if version != "1":
        duck.sql(f"DELETE FROM lake.seen.{name} WHERE id = 101 OR id = 205")
        assert server.value(f"UPDATE seen.{name} SET grp = -1 WHERE id BETWEEN 100 AND 110") == 9
        assert server.value(f"DELETE FROM seen.{name} WHERE id = 206") == 1
        assert [row[0] for row in everybody_sees(server, duck, name) if row[2] == -1] == [100, 102, 104, 105, 106, 107, 108, 109, 110]
    assert server.value(f"TRUNCATE seen.{name}") > 0
    assert everybody_sees(server, duck, name) == []


def test_a_transaction_is_one_moment_for_everybody(server, duck):
    server.sql("CREATE TABLE seen.stock (item VARCHAR, n INTEGER)")
    server.sql("CREATE TABLE seen.sold (item VARCHAR, n INTEGER)")
    server.sql("INSERT INTO seen.stock VALUES ('a', 10), ('b', 5)")
    answer = server.sql("BEGIN; UPDATE seen.stock SET n = n - 3 WHERE item = 'a'; INSERT INTO seen.sold VALUES ('a', 3); "
                        "SELECT sum(n) FROM (FROM seen.stock UNION ALL FROM seen.sold); COMMIT")
    assert answer["rows"] == [[15]]
    assert everybody_sees(server, duck, "stock") == [["a", 7], ["b", 5]]
    assert everybody_sees(server, duck, "sold") == [["a", 3]]
    refused = server.request("POST", "/query/sql", json={"sql": "BEGIN; DELETE FROM seen.stock; INSERT INTO seen.sold VALUES (1, 'x'); COMMIT"})
    assert refused.status_code == 400, refused.text
    assert everybody_sees(server, duck, "stock") == [["a", 7], ["b", 5]]


def test_a_key_makes_a_change_happen_once(server):
    server.sql("CREATE TABLE seen.once (id INTEGER, n INTEGER)")
    server.sql("INSERT INTO seen.once VALUES (1, 0)")
    for accept in ["application/json", "application/json"]:
        answer = server.request("POST", "/query/sql", json={"sql": "UPDATE seen.once SET n = n + 1 RETURNING id, n"},
                                headers={"Idempotency-Key": "once-1", "Accept": accept})
        assert answer.status_code == 200, answer.text
        assert answer.json()["rows"] == [[1, 1]]
    for _ in range(2):
        assert server.sql("BEGIN; UPDATE seen.once SET n = n + 1; SELECT n FROM seen.once; COMMIT",
                          headers={"Idempotency-Key": "once-2"})
    assert server.value("SELECT n FROM seen.once") == 2
