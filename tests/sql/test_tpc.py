"""TPC-H's 22 and TPC-DS's 99 queries, and the sample company's: the server answers as DuckDB does on its own tables.

The data and the queries are DuckDB's (its extensions tpch and tpcds). Scale 0.01 here; the slow
test takes LAKEHOUSE_TPC_SCALE, 0.1 by default.
"""

import datetime
import decimal
import math
import os
import subprocess

import duckdb
import pyarrow as pa
import pytest

from harness import BINARY, EXTENSIONS, ROOT, Server

KINDS = {"tpch": ("dbgen", 22), "tpcds": ("dsdgen", 99)}

SAMPLE = {
    "clients": "csv", "candidates": "csv", "timesheets": "csv", "job_orders": "json", "call_log": "json",
    "placements": "parquet", "email_log": "parquet"}
SAMPLE_QUERIES = """
SELECT o.trade, count(*) AS placements, round(sum((p.bill_rate - p.pay_rate) * t.hours)) AS margin FROM placements p JOIN job_orders o USING (job_order_id) JOIN (SELECT placement_id, sum(hours_regular + hours_overtime) AS hours FROM timesheets WHERE status = 'approved' GROUP BY ALL) t USING (placement_id) GROUP BY ALL ORDER BY margin DESC LIMIT 5
SELECT year(week_start) AS year, count(DISTINCT t.candidate_id) AS people, round(sum(hours_regular + hours_overtime)) AS hours, round(sum((hours_regular + 1.5 * hours_overtime) * bill_rate)) AS billed FROM timesheets t JOIN placements USING (placement_id) GROUP BY ALL ORDER BY year
SELECT candidate_id, first_name, last_name, years_experience AS years, desired_salary, skills FROM candidates WHERE trade = 'welding' AND city = 'Green Bay' AND status = 'available' AND skills ILIKE '%stainless%' AND resume_text ILIKE '%available at once%' ORDER BY years DESC, candidate_id LIMIT 5
SELECT count(*), sum(hours_regular) FROM timesheets WHERE hours_overtime > 4 AND week_start >= DATE '2025-01-01'
SELECT status, count(*), avg(hours_regular), max(hours_overtime) FROM timesheets GROUP BY status
SELECT date_trunc('month', week_start) AS m, sum(hours_regular) FROM timesheets GROUP BY m
SELECT c.industry, count(*) FROM placements p JOIN clients c USING (client_id) GROUP BY 1
SELECT c.name, sum(t.hours_regular * (p.bill_rate - p.pay_rate)) AS margin FROM timesheets t JOIN placements p USING (placement_id) JOIN clients c USING (client_id) GROUP BY 1 ORDER BY margin DESC, 1 LIMIT 10
SELECT count(DISTINCT candidate_id) FROM call_log
SELECT count(*) FROM candidates WHERE resume_text ILIKE '%kubernetes%'
SELECT client_id, job_order_id, rank() OVER (PARTITION BY client_id ORDER BY opened_on, job_order_id) AS r FROM job_orders QUALIFY r = 1
SELECT candidate_id, count(*) AS calls FROM call_log GROUP BY 1 ORDER BY calls DESC, 1 LIMIT 10
""".strip().splitlines()


def cell(value):
    """What compares equal when it means the same, whichever width carries it."""
    if isinstance(value, (list, tuple)):
        return tuple(map(cell, value))
    if isinstance(value, dict):
        return tuple((key, cell(inner)) for key, inner in value.items())
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.datetime) and value.tzinfo:
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def alike(a, b):
    if isinstance(a, float) and isinstance(b, (float, int)):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return a == b and type(a) is type(b)


def rows(table):
    """In an order that does not hang on a float's last digits."""
    found = [tuple(cell(value) for value in row) for row in zip(*(column.to_pylist() for column in table.columns))]
    return sorted(found, key=lambda row: [f"{value:.6g}" if isinstance(value, float) else repr(value) for value in row])


def check(server, connection, name, sql):
    response = server.request("POST", "/query/sql", json={"sql": sql}, headers={"Accept": "application/vnd.apache.arrow.stream"})
    assert response.status_code == 200, f"{name}: {response.text}"
    ours = pa.ipc.open_stream(response.content).read_all()
    theirs = connection.execute(sql).to_arrow_table()
    assert ours.num_rows == theirs.num_rows and ours.num_columns == theirs.num_columns, name
    for a, b in zip(rows(ours), rows(theirs)):
        assert alike(a, b), f"{name}: {a} is not {b}"
    return ours.num_rows


def peer():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def load(server, connection, folder):
    """Every table of the peer becomes one of the server's."""
    for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        path = folder / f"{table}.parquet"
        connection.execute(f"COPY {table} TO '{path}' (FORMAT parquet)")
        with open(path, "rb") as file:
            server.ingest(file, table, name=path.name)


def run(kind, scale, folder):
    generate, count = KINDS[kind]
    connection = peer()
    connection.load_extension(str(EXTENSIONS / f"{kind}.duckdb_extension"))
    connection.execute(f"CALL {generate}(sf={scale})")
    queries = connection.execute(f"SELECT query_nr, query FROM {kind}_queries()").fetchall()
    assert len(queries) == count
    with Server(folder / "data") as server:
        load(server, connection, folder)
        with_rows = sum(check(server, connection, f"{kind} {number}", sql) > 0 for number, sql in queries)
    print(f"{kind} at scale {scale}: {count} of {count} alike, {with_rows} of them with rows")
    assert with_rows > count * 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_every_query_answers_as_plain_duckdb(kind, tmp_path):
    run(kind, 0.01, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_query_answers_as_plain_duckdb_on_more_rows(kind, tmp_path):
    run(kind, os.environ.get("LAKEHOUSE_TPC_SCALE", "0.1"), tmp_path)


@pytest.mark.slow
def test_the_sample_company_s_queries_answer_as_plain_duckdb(server, tmp_path):
    script = ROOT / "examples" / "staffing" / "generate.sql"
    subprocess.run([BINARY, "engine", "--run-sql", script, "--in", tmp_path], check=True, timeout=300)
    connection = peer()
    for table, kind in SAMPLE.items():
        (path,) = tmp_path.glob(f"{table}.*")
        connection.execute(f"CREATE TABLE {table} AS FROM read_{kind}('{path}')")
    load(server, connection, tmp_path)
    for sql in SAMPLE_QUERIES:
        assert check(server, connection, sql, sql) > 0, sql
