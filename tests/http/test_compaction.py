"""POST /query/compact: at once, or as a job."""

import uuid

import pytest

from harness import Problem, eventually


@pytest.fixture
def many(server):
    """A table of eight files of ten rows each."""
    name = "compact_" + uuid.uuid4().hex[:8]
    server.sql(f"CREATE TABLE {name} (id BIGINT, label VARCHAR)")
    for i in range(8):
        server.sql(f"INSERT INTO {name} SELECT i + {i * 10}, 'l' || i FROM range(10) t(i)")
    return name


def compact(server, key=None, **body):
    return server.request("POST", "/query/compact", json=body, headers={"Idempotency-Key": key} if key else None)


def job(server, job_id):
    def over():
        return server.call("GET", f"/jobs/{job_id}")["state"] not in ("queued", "running")

    eventually(over)
    return server.call("GET", f"/jobs/{job_id}")


def content(server, name):
    return server.rows(f"SELECT * FROM {name} ORDER BY id")


def test_little_work_is_done_at_once(server, many):
    before = content(server, many)
    answer = compact(server, dataset=many)
    assert answer.status_code == 200
    assert answer.json()["files_removed"] == 8 and answer.json()["files_added"] == 1
    assert content(server, many) == before


def test_a_job_does_it_in_the_background(server, many):
    before = content(server, many)
    answer = compact(server, key="job-" + many, dataset=many, background=True)
    assert answer.status_code == 202
    assert answer.headers["Location"] == "/jobs/" + answer.json()["job_id"]
    again = compact(server, key="job-" + many, dataset=many, background=True)
    assert (again.status_code, again.json()) == (202, answer.json())
    done = job(server, answer.json()["job_id"])
    assert done["state"] == "done", done
    assert done["kind"] == "dataset.compact" and done["subject"] == "main." + many
    assert done["done"] == done["total"] == 8
    assert done["result"]["dataset"] == "main." + many
    assert done["result"]["files_removed"] == 8 and done["result"]["files_added"] == 1
    assert done["result"]["rows"] == 80 and done["result"]["commits"] == 1
    assert content(server, many) == before
    assert compact(server, dataset=many, background=False).json()["snapshot_id"] is None


def test_a_job_without_work_is_done_too(server, many):
    compact(server, dataset=many)
    answer = compact(server, dataset=many, background=True)
    done = job(server, answer.json()["job_id"])
    assert done["state"] == "done" and done["result"]["snapshot_id"] is None


def test_what_cannot_be_compacted_is_refused_before_there_is_a_job(server):
    with pytest.raises(Problem) as raised:
        server.call("POST", "/query/compact", json={"dataset": "no_such_table", "background": True})
    assert raised.value.status == 404
