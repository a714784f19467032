"""The catalog beside Iceberg's own reference server on SQLite, in one run, with the same clients: loadTable, and commits
to a table of each client's own and to one table of all. Needs JDK 17 and Maven for the reference.

    bench/catalog.py [--seconds 4] [--clients 4]
"""

import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time

from common import ROOT, Server

KIT = ROOT / "tests" / "conformance" / "rck"
SCHEMA = {"type": "struct", "fields": [
    {"id": i, "name": f"column_{i}", "required": False, "type": kind}
    for i, kind in enumerate(["long", "string", "double", "timestamptz", "date", "decimal(18,2)", "boolean", "string"], 1)]}
ROUNDS = 3


def request_text(method, path, body=None):
    text = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\n"
    if text:
        head += "Content-Type: application/json\r\n"
    return head.encode() + b"\r\n" + text


class Connection:
    """HTTP/1.1 on one kept-alive socket, with nothing between the clock and the wire."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, method, path, body=None):
        self.socket.sendall(request_text(method, path, body))
        return self.receive()

    def receive(self):
        data = self.socket.recv(1 << 18)
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, _, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        status = int(head[9:12])
        if b"transfer-encoding: chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += self.more()
            return status, body
        at = lower.find(b"content-length:")
        length = int(lower[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
        parts, got = [body], len(body)
        while got < length:
            parts.append(self.more())
            got += len(parts[-1])
        return status, b"".join(parts)

    def more(self):
        data = self.socket.recv(1 << 20)
        assert data, "the server closed the connection"
        return data


def load_program():
    """bench/http_load.cc, compiled if need be: Python clients would take half of the machine from the server."""
    program = ROOT / "build" / "bench-http_load"
    source = ROOT / "bench" / "http_load.cc"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["clang++-19", "-std=c++23", "-O2", "-pthread", source, "-o", program], check=True)
    return program


class Load:
    """What the clients together did: answers a second, and how long each took."""

    def __init__(self, port, requests, seconds):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for number, request in enumerate(requests):
                files.append(pathlib.Path(folder) / str(number))
                files[-1].write_bytes(request_text(*request))
            done = subprocess.run([load_program(), str(port), str(seconds), *files], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        answers = [line.split() for line in done.stdout.splitlines()]
        self.times = sorted(int(time) / 1e6 for status, time in answers if status != "409")
        self.conflicts = len(answers) - len(self.times)
        self.rate = len(self.times) / seconds

    def percentile_ms(self, share):
        return self.times[min(len(self.times) - 1, int(len(self.times) * share))] * 1e3


class Reference:
    """Iceberg's RESTCatalogServer on SQLite, with a connection for each client."""

    def __init__(self, folder, clients):
        self.folder, self.clients = pathlib.Path(folder), clients

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder.mkdir()
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", class_path(), "org.apache.iceberg.rest.RESTCatalogServer"],
            stdout=self.log, stderr=self.log,
            env={**os.environ, "CATALOG_REST_PORT": str(self.port), "CATALOG_WAREHOUSE": f"file://{self.folder}",
                 "CATALOG_URI": f"jdbc:sqlite:{self.folder}/catalog.db", "CATALOG_CLIENTS": str(self.clients)})
        for _ in range(600):
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            try:
                Connection(self.port).send("GET", "/v1/config")
                return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the reference server did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def class_path():
    """The kit's jars, by Maven, kept in the cache that tests/conformance/rck/run keeps too."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "lakehouse" / "rck"
    cache.mkdir(parents=True, exist_ok=True)
    pom = (KIT / "pom.xml").read_bytes()
    if not (cache / "pom.xml").exists() or (cache / "pom.xml").read_bytes() != pom:
        subprocess.run(["mvn", "-B", "-q", "-f", KIT / "pom.xml",
                        "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath",
                        f"-Dmdep.outputFile={cache / 'classpath'}"], check=True)
        (cache / "pom.xml").write_bytes(pom)
    return (cache / "classpath").read_text().strip()


class Peer:
    """One of the two servers, with the tables that the clients use."""

    def __init__(self, name, port, base, clients):
        self.name, self.port, self.base = name, port, base
        self.connection = Connection(port)
        self.must("POST", "/namespaces", {"namespace": ["bench"], "properties": {}})
        for table in (*(f"own_{i}" for i in range(clients)), "shared", "read"):
            self.must("POST", "/namespaces/bench/tables", {"name": table, "schema": SCHEMA})

    def must(self, method, path, body=None):
        status, answer = self.connection.send(method, self.base + path, body)
        assert status < 300, (self.name, status, answer[:500])
        return json.loads(answer) if answer else None

    def load(self, number):
        return "GET", f"{self.base}/namespaces/bench/tables/read"

    def commit_own(self, number):
        return "POST", f"{self.base}/namespaces/bench/tables/own_{number}", commit_of(number)

    def commit_shared(self, number):
        return "POST", f"{self.base}/namespaces/bench/tables/shared", commit_of(number)


def commit_of(number):
    return {"requirements": [], "updates": [{"action": "set-properties", "updates": {f"client-{number}": "@@@@@@@@@@"}}]}


def compare(ours, theirs, clients, seconds):
    print(f"{'':22} {'reference/s':>12} {'lakehouse/s':>12} {'ratio':>7} {'reference p99 ms':>17} {'lakehouse p99 ms':>17}")
    for title, work in (("loadTable", "load"), ("commits, own tables", "commit_own"), ("commits, one table", "commit_shared")):
        pairs = []
        for _ in range(ROUNDS):
            pairs.append([Load(peer.port, [getattr(peer, work)(i) for i in range(clients)], seconds) for peer in (theirs, ours)])
        rate = [statistics.median(pair[i].rate for pair in pairs) for i in (0, 1)]
        p99 = [statistics.median(pair[i].percentile_ms(0.99) for pair in pairs) for i in (0, 1)]
        print(f"{title:22} {rate[0]:12.0f} {rate[1]:12.0f} {rate[1] / rate[0]:6.1f}x {p99[0]:17.2f} {p99[1]:17.2f}"
              f"{'' if rate[1] >= 10 * rate[0] else '  missed (wanted: 10x)'}")
        conflicts = [sum(pair[i].conflicts for pair in pairs) for i in (0, 1)]
        if any(conflicts):
            print(f"{'':22} answered 409: reference {conflicts[0]}, lakehouse {conflicts[1]}")


def with_history(server, connection, name, snapshots):
    """Registers a table with that many snapshots, of which one is referenced."""
    answer = json.loads(connection.send("POST", "/iceberg/v1/namespaces/bench/tables", {"name": name, "schema": SCHEMA})[1])
    metadata, location = answer["metadata"], answer["metadata"]["location"]
    first = 10**15
    metadata["snapshots"] = [
        {"snapshot-id": first + i, "sequence-number": i + 1, "timestamp-ms": 1_700_000_000_000 + i, "schema-id": 0,
         **({"parent-snapshot-id": first + i - 1} if i else {}), "manifest-list": f"{location}/metadata/snap-{i}.avro",
         "summary": {"operation": "append", "added-data-files": "1", "added-records": "100", "added-files-size": "4096",
                     "total-data-files": str(i + 1), "total-records": str(100 * (i + 1))}} for i in range(snapshots)]
    metadata["snapshot-log"] = [{"snapshot-id": s["snapshot-id"], "timestamp-ms": s["timestamp-ms"]} for s in metadata["snapshots"]]
    metadata["current-snapshot-id"] = first + snapshots - 1
    metadata["last-sequence-number"] = snapshots
    metadata["last-updated-ms"] = 1_700_000_000_000 + snapshots
    metadata["refs"] = {"main": {"snapshot-id": first + snapshots - 1, "type": "branch"}}
    path = pathlib.Path(location.removeprefix("file://")) / "metadata" / "00001-history.metadata.json"
    path.write_text(json.dumps(metadata))
    status, body = connection.send("POST", "/iceberg/v1/namespaces/bench/register",
                                   {"name": name, "metadata-location": f"{location}/metadata/00001-history.metadata.json", "overwrite": True})
    assert status == 200, body[:500]


def compare_histories(server, seconds):
    connection = Connection(server.port)
    medians = []
    for snapshots in (10, 10_000):
        with_history(server, connection, f"history_{snapshots}", snapshots)
        path = f"/iceberg/v1/namespaces/bench/tables/history_{snapshots}?snapshots=refs"
        load = Load(server.port, [("GET", path)], seconds)
        medians.append(load.percentile_ms(0.5))
        print(f"loadTable, snapshots=refs, of {snapshots:6} snapshots: p50 {medians[-1]:.3f} ms, p99 {load.percentile_ms(0.99):.3f} ms")
    print(f"10,000 snapshots cost {medians[1] / medians[0]:.2f}x of 10 (wanted: at most 2x)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Server(pathlib.Path(folder) / "data") as server, \
            Reference(pathlib.Path(folder) / "reference", options.clients) as reference:
        ours = Peer("lakehouse", server.port, "/iceberg/v1", options.clients)
        theirs = Peer("reference", reference.port, "/v1", options.clients)
        compare(ours, theirs, options.clients, options.seconds)
        compare_histories(server, options.seconds)


main()
