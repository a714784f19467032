"""Sixteen clients mix INSERT, UPDATE, DELETE and MERGE on one table while the server is killed and started again.

A statement whose answer was lost is asked again with its key. In the end the table's history is a
serial run of the acknowledged statements: every snapshot is what exactly one of them makes of the
snapshot before, by DuckDB's own UPDATE, DELETE and MERGE, with the row count that was answered; and
each that changed rows is there. The seed is printed; LAKEHOUSE_CHANGES_SECONDS sets how long it lasts.
"""

import os
import random
import threading
import time
import uuid

import duckdb
import pytest
import requests

from harness import Server

CLIENTS = 16
KEYS = 60
COLUMNS = "id BIGINT, v BIGINT, stamp BIGINT, word VARCHAR"


def statement(chance, stamp):
    """What a statement writes holds its stamp, a number of its own."""
    key, other = chance.randrange(KEYS), chance.randrange(KEYS)
    return chance.choice([
        f"INSERT INTO t VALUES ({key}, {other}, {stamp}, 'new'), ({other}, {key}, {stamp}, NULL)",
        f"INSERT INTO t SELECT i, i * {other}, {stamp}, 'more' FROM range({key}, {key} + 3) r(i)",
        f"UPDATE t SET v = v + {other}, stamp = {stamp} WHERE id = {key}",
        f"UPDATE t SET word = 'w' || v, stamp = {stamp} WHERE id % 7 = {key % 7} AND v < {other}",
        f"UPDATE t SET v = (SELECT count(*) FROM t q WHERE q.id = t.id), stamp = {stamp} WHERE id BETWEEN {key} AND {key} + 2",
        f"DELETE FROM t WHERE id = {key}",
        f"DELETE FROM t WHERE v % 13 = {key % 13} AND id > {other}",
        f"DELETE FROM t WHERE id IN (SELECT id FROM t GROUP BY id HAVING count(*) > 4)",
        f"MERGE INTO t USING (SELECT DISTINCT i AS id, {other} AS v FROM range({key}, {key} + 4) r(i)) s ON t.id = s.id "
        f"WHEN MATCHED THEN UPDATE SET v = t.v + s.v, stamp = {stamp} "
        f"WHEN NOT MATCHED THEN INSERT (id, v, stamp, word) VALUES (s.id, s.v, {stamp}, 'merged')",
        f"MERGE INTO t USING (SELECT {key} AS id) s ON t.id = s.id AND t.v > {other} WHEN MATCHED THEN DELETE",
    ])


class Change:
    def __init__(self, sql):
        self.sql, self.count, self.snapshot = sql, None, None


class Client(threading.Thread):
    """One statement after the other, each until it is known what became of it."""

    def __init__(self, test, number, seed):
        super().__init__(daemon=True)
        self.test, self.number, self.chance = test, number, random.Random(seed + number)
        self.changes, self.asked_again, self.failure = [], 0, None

    def run(self):
        try:
            with requests.Session() as session:
                while not self.test.stopping.is_set():
                    change = Change(statement(self.chance, self.number * 1_000_000 + len(self.changes)))
                    self.until_decided(session, change)
                    self.changes.append(change)
        except BaseException as error:  # noqa: BLE001: told to the test, which fails with it.
            self.failure = error

    def until_decided(self, session, change):
        key = str(uuid.uuid4())
        give_up = time.monotonic() + 120
        while time.monotonic() < give_up:
            try:
                response = session.post(self.test.server.url + "/query/sql", timeout=60, json={"sql": change.sql},
                                        headers={"Idempotency-Key": key})
            except requests.RequestException:
                self.asked_again += 1
                time.sleep(0.05)
                continue
            if response.status_code == 200:
                body = response.json()
                change.count = body["rows"][0][0]
                change.snapshot = body["snapshot_ids"].get("main.t")
                return
            assert response.status_code in (409, 429, 503), f"{change.sql}: {response.status_code} {response.text[:500]}"
            self.asked_again += 1
            time.sleep(0.05)
        raise AssertionError(f"{change.sql}: never decided")


class Run:
    def __init__(self, folder, seconds, kills):
        self.seed = int(os.environ.get("LAKEHOUSE_SEED", random.SystemRandom().randrange(2**32)))
        print(f"LAKEHOUSE_SEED={self.seed}")
        self.server = Server(folder / "data").start()
        self.stopping = threading.Event()
        self.server.sql(f"CREATE TABLE t ({COLUMNS})")
        self.server.sql(f"INSERT INTO t SELECT i % {KEYS}, i % 17, 0, 'first' FROM range(200) r(i)")
        clients = [Client(self, number, self.seed) for number in range(1, CLIENTS + 1)]
        for client in clients:
            client.start()
        for _ in range(kills):
            time.sleep(seconds / (kills + 1))
            self.server.kill()
            self.server.start()
        time.sleep(seconds / (kills + 1))
        self.stopping.set()
        for client in clients:
            client.join(150)
            assert not client.is_alive(), "a client never learnt what became of its statement"
            if client.failure:
                raise client.failure
        self.asked_again = sum(client.asked_again for client in clients)
        self.changes = [change for client in clients for change in client.changes]

    def snapshots(self):
        """From the first to the current one."""
        metadata = self.server.call("GET", "/iceberg/v1/namespaces/main/tables/t")["metadata"]
        by_id = {snapshot["snapshot-id"]: snapshot for snapshot in metadata["snapshots"]}
        found, at = [], metadata["current-snapshot-id"]
        while at is not None:
            found.append(at)
            at = by_id[at].get("parent-snapshot-id")
        return found[::-1]

    def rows_at(self, snapshot):
        rows = self.server.rows(f"SELECT * FROM t AT (VERSION => {snapshot})")
        return sorted(map(repr, rows))


class Serial:
    """DuckDB's own table, which the statements change one by one."""

    def __init__(self):
        self.connection = duckdb.connect()
        self.connection.execute(f"CREATE TABLE t ({COLUMNS})")

    def rows(self):
        return sorted(repr(list(row)) for row in self.connection.execute("FROM t").fetchall())

    def makes(self, change, expected):
        """Whether the statement makes of the present rows the expected ones; if not, nothing has happened."""
        self.connection.execute("BEGIN")
        (count,) = self.connection.execute(change.sql).fetchone()
        if self.rows() == expected and count == change.count:
            self.connection.execute("COMMIT")
            return True
        self.connection.execute("ROLLBACK")
        return False


def check(run):
    serial = Serial()
    snapshots = run.snapshots()
    changing = [change for change in run.changes if change.count]
    by_snapshot = {change.snapshot: change for change in changing if change.snapshot}
    unplaced = [change for change in changing if not change.snapshot]
    lost = len(unplaced)
    serial.connection.execute(f"INSERT INTO t SELECT i % {KEYS}, i % 17, 0, 'first' FROM range(200) r(i)")
    assert serial.rows() == run.rows_at(snapshots[0])
    for snapshot in snapshots[1:]:
        expected = run.rows_at(snapshot)
        change = by_snapshot.pop(snapshot, None)
        if change is None:
            # Its answer was lost, and a repeated one does not say which snapshot it was.
            change = next((one for one in unplaced if serial.makes(one, expected)), None)
            assert change, f"the snapshot {snapshot} is nobody's acknowledged statement"
            unplaced.remove(change)
        else:
            assert serial.makes(change, expected), f"{change.sql} ({change.count} rows) does not make the snapshot {snapshot}"
    assert not by_snapshot and not unplaced, "acknowledged, and in no snapshot"
    print(f"{len(run.changes)} statements by {CLIENTS} clients: {len(changing)} of them changed rows and are {len(snapshots) - 1} "
          f"snapshots in one order; {lost} answers were lost, {run.asked_again} requests repeated")
    assert len(changing) > CLIENTS


def run(folder, seconds, kills):
    done = Run(folder, float(os.environ.get("LAKEHOUSE_CHANGES_SECONDS", seconds)), kills)
    try:
        check(done)
    finally:
        done.server.stop()


def test_row_changes_are_a_serial_run(tmp_path):
    run(tmp_path, 8, 2)


@pytest.mark.slow
def test_row_changes_of_a_minute_are_a_serial_run(tmp_path):
    run(tmp_path, 60, 8)
