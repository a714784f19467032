"""Views over Iceberg REST from outside: by PyIceberg and by hand."""

import concurrent.futures
import uuid

import pytest

from harness import Problem, Server, pyiceberg_catalog

VIEWS = "/iceberg/v1/namespaces/main/views"
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]}


def version(sql, dialect="spark"):
    return {"version-id": 1, "schema-id": 0, "timestamp-ms": 1_700_000_000_000, "summary": {"engine-name": "tests"},
            "default-namespace": ["main"], "representations": [{"type": "sql", "sql": sql, "dialect": dialect}]}


def create(server, name, sql="SELECT 1", headers=None, **more):
    return server.call("POST", VIEWS, headers=headers, json={
        "name": name, "schema": SCHEMA, "view-version": version(sql), "properties": {}, **more})


def replacement(sql):
    return {"requirements": [], "updates": [{"action": "add-view-version", "view-version": version(sql)},
                                            {"action": "set-current-view-version", "view-version-id": -1}]}


def test_pyiceberg_sees_views(server):
    create(server, "seen")
    catalog = pyiceberg_catalog(server)
    assert ("main", "seen") in catalog.list_views("main")
    assert catalog.view_exists("main.seen")
    assert ("main", "seen") not in catalog.list_tables("main")
    catalog.drop_view("main.seen")
    assert not catalog.view_exists("main.seen")


def test_a_view_and_its_history_survive_a_restart(tmp_path):
    with Server(tmp_path / "data") as first:
        create(first, "kept", unknown_member=1)
        first.call("POST", f"{VIEWS}/kept", json=replacement("SELECT 2"))
        before = first.call("GET", f"{VIEWS}/kept")
    with Server(tmp_path / "data") as again:
        assert again.call("GET", f"{VIEWS}/kept") == before
        assert [entry["version-id"] for entry in before["metadata"]["version-log"]] == [1, 2]


def test_the_same_key_makes_one_view_and_one_version_even_after_a_restart(tmp_path):
    made_key, replaced_key, dropped_key = ({"Idempotency-Key": str(uuid.uuid4())} for _ in range(3))
    with Server(tmp_path / "data") as first:
        made = create(first, "once", headers=made_key)
        assert create(first, "once", headers=made_key) == made
        after = first.call("POST", f"{VIEWS}/once", json=replacement("SELECT 2"), headers=replaced_key)
        with pytest.raises(Problem) as other:
            first.call("POST", f"{VIEWS}/once", json=replacement("SELECT 3"), headers=replaced_key)
        assert other.value.status == 422
    with Server(tmp_path / "data") as again:
        assert again.call("POST", f"{VIEWS}/once", json=replacement("SELECT 2"), headers=replaced_key) == after
        assert create(again, "once", headers=made_key) == made
        for _ in range(2):
            again.call("DELETE", f"{VIEWS}/once", headers=dropped_key)
        assert again.request("DELETE", f"{VIEWS}/once").status_code == 404


def test_concurrent_replacements_all_land(server):
    create(server, "busy", properties={"version.history.num-entries": "100"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: server.call("POST", f"{VIEWS}/busy", json=replacement(f"SELECT {number + 10}")),
                      range(24)))
    metadata = server.call("GET", f"{VIEWS}/busy")["metadata"]
    assert [each["version-id"] for each in metadata["version-log"]] == list(range(1, 26))


@pytest.mark.parametrize(("body", "status", "message"), [
    ({"requirements": [{"type": "assert-view-uuid", "uuid": "other"}], "updates": []}, 409, "view UUID does not match"),
    ({"requirements": [{"type": "assert-table-uuid", "uuid": "x"}], "updates": []}, 400, "assert-table-uuid"),
    ({"updates": [{"action": "add-snapshot", "snapshot": {}}]}, 400, "add-snapshot"),
    ({"updates": [{"action": "fly"}]}, 400, "fly"),
    ({"updates": [{"action": "set-current-view-version", "view-version-id": 7}]}, 400, "unknown version: 7"),
    ({"updates": [{"action": "add-view-version", "view-version": {}}]}, 400, "version-id"),
    ({"identifier": {"namespace": ["main"], "name": "else"}, "updates": []}, 400, "else"),
    ({}, 400, "updates"),
])
def test_wrong_commits_say_what_is_wrong(server, body, status, message):
    if server.request("HEAD", f"{VIEWS}/strict").status_code == 404:
        create(server, "strict")
    response = server.request("POST", f"{VIEWS}/strict", json=body)
    assert response.status_code == status, response.text
    assert message in response.json()["error"]["message"]


def test_a_file_that_is_no_view_is_not_registered(server):
    table = server.call("POST", "/iceberg/v1/namespaces/main/tables", json={"name": "no_view", "schema": SCHEMA})
    for location, status in ((table["metadata-location"], 400), ("file:///etc/passwd", 400), ("s3://a/b", 400),
                             (table["metadata-location"] + "x", 404)):
        response = server.request("POST", "/iceberg/v1/namespaces/main/register-view",
                                  json={"name": "registered", "metadata-location": location})
        assert response.status_code == status, response.text
