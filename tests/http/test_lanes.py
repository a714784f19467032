"""Lanes: what runs where, who waits, what is known of it meanwhile and afterwards."""

import os
import pathlib
import signal
import subprocess
import threading

import pytest

from harness import BINARY, Problem, Server, eventually

SLOW = "SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range + b.range = {}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    environment = {"LAKEHOUSE_ENGINE_LIGHT_TIME": "1500ms", "LAKEHOUSE_ENGINE_HEAVY_STATEMENTS": "1",
                   "LAKEHOUSE_ENGINE_WAITING_MAX": "2", "LAKEHOUSE_ENGINE_LIGHT_BYTES": "100KiB",
                   "LAKEHOUSE_ENGINE_LIGHT_STATEMENTS": "4"}
    with Server(tmp_path_factory.mktemp("lanes") / "data", environment=environment) as running:
        running.sql("CREATE TABLE big AS SELECT i, md5(i::VARCHAR) AS s FROM range(300000) x(i)")
        running.sql("CREATE TABLE small AS SELECT 1 AS one")
        yield running


class Later:
    """A statement that runs beside the test."""

    def __init__(self, server, sql, **fields):
        self.sql, self.problem, self.answer = sql, None, None

        def run():
            try:
                self.answer = server.sql(sql, **fields)
            except Problem as problem:
                self.problem = problem

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def running(self, server):
        return next((one for one in server.call("GET", "/query/running")["queries"] if one["sql"] == self.sql), None)

    def await_state(self, server, state, lane=None):
        def is_so():
            one = self.running(server)
            return one and one["state"] == state and lane in (None, one["lane"])
        eventually(is_so)
        return self.running(server)

    def done(self):
        self.thread.join(300)
        assert not self.thread.is_alive()
        return self


def logged(server, sql):
    return next(one for one in server.call("GET", "/query/log?limit=50")["queries"] if one["sql"] == sql)


def test_what_a_statement_reads_decides_the_lane(server):
    server.rows("SELECT * FROM small -- light")
    entry = logged(server, "SELECT * FROM small -- light")
    assert entry["lane"] == "light" and entry["attempts"] == 1 and entry["code"] == "OK"
    assert entry["rows"] == 1 and entry["bytes"] > 0 and 0 < entry["scan_bytes"] < 100_000
    assert list(entry["snapshot_ids"]) == ["main.small"]
    server.rows("SELECT max(s) FROM big")
    entry = logged(server, "SELECT max(s) FROM big")
    assert entry["lane"] == "heavy" and entry["scan_bytes"] > 100_000 and entry["memory_peak_bytes"] > 0
    # The same by files that pruning leaves.
    server.rows("SELECT max(s) FROM big WHERE i < 0")
    assert logged(server, "SELECT max(s) FROM big WHERE i < 0")["lane"] == "light"


def test_a_slow_query_moves_over_and_can_be_cancelled(server):
    slow = Later(server, SLOW.format(1))
    one = slow.await_state(server, "running", "heavy")
    assert one["attempts"] == 2
    # The light lane is free for others meanwhile.
    assert server.value("SELECT 1") == 1
    waits = Later(server, SLOW.format(2))
    waiting = waits.await_state(server, "waiting", "heavy")
    for query in (waiting, one):
        assert server.request("DELETE", f"/query/{query['id']}").status_code == 204
    for query in (slow, waits):
        assert query.done().problem.status in (499, 408, 503, 409, 400), query.problem
    entry = logged(server, slow.sql)
    assert entry["code"] == "CANCELLED" and entry["message"]


def test_who_comes_when_too_many_wait_is_told_to_retry(server):
    statements = [Later(server, SLOW.format(number)) for number in (3, 4, 5)]
    eventually(lambda: sorted(one["state"] for one in server.call("GET", "/query/running")["queries"]
                              if one["lane"] == "heavy") == ["running", "waiting", "waiting"])
    with pytest.raises(Problem) as refused:
        server.rows("SELECT max(s) FROM big WHERE i >= 0")
    assert refused.value.status == 429 and refused.value.headers["Retry-After"]
    for one in server.call("GET", "/query/running")["queries"]:
        server.request("DELETE", f"/query/{one['id']}")
    for statement in statements:
        assert statement.done().problem
    assert server.rows("SELECT count(*) FROM big") == [[300000]]


def engines(server):
    found = []
    for pid in pathlib.Path("/proc").iterdir():
        try:
            if pid.name.isdigit() and b"engine" in (pid / "cmdline").read_bytes().split(b"\0") \
                    and f"\nPPid:\t{server.process.pid}\n" in (pid / "status").read_text():
                found.append(int(pid.name))
        except OSError:
            continue
    return found


def test_reads_outlive_their_engines(server):
    slow = Later(server, "SELECT count(*) FROM range(40000) a, range(20000) b WHERE a.range + b.range = 7")
    slow.await_state(server, "running", "heavy")
    for pid in engines(server):
        os.kill(pid, signal.SIGKILL)
    assert slow.done().answer["rows"] == [[8]]
    assert server.value("SELECT 1") == 1
    assert logged(server, slow.sql)["attempts"] == 3


def test_each_file_has_an_engine_of_its_own(server):
    def starts():
        lines = server.request("GET", "/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith('lakehouse_engine_starts_total{lane="file"}')).split()[1])

    before = starts()
    for number in range(3):
        answer = server.ingest(f"a,b\n1,x{number}\n2,y\n", "main.files")
        assert answer["rows"] == 2
    assert starts() >= before + 2
    assert server.value("SELECT count(*) FROM files") == 6
    # Nothing is left of them but the one that waits for the next file.
    eventually(lambda: len(engines(server)) <= 3)
    spill = pathlib.Path(server.data) / "run"
    eventually(lambda: len(list(spill.rglob("file-*"))) <= 1)


def test_the_log_pages_and_tells_plans(server):
    with pytest.raises(Problem):
        server.rows("SELECT * FROM no_such_table")
    failed = server.call("GET", "/query/log?failed=true&limit=1")["queries"][0]
    assert failed["code"] == "NOT_FOUND" and "no_such_table" in failed["message"]
    first = server.call("GET", "/query/log?limit=2")
    second = server.call("GET", f"/query/log?limit=2&page_token={first['next_page_token']}")
    ids = [one["id"] for one in first["queries"] + second["queries"]]
    assert ids == sorted(set(ids), reverse=True) and len(ids) == 4
    server.rows("SELECT one + $1 FROM small", [1])
    entry = logged(server, "SELECT one + $1 FROM small")
    assert "PROJECTION" in server.call("GET", f"/query/log/{entry['id']}/plan")["plan"] or \
        "SCAN" in server.call("GET", f"/query/log/{entry['id']}/plan")["plan"]
    assert server.call("GET", f"/query/log/{entry['id']}") == entry
    assert server.request("GET", "/query/log/none").status_code == 404
    assert server.call("GET", "/query/log?principal=nobody")["queries"] == []


def test_the_program_lists_and_cancels(server):
    def lakehouse(*arguments):
        done = subprocess.run([BINARY, "queries", *arguments, "--server", server.url], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    slow = Later(server, SLOW.format(9))
    one = slow.await_state(server, "running", "heavy")
    assert one["id"] in lakehouse("list")
    lakehouse("cancel", one["id"])
    assert slow.done().problem
    log = lakehouse("log", "--failed", "--limit", "1")
    assert one["id"] in log and "CANCELLED" in log
    assert "CANCELLED" in lakehouse("show", one["id"])
