"""kill -9 at random moments of ingest, SQL writes and commits: what was acknowledged is there once.

Every writer notes what it asked for and what was acknowledged. A request whose answer was lost is
asked again after the restart, with the same Idempotency-Key: it must then be there once, too.
The number of kills is LAKEHOUSE_KILLS (100 by default); the seed is printed and can be given.
"""

import os
import pathlib
import random
import threading
import time
import uuid

import pytest
import requests

from harness import Problem, Server, files_of, pyiceberg_catalog

KILLS = int(os.environ.get("LAKEHOUSE_KILLS", "100"))
ROUNDS_PER_TABLE = 10


class Ledger:
    """What one kind of write asked for and what of it was acknowledged."""

    def __init__(self):
        self.asked = 0
        self.acknowledged = set()
        self.lost = []  # (number, key): the answer never came.


class Writer(threading.Thread):
    """Asks for numbered writes, one after another, until the server dies."""

    def __init__(self, server, ledger, write):
        super().__init__(daemon=True)
        self.url, self.ledger, self.write = server.url, ledger, write
        self.stopping = threading.Event()
        self.refused = None

    def run(self):
        with requests.Session() as session:
            while not self.stopping.is_set():
                self.ledger.asked += 1
                number, key = self.ledger.asked, str(uuid.uuid4())
                try:
                    response = self.write(session, self.url, number, key)
                except requests.RequestException:
                    self.ledger.lost.append((number, key))
                    return
                if response.status_code >= 500:
                    self.ledger.lost.append((number, key))
                elif response.status_code >= 400:
                    self.refused = f"write {number}: {response.status_code} {response.text[:300]}"
                    return
                else:
                    self.ledger.acknowledged.add(number)


def insert_into(table):
    def write(session, url, number, key):
        return session.post(url + "/query/sql", timeout=120, headers={"Idempotency-Key": key},
                            json={"sql": f"INSERT INTO {table} SELECT ?, i FROM range(3) t(i)", "params": [number]})
    return write


def ingest_into(table):
    def write(session, url, number, key):
        content = "n,i\n" + "".join(f"{number},{i}\n" for i in range(3))
        return session.post(url + "/ingest/file", timeout=120, headers={"Idempotency-Key": key},
                            data={"dataset": table}, files={"file": ("f.csv", content.encode())})
    return write


def create_as(prefix):
    def write(session, url, number, key):
        return session.post(url + "/query/sql", timeout=120, headers={"Idempotency-Key": key},
                            json={"sql": f"CREATE TABLE {prefix}{number} AS SELECT i FROM range(1000) t(i)"})
    return write


def commit_property(table):
    def write(session, url, number, key):
        return session.post(f"{url}/iceberg/v1/namespaces/main/tables/{table}", timeout=120,
                            headers={"Idempotency-Key": key},
                            json={"requirements": [], "updates": [
                                {"action": "set-properties", "updates": {f"p{number}": "1"}}]})
    return write


def retry_lost(server, ledger, write):
    """Asks again for what was lost, with its key; it must then be acknowledged."""
    with requests.Session() as session:
        for number, key in ledger.lost:
            response = write(session, server.url, number, key)
            assert response.status_code < 400, f"{number}: {response.status_code} {response.text[:300]}"
            ledger.acknowledged.add(number)
    ledger.lost.clear()


def check_rows(server, table, ledger):
    counts = dict(map(tuple, server.rows(f"SELECT n, count(*) FROM {table} GROUP BY n")))
    assert set(counts) == ledger.acknowledged
    assert set(counts.values()) <= {3}, "a write is there in part, or more than once"


def check_created(server, prefix, ledger):
    names = {name for name in table_names(server) if name.startswith(prefix)}
    assert names == {f"{prefix}{number}" for number in ledger.acknowledged}
    for name in names:
        assert server.value(f"SELECT count(*) FROM {name}") == 1000


def table_names(server):
    response = server.call("GET", "/iceberg/v1/namespaces/main/tables")
    return [identifier["name"] for identifier in response["identifiers"]]


def check_files(server):
    for name in table_names(server):
        for path in files_of(server, f"main.{name}"):
            assert pathlib.Path(path).exists(), f"{name} names the file {path}, which is missing"


def one_round(server, chance, writes):
    writers = [Writer(server, ledger, write) for ledger, write in writes]
    for writer in writers:
        writer.start()
    time.sleep(chance.uniform(0.02, 0.6))
    server.kill()
    for writer in writers:
        writer.stopping.set()
        writer.join(120)
        assert writer.refused is None, writer.refused
    server.start()
    for ledger, write in writes:
        retry_lost(server, ledger, write)


def test_what_was_acknowledged_survives_every_kill(tmp_path):
    seed = int(os.environ.get("LAKEHOUSE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"LAKEHOUSE_SEED={seed}")
    chance = random.Random(seed)
    server = Server(tmp_path / "data").start()
    acknowledged = 0
    for first in range(0, KILLS, ROUNDS_PER_TABLE):
        server.sql(f"CREATE TABLE inserted_{first} (n BIGINT, i BIGINT)")
        server.sql(f"CREATE TABLE ingested_{first} (n BIGINT, i BIGINT)")
        server.sql(f"CREATE TABLE properties_{first} (n BIGINT)")
        ledgers = [Ledger() for _ in range(4)]
        writes = list(zip(ledgers, [insert_into(f"inserted_{first}"), ingest_into(f"ingested_{first}"),
                                    create_as(f"created_{first}_"), commit_property(f"properties_{first}")]))
        for _ in range(first, min(first + ROUNDS_PER_TABLE, KILLS)):
            one_round(server, chance, writes)
            check_rows(server, f"inserted_{first}", ledgers[0])
            check_rows(server, f"ingested_{first}", ledgers[1])
        check_created(server, f"created_{first}_", ledgers[2])
        properties = pyiceberg_catalog(server).load_table(f"main.properties_{first}").properties
        assert {int(name[1:]) for name in properties if name.startswith("p")} >= ledgers[3].acknowledged
        check_files(server)
        for name in table_names(server):
            server.sql(f"DROP TABLE {name}")
        acknowledged += sum(len(ledger.acknowledged) for ledger in ledgers)
    staged = list((tmp_path / "data").glob("buckets/primary/_staging/*"))
    assert staged == [], "what a killed write had staged is swept at the start"
    server.stop()
    print(f"{KILLS} kills, {acknowledged} acknowledged writes, each there once")
    assert acknowledged > KILLS


def test_a_killed_engine_costs_only_what_ran_in_it(own_server):
    own_server.ingest("a\n1\n2\n", "t")
    for _ in range(3):
        failed = []

        def long_query():
            try:
                own_server.sql("SELECT count(*) FROM range(100000000000) a")
            except Problem as problem:
                failed.append(problem)

        running = threading.Thread(target=long_query)
        running.start()
        deadline = time.monotonic() + 120
        while not requests.get(own_server.url + "/query/running", timeout=120).json().get("queries"):
            assert time.monotonic() < deadline
        while running.is_alive():  # A read that lost its engine is begun again, twice.
            assert time.monotonic() < deadline + 120
            for child in all_children(own_server.process.pid):
                os.kill(child, 9)
            running.join(1)
        assert failed and failed[0].status == 503, failed
        assert failed[0].document["hint"] and failed[0].headers.get("Retry-After")
        assert own_server.value("SELECT sum(a) FROM t") == 3


def all_children(process):
    found = []
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found
