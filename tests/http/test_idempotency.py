"""Idempotency-Key on every write of the catalog: the same answer again, also after a restart, and nothing done twice."""

import uuid

import pytest

from harness import Server

SCHEMA = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "a", "type": "long", "required": False}]}
NAMES, TABLES = "/iceberg/v1/namespaces", "/iceberg/v1/namespaces/main/tables"
VIEWS = "/iceberg/v1/namespaces/main/views"


def identifier(name):
    return {"namespace": ["main"], "name": name}


def view(name, sql):
    return {"name": name, "schema": SCHEMA, "properties": {}, "view-version": {
        "version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["main"],
        "representations": [{"type": "sql", "sql": sql, "dialect": "spark"}]}}


def properties(name, value):
    return {"requirements": [], "updates": [{"action": "set-properties", "updates": {name: value}}]}


def writes(metadata_location):
    """(method, path, body, another body), in an order in which each can be done."""
    return [
        ("POST", NAMES, {"namespace": ["keyed"]}, {"namespace": ["keyed2"]}),
        ("POST", NAMES + "/keyed/properties", {"updates": {"a": "1"}}, {"updates": {"a": "2"}}),
        ("POST", TABLES, {"name": "staged", "schema": SCHEMA, "stage-create": True}, {"name": "x", "schema": SCHEMA}),
        ("POST", TABLES, {"name": "t", "schema": SCHEMA}, {"name": "x", "schema": SCHEMA}),
        ("POST", TABLES + "/t", properties("p", "1"), properties("p", "2")),
        ("POST", "/iceberg/v1/transactions/commit",
         {"table-changes": [{"identifier": identifier("t"), **properties("q", "1")}]},
         {"table-changes": [{"identifier": identifier("t"), **properties("q", "2")}]}),
        ("POST", TABLES + "/t/metrics", {"report-type": "scan-report"}, {"report-type": "commit-report"}),
        ("POST", "/iceberg/v1/tables/rename", {"source": identifier("t"), "destination": identifier("u")},
         {"source": identifier("t"), "destination": identifier("w")}),
        ("POST", "/iceberg/v1/namespaces/keyed/register", {"name": "again", "metadata-location": metadata_location},
         {"name": "other", "metadata-location": metadata_location}),
        ("POST", VIEWS, view("v", "SELECT 1"), view("v", "SELECT 2")),
        ("POST", VIEWS + "/v", properties("p", "1"), properties("p", "2")),
        ("POST", "/iceberg/v1/views/rename", {"source": identifier("v"), "destination": identifier("w")},
         {"source": identifier("v"), "destination": identifier("x")}),
        ("DELETE", VIEWS + "/w", None, None),
        ("DELETE", TABLES + "/u", None, None),
        ("DELETE", "/iceberg/v1/namespaces/keyed/tables/again", None, None),
        ("DELETE", NAMES + "/keyed", None, None),
    ]


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path / "data") as running:
        yield running


def do_twice(server, requests):
    """Each write, its repetition, and its key's use for another one."""
    answered = []
    for method, path, body, other in requests:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        first = server.request(method, path, json=body, headers=key)
        assert first.status_code in (200, 204), (method, path, first.text)
        again = server.request(method, path, json=body, headers=key)
        assert (again.status_code, again.content) == (first.status_code, first.content), (method, path)
        if other is not None:
            assert server.request(method, path, json=other, headers=key).status_code == 422, (method, path)
        answered.append((method, path, body, key, first))
    return answered


def restart_and_ask_again(server, answered):
    server.kill()
    server.start()
    for method, path, body, key, first in answered:
        again = server.request(method, path, json=body, headers=key)
        assert (again.status_code, again.content) == (first.status_code, first.content), (method, path)


def test_every_write_is_done_once_and_answered_again(server):
    server.call("POST", TABLES, json={"name": "gone", "schema": SCHEMA})
    location = server.call("GET", TABLES + "/gone")["metadata-location"]
    server.call("DELETE", TABLES + "/gone")
    all_writes = writes(location)
    makes = [write for write in all_writes if write[0] == "POST"]
    drops = [write for write in all_writes if write[0] == "DELETE"]
    answered = do_twice(server, makes)
    restart_and_ask_again(server, answered)
    restart_and_ask_again(server, do_twice(server, drops))
    assert server.call("GET", TABLES)["identifiers"] == []


def test_a_failure_is_answered_again_too(server):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    assert server.request("DELETE", TABLES + "/later", headers=key).status_code == 404
    server.call("POST", TABLES, json={"name": "later", "schema": SCHEMA})
    assert server.request("DELETE", TABLES + "/later", headers=key).status_code == 404, "what it was answered first"
    assert server.request("DELETE", TABLES + "/later", headers={"Idempotency-Key": "x" * 300}).status_code == 400
    assert server.request("HEAD", TABLES + "/later").status_code == 204
