"""POST /query/sql: encodings, parameters, limits, time-outs, cancellation."""

import csv
import io
import json
import threading

import pyarrow as pa
import pytest

from harness import Problem, duckdb_attached, eventually, files_of


@pytest.fixture(scope="module", autouse=True)
def sample(server):
    server.sql("CREATE TABLE numbers AS SELECT i, 'text ' || i AS t, i / 4 AS q, DATE '2024-01-01' + (i % 300)::INT AS d FROM range(5000) x(i)")


def fetch(server, accept, sql, **fields):
    response = server.request("POST", "/query/sql", json={"sql": sql, **fields}, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"].startswith(accept)
    return response.content


def test_every_encoding_holds_the_same_rows(server):
    sql = "SELECT i, t, q, d FROM numbers ORDER BY i"
    answer = json.loads(fetch(server, "application/json", sql))
    assert [column["name"] for column in answer["columns"]] == ["i", "t", "q", "d"]
    assert answer["row_count"] == 5000 and answer["truncated"] is False
    assert answer["query_id"] and answer["snapshot_ids"] and answer["engine"] == "local" and answer["cached"] is False
    lines = [list(json.loads(line).values()) for line in fetch(server, "application/x-ndjson", sql).splitlines()]
    assert lines == answer["rows"]
    table = list(csv.reader(io.StringIO(fetch(server, "text/csv", sql).decode())))
    assert table[0] == ["i", "t", "q", "d"] and [row[1] for row in table[1:]] == [row[1] for row in answer["rows"]]
    arrow = pa.ipc.open_stream(fetch(server, "application/vnd.apache.arrow.stream", sql)).read_all()
    assert arrow.column("i").to_pylist() == [row[0] for row in answer["rows"]]
    assert [str(day) for day in arrow.column("d").to_pylist()] == [row[3] for row in answer["rows"]]


def test_an_unknown_encoding_is_refused(server):
    response = server.request("POST", "/query/sql", json={"sql": "SELECT 1"}, headers={"Accept": "image/png"})
    assert response.status_code == 406
    both = server.request("POST", "/query/sql", json={"sql": "SELECT 1 AS a"},
                          headers={"Accept": "text/csv;q=0.5, application/x-ndjson"})
    assert both.text == '{"a":1}\n'


def test_parameters_are_bound_and_never_spliced(server):
    assert server.rows("SELECT i FROM numbers WHERE i = ? OR t = ?", [1, "text 2"]) == [[1], [2]]
    assert server.rows("SELECT $a || $b", {"a": "x' OR '1'='1", "b": "!"}) == [["x' OR '1'='1!"]]
    assert server.rows("SELECT $2::INT, $1::INT", [1, 2]) == [[2, 1]]
    assert server.rows("SELECT ?::VARCHAR IS NULL", [None]) == [[True]]
    for params in ([], [1, 2], {"a": 1}):
        with pytest.raises(Problem):
            server.rows("SELECT i FROM numbers WHERE i = ?", params)


def test_the_row_limit_cuts_and_says_so(server):
    answer = server.sql("SELECT i FROM numbers", limit=10)
    assert len(answer["rows"]) == 10 and answer["truncated"] is True
    exact = server.sql("SELECT i FROM numbers", limit=5000)
    assert len(exact["rows"]) == 5000 and exact["truncated"] is False


def test_a_time_out_is_kept(server):
    with pytest.raises(Problem) as late:
        server.sql("SELECT count(*) FROM range(1000000000000)", timeout_ms=200)
    assert late.value.status in (408, 504) and late.value.document["hint"]


def test_a_running_query_is_listed_and_cancelled(server):
    failed = []

    def run():
        try:
            server.sql("SELECT count(*) FROM range(1000000000000)")
        except Problem as problem:
            failed.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: server.call("GET", "/query/running")["queries"])
    query = server.call("GET", "/query/running")["queries"][0]
    assert "range" in query["sql"]
    server.call("DELETE", f"/query/{query['id']}")
    thread.join(120)
    assert failed and failed[0].status < 504
    assert server.request("DELETE", f"/query/{query['id']}").status_code < 300


def test_errors_say_where(server):
    with pytest.raises(Problem) as unknown:
        server.sql("SELECT i,\n  nothing FROM numbers")
    assert unknown.value.status == 400 and unknown.value.document["position"] == 12
    with pytest.raises(Problem) as syntax:
        server.sql("SELECT FROM FROM numbers")
    assert syntax.value.document["position"] == 12


@pytest.mark.parametrize("keep", [10, 900], ids=["too short for a footer", "cut in the middle"])
def test_a_damaged_data_file_is_no_fault_of_the_asker(server, keep):
    table = f"damaged_{keep}"
    server.sql(f"CREATE TABLE {table} AS SELECT i, hash(i) AS h FROM range(1000) r(i)")
    (path,) = [path for path in files_of(server, f"main.{table}") if path.endswith(".parquet")]
    with open(path, "r+b") as file:
        file.truncate(keep)
    with pytest.raises(Problem) as refused:
        server.sql(f"SELECT sum(h) FROM {table}")
    assert refused.value.status == 500 and refused.value.document["code"] == "DATA_LOSS"
    assert path.rsplit("/", 1)[1] in refused.value.detail and path not in refused.value.detail


def test_values_survive_json(server):
    assert server.rows("SELECT 9223372036854775807, -0.5, 1.10::DECIMAL(9,2), true, NULL, 'é\"\\', DATE '2024-02-29', "
                       "TIMESTAMP '2024-02-29 01:02:03.5', [1, NULL], {'a': [1]}, MAP {'k': 1}, 'a\tb'") == [
        [9223372036854775807, -0.5, 1.10, True, None, 'é"\\', "2024-02-29",
         server.value("SELECT TIMESTAMP '2024-02-29 01:02:03.5'"), [1, None], {"a": [1]},
         server.value("SELECT MAP {'k': 1}"), "a\tb"]]


def test_a_large_result_streams(server):
    arrow = fetch(server, "application/vnd.apache.arrow.stream",
                  "SELECT a.i, b.t FROM numbers a, numbers b WHERE b.i < 200", limit=10_000_000)
    assert pa.ipc.open_stream(arrow).read_all().num_rows == 1_000_000


def test_two_tables_are_read_at_one_moment(server):
    server.sql("CREATE TABLE pair_a AS SELECT 0 AS n")
    server.sql("CREATE TABLE pair_b AS SELECT 0 AS n")
    stop = threading.Event()
    wrong = []

    def read():
        while not stop.is_set():
            a, b = server.rows("SELECT (SELECT count(*) FROM pair_a), (SELECT count(*) FROM pair_b)")[0]
            if a != b:
                wrong.append((a, b))

    duck = duckdb_attached(server)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for n in range(1, 10):
            duck.sql("BEGIN")
            duck.sql(f"INSERT INTO lake.main.pair_a VALUES ({n})")
            duck.sql(f"INSERT INTO lake.main.pair_b VALUES ({n})")
            duck.sql("COMMIT")
    finally:
        stop.set()
        reader.join(120)
    assert not wrong
