"""Ways out of the engine that were tried. Each is made three times in a child that no rewriter guards: with neither
wall, so that it is known to be a way out, with DuckDB's own locks alone, and with the kernel's walls alone; and then
through the server's door. What must never come out is the canary: a secret that lies beside the server's files."""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import re
import socketserver
import subprocess
import threading

import duckdb
import pytest
import requests

from engine_child import EngineChild, Refused
from harness import BINARY, EXTENSIONS, Server

CANARY = "canary-7f3a91"
OPEN = {"sandbox": 2, "duckdb_locked": 0}
DUCKDB_ALONE = {"sandbox": 2}
KERNEL_ALONE = {"sandbox": 1, "duckdb_locked": 0}

# {secret}: a file outside, in the format that its ending says; {out}: a folder outside that may be written by this
# user; {own}: a folder of the grant, readable; {port}: a port on which somebody listens.
READS = [
    "FROM '{secret}.csv'",
    'FROM "{secret}.csv"',
    "FROM/**/'{secret}.csv'",
    "-- a comment\nFROM /* '*/ '{secret}.csv' -- '",
    "SELECT * FROM read_csv('{secret}.csv')",
    "SELECT * FROM read_csv(['{own}/a.csv', '{secret}.csv'], union_by_name=true)",
    "SELECT * FROM read_csv_auto('{secret}.csv')",
    "SELECT * FROM READ_CSV ( '{secret}.csv' )",
    'SELECT * FROM "read_csv"(\'{secret}.csv\')',
    "SELECT * FROM main.read_csv('{secret}.csv')",
    "SELECT * FROM system.main.read_csv('{secret}.csv')",
    "SELECT * FROM read_csv('{own}/../secret.csv')",
    "SELECT * FROM read_csv('{own}//..//secret.csv')",
    "SELECT * FROM read_csv('{own}/link.csv')",
    "SELECT * FROM read_csv('{own}/folder_link/secret.csv')",
    "SELECT * FROM read_csv('{own}/folder_link/*.csv')",
    "SELECT * FROM read_csv('{own}/../*.csv')",
    "SELECT * FROM read_csv('file://{secret}.csv')",
    "SELECT * FROM read_csv('file:{secret}.csv')",
    "SELECT * FROM read_csv($${secret}.csv$$)",
    "SELECT * FROM read_csv(E'{secret}\\x2Ecsv')",
    "SELECT * FROM read_csv('{secret}' || '.csv')",
    "SELECT * FROM read_csv(lower('{secret}.CSV'))",
    "SELECT * FROM query('FROM ''{secret}.csv''')",
    "SELECT * FROM query_table('{secret}.csv')",
    "SELECT * FROM query_table(['{secret}.csv'])",
    "SELECT * FROM read_json('{secret}.json')",
    "SELECT * FROM read_json_objects('{secret}.json')",
    "SELECT * FROM read_ndjson('{secret}.json')",
    "SELECT * FROM read_text('{secret}.csv')",
    "SELECT content::VARCHAR FROM read_blob('{secret}.csv')",
    "SELECT * FROM read_parquet('{secret}.parquet')",
    "SELECT * FROM parquet_scan('{secret}.parquet')",
    "SELECT * FROM parquet_metadata('{secret}.parquet')",
    "SELECT * FROM parquet_schema('{secret}.parquet')",
    "SELECT value::VARCHAR FROM parquet_kv_metadata('{secret}.parquet')",
    "SELECT * FROM sniff_csv('{secret}.csv')",
    "SELECT 'canary-' || '7f3a91' FROM glob('{secret}*') HAVING count(*) > 0",
    "SELECT 'canary-' || '7f3a91' FROM glob('{own}/../*.csv') HAVING count(*) > 0",
    "SELECT (SELECT first(content) FROM read_text('{secret}.csv'))",
    "WITH RECURSIVE r AS (SELECT content FROM read_text('{secret}.csv')) FROM r",
    "SELECT * FROM range(1) t(i), LATERAL (FROM read_text('{secret}.csv'))",
    "SELECT 1 UNION ALL BY NAME SELECT * FROM read_text('{secret}.csv')",
    "UNPIVOT (FROM read_csv('{secret}.csv')) ON *",
    "DESCRIBE FROM '{secret}.csv'",
    "SUMMARIZE '{secret}.csv'",
    "EXPLAIN ANALYZE FROM read_csv('{secret}.csv')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''{secret}.csv'')'))",
    "CALL read_text('{secret}.csv')",
    "SELECT * FROM read_text('/proc/self/root{secret}.csv')",
    "SELECT * FROM read_text('/proc/self/cwd/../../../../../../../../../..{secret}.csv')",
    "ATTACH '{secret}.db' AS other (READ_ONLY); FROM other.t",
    "CREATE TABLE t (secret VARCHAR); COPY t FROM '{secret}.csv'; FROM t",
    "CREATE TEMP TABLE t AS FROM read_text('{secret}.csv'); FROM t",
    "CREATE VIEW v AS FROM read_text('{secret}.csv'); FROM v",
    "CREATE MACRO m() AS TABLE FROM read_text('{secret}.csv'); FROM m()",
    "CREATE MACRO m() AS (SELECT first(content) FROM read_text('{secret}.csv')); SELECT m()",
    "PREPARE p AS FROM read_text('{secret}.csv'); EXECUTE p",
    "PREPARE p AS FROM read_text($1); EXECUTE p('{secret}.csv')",
    "SET VARIABLE f = '{secret}.csv'; FROM read_text(getvariable('f'))",
    "SET file_search_path = '{outside}'; FROM 'secret.csv'",
    "SET home_directory = '{outside}'; FROM read_text('~/secret.csv')",
    "IMPORT DATABASE '{outside}/export'; FROM t",
    "SELECT 1; FROM read_text('{secret}.csv')",
    "PRAGMA import_database('{outside}/export'); FROM t",
    "LOAD json; SELECT content FROM read_text('{secret}.csv')",
    "SET allowed_directories = ['/']; FROM '{secret}.csv'",
    "SET allowed_paths = ['{secret}.csv']; FROM '{secret}.csv'",
    "PRAGMA allowed_paths=['{secret}.csv']; FROM '{secret}.csv'",
]

# What DuckDB itself does not take, or not always; a filter on text may stumble over the spelling.
TRICKS = [
    "PIVOT (SELECT COLUMNS(*) AS s FROM read_csv('{secret}.csv')) ON s USING count(*)",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT content::VARCHAR FROM read_blob('/proc/{pid}/cmdline')",
    "ATTACH '{secret}.csv' AS other (TYPE csv); FROM other.t",
    "SELECT 1;;/**/;FROM read_text('{secret}.csv');",
    "MERGE INTO (FROM read_text('{secret}.csv')) USING range(1) ON true",
    "RESET enable_external_access; SET enable_external_access = true; FROM '{secret}.csv'",
    "SELECT getenv('ENGINE_CANARY')",
    "SELECT * FROM ｒｅａｄ＿ｔｅｘｔ('{secret}.csv')",
    "SELECT * FROM read\u200b_text('{secret}.csv')",
    "SELECT * FROM re\u0430d_text('{secret}.csv')",
    "SELECT\u00a0*\u00a0FROM\u00a0read_text('{secret}.csv')",
    "SELECT * FROM read_text\u3000('{secret}.csv')",
    "SELECT * FROM \u202eread_text('{secret}.csv')",
    "SELECT * FROM U&\"r\\0065ad_text\"('{secret}.csv')",
    "SELECT * FROM read_text(U&'{secret}\\002Ecsv')",
    "SELECT * FROM \"read_text\0\"('{secret}.csv')",
    "SELECT * FROM read_text(X'2f6574632f706173737764')",
    "SELECT * FROM read_text('{secret}.csv\0.txt')",
    "\ufeffSELECT * FROM read_text('{secret}.csv')",
    "SELECT /*/**/ * FROM read_text('{secret}.csv') --*/",
    "SELECT '\\'; FROM read_text('{secret}.csv'); --'",
    "SELECT $a$ $b$ $a$; FROM read_text('{secret}.csv')",
    "select * from READ_TEXT\v('{secret}.csv')",
]

# Each would leave something in {out}, or change a file of {own}.
WRITES = [
    "COPY (SELECT 1) TO '{out}/a.csv'",
    "COPY (SELECT 1) TO '{out}/a.parquet' (FORMAT parquet)",
    "COPY (SELECT 1) TO '{out}/a.json' (FORMAT json)",
    "COPY (SELECT 1 AS a, 2 AS b) TO '{out}/parts' (FORMAT parquet, PARTITION_BY (a))",
    "COPY (SELECT 1) TO '{staging}/../../out/a.csv'",
    "COPY (SELECT 1) TO '{staging}/folder_link/a.csv'",
    "COPY (SELECT 1) TO 'file://{out}/a.csv'",
    "CREATE TABLE t AS SELECT 1 AS a; COPY t TO '{out}/a.csv'",
    "EXPORT DATABASE '{out}/export'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}/a.csv'",
    "PREPARE p AS COPY (SELECT 1) TO '{out}/a.csv'; EXECUTE p",
    "ATTACH '{out}/a.db' AS other; CREATE TABLE other.t AS SELECT 1; CHECKPOINT other",
    "SET log_query_path = '{out}/log'; SELECT 1",
    "PRAGMA enable_profiling = 'json'; PRAGMA profiling_output = '{out}/profile.json'; SELECT 1",
    "CALL enable_logging(level = 'debug', storage = 'file', storage_config = {{'path': '{out}/logs'}}); SELECT write_log('x', level := 'info')",
    "SET home_directory = '{out}'; INSTALL '{extension}'",
    "SET allow_persistent_secrets = true; SET secret_directory = '{out}/secrets'; CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
]

# To where the grant only reads, which DuckDB's own locks do not tell apart.
WRITES_OF_READABLE = [
    "COPY (SELECT 1) TO '{own}/new.csv'",
    "COPY (SELECT 1) TO '{own}/a.csv'",
    "ATTACH '{own}/a.db' AS other; CREATE TABLE other.t AS SELECT 1; CHECKPOINT other",
]

# Each comes to the port of somebody who listens. The child has the httpfs extension, so that there is a way.
CONNECTIONS = [
    "FROM read_csv('http://127.0.0.1:{port}/x.csv')",
    "FROM read_csv('http://localhost:{port}/x.csv')",
    "FROM 'https://127.0.0.1:{port}/x.parquet'",
    "FROM read_text('http://127.0.0.1:{port}/x.csv')",
    "ATTACH 'http://127.0.0.1:{port}/x.db'",
    "SET http_proxy = '127.0.0.1:{port}'; FROM read_csv('http://example.invalid/x.csv')",
    "SET s3_endpoint = '127.0.0.1:{port}'; SET s3_use_ssl = false; SET s3_url_style = 'path'; FROM 's3://bucket/x.parquet'",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b', ENDPOINT '127.0.0.1:{port}', USE_SSL false, URL_STYLE 'path'); FROM 's3://bucket/x.parquet'",
    "SET home_directory = '{staging}'; SET custom_extension_repository = 'http://127.0.0.1:{port}'; INSTALL spatial",
    "SET home_directory = '{staging}'; FORCE INSTALL spatial FROM 'http://127.0.0.1:{port}'",
]

# Refused at the door, whatever the engine has.
OTHERS = [
    "LOAD '{extension}'",
    "INSTALL '{extension}'",
    "UPDATE EXTENSIONS",
    "COPY (SELECT 1) TO 'http://127.0.0.1:{port}/x.csv'",
    "ATTACH 'host=127.0.0.1 port={port}' AS p (TYPE postgres)",
    "ATTACH 'lake' AS l (TYPE iceberg, ENDPOINT 'http://127.0.0.1:{port}')",
    "FROM postgres_scan('host=127.0.0.1 port={port}', 'public', 't')",
    "FROM sqlite_scan('{secret}.db', 't')",
    "FROM iceberg_scan('{outside}')",
    "FROM delta_scan('{outside}')",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "USE memory",
    "DETACH memory",
    "BEGIN; COPY (SELECT 1) TO '{out}/a.csv'; COMMIT",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT current_setting('temp_directory')",
    "SELECT getvariable('lh_files_1')",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM duckdb_logs",
    "FROM which_secret('s3://bucket', 's3')",
    "SELECT write_log('x')",
    "EXECUTE p",
    "DEALLOCATE p",
]

# What changes the engine for everybody, or tells about it.
SETTINGS = [
    "SET memory_limit = '64GB'",
    "SET GLOBAL threads = 64",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "SET enable_external_access = true",
    "SET allow_unsigned_extensions = true",
    "SET allow_community_extensions = true",
    "SET allowed_configs = ['threads']",
    "SET disabled_filesystems = ''",
    "SET temp_directory = '/'",
    "PRAGMA memory_limit = '64GB'",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET errors_as_json = false",
]


class Outside:
    """The folders around a grant, with the secret in every format."""

    def __init__(self, folder, own, staging):
        self.folder, self.own, self.staging = folder, own, staging
        self.out = folder / "out"
        self.out.mkdir()
        self.secret = folder / "secret"
        connection = duckdb.connect()
        for ending, options in (("csv", ""), ("json", ""),
                                ("parquet", f"(FORMAT parquet, KV_METADATA {{key: '{CANARY}'}})")):
            connection.execute(f"""COPY (SELECT '{CANARY}' AS "column-{CANARY}") TO '{self.secret}.{ending}' {options}""")
        connection.execute(f"ATTACH '{self.secret}.db' AS other; CREATE TABLE other.t AS SELECT '{CANARY}' AS s; DETACH other")
        connection.execute(f"CREATE TABLE t AS SELECT '{CANARY}' AS s; EXPORT DATABASE '{folder}/export'")
        (own / "a.csv").write_text("secret\nnone\n")
        (own / "link.csv").symlink_to(f"{self.secret}.csv")
        (own / "folder_link").symlink_to(folder)
        (staging / "folder_link").symlink_to(self.out)
        self.port = None
        self.pid = os.getpid()

    def fill(self, statement):
        return statement.format(secret=self.secret, outside=self.folder, out=self.out, own=self.own, pid=self.pid,
                                staging=self.staging, port=self.port, extension=EXTENSIONS / "tpch.duckdb_extension")

    def state(self):
        """What lies outside and may not change, and what the grant lets nobody write."""
        return {str(path): path.read_bytes() if path.is_file() else b""
                for root in (self.folder, self.own) for path in sorted(root.rglob("*"))
                if self.staging not in path.parents and path != self.staging and "spill" not in path.name}


@contextlib.contextmanager
def listener():
    """A port, and what came to it."""
    seen = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            seen.append(self.client_address)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], seen
        server.shutdown()
        thread.join()


@pytest.fixture
def outside(tmp_path):
    own = tmp_path / "outside" / "own"
    (own / "staging").mkdir(parents=True)
    return Outside(tmp_path / "outside", own, own / "staging")


LEAVES_BEHIND = ("SET", "RESET", "PRAGMA", "CALL", "ATTACH", "IMPORT", "CREATE SECRET", "LOAD", "INSTALL", "FORCE")


class Child:
    """A child to break: another one comes after each attempt that leaves something behind."""

    def __init__(self, outside, walls):
        self.outside, self.walls, self.running, self.count = outside, walls, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.running:
            self.running.close()
            self.running = None

    def run(self, statement):
        """What comes of it, as text: rows, or the refusal."""
        if not self.running:
            self.running = EngineChild(self.outside.folder / "spill", readable=[self.outside.own],
                                       writable=[self.outside.staging], extension=EXTENSIONS / "httpfs.duckdb_extension",
                                       **self.walls)
        parts = self.outside.fill(statement).split("; ")
        self.count += 1
        place = [f"CREATE SCHEMA place{self.count}", f"SET schema = 'place{self.count}'"] if len(parts) > 1 else []
        patience = ["SET http_retries = 0"] if "duckdb_locked" in self.walls else []
        ended = False
        try:
            return json.dumps(self.running.run(parts[-1], before=patience + place + parts[:-1]))
        except Refused as refused:
            ended = self.running.process.poll() is not None
            return f"refused: {refused}"
        finally:
            if ended or any(part.startswith(LEAVES_BEHIND) for part in parts):
                self.__exit__()


def test_no_statement_reads_outside(outside):
    with Child(outside, OPEN) as free:
        assert [statement for statement in READS if CANARY not in free.run(statement)] == [], "a test of nothing"
    for walls in (DUCKDB_ALONE, KERNEL_ALONE):
        with Child(outside, walls) as child:
            assert [statement for statement in READS + TRICKS if CANARY in child.run(statement)] == []


def changes(outside, child, statement):
    """Whether it leaves a trace; the trace is removed."""
    before = outside.state()
    child.run(statement)
    after = outside.state()
    for path in after.keys() - before.keys():
        if os.path.isfile(path):
            os.unlink(path)
    for path, content in before.items():
        if after.get(path) != content:
            pathlib.Path(path).write_bytes(content)
    return after != before


def test_no_statement_writes_outside(outside):
    with Child(outside, OPEN) as free:
        harmless = [statement for statement in WRITES + WRITES_OF_READABLE if not changes(outside, free, statement)]
    assert harmless == [], "a test of nothing"
    for walls, writes in ((DUCKDB_ALONE, WRITES), (KERNEL_ALONE, WRITES + WRITES_OF_READABLE)):
        with Child(outside, walls) as child:
            assert [statement for statement in writes if changes(outside, child, statement)] == []


def test_no_statement_connects(outside):
    with listener() as (outside.port, seen):
        def connects(child, statement):
            seen.clear()
            child.run(statement)
            return bool(seen)

        with Child(outside, OPEN) as free:
            assert [statement for statement in CONNECTIONS if not connects(free, statement)] == [], "a test of nothing"
        for walls in (DUCKDB_ALONE, KERNEL_ALONE):
            with Child(outside, walls) as child:
                assert [statement for statement in CONNECTIONS if connects(child, statement)] == []


def test_the_granted_port_and_no_other(tmp_path):
    with listener() as (granted, came), listener() as (other, strayed), EngineChild(
            tmp_path / "spill", port=granted, extension=EXTENSIONS / "httpfs.duckdb_extension", sandbox=1) as child:
        for port in (granted, other):
            with pytest.raises(Refused):
                child.run(f"FROM read_csv('http://127.0.0.1:{port}/x.csv')")
        assert came and not strayed


def test_no_code_is_loaded(outside):
    load = "LOAD '{extension}'; SELECT count(*) FROM duckdb_functions() WHERE function_name = 'dbgen'"
    with Child(outside, OPEN) as free:
        assert free.run(load) != "[[0]]"
    for walls in (DUCKDB_ALONE, KERNEL_ALONE):
        with Child(outside, walls) as child:
            assert child.run(load).startswith("refused:")


def test_no_setting_changes(outside):
    with Child(outside, DUCKDB_ALONE) as child:
        assert [statement for statement in SETTINGS if not child.run(statement).startswith("refused:")] == []


def calls(functions):
    """A call of each overload with the secret in every place that takes a text."""
    for name, kind, types in functions:
        if any(kind_of_text in type_ for type_ in types for kind_of_text in ("VARCHAR", "ANY", "BLOB")) or not types:
            for ending in ("csv", "parquet", "json", "db") if "table" in kind and types else ("csv",):
                arguments = ", ".join(argument_of(type_, ending) for type_ in types)
                call = f'"{name}"({arguments})'
                yield name, f"SELECT t::VARCHAR FROM {call} AS t" if "table" in kind else f"SELECT {call}::VARCHAR"


def argument_of(type_, ending):
    text = f"'{{secret}}.{ending}'"
    if type_ in ("VARCHAR", "ANY", "BLOB", "T"):
        return text
    if type_.startswith("VARCHAR[") or type_ == "ANY[]":
        return f"[{text}]"
    return f"NULL::{type_}" if type_.isupper() and type_.isalpha() else "NULL"


# Of a table function's parameters those with a name of their own are given by name.
ALL_FUNCTIONS = """SELECT DISTINCT function_name, function_type,
    [coalesce(p[2], 'ANY') FOR p IN list_zip(parameters, parameter_types) IF function_type != 'table' OR regexp_matches(p[1], '^col[0-9]+$')]
    FROM duckdb_functions() WHERE function_type IN ('table', 'scalar', 'table_macro', 'macro')
    AND NOT regexp_matches(function_name, '^[^a-z_]') ORDER BY ALL"""
READERS = {"read_csv", "read_csv_auto", "read_json", "read_json_auto", "read_json_objects", "read_ndjson", "read_ndjson_auto",
           "read_ndjson_objects", "read_text", "read_blob", "read_parquet", "parquet_scan", "sniff_csv", "parquet_schema",
           "parquet_metadata", "parquet_kv_metadata"}


def functions_that_read(outside, walls, functions):
    found = set()
    with Child(outside, walls) as child:
        for name, call in calls(functions):
            if name not in found and CANARY in child.run(call):
                found.add(name)
    return found


def test_no_function_reads_outside(outside):
    """Every function that DuckDB has, those with secrets' ways in as well as those nobody thought of."""
    with Child(outside, OPEN) as free:
        functions = json.loads(free.run(ALL_FUNCTIONS.replace("{", "{{").replace("}", "}}")))
    assert len(functions) > 1000
    readers = functions_that_read(outside, OPEN, functions)
    assert readers >= READERS, READERS - readers
    for walls in (DUCKDB_ALONE, KERNEL_ALONE):
        assert functions_that_read(outside, walls, [f for f in functions if f[0] in readers]) == set()


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A server, and what lies around its data."""
    folder = tmp_path_factory.mktemp("door")
    (folder / "outside").mkdir()
    server = Server(folder / "data", environment={"ENGINE_CANARY": CANARY})
    with server, listener() as (port, seen):
        bucket = folder / "data" / "buckets" / "primary"
        around = Outside(folder / "outside", bucket, bucket / "_staging")
        around.port, around.seen, around.server = port, seen, server
        server.sql("CREATE TABLE held AS SELECT 1 AS a")
        yield around
        assert crashes(server) == 0


def crashes(server):
    lines = server.request("GET", "/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("lakehouse_engine_crashes_total"))


def answer(door, statement, **fields):
    response = door.server.request("POST", "/query/sql", json={"sql": statement, **fields})
    assert CANARY not in response.text, statement
    assert response.status_code < 500 or response.status_code == 501, (statement, response.text)
    return response.status_code


AROUND = ["{}", "EXPLAIN {}", "EXPLAIN ANALYZE {}", "SELECT * FROM ({}) AS t", "WITH held AS ({}) SELECT * FROM held",
          "SELECT * FROM held WHERE EXISTS ({})", "CREATE TABLE escaped AS {}", "INSERT INTO held {}",
          "SELECT * FROM held UNION ALL BY NAME {}", "CREATE OR REPLACE VIEW escaped AS {}", "SUMMARIZE {}", "BEGIN; {}; COMMIT"]


def test_the_door_refuses_each(door):
    before = door.state()
    statements = [door.fill(statement) for statement in
                  READS + TRICKS + WRITES + WRITES_OF_READABLE + CONNECTIONS + OTHERS + SETTINGS]
    single = [door.fill(statement) for statement in READS if statement.startswith(("SELECT", "FROM")) and ";" not in statement]
    statements += [around.format(statement) for around in AROUND for statement in single]
    assert [statement for statement in statements if answer(door, statement) < 400] == []
    assert door.state().keys() == before.keys() and not door.seen
    assert door.server.rows("SELECT a FROM held") == [[1]]


def test_the_door_lets_no_function_read_outside(door, outside):
    with Child(outside, OPEN) as free:
        functions = json.loads(free.run(ALL_FUNCTIONS.replace("{", "{{").replace("}", "}}")))
    for name, call in calls(functions):
        status = answer(door, door.fill(call))
        assert status >= 400 or name not in READERS, call
    assert not door.seen


def test_parameters_are_no_way_out(door):
    for statement in ("FROM read_text(?)", "SELECT * FROM query(?)", "SELECT * FROM query_table(?)", "SELECT getvariable(?)",
                      "COPY held TO ?", "FROM glob(?)", "EXECUTE ?", "SELECT * FROM held AT (VERSION => ?)"):
        assert answer(door, statement, params=[f"{door.secret}.csv"]) >= 400, statement


def test_views_of_other_engines_are_no_way_out(door):
    for i, statement in enumerate(READS):
        if not statement.startswith(("SELECT", "FROM")):
            continue
        for dialect in ("duckdb", "spark"):
            name = f"way_{i}_{dialect}"
            made = door.server.request("POST", "/iceberg/v1/namespaces/main/views", json={
                "name": name, "properties": {}, "schema": {"type": "struct", "schema-id": 0, "fields": []},
                "view-version": {"version-id": 1, "schema-id": 0, "timestamp-ms": 1_700_000_000_000, "summary": {},
                                 "default-namespace": ["main"],
                                 "representations": [{"type": "sql", "sql": door.fill(statement), "dialect": dialect}]}})
            assert made.status_code in (200, 400), made.text
            assert answer(door, f"SELECT * FROM {name}") >= 400, statement


def test_an_uploaded_file_reads_no_other(door):
    """What lies in a file is data, whatever it looks like."""
    for name, content in (("a.csv", f"file\n{door.secret}.csv\n"), ("b.json", json.dumps({"$ref": f"file://{door.secret}.json"})),
                          (f"../../../..{door.secret}.csv", "a\n1\n"), (f"{door.secret}.parquet", "a\n1\n")):
        response = door.server.request("POST", "/ingest/file", data={"dataset": "uploaded_" + name[0].replace(".", "x").replace("/", "y")},
                                       files={"file": (name, content)})
        assert CANARY not in response.text and response.status_code < 500, response.text


def test_the_layers_in_force_are_told(door):
    layers = {layer["name"]: layer for layer in door.server.call("GET", "/version")["sandbox"]}
    assert {"files", "network", "system_calls", "privileges", "limits", "namespaces"} <= layers.keys()
    assert all(layer["detail"] for layer in layers.values())


def test_the_kernel_says_the_same_of_the_running_child(door):
    """What /proc tells of the engine, by itself."""
    children = [pid for pid in os.listdir("/proc") if pid.isdigit() and parent_of(pid) == door.server.process.pid]
    # One waits for the next uploaded file, and has not opened DuckDB before it knows which.
    children = [pid for pid in children if b"--grant-later\x001" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert children
    for pid in children:
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        for thread in os.listdir(f"/proc/{pid}/task"):
            of_thread = pathlib.Path(f"/proc/{pid}/task/{thread}/status").read_text()
            assert "Seccomp:\t2" in of_thread, "a thread that was there before the walls"
        assert re.search(r"Max core file size +0 +0 ", pathlib.Path(f"/proc/{pid}/limits").read_text())


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def test_strict_starts_where_every_layer_is(tmp_path):
    probe = EngineChild(tmp_path / "spill", sandbox=0)
    probe.close()
    if not all(layer["in_force"] for layer in probe.greeting["sandbox"] if layer["name"] != "namespaces"):
        pytest.skip(f"not on this machine: {probe.greeting['sandbox']}")
    with Server(tmp_path / "data", environment={"LAKEHOUSE_ENGINE_SANDBOX": "strict"}) as server:
        assert server.value("SELECT 1") == 1


def forget(name, error):
    """From here on this process's kernel does not know this call, as far as it can see."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(seccomp.seccomp_init(0x7FFF0000))
    call = seccomp.seccomp_syscall_resolve_name(name)
    assert seccomp.seccomp_rule_add(rules, 0x00050000 | error, call, 0) == 0 and seccomp.seccomp_load(rules) == 0


@pytest.mark.parametrize("mode", ["strict", "best-effort"])
def test_a_missing_layer_is_named(tmp_path, mode):
    process = subprocess.Popen([BINARY, "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0"],
                               env={**os.environ, "LAKEHOUSE_ENGINE_SANDBOX": mode}, preexec_fn=lambda: forget(b"landlock_create_ruleset", errno.ENOSYS),
                               stdout=subprocess.PIPE, stderr=(tmp_path / "log").open("wb"), text=True)
    said = process.stdout.readline()
    if mode == "strict":
        assert process.wait(timeout=120) == 1 and not said
        log = (tmp_path / "log").read_text()
        assert "'files'" in log and "Landlock" in log and "best-effort" in log
    else:
        layers = requests.get(said.split()[-1] + "/version", timeout=120).json()["sandbox"]
        answer = requests.post(said.split()[-1] + "/query/sql", json={"sql": "SELECT 1"}, timeout=60)
        process.terminate()
        assert process.wait(timeout=120) == 0 and answer.json()["rows"] == [[1]]
        assert [layer["name"] for layer in layers if not layer["in_force"]] in ([], ["files"])
        assert "no layer 'files'" in (tmp_path / "log").read_text()


def test_without_namespaces_the_other_walls_stand(tmp_path):
    """As in most containers. /proc is there then, and DuckDB looks into it when it opens."""
    process = subprocess.Popen([BINARY, "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0"],
                               env={**os.environ, "LAKEHOUSE_ENGINE_SANDBOX": "strict"},
                               preexec_fn=lambda: forget(b"unshare", errno.EPERM),
                               stdout=subprocess.PIPE, stderr=(tmp_path / "log").open("wb"), text=True)
    url = process.stdout.readline().split()[-1]
    layers = requests.get(url + "/version", timeout=120).json()["sandbox"]
    answer = requests.post(url + "/query/sql", json={"sql": "SELECT 1"}, timeout=60)
    process.terminate()
    assert process.wait(timeout=120) == 0
    assert [layer["name"] for layer in layers if not layer["in_force"]] == ["namespaces"]
    assert answer.json()["rows"] == [[1]], answer.text
