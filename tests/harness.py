"""A lakehouse server as the tests see it: a process, a port, and what it answers."""

import io
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("LAKEHOUSE_BINARY", ROOT / "build" / "release" / "lakehouse"))
EXTENSIONS = ROOT / "third_party" / "parts" / "duckdb" / "extensions"
READY = "lakehouse ready "
START_SECONDS_MAX = 120


class Problem(Exception):
    """An answer of 400 or more, as the problem document that it must carry."""

    def __init__(self, response):
        self.status = response.status_code
        self.headers = response.headers
        try:
            self.document = response.json()
        except ValueError:
            self.document = {}
        super().__init__(f"{self.status}: {response.text[:500]}")

    @property
    def detail(self):
        return self.document.get("detail", "")


class Server:
    """One `lakehouse serve` on a free port. `data` outlives it, so that it can be started again."""

    def __init__(self, data, *arguments, environment=None, listen="127.0.0.1:0"):
        self.data = pathlib.Path(data)
        self.arguments = arguments
        self.listen = listen
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.url = None
        self.log = self.data.parent / (self.data.name + ".log")
        self.session = requests.Session()

    def start(self):
        log = open(self.log, "ab")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data", self.data, "--listen", self.listen, *self.arguments],
            stdout=subprocess.PIPE, stderr=log, env=self.environment)
        log.close()
        watchdog = threading.Timer(START_SECONDS_MAX, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                text = line.decode().strip()
                if text.startswith(READY):
                    self.url = text.removeprefix(READY)
                    threading.Thread(target=self.process.stdout.read, daemon=True).start()
                    return self
        finally:
            watchdog.cancel()
        raise AssertionError(f"the server did not become ready:\n{self.log.read_text()[-3000:]}")

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    @property
    def iceberg(self):
        return self.url + "/iceberg"

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(timeout=120) == 0, self.log.read_text()[-3000:]
        self.session.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.session.close()
        self.session = requests.Session()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def request(self, method, path, **options):
        options.setdefault("timeout", 600)
        return self.session.request(method, self.url + path, **options)

    def call(self, method, path, **options):
        response = self.request(method, path, **options)
        if response.status_code >= 400:
            raise Problem(response)
        return response.json() if response.content else None

    def sql(self, statement, params=None, headers=None, **fields):
        body = {"sql": statement, **fields}
        if params is not None:
            body["params"] = params
        return self.call("POST", "/query/sql", json=body, headers=headers)

    def rows(self, statement, params=None, **fields):
        return self.sql(statement, params, **fields)["rows"]

    def value(self, statement, params=None):
        rows = self.rows(statement, params)
        assert len(rows) == 1 and len(rows[0]) == 1, rows
        return rows[0][0]

    def ingest(self, content, dataset, name="data.csv", headers=None, **fields):
        """Uploads bytes, text or an open file through the ingest door."""
        if isinstance(content, str):
            content = content.encode()
        if isinstance(content, bytes):
            content = io.BytesIO(content)
        return self.call("POST", "/ingest/file", data={"dataset": dataset, **fields},
                         files={"file": (name, content)}, headers=headers)


def eventually(check, seconds=120):
    """Waits until `check()` is true, by its own word and not by a guess at the time."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


def pyiceberg_catalog(server, **properties):
    from pyiceberg.catalog.rest import RestCatalog

    return RestCatalog("lake", uri=server.iceberg, **properties)


def duckdb_attached(server, authorization="AUTHORIZATION_TYPE 'none'", warehouse=""):
    """DuckDB's own library with its Iceberg extension, attached to the server's catalog as `lake`."""
    import duckdb

    connection = duckdb.connect()
    for extension in ("httpfs", "avro", "iceberg"):
        connection.load_extension(str(EXTENSIONS / f"{extension}.duckdb_extension"))
    # Without DEFAULT_SCHEMA the extension takes "main" for a name of its own and does not ask for it.
    connection.execute(f"ATTACH '{warehouse}' AS lake (TYPE iceberg, ENDPOINT '{server.iceberg}', "
                       f"{authorization}, DEFAULT_SCHEMA 'main')")
    return connection


def files_of(server, identifier):
    """Every file that the table's current metadata names, read by PyIceberg and not by us."""
    table = pyiceberg_catalog(server).load_table(identifier)
    names = [table.metadata_location]
    if table.current_snapshot():
        snapshot = table.current_snapshot()
        names.append(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            names.append(manifest.manifest_path)
            names += [entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)]
    return [name.removeprefix("file://") for name in names]


def to_ndjson(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)
