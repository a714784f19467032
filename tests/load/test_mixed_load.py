"""Ten clients at once, four with heavy statements and six with light ones, on more data than the engines may hold.

No request fails, no client waits for ever, and how quick the light ones stay is printed. In the
long run the engines have 2 GB and the data more; in the short one both are a tenth of that.
LAKEHOUSE_LOAD_SECONDS sets how long it lasts.
"""

import os
import pathlib
import random
import statistics
import threading
import time

import pytest
import requests

from harness import Server

HEAVY = [
    "SELECT count(*), max(c) FROM (SELECT word, count(*) AS c FROM big GROUP BY word)",
    "SELECT word, id FROM big ORDER BY word DESC, id LIMIT 5",
    "SELECT count(DISTINCT word) FROM big WHERE g < 900",
    "SELECT count(*), sum(a.v) FROM big a JOIN big b ON a.word = b.word AND a.id <= b.id",
    "SELECT max(r) FROM (SELECT row_number() OVER (PARTITION BY g ORDER BY v, id) AS r FROM big WHERE g < 500)",
    "SELECT g, string_agg(word, '' ORDER BY id) AS all_words FROM big WHERE g < 50 GROUP BY g ORDER BY g LIMIT 3",
]
LIGHT = [
    "SELECT name FROM small WHERE id = {n}",
    "SELECT city, count(*), sum(pay) FROM small GROUP BY city ORDER BY city",
    "SELECT s.name, t.label FROM small s JOIN tiny t ON t.k = s.id % 10 WHERE s.id BETWEEN {n} AND {n} + 20 ORDER BY 1",
    "SELECT max(pay) FROM small WHERE name LIKE '%{n}%'",
]


class Client(threading.Thread):
    """Asks one statement after another until the time is over; each kind's answers are always the same."""

    def __init__(self, server, statements, number, until):
        super().__init__(daemon=True)
        self.url, self.statements, self.until = server.url + "/query/sql", statements, until
        self.chance = random.Random(number)
        self.latencies, self.failures, self.answers = [], [], {}

    def run(self):
        with requests.Session() as session:
            while time.monotonic() < self.until and not self.failures:
                sql = self.chance.choice(self.statements).format(n=self.chance.randrange(1000))
                start = time.monotonic()
                try:
                    response = session.post(self.url, json={"sql": sql}, timeout=1800)
                    body = response.json()
                except (requests.RequestException, ValueError) as error:
                    self.failures.append(f"{sql}: {error}")
                    continue
                self.latencies.append(time.monotonic() - start)
                if response.status_code != 200:
                    self.failures.append(f"{sql}: {response.status_code} {response.text[:500]}")
                elif self.answers.setdefault(sql, body["rows"]) != body["rows"]:
                    self.failures.append(f"{sql}: another answer than before")


def load_data(server, rows):
    """Words that do not compress: a row takes some 80 bytes in memory, 50 on disk."""
    step = 2_000_000
    for first in range(0, rows, step):
        last = min(first + step, rows)
        how = "INSERT INTO big" if first else "CREATE TABLE big AS"
        server.sql(f"{how} SELECT i AS id, hash(i) % 1000 AS g, (hash(i, 1) % 100000)::DOUBLE AS v, "
                   f"md5(i::VARCHAR) AS word FROM range({first}, {last}) t(i)")
    server.sql("CREATE TABLE small AS SELECT i AS id, 'name ' || i AS name, ['Bonn', 'Ulm'][1 + i % 2] AS city, "
               "i * 7 % 5000 AS pay FROM range(20000) t(i)")
    server.sql("CREATE TABLE tiny AS SELECT i AS k, 'label ' || i AS label FROM range(10) t(i)")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def lanes(server):
    """What the lanes have counted, and the processor time that their engines have had."""
    counted = {}
    for line in server.request("GET", "/metrics").text.splitlines():
        for name in ("outgrown", "retried", "memory_kills"):
            if line.startswith(f"lakehouse_lane_{name}_total{{") and not line.endswith(" 0"):
                counted[line.split('lane="')[1].split('"')[0] + " " + name] = float(line.rsplit(" ", 1)[1])
    spent = {}
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            fields = pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
            nice, seconds = int(fields[16]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            spent[nice] = spent.get(nice, 0) + seconds
    return counted, spent


def run(tmp_path, memory, rows, seconds):
    environment = {"LAKEHOUSE_ENGINE_MEMORY_LIMIT": memory, "LAKEHOUSE_QUERY_RESULT_CACHE": "0"}
    with Server(tmp_path / "data", environment=environment) as server:
        load_data(server, rows)
        size = sum(file.stat().st_size for file in (tmp_path / "data" / "buckets").rglob("*.parquet"))
        before = lanes(server)[1]
        until = time.monotonic() + seconds
        clients = [Client(server, HEAVY if number < 4 else LIGHT, number, until) for number in range(10)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(seconds + 1800)
            assert not client.is_alive(), "a client's statement never ended"
        heavy = [latency for client in clients[:4] for latency in client.latencies]
        light = [latency for client in clients[4:] for latency in client.latencies]
        print(f"{seconds:.0f} s, engines with {memory}, {size / 1e6:.0f} MB of Parquet: "
              f"{len(heavy)} heavy statements, median {statistics.median(heavy):.2f} s, slowest {max(heavy):.2f} s; "
              f"{len(light)} light ones, median {statistics.median(light) * 1e3:.0f} ms, "
              f"p95 {percentile(light, 0.95) * 1e3:.0f} ms, slowest {max(light) * 1e3:.0f} ms")
        counted, after = lanes(server)
        print(f"processor time by the engines' nice: { {nice: round(spent - before.get(nice, 0), 1) for nice, spent in after.items()} }; "
              f"counted: {counted}")
        for client in clients:
            assert not client.failures, client.failures[0]
            assert client.latencies, "a client starved"
        assert server.call("GET", "/query/running")["queries"] == []


def seconds_or(default):
    return float(os.environ.get("LAKEHOUSE_LOAD_SECONDS", default))


def test_light_and_heavy_statements_side_by_side(tmp_path):
    run(tmp_path, "400MB", 4_000_000, seconds_or("20"))


@pytest.mark.slow
def test_light_and_heavy_statements_side_by_side_for_ten_minutes(tmp_path):
    run(tmp_path, "2GB", 40_000_000, seconds_or("600"))
