"""kill -9 of an engine every few seconds under load: the server answers throughout and loses nothing.

Whatever ran in the engine may be answered with 503 and a Retry-After; asked again it succeeds. What
needs no engine does not notice, and a write that is asked again with its key is there once.
LAKEHOUSE_ENGINE_KILL_SECONDS sets how long it lasts.
"""

import os
import pathlib
import random
import signal
import threading
import time
import uuid

import pytest
import requests

from harness import Server

ROWS = 300_000
READS = {
    "SELECT count(*), sum(v) FROM t": [[ROWS, sum(i * 13 % 1000 for i in range(ROWS))]],
    "SELECT v FROM t WHERE id = 777": [[777 * 13 % 1000]],
    "SELECT count(*) FROM (SELECT s, count(*) FROM t GROUP BY s)": [[ROWS]],
    "SELECT id FROM t ORDER BY s, id LIMIT 1": None,
    "SELECT count(*) FROM t a JOIN t b USING (s)": [[ROWS]],
    "SELECT id, s FROM t ORDER BY id LIMIT 50000": None,
}
TRIES_MAX = 50


def descendants(process):
    found = []
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        try:
            children = [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue  # The thread has ended.
        for child in children:
            found += [child, *descendants(child)]
    return found


def engines(server):
    """The server's children that are engines."""
    found = []
    for child in descendants(server.process.pid):
        try:
            words = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"engine" in words:
            found.append(child)
    return found


class Client(threading.Thread):
    def __init__(self, server, number, stopping):
        super().__init__(daemon=True)
        self.url, self.stopping = server.url, stopping
        self.chance = random.Random(number)
        self.done, self.retries, self.failure = 0, 0, None

    def run(self):
        try:
            with requests.Session() as session:
                while not self.stopping.is_set():
                    self.one(session)
                    self.done += 1
        except BaseException as error:  # noqa: BLE001: told to the test, which fails with it.
            self.failure = error

    def until_answered(self, session, body, headers=None):
        """The body of the 200; whatever else there is must be a 503 that says when to ask again."""
        for _ in range(TRIES_MAX):
            try:
                response = session.post(self.url + "/query/sql", json=body, headers=headers, timeout=60)
            except requests.exceptions.ChunkedEncodingError:
                self.retries += 1  # The engine died while its rows were on their way.
                continue
            if response.status_code == 200:
                return response.json()
            assert response.status_code == 503, response.text
            assert response.headers.get("Retry-After") and response.json()["hint"], response.text
            self.retries += 1
            time.sleep(0.05)
        raise AssertionError(f"{body}: no answer in {TRIES_MAX} tries")


class Reader(Client):
    answers = {}

    def one(self, session):
        sql = self.chance.choice(list(READS))
        rows = self.until_answered(session, {"sql": sql})["rows"]
        expected = READS[sql] or self.answers.setdefault(sql, rows)
        assert rows == expected, sql


class Writer(Client):
    def one(self, session):
        self.until_answered(session, {"sql": "INSERT INTO written SELECT ?, i FROM range(3) t(i)", "params": [self.done]},
                            {"Idempotency-Key": str(uuid.uuid4())})


class Bystander(Client):
    """Asks for what needs no engine, and is never refused."""

    def one(self, session):
        for path in ("/health", "/iceberg/v1/namespaces/main/tables/t", "/version"):
            response = session.get(self.url + path, timeout=120)
            assert response.status_code == 200, f"{path}: {response.status_code} {response.text[:300]}"
        time.sleep(0.01)


def run(tmp_path, seconds, pause):
    # Each read is to reach an engine, and not to be answered from memory.
    with Server(tmp_path / "data", environment={"LAKEHOUSE_QUERY_RESULT_CACHE": "0"}) as server:
        server.sql(f"CREATE TABLE t AS SELECT i AS id, i * 13 % 1000 AS v, md5(i::VARCHAR) AS s FROM range({ROWS}) r(i)")
        server.sql("CREATE TABLE written (n BIGINT, i BIGINT)")
        stopping = threading.Event()
        Reader.answers = {}
        readers = [Reader(server, number, stopping) for number in range(6)]
        writer, bystander = Writer(server, 100, stopping), Bystander(server, 101, stopping)
        clients = [*readers, writer, bystander]
        for client in clients:
            client.start()
        chance, kills = random.Random(5), 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            stopping.wait(pause)
            running = engines(server)
            if running:
                os.kill(chance.choice(running), signal.SIGKILL)
                kills += 1
        stopping.set()
        for client in clients:
            client.join(120)
            assert not client.is_alive(), "a client never got its answer"
            if client.failure:
                raise client.failure
        reads = sum(reader.done for reader in readers)
        print(f"{kills} kills of an engine in {seconds:.0f} s: {reads} reads, {sum(r.retries for r in readers)} asked again; "
              f"{writer.done} writes, {writer.retries} asked again; {bystander.done} rounds without an engine")
        assert kills >= 2 and reads > len(readers) and writer.done
        counts = server.rows("SELECT n, count(*) FROM written GROUP BY n ORDER BY n")
        assert counts == [[n, 3] for n in range(writer.done)]
        assert server.process.poll() is None


def test_an_engine_is_killed_again_and_again(tmp_path):
    run(tmp_path, float(os.environ.get("LAKEHOUSE_ENGINE_KILL_SECONDS", "10")), 1.5)


@pytest.mark.slow
def test_an_engine_is_killed_every_five_seconds_for_two_minutes(tmp_path):
    run(tmp_path, float(os.environ.get("LAKEHOUSE_ENGINE_KILL_SECONDS", "120")), 5)
