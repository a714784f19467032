"""The server over HTTP beside DuckDB's library, which reads the same Parquet files in the same run: TPC-H's 22
queries, analytical ones on the staffing sample and on a wide table of visits; then the throughput of a large result, the
start and the idle memory.

    bench/query.py [--scale 1] [--runs 5] [tpch] [sample] [visits] [results] [start]
"""

import argparse
import http.client
import json
import math
import os
import pathlib
import statistics
import tempfile
import time

import duckdb

from common import EXTENSIONS, NO_ANSWERS_KEPT, Server, files_of, interleaved, sample_files, seconds, upload

QUERIES = {
    "count": "SELECT count(*) FROM timesheets",
    "filter": "SELECT count(*), sum(hours_regular) FROM timesheets WHERE hours_overtime > 4 AND week_start >= DATE '2025-01-01'",
    "group": "SELECT status, count(*), avg(hours_regular), max(hours_overtime) FROM timesheets GROUP BY status ORDER BY 1",
    "months": "SELECT date_trunc('month', week_start) AS m, sum(hours_regular) FROM timesheets GROUP BY m ORDER BY m",
    "join": "SELECT c.industry, count(*) FROM placements p JOIN clients c USING (client_id) GROUP BY 1 ORDER BY 2 DESC, 1",
    "margin": "SELECT c.name, sum(t.hours_regular * (p.bill_rate - p.pay_rate)) AS margin FROM timesheets t "
              "JOIN placements p USING (placement_id) JOIN clients c USING (client_id) GROUP BY 1 ORDER BY margin DESC, 1 LIMIT 10",
    "distinct": "SELECT count(DISTINCT candidate_id) FROM call_log",
    "like": "SELECT count(*) FROM candidates WHERE resume_text ILIKE '%kubernetes%'",
    "window": "SELECT client_id, job_order_id, rank() OVER (PARTITION BY client_id ORDER BY opened_on, job_order_id) AS r "
              "FROM job_orders QUALIFY r = 1 ORDER BY client_id LIMIT 20",
    "top": "SELECT candidate_id, count(*) AS calls FROM call_log GROUP BY 1 ORDER BY calls DESC, 1 LIMIT 10",
}
RESULT = "SELECT * FROM timesheets"

VISITS = """
COPY (SELECT i AS visit_id, (hash(i) % 200000)::INTEGER AS user_id, (hash(i * 3) % 600)::SMALLINT AS region,
    TIMESTAMP '2024-07-01' + INTERVAL (hash(i * 5) % 2592000) SECOND AS seen, (hash(i * 7) % 10)::TINYINT AS engine,
    CASE WHEN hash(i * 11) % 8 = 0 THEN 'phrase ' || (hash(i * 13) % 20000) ELSE '' END AS phrase,
    'http://site' || (hash(i * 17) % 500) || '.example/' || (hash(i * 19) % 40000) AS url,
    'Title of page ' || (hash(i * 19) % 40000) AS title, (hash(i * 23) % 2560)::SMALLINT AS width,
    (hash(i * 29) % 100)::SMALLINT AS counter, hash(i * 31) % 2 = 0 AS is_refresh, (hash(i * 37) % 4294967296)::BIGINT AS ip,
    (hash(i * 41) % 50)::TINYINT AS age, (hash(i * 43) % 90)::TINYINT AS interests, random() AS score
  FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet)
"""
VISIT_QUERIES = {
    "count": "SELECT count(*) FROM visits",
    "engines": "SELECT count(*) FROM visits WHERE engine <> 0",
    "sums": "SELECT sum(engine), count(*), avg(width) FROM visits",
    "avg": "SELECT avg(user_id) FROM visits",
    "users": "SELECT count(DISTINCT user_id) FROM visits",
    "phrases": "SELECT count(DISTINCT phrase) FROM visits",
    "minmax": "SELECT min(seen), max(seen) FROM visits",
    "regions": "SELECT region, count(DISTINCT user_id) AS u FROM visits GROUP BY region ORDER BY u DESC, region LIMIT 10",
    "search": "SELECT phrase, count(*) AS c FROM visits WHERE phrase <> '' GROUP BY phrase ORDER BY c DESC, phrase LIMIT 10",
    "user": "SELECT visit_id, seen FROM visits WHERE user_id = 4711 ORDER BY visit_id",
    "like": "SELECT count(*) FROM visits WHERE url LIKE '%site42%'",
    "pages": "SELECT phrase, min(url), count(*) AS c FROM visits WHERE title LIKE '%page 77%' AND phrase <> '' "
             "GROUP BY phrase ORDER BY c DESC, phrase LIMIT 10",
    "latest": "SELECT phrase FROM visits WHERE phrase <> '' ORDER BY seen, visit_id LIMIT 10",
    "minutes": "SELECT extract(minute FROM seen) AS m, phrase, count(*) AS c FROM visits GROUP BY m, phrase ORDER BY c DESC, m, phrase LIMIT 10",
    "wide": "SELECT sum(width), sum(width + 1), sum(width + 2), sum(width + 3), sum(width + 4), sum(width + 5) FROM visits",
    "ips": "SELECT ip, count(*) AS c, sum(is_refresh::INT), avg(width) FROM visits GROUP BY ip ORDER BY c DESC, ip LIMIT 10",
    "urls": "SELECT url, count(*) AS c FROM visits GROUP BY url ORDER BY c DESC, url LIMIT 10",
    "days": "SELECT date_trunc('day', seen) AS d, count(*) FROM visits WHERE counter = 62 AND NOT is_refresh GROUP BY d ORDER BY d",
}


class Client:
    """One kept-alive connection, as a driver would hold it."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        self.buffer = bytearray(1 << 20)

    def post(self, sql, accept):
        self.connection.request("POST", "/query/sql", json.dumps({"sql": sql, "limit": 10_000_000}),
                                {"Content-Type": "application/json", "Accept": accept})
        response = self.connection.getresponse()
        if response.status != 200:
            raise AssertionError(response.read().decode())
        return response

    def json(self, sql):
        return json.loads(self.post(sql, "application/json").read())

    def size_of(self, sql, accept):
        response, size = self.post(sql, accept), 0
        while got := response.readinto(self.buffer):
            size += got
        return size


def ingested(server, tables):
    """Uploads the files, and a DuckDB whose views read the Parquet files that the server made of them."""
    connection = duckdb.connect()
    connection.execute("SET parquet_metadata_cache = true")
    for table, path in tables.items():
        upload(server, path, table)
        files = [file for file in files_of(server, f"main.{table}") if file.endswith(".parquet")]
        connection.execute(f"CREATE VIEW {table} AS FROM read_parquet({files})")
    return connection


def compare_queries(title, queries, client, connection, runs):
    print(f"\n{title:12} {'duckdb ms':>10} {'lakehouse ms':>13} {'ratio':>7}")
    ratios, sums = [], [0.0, 0.0]
    for name, sql in queries.items():
        ours_s, theirs_s = interleaved(lambda: client.json(sql), lambda: connection.execute(sql).fetchall(), runs)
        ratios.append(ours_s / theirs_s)
        sums = [sums[0] + theirs_s, sums[1] + ours_s]
        print(f"{name:12} {theirs_s * 1e3:10.1f} {ours_s * 1e3:13.1f} {ratios[-1]:7.2f}")
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"{'all':12} {sums[0] * 1e3:10.1f} {sums[1] * 1e3:13.1f} {sums[1] / sums[0]:7.2f}; geometric mean {mean:.2f}; "
          f"at most 1.1 times: {sum(ratio <= 1.1 for ratio in ratios)} of {len(ratios)}")


def children_of(process):
    return [int(child) for task in pathlib.Path(f"/proc/{process}/task").iterdir() for child in (task / "children").read_text().split()]


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare_processor_time(queries, server, client, connection, runs):
    """What rewriting and the sandbox cost on top of the same work. Each statement is a new text, so that none is planned
    before; processor time does not mind what else the machine does."""
    engines = children_of(server.process.pid)

    def spent():
        return processor_seconds(server.process.pid), sum(map(processor_seconds, engines)), time.process_time()

    theirs, ours, engine, own = [], [], [], []
    for run in range(runs):
        start = spent()
        for sql in queries.values():
            connection.execute(sql).fetchall()
        middle = spent()
        for sql in queries.values():
            client.json(f"{sql}\n-- {run}")
        end = spent()
        theirs.append(middle[2] - start[2])
        engine.append(end[1] - middle[1])
        own.append(end[0] - middle[0])
        ours.append(engine[-1] + own[-1])
    whole, alone = statistics.median(ours) / statistics.median(theirs), statistics.median(own) / statistics.median(theirs)
    print(f"processor time of all: duckdb {statistics.median(theirs) * 1e3:.0f} ms; engine in its sandbox {statistics.median(engine) * 1e3:.0f} ms, "
          f"server (rewriting and HTTP) {statistics.median(own) * 1e3:.0f} ms: {100 * alone:+.1f} % by the server, {100 * (whole - 1):+.1f} % "
          "in all (wanted: at most 5 %)")


def run_tpch(folder, options):
    generator = duckdb.connect()
    generator.load_extension(str(EXTENSIONS / "tpch.duckdb_extension"))
    generator.execute(f"CALL dbgen(sf = {options.scale})")
    tables = {}
    for (table,) in generator.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        tables[table] = pathlib.Path(folder) / f"{table}.parquet"
        generator.execute(f"COPY {table} TO '{tables[table]}' (FORMAT parquet)")
    queries = {f"q{number:02}": sql.rstrip("; \n") for number, sql in
               generator.execute("SELECT query_nr, query FROM tpch_queries()").fetchall()}
    generator.close()
    with Server(pathlib.Path(folder) / "tpch", environment=NO_ANSWERS_KEPT) as server:
        connection = ingested(server, tables)
        client = Client(server)
        compare_queries(f"TPC-H {options.scale:g}", queries, client, connection, options.runs)
        compare_processor_time(queries, server, client, connection, options.runs)


def run_sample(folder, options):
    with Server(pathlib.Path(folder) / "sample", environment=NO_ANSWERS_KEPT) as server:
        connection = ingested(server, sample_files())
        client = Client(server)
        compare_queries("sample", QUERIES, client, connection, options.runs)
        if "results" in options.parts:
            compare_results(client, connection)


def run_visits(folder, options):
    """ClickBench's kind of table and questions: wide rows, many of them alike."""
    path = pathlib.Path(folder) / "visits.parquet"
    duckdb.execute(VISITS.format(rows=int(options.scale * 3_000_000), path=path))
    with Server(pathlib.Path(folder) / "visits", environment=NO_ANSWERS_KEPT) as server:
        connection = ingested(server, {"visits": path})
        compare_queries("visits", VISIT_QUERIES, Client(server), connection, options.runs)


def compare_results(client, connection):
    for accept, wanted in (("application/vnd.apache.arrow.stream", 300), ("application/json", 100)):
        size = client.size_of(RESULT, accept)
        best = min(seconds(lambda: client.size_of(RESULT, accept)) for _ in range(5))
        print(f"1 M rows as {accept}: {size / 1e6:.0f} MB, {size / 1e6 / best:.0f} MB/s (wanted: {wanted})")
    best = min(seconds(lambda: connection.execute(RESULT).to_arrow_table()) for _ in range(5))
    print(f"  duckdb's library, the same result as an Arrow table in its own process: {best:.2f} s")


def resident_mb(process):
    total = 0
    for pid in (process, *children_of(process)):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def measure_start(folder):
    data = pathlib.Path(folder) / "start"
    with Server(data) as server:
        server.ingest("a\n1\n", "t")
    times = []
    for _ in range(5):
        server = Server(data)
        start = time.perf_counter()
        server.start()
        assert server.value("SELECT sum(a) FROM t") == 1
        times.append(time.perf_counter() - start)
        server.stop()
    with Server(data) as server:
        time.sleep(2)
        print(f"start to first answer: {sorted(times)[2] * 1e3:.0f} ms (wanted: 500); "
              f"idle memory of server and engine: {resident_mb(server.process.pid):.0f} MB (wanted: 200)")


def main():
    parts = ["tpch", "sample", "visits", "results", "start"]
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--scale", type=float, default=1.0)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("parts", nargs="*", choices=[[], *parts], default=[])
    options = arguments.parse_args()
    options.parts = options.parts or parts
    with tempfile.TemporaryDirectory() as folder:
        for part, run in (("tpch", run_tpch), ("sample", run_sample), ("visits", run_visits)):
            if part in options.parts:
                run(folder, options)
        if "start" in options.parts:
            measure_start(folder)


if __name__ == "__main__":
    main()
