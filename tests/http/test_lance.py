"""Indexes that Lance keeps: the same answers as those of our own, in the sandbox, whatever dies meanwhile."""

import os
import pathlib
import signal

import pytest
from harness import ROOT, Problem, Server, eventually

EXTENSION = ROOT / "third_party" / "parts" / "duckdb" / "on_demand" / "lance.duckdb_extension"
pytestmark = pytest.mark.skipif(not EXTENSION.exists(), reason="scripts/fetch_parts.py duckdb-lance gets the extension")

THINGS = ["a cat sleeps on the {} sofa", "the welder joins {} pipes", "an accountant closes the {} books",
          "a nurse changes the {} dressing", "an orchestra plays a {} symphony", "a trout swims up the {} stream"]
KINDS = ["old", "red", "long", "quiet", "second", "broken", "famous", "small", "heavy", "last", "green", "other"]
QUESTIONS = ["a sleeping kitten", "bookkeeping", "hospital work", "classical music", "a fish in a river", "plumbing"]
ROWS = [(i, THINGS[i % 6].format(KINDS[i // 6 % 12]) + f" number {i}") for i in range(360)]


def finish(server, job_id):
    job = lambda: server.call("GET", f"/jobs/{job_id}")  # noqa: E731
    eventually(lambda: job()["state"] not in ("queued", "running"), 300)
    assert job()["state"] == "done", job()


def make_index(server, name, **more):
    finish(server, server.call("POST", "/vectors/index", json={
        "name": name, "dataset": "main.things", "key": "id", "text": ["body"], **more})["job_id"])


def search(server, index, **asked):
    return server.call("POST", "/vectors/search", json={"index": index, **asked})


def answers(server, index, **asked):
    found = search(server, index, **asked)
    return [(hit["key"], round(hit["score"], 4)) for hit in found["results"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("lance") / "lake") as server:
        server.ingest("id,body\n" + "".join(f"{key},{text}\n" for key, text in ROWS), "main.things")
        make_index(server, "ours")
        before = children(server)
        make_index(server, "theirs", backend="lance")
        server.lance_pids = children(server) - before
        yield server


def children(server):
    """The processes that the server started."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


def same(server, **asked):
    ours, theirs = answers(server, "ours", **asked), answers(server, "theirs", **asked)
    assert sorted(ours) == sorted(theirs), asked
    return [key for key, _ in theirs]


def lance_files(server):
    return sorted(path for path in pathlib.Path(server.data).rglob("*") if path.is_file() and "vectors.lance" in path.parts)


def test_it_gives_the_answers_of_our_own(server):
    assert server.call("GET", "/vectors/indexes/theirs")["backend"] == "lance"
    assert search(server, "theirs", text="a kitten")["method"] == "lance"
    assert search(server, "theirs", text="a kitten", exact=True)["method"] == "lance_scan"
    assert lance_files(server)
    for question in QUESTIONS:
        assert len(same(server, text=question, k=10)) == 10
        same(server, text=question, k=10, exact=True)
        same(server, text=question, k=10, mode="hybrid")
        assert all(key % 6 == 1 for key in same(server, text=question, k=5, filter="id % 6 = 1"))
        assert same(server, text=question, k=10, filter="id = 7") == [7]
    vector = server.rows("SELECT vector FROM vectors.theirs WHERE key = 3")[0][0]
    assert same(server, vector=vector, k=1) == [3]
    rows = "SELECT key FROM vector_search('{}', 'hospital work', k := 5) ORDER BY 1"
    assert server.rows(rows.format("ours")) == server.rows(rows.format("theirs"))


def test_rows_that_are_gone_or_new_are_as_with_our_own(server):
    server.sql("DELETE FROM main.things WHERE id < 6")
    server.sql("UPDATE main.things SET body = 'the moon is made of cheese' WHERE id = 10")
    server.sql("INSERT INTO main.things VALUES (1000, 'a violin and a cello')")
    found = same(server, text="a cat on a sofa", k=100)
    assert 0 not in found and len(found) == 100
    assert 10 not in same(server, text="classical music", k=100)
    for job in server.call("POST", "/vectors/refresh/main.things")["job_ids"]:
        finish(server, job)
    assert same(server, text="a violin and a cello", k=1) == [1000]
    assert same(server, text="cheese", k=1) == [10]


def test_its_process_may_die(server):
    (lance,) = server.lance_pids
    os.kill(lance, signal.SIGKILL)

    def answered():
        try:
            return len(answers(server, "theirs", text="a kitten", k=3)) == 3
        except Problem as problem:
            assert problem.status == 503, problem
            return False

    eventually(answered, 60)


def test_its_settings_are_its_own(server):
    with pytest.raises(Problem) as refused:
        server.call("POST", "/vectors/hnsw/trials/theirs/promote", json={"metric": "recall"})
    assert refused.value.status in (400, 404, 409, 412)
    server.call("DELETE", "/vectors/indexes/theirs")
    assert not lance_files(server)


def test_nobodys_sql_gets_there(server):
    for statement in ("SELECT * FROM lance_vector_search('x', 'vector', [1.0], k = 1)",
                      "COPY (SELECT 1 AS a) TO '/tmp/x.lance' (FORMAT lance)"):
        with pytest.raises(Problem) as refused:
            server.sql(statement)
        assert refused.value.status in (400, 403), statement


def test_a_server_that_is_killed_while_it_builds_goes_on(tmp_path):
    server = Server(tmp_path / "lake").start()
    try:
        server.ingest("id,body\n" + "".join(f"{key},{text}\n" for key, text in ROWS), "main.things")
        job_id = server.call("POST", "/vectors/index", json={
            "name": "theirs", "dataset": "main.things", "key": "id", "text": ["body"], "backend": "lance"})["job_id"]
        eventually(lambda: any((server.data).rglob("part.ndjson")) or
                   server.call("GET", f"/jobs/{job_id}")["state"] == "done", 120)
        server.kill()
        server.start()
        finish(server, job_id)
        assert len(answers(server, "theirs", text="a kitten", k=360)) == 360
        assert search(server, "theirs", text="a kitten")["method"] == "lance"
        assert not list(server.data.rglob("part.ndjson"))
        folders = {path.parts[path.parts.index("vectors.lance") - 1] for path in lance_files(server)}
        assert len(folders) == 1
    finally:
        server.stop()
