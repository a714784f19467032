"""Ten analytical queries on the staffing sample: (a) DuckDB's library over Parquet, (b) the server over
HTTP; then the throughput of a 1 M-row result, the start and the idle memory."""

import http.client
import json
import pathlib
import tempfile
import time

import duckdb

from common import Server, interleaved, sample_files, seconds, upload

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


def peer_over_parquet(files, folder):
    connection = duckdb.connect()
    for table, path in files.items():
        reader = {".csv": "read_csv", ".ndjson": "read_json", ".parquet": "read_parquet"}[path.suffix]
        target = f"{folder}/{table}.parquet"
        connection.execute(f"COPY (FROM {reader}('{path}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('{target}')")
    return connection


def compare_queries(client, connection):
    print(f"{'query':10} {'duckdb ms':>10} {'lakehouse ms':>13} {'ratio':>7} {'limit ms':>9}")
    within = 0
    for name, sql in QUERIES.items():
        ours_s, theirs_s = interleaved(lambda: client.json(sql), lambda: connection.execute(sql).fetchall(), runs=9)
        limit_s = theirs_s * 1.15 + 0.003
        within += ours_s <= limit_s
        print(f"{name:10} {theirs_s * 1e3:10.1f} {ours_s * 1e3:13.1f} {ours_s / theirs_s:7.2f} {limit_s * 1e3:9.1f}"
              f"{'' if ours_s <= limit_s else '  missed'}")
    print(f"within 1.15x + 3 ms: {within} of {len(QUERIES)}")


def compare_results(client, connection):
    for accept, wanted in (("application/vnd.apache.arrow.stream", 300), ("application/json", 100)):
        size = client.size_of(RESULT, accept)
        best = min(seconds(lambda: client.size_of(RESULT, accept)) for _ in range(5))
        print(f"1 M rows as {accept}: {size / 1e6:.0f} MB, {size / 1e6 / best:.0f} MB/s (wanted: {wanted})")
    best = min(seconds(lambda: connection.execute(RESULT).to_arrow_table()) for _ in range(5))
    print(f"  duckdb's library, the same result as an Arrow table in its own process: {best:.2f} s")


def resident_mb(process):
    children = [int(child) for task in pathlib.Path(f"/proc/{process}/task").iterdir()
                for child in (task / "children").read_text().split()]
    total = 0
    for pid in (process, *children):
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
    files = sample_files()
    with tempfile.TemporaryDirectory() as folder:
        connection = peer_over_parquet(files, folder)
        with Server(pathlib.Path(folder) / "data") as server:
            for table, path in files.items():
                upload(server, path, table)
            client = Client(server)
            compare_queries(client, connection)
            compare_results(client, connection)
        measure_start(folder)


main()
