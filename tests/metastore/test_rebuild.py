"""The catalog is remade from the buckets: without a server, and beside one."""

import shutil
import subprocess
import uuid

import pytest

from harness import BINARY, Problem, Server

VIEW = {
    "name": "of people",
    "schema": {"type": "struct", "schema-id": 0,
               "fields": [{"id": 1, "name": "id", "type": "long", "required": False}]},
    "view-version": {"version-id": 1, "schema-id": 0, "timestamp-ms": 1, "summary": {"operation": "create"},
                     "representations": [{"type": "sql", "sql": "SELECT 1 AS id", "dialect": "duckdb"}],
                     "default-namespace": ["main"]},
    "properties": {},
}


def rebuild(data, *arguments):
    return subprocess.run([BINARY, "catalog", "rebuild", "--data", data, *arguments], text=True,
                          capture_output=True, timeout=60)


def lose_metastore(data):
    for file in data.glob("metastore.db*"):
        file.unlink()


def fill(server):
    server.ingest("id,name\n1,a\n2,b\n", "people")
    server.sql("INSERT INTO people VALUES (3, 'c')")
    server.sql("CREATE SCHEMA sales")
    server.sql('CREATE TABLE sales."it\'s 100 %" AS SELECT 7 AS n')
    server.sql("CREATE TABLE before (a INTEGER)")
    server.sql("ALTER TABLE before RENAME TO after")
    server.sql("CREATE TABLE dropped (a INTEGER)")
    server.sql("DROP TABLE dropped")
    assert server.request("POST", "/iceberg/v1/namespaces/sales/views", json=VIEW).status_code == 200


def check(server):
    assert server.rows("SELECT * FROM people ORDER BY id") == [[1, "a"], [2, "b"], [3, "c"]]
    assert server.value('SELECT n FROM sales."it\'s 100 %"') == 7
    assert server.value("SELECT count(*) FROM after") == 0
    for name in ("before", "dropped"):
        with pytest.raises(Problem) as gone:
            server.rows(f"SELECT * FROM {name}")
        assert gone.value.status == 404
    views = server.call("GET", "/iceberg/v1/namespaces/sales/views")["identifiers"]
    assert views == [{"namespace": ["sales"], "name": "of people"}]


def test_a_lost_metastore_is_remade_without_a_server(tmp_path):
    server = Server(tmp_path / "data").start()
    fill(server)
    refused = rebuild(server.data)
    assert refused.returncode == 1 and "another server uses the data folder" in refused.stderr
    server.stop()
    lose_metastore(server.data)
    tried = rebuild(server.data, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "dry run: 4 remade, 0 were right" in tried.stdout
    done = rebuild(server.data)
    assert done.returncode == 0, done.stderr
    assert "4 remade, 0 were right, 0 left out, 1 had been dropped" in done.stdout
    again = rebuild(server.data)
    assert "0 remade, 4 were right" in again.stdout
    with Server(server.data) as running:
        check(running)
        running.sql("INSERT INTO people VALUES (4, 'd')")
        assert running.value("SELECT count(*) FROM people") == 4


def test_a_server_remakes_what_comes_into_its_bucket(tmp_path):
    with Server(tmp_path / "data") as one:
        fill(one)
    # A bucket that another server has filled, at the same place as before.
    lose_metastore(one.data)
    with Server(one.data) as running:
        assert running.call("GET", "/datasets")["datasets"] == []
        young = running.call("POST", "/catalog/rebuild", json={})
        assert young["rebuilt"] == [] and young["problem_count"] == 4
        key = {"Idempotency-Key": str(uuid.uuid4())}
        done = running.call("POST", "/catalog/rebuild", json={"settled_seconds": 0}, headers=key)
        assert done["rebuilt_count"] == 4 and done["dropped"] == 1 and not done["problems"]
        assert {(item["kind"], item["dataset"]) for item in done["rebuilt"]} == {
            ("table", "main.people"), ("table", "main.after"), ("table", "sales.it's 100 %"),
            ("view", "sales.of people")}
        check(running)
        repeated = running.call("POST", "/catalog/rebuild", json={"settled_seconds": 0}, headers=key)
        assert repeated == done
        again = running.call("POST", "/catalog/rebuild", json={"settled_seconds": 0})
        assert again["kept"] == 4 and again["rebuilt"] == []


def test_what_cannot_be_read_is_said(tmp_path):
    server = Server(tmp_path / "data").start()
    server.sql("CREATE TABLE t (a INTEGER)")
    server.stop()
    lose_metastore(server.data)
    table = next((server.data / "buckets" / "primary" / "main").iterdir())
    for file in (table / "metadata").iterdir():
        file.write_text("{}")
    shutil.copytree(table, table.parent / "other")
    done = rebuild(server.data)
    assert done.returncode == 4
    assert done.stderr.count("cannot be read") == 2
    assert rebuild(tmp_path / "nothing").returncode == 0


def test_unknown_fields_are_refused(tmp_path):
    with Server(tmp_path / "data") as server:
        for body in ({"dry": True}, {"settled_seconds": -1}, {"dry_run": 1}, []):
            with pytest.raises(Problem) as refused:
                server.call("POST", "/catalog/rebuild", json=body)
            assert refused.value.status == 400
