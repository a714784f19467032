"""Answers that get lost: clients commit to one table, connections are cut, and keys tell what became of it.

Sixteen clients append snapshots to one table over raw sockets. Many a connection is cut after the
request was sent and before its answer is read; the client then asks again with the same
Idempotency-Key, perhaps on a connection that is cut again, perhaps beside the first attempt. In the
end the table's history holds each acknowledged commit once, and no other. Runs for
LAKEHOUSE_LOST_SECONDS (60 when slow tests run, else 5); the seed is printed and can be given.
"""

import http.client
import json
import os
import random
import socket
import struct
import threading
import time
import uuid

import pytest
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import write_manifest_list

CLIENTS = 16
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [
    {"id": 1, "name": "a", "type": "long", "required": False}]}


class Cut(Exception):
    """The connection was cut before the answer was read."""


class Client(threading.Thread):
    """Commits snapshots, one after another, each under a key of its own until it is decided."""

    def __init__(self, server, table, number, chance, until):
        super().__init__(daemon=True)
        self.port, self.path, self.number, self.chance, self.until = server.port, table, number, chance, until
        self.acknowledged, self.refused, self.cuts, self.lost_races = [], [], 0, 0
        self.failure = None
        self.io = PyArrowFileIO()

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.commit(f"{self.number}-{len(self.acknowledged) + len(self.refused)}")
        except BaseException as error:  # noqa: BLE001: told to the test, which fails with it.
            self.failure = error

    def exchange(self, method, path, body=None, headers=None, may_cut=False):
        """One request on a connection of its own, which may be cut once the request is out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            if may_cut and self.chance.random() < 0.4:
                self.cut(connection.sock)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        finally:
            connection.close()

    def cut(self, sock):
        """At once, or a little later, by a reset or by an end."""
        time.sleep(self.chance.choice([0, 0, 0.001, 0.005, 0.02]))
        if self.chance.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.cuts += 1
        raise Cut

    def commit(self, name):
        """Until it is known whether the snapshot `name` is in the table."""
        while True:
            status, loaded = self.exchange("GET", self.path + "?snapshots=refs")
            assert status == 200, loaded
            request = json.dumps(self.snapshot(name, loaded["metadata"])).encode()
            headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
            status, answer = self.decided(request, headers)
            if status == 200:
                self.acknowledged.append(name)
                return
            assert status == 409 and answer["error"]["type"] == "CommitFailedException", (status, answer)
            self.lost_races += 1  # Begun anew on what the table has become, under another key.
            if time.monotonic() >= self.until:
                self.refused.append(name)
                return

    def decided(self, request, headers):
        """The answer, however often it takes to hear it."""
        while True:
            try:
                status, answer = self.exchange("POST", self.path, request, headers, may_cut=True)
            except Cut:
                continue
            if status in (429, 500, 502, 503, 504):
                time.sleep(0.01)
                continue
            return status, answer

    def snapshot(self, name, metadata):
        snapshot_id = self.chance.randrange(1, 2**62)
        parent = metadata.get("current-snapshot-id")
        parent = None if parent == -1 else parent
        sequence = metadata["last-sequence-number"] + 1
        path = f"{metadata['location']}/metadata/snap-{snapshot_id}-1-{uuid.uuid4()}.avro"
        with write_manifest_list(2, self.io.new_output(path), snapshot_id, parent, sequence, "null"):
            pass  # It has no manifests: what is tested here is the history.
        added = {"snapshot-id": snapshot_id, "sequence-number": sequence, "timestamp-ms": int(time.time() * 1000),
                 "manifest-list": path, "summary": {"operation": "append", "commit": name}, "schema-id": 0}
        if parent is not None:
            added["parent-snapshot-id"] = parent
        return {"requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent}],
                "updates": [{"action": "add-snapshot", "snapshot": added},
                            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch",
                             "snapshot-id": snapshot_id}]}


def history_of(server, path):
    """The names of the commits from the first to the current one, by their parents."""
    metadata = server.call("GET", path)["metadata"]
    by_id = {snapshot["snapshot-id"]: snapshot for snapshot in metadata["snapshots"]}
    names, at = [], metadata["current-snapshot-id"]
    while at is not None:
        snapshot = by_id.pop(at)
        names.append(snapshot["summary"]["commit"])
        at = snapshot.get("parent-snapshot-id")
    assert not by_id, "snapshots that are in no one's history"
    assert [entry["snapshot-id"] for entry in metadata["snapshot-log"]][-1] == metadata["current-snapshot-id"]
    return names[::-1]


def run_clients(server, seconds):
    seed = int(os.environ.get("LAKEHOUSE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"LAKEHOUSE_SEED={seed}")
    server.call("POST", "/iceberg/v1/namespaces/main/tables", json={"name": "shared", "schema": SCHEMA})
    path = "/iceberg/v1/namespaces/main/tables/shared"
    until = time.monotonic() + seconds
    clients = [Client(server, path, number, random.Random(seed + number), until) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(seconds + 120)
        assert not client.is_alive(), "a client never learnt what became of its commit"
        if client.failure:
            raise client.failure
    acknowledged = [name for client in clients for name in client.acknowledged]
    history = history_of(server, path)
    assert len(history) == len(set(history)), "a commit is there twice"
    assert set(history) == set(acknowledged)
    for client in clients:  # And each client's in the order in which it made them.
        assert [name for name in history if name in set(client.acknowledged)] == client.acknowledged
    cuts, races = sum(client.cuts for client in clients), sum(client.lost_races for client in clients)
    print(f"{len(history)} commits by {CLIENTS} clients, each there once; {cuts} answers lost, {races} races lost")
    assert cuts > CLIENTS and len(history) > CLIENTS
    server.kill()
    server.start()
    assert history_of(server, path) == history


def test_what_was_acknowledged_is_there_once(own_server):
    run_clients(own_server, float(os.environ.get("LAKEHOUSE_LOST_SECONDS", "5")))


@pytest.mark.slow
def test_what_was_acknowledged_is_there_once_for_a_minute(own_server):
    run_clients(own_server, float(os.environ.get("LAKEHOUSE_LOST_SECONDS", "60")))
