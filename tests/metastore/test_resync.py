"""Counts that another program left out of its snapshot are found again in the files' footers."""

import uuid

import pytest

from harness import Problem, pyiceberg_catalog


def commit_as_another_program(server, table, summary):
    """Puts a snapshot with the same files but other words into the table, as a client may."""
    path = f"/iceberg/v1/namespaces/main/tables/{table}"
    metadata = server.call("GET", path)["metadata"]
    current = next(snapshot for snapshot in metadata["snapshots"]
                   if snapshot["snapshot-id"] == metadata["current-snapshot-id"])
    snapshot = {**current, "snapshot-id": uuid.uuid4().int >> 66, "parent-snapshot-id": current["snapshot-id"],
                "sequence-number": metadata["last-sequence-number"] + 1,
                "summary": {"operation": "append", **summary}}
    server.call("POST", path, json={
        "requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": current["snapshot-id"]}],
        "updates": [{"action": "add-snapshot", "snapshot": snapshot},
                    {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch",
                     "snapshot-id": snapshot["snapshot-id"]}]})


def counts(server, table):
    dataset = server.call("GET", f"/datasets/{table}")
    return dataset["rows"], dataset["files"], dataset["size_bytes"]


def test_missing_counts_are_repaired(server):
    server.ingest("id,name\n1,a\n2,b\n", "missing")
    server.sql("INSERT INTO missing VALUES (3, 'c')")
    right = counts(server, "missing")
    assert right[:2] == (3, 2)
    commit_as_another_program(server, "missing", {})
    assert counts(server, "missing") == (0, 0, 0)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    done = server.call("POST", "/catalog/resync-missing", json={}, headers=key)
    assert [(item["dataset"], item["rows"], item["files"]) for item in done["repaired"]] == [("main.missing", 3, 2)]
    assert not done["problems"]
    assert counts(server, "missing") == right
    assert server.rows("SELECT id FROM missing ORDER BY id") == [[1], [2], [3]]
    seen = pyiceberg_catalog(server).load_table("main.missing")
    assert seen.current_snapshot().summary["total-records"] == "3"
    assert seen.current_snapshot().summary.operation.value == "replace"
    assert seen.scan().to_arrow().num_rows == 3
    assert server.call("POST", "/catalog/resync-missing", json={}, headers=key) == done
    again = server.call("POST", "/catalog/resync-missing", json={})
    assert again["repaired"] == [] and again["right"] == again["checked"]
    server.sql("INSERT INTO missing VALUES (4, 'd')")
    assert counts(server, "missing")[0] == 4


def test_wrong_counts_are_repaired_where_they_are_verified(server):
    server.ingest("id\n1\n2\n", "wrong")
    right = counts(server, "wrong")
    lies = {"total-records": "99", "total-data-files": "7", "total-files-size": "1"}
    commit_as_another_program(server, "wrong", lies)
    assert counts(server, "wrong") == (99, 7, 1)
    assert server.call("POST", "/catalog/resync-missing", json={})["repaired"] == []
    done = server.call("POST", "/catalog/resync-missing", json={"verify": True})
    assert [item["dataset"] for item in done["repaired"]] == ["main.wrong"]
    assert counts(server, "wrong") == right


def test_files_that_are_gone_are_said(server):
    server.ingest("id\n1\n", "gone")
    commit_as_another_program(server, "gone", {})
    files = pyiceberg_catalog(server).load_table("main.gone").inspect.files()["file_path"].to_pylist()
    for file in files:
        (server.data / file.removeprefix("file://")).unlink()
    done = server.call("POST", "/catalog/resync-missing", json={})
    assert done["repaired"] == []
    assert [problem["dataset"] for problem in done["problems"]] == ["main.gone"]
    server.call("DELETE", "/datasets/gone")


def test_unknown_fields_are_refused(server):
    with pytest.raises(Problem) as refused:
        server.call("POST", "/catalog/resync-missing", json={"all": True})
    assert refused.value.status == 400
