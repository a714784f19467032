"""Two servers on one PostgreSQL metastore and one folder, beside one server: point look-ups, small queries, commits, and how soon
a commit on one is seen on the other. On one machine both share its cores: what is measured is what sharing costs.

With --servers URL URL... servers elsewhere are asked instead (they must share their metastore).
"""

import argparse
import concurrent.futures
import contextlib
import pathlib
import statistics
import subprocess
import tempfile
import time

import requests

from common import ROOT, Server

POSTGRES = ROOT / "tests" / "servers" / "postgres"


class Client:
    def __init__(self, url):
        self.url, self.session = url, requests.Session()

    def sql(self, sql, **fields):
        response = self.session.post(self.url + "/query/sql", json={"sql": sql, **fields}, timeout=120)
        assert response.status_code == 200, response.text[:500]
        return response.json()


@contextlib.contextmanager
def own_servers(count):
    """`count` servers on one PostgreSQL and one folder."""
    folder = tempfile.mkdtemp(prefix="lakehouse-scaling-", dir="/tmp")
    database = pathlib.Path(folder) / "postgres"
    pathlib.Path(folder).chmod(0o755)
    url = subprocess.run([POSTGRES, "start", database], check=True, capture_output=True, text=True).stdout.strip()
    servers = []
    try:
        for number in range(count):
            # One folder for all; the harness writes a log beside it for each.
            server = Server(pathlib.Path(folder) / "data", environment={"LAKEHOUSE_METASTORE_URL": url,
                                                                        "LAKEHOUSE_ENGINE_THREADS": "1"})
            server.log = pathlib.Path(folder) / f"server-{number}.log"
            servers.append(server.start())
        yield [server.url for server in servers]
    finally:
        for server in servers:
            server.stop()
        subprocess.run([POSTGRES, "stop", database], check=True)


def rate(urls, work, clients, seconds):
    """Requests a second by `clients` in all, spread over the servers, and the median and 95th percentile in ms."""
    def run(number):
        client, times, end = Client(urls[number % len(urls)]), [], time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter()
            work(client, number, len(times))
            times.append((time.perf_counter() - start) * 1000)
        return times

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        times = sorted(one for some in pool.map(run, range(clients)) for one in some)
    return len(times) / seconds, statistics.median(times), times[int(len(times) * 0.95)]


def seen_elsewhere(urls, table):
    """How long after a commit on one server is answered the other's next answer has it: in ms, the median of 20."""
    writer, reader, times = Client(urls[0]), Client(urls[-1]), []
    for number in range(20):
        writer.sql(f"INSERT INTO {table} VALUES ({number}, 'seen')")
        start = time.perf_counter()
        while reader.sql(f"SELECT count(*) FROM {table} WHERE v = 'seen'")["rows"][0][0] <= number:
            pass
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def measure(urls, seconds):
    first = Client(urls[0])
    first.sql("CREATE SCHEMA IF NOT EXISTS scaling")
    for name in ("items", "seen", *(f"w{number}" for number in range(4))):
        first.sql(f"DROP TABLE IF EXISTS scaling.{name}")
    first.sql("CREATE TABLE scaling.items AS SELECT i AS k, 'v' || i AS v, i % 100 AS g FROM range(1000000) r(i)")
    for name in ("seen", *(f"w{number}" for number in range(4))):
        first.sql(f"CREATE TABLE scaling.{name} (k BIGINT, v VARCHAR)")
    works = {
        "look-ups by key, 8 clients": (8, lambda c, n, i: c.sql("SELECT v FROM scaling.items WHERE k = $1", params=[i * 8 + n])),
        "GROUP BY of 1 M rows, 4 clients": (4, lambda c, n, i: c.sql(
            "SELECT g, count(*), sum(k) FROM scaling.items WHERE k > $1 GROUP BY g", params=[i * 8 + n])),
        "commits to 4 tables, 4 clients": (4, lambda c, n, i: c.sql(f"INSERT INTO scaling.w{n} VALUES ({i}, 'x')")),
    }
    out = {name: rate(urls, work, clients, seconds) for name, (clients, work) in works.items()}
    for number in range(4):
        found = [Client(url).sql(f"SELECT count(*), count(DISTINCT k) FROM scaling.w{number}")["rows"] for url in urls]
        assert all(one == found[0] for one in found), found
    return out, seen_elsewhere(urls, "scaling.seen")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", nargs="*", default=[], help="URLs of servers that share a metastore")
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    if arguments.servers:
        one = measure(arguments.servers[:1], arguments.seconds)
        two = measure(arguments.servers, arguments.seconds)
    else:
        with own_servers(1) as urls:
            one = measure(urls, arguments.seconds)
        with own_servers(2) as urls:
            two = measure(urls, arguments.seconds)
    print(f"{'':34}{'one server':>28}{'several':>28}")
    for name in one[0]:
        shown = [f"{per_second:8.0f}/s {median:6.1f} {late:6.1f} ms" for per_second, median, late in (one[0][name], two[0][name])]
        print(f"{name:34}{shown[0]:>28}{shown[1]:>28}")
    print(f"{'a commit is seen after':34}{one[1]:>25.1f} ms{two[1]:>25.1f} ms")


if __name__ == "__main__":
    main()
