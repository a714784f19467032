"""Statements sent to a Trino cluster, which reads the server's own tables through its catalog: the same answers as here, in the
same encodings, at the same snapshots.

TPC-H at scale 0.1 (LAKEHOUSE_TPC_SCALE). Trino 476 needs JDK 24 or later; where there is none these tests say that they did not run.
"""

import io
import os
import threading

import duckdb
import pyarrow as pa
import pytest

from harness import EXTENSIONS, Problem, Server, eventually
from peers import Trino, free_port, jdk_for_trino

pytestmark = pytest.mark.slow

ARROW = "application/vnd.apache.arrow.stream"
TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


@pytest.fixture(scope="module")
def peer():
    connection = duckdb.connect()
    connection.load_extension(str(EXTENSIONS / "tpch.duckdb_extension"))
    connection.execute(f"CALL dbgen(sf = {os.environ.get('LAKEHOUSE_TPC_SCALE', '0.1')})")
    return connection


def has_nodes(trino):
    """A coordinator that has just started may not have found itself as a worker yet."""
    try:
        return trino.sql("SELECT count(*) FROM lake.main.region") == [[5]]
    except AssertionError as error:
        assert "No nodes available" in str(error), error
        return False


@pytest.fixture(scope="module")
def lake(tmp_path_factory, peer):
    if not jdk_for_trino():
        pytest.skip("Trino 476 needs JDK 24 or later, and there is none on this machine: not run")
    folder = tmp_path_factory.mktemp("cluster")
    port = free_port()
    with Server(folder / "data", environment={"LAKEHOUSE_CLUSTER_TRINO_URL": f"http://127.0.0.1:{port}",
                                              "LAKEHOUSE_CLUSTER_ABOVE_BYTES": "1MiB"}) as server:
        for table in TABLES:
            file = folder / f"{table}.parquet"
            peer.execute(f"COPY {table} TO '{file}' (FORMAT parquet)")
            with open(file, "rb") as content:
                server.ingest(content, table, name=file.name)
        server.sql("CREATE TABLE kinds (a BIGINT, b DECIMAL(12,3), s VARCHAR, d DATE, m TIMESTAMP, z TIMESTAMPTZ, f DOUBLE, r REAL, "
                   "t BOOLEAN, y BLOB, o TIME, x STRUCT(n INTEGER, w VARCHAR), l INTEGER[])")
        server.sql("INSERT INTO kinds VALUES (1, 1.5, 'it''s \"so\", \u00e9', '2024-01-31', '2024-01-31 01:02:03.456789', "
                   "'2024-01-31 01:02:03+02', 0.1::DOUBLE, 0.1::REAL, true, '\\x00\\xFF'::BLOB, '01:02:03.5', {'n': 1, 'w': 'q'}, [1, NULL, 3]), "
                   "(-9223372036854775808, -0.001, '', '1969-12-31', '1969-12-31 23:59:59', '1969-12-31 23:59:59Z', 'nan'::DOUBLE, 'inf'::REAL, "
                   "false, ''::BLOB, '00:00:00', NULL, []), "
                   "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
        trino = Trino(server, folder / "trino", port)
        try:
            eventually(lambda: has_nodes(trino), 60)
            yield server
        finally:
            trino.stop()


def answer(lake, sql, engine, accept=ARROW, **fields):
    response = lake.request("POST", "/query/sql", json={"sql": sql, "engine": engine, **fields}, headers={"Accept": accept})
    assert response.status_code == 200, f"{sql}: {response.text}"
    assert response.headers["X-Lakehouse-Engine"] == engine
    return response.content


def plain(rows):
    """Sorted by all but the last digits of what was added up in another order."""
    return sorted(([f"{cell:.9g}" if isinstance(cell, float) else repr(cell) for cell in row] for row in rows))


def same(lake, sql):
    tables = [pa.ipc.open_stream(io.BytesIO(answer(lake, sql, engine))).read_all() for engine in ("local", "trino")]
    assert tables[0].schema == tables[1].schema, sql
    rows = [[list(row.values()) for row in table.rename_columns([str(i) for i in range(table.num_columns)]).to_pylist()]
            for table in tables]
    assert plain(rows[0]) == plain(rows[1]), sql
    return len(rows[0])


@pytest.mark.parametrize("number", range(1, 23))
def test_tpch_answers_are_the_same(lake, peer, number):
    sql = peer.execute("SELECT query FROM tpch_queries() WHERE query_nr = ?", [number]).fetchone()[0]
    assert same(lake, sql) > 0


SAME = """
SELECT l_returnflag, count(*) AS n, sum(l_quantity), avg(l_extendedprice), min(l_shipdate), max(l_comment), stddev(l_tax) FROM lineitem GROUP BY ALL
SELECT o_orderkey / 7, o_orderkey // 7, o_orderkey % 7, -o_orderkey, round(o_totalprice, 1), floor(o_totalprice), abs(o_totalprice) FROM orders WHERE o_orderkey < 100
SELECT o_orderdate, o_orderdate + INTERVAL 1 MONTH, o_orderdate - DATE '1995-01-01', date_trunc('quarter', o_orderdate), dayofweek(o_orderdate), week(o_orderdate), date_diff('month', DATE '1992-05-20', o_orderdate) FROM orders WHERE o_orderkey < 200
SELECT upper(c_name), length(c_comment), substring(c_phone, 1, 3), c_name || '-' || c_phone, c_comment LIKE '%express%', concat(c_name, NULL, 'x'), replace(c_name, '#', '?') FROM customer WHERE c_custkey < 50
SELECT n_name, r_name FROM nation FULL JOIN region ON n_regionkey = r_regionkey AND r_name LIKE 'A%' ORDER BY n_name NULLS FIRST
SELECT * EXCLUDE (n_comment) REPLACE (lower(n_name) AS n_name) FROM nation WHERE n_nationkey IN (1, 2, NULL)
SELECT n_regionkey AS k, count(*) AS c FROM nation GROUP BY k HAVING c > 4 ORDER BY c DESC, k LIMIT 3 OFFSET 1
SELECT * FROM (VALUES (1, 'a'), (2, NULL), (NULL, 'c')) v(n, m) ORDER BY n
SELECT n_name, row_number() OVER (PARTITION BY n_regionkey ORDER BY n_name DESC) AS r, sum(n_nationkey) OVER (ORDER BY n_nationkey ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), lag(n_name, 1, 'none') OVER (ORDER BY n_nationkey) FROM nation
SELECT n_nationkey FROM nation EXCEPT SELECT s_nationkey FROM supplier WHERE s_suppkey < 10
WITH a AS (SELECT * FROM nation), b AS (SELECT n_regionkey, max(n_name) AS m FROM a GROUP BY 1) SELECT a.n_name, b.m FROM a JOIN b USING (n_regionkey) WHERE a.n_name <> b.m
SELECT count(DISTINCT l_suppkey) FILTER (WHERE l_tax > 0.02), bool_or(l_tax > 0.07), 1e0 / 0, corr(l_tax, l_discount) FROM lineitem
SELECT CASE WHEN n_nationkey > 10 THEN 1 ELSE 2.5 END, coalesce(NULL, n_name), nullif(n_nationkey, 3), n_name BETWEEN 'B' AND 'F' FROM nation
SELECT a, b, s, d, m, z, f, r, t, y, o, x, l, x.w FROM kinds
SELECT sum(a) + 1, count(a), avg(b), sum(b) * 2, max(f), min(s), max(z), count(*) FROM kinds WHERE a > 0 OR a IS NULL
SELECT * FROM kinds WHERE false
""".strip().splitlines()


@pytest.mark.parametrize("sql", SAME)
def test_other_statements_answer_the_same(lake, sql):
    same(lake, sql)


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/csv"])
@pytest.mark.parametrize("sql", ["SELECT * FROM kinds ORDER BY a", "SELECT a, s FROM kinds WHERE false",
                                 "SELECT n_name, n_comment FROM nation ORDER BY n_nationkey"])
def test_every_encoding_is_byte_for_byte_the_same(lake, sql, accept):
    if accept == "application/json":
        both = [lake.sql(sql, engine=engine) for engine in ("local", "trino")]
        for key in ("columns", "rows", "row_count", "truncated", "snapshot_ids"):
            assert both[0][key] == both[1][key], key
        assert [one["engine"] for one in both] == ["local", "trino"]
    else:
        assert answer(lake, sql, "local", accept) == answer(lake, sql, "trino", accept)


def test_many_pages_are_one_answer(lake):
    sql = "SELECT l_orderkey, l_linenumber, l_comment FROM lineitem WHERE l_orderkey < 120000"
    for accept in ("text/csv", "application/x-ndjson"):
        lines = [sorted(answer(lake, sql, engine, accept).splitlines()) for engine in ("local", "trino")]
        assert lines[0] == lines[1]
    assert same(lake, sql) > 100_000


def test_limits_cut_and_say_so(lake):
    got = lake.sql("SELECT l_orderkey FROM lineitem", engine="trino", limit=7)
    assert (got["row_count"], got["truncated"], len(got["rows"])) == (7, True, 7)
    assert not lake.sql("SELECT 1 AS one", engine="trino", limit=1)["truncated"]


def test_parameters_and_views_and_the_past_are_read_there_too(lake):
    assert lake.rows("SELECT n_name FROM nation WHERE n_nationkey = $1 OR n_name = $2 ORDER BY 1", [3, "PERU"], engine="trino") == [
        ["CANADA"], ["PERU"]]
    lake.sql("CREATE TABLE moving (n INTEGER)")
    assert lake.rows("SELECT count(*) FROM moving", engine="trino") == [[0]]
    first = lake.sql("INSERT INTO moving VALUES (1)")["snapshot_ids"]["main.moving"]
    lake.sql("INSERT INTO moving VALUES (2)")
    lake.sql("ALTER TABLE moving ADD COLUMN note VARCHAR")
    lake.sql("ALTER TABLE moving RENAME COLUMN n TO number")
    for sql, rows in [(f"SELECT * FROM moving AT (VERSION => {first})", [[1]]),
                      ("SELECT * FROM moving ORDER BY number", [[1, None], [2, None]])]:
        got = lake.sql(sql, engine="trino")
        assert got["rows"] == rows == lake.rows(sql, engine="local")
        assert list(got["snapshot_ids"]) == ["main.moving"]


def test_big_scans_go_there_by_themselves_and_small_ones_stay(lake):
    assert lake.sql("SELECT count(*) FROM lineitem WHERE l_tax > 0.01")["engine"] == "trino"
    assert lake.sql("SELECT count(*) FROM region")["engine"] == "local"
    assert lake.sql("SELECT count(*) FROM lineitem", engine="local")["engine"] == "local"
    # What is not known to mean the same there stays here.
    assert lake.sql("SELECT list(l_tax)[1] IS NULL FROM lineitem")["engine"] == "local"


@pytest.mark.parametrize("sql, status, words", [
    ("SELECT median(l_tax) FROM lineitem", 501, "median(DECIMAL)"),
    ("SELECT nope FROM lineitem", 400, "nope"),
    ("CREATE TABLE q AS SELECT 1 AS one", 400, "only a SELECT"),
    ("SELECT CAST(n_name AS INTEGER) FROM nation", 400, "Cannot cast"),
])
def test_what_cannot_run_there_is_refused_with_the_reason(lake, sql, status, words):
    with pytest.raises(Problem) as problem:
        lake.sql(sql, engine="trino")
    assert problem.value.status == status and words in problem.value.detail, problem.value


def running(lake):
    return lake.call("GET", "/query/running")["queries"]


def test_a_statement_there_can_be_cancelled_and_has_a_deadline(lake):
    slow = "SELECT count(*) FROM lineitem a, lineitem b, lineitem c WHERE a.l_tax < b.l_tax"
    failed = []

    def run():
        try:
            lake.sql(slow, engine="trino")
        except Problem as problem:
            failed.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: any(slow in one["sql"] and one["state"] == "running" for one in running(lake)))
    for one in running(lake):
        if one["sql"] == slow:
            lake.call("DELETE", f"/query/{one['id']}")
    thread.join(120)
    assert len(failed) == 1 and not thread.is_alive()
    with pytest.raises(Problem) as problem:
        lake.sql(slow, engine="trino", timeout_ms=1500)
    assert problem.value.status == 408
    # Nothing of ours goes on there.
    trino_url = lake.environment["LAKEHOUSE_CLUSTER_TRINO_URL"]
    import requests

    def all_ended():
        queries = requests.get(trino_url + "/v1/query", headers={"X-Trino-User": "test"}, timeout=120).json()
        return all(one["state"] in ("FINISHED", "FAILED") for one in queries)

    eventually(all_ended, 30)
