"""What is kept in memory for queries: pinned datasets, answers, entity tags."""

import os
import pathlib
import signal

import pytest

from harness import Problem, Server, eventually


@pytest.fixture()
def lake(tmp_path):
    with Server(tmp_path / "data") as server:
        server.sql("CREATE TABLE orders AS SELECT range AS id, 'order ' || range AS name, range % 7 AS kind FROM range(20000)")
        yield server


def stats(server):
    return server.call("GET", "/query/cache/stats")


def engines(server):
    """The server's children: its engines, and nothing else."""
    return [int(child) for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


def test_a_pinned_dataset_is_read_from_memory_across_commits_and_restarts(lake):
    told = lake.call("POST", "/query/cache/pin", json={"dataset": "orders", "key": ["id"]})
    assert told["state"] == "hot" and told["rows"] == 20000 and told["key"] == ["id"] and told["bytes"] > 0
    assert lake.rows("SELECT name FROM orders WHERE id = $1", [4711]) == [["order 4711"]]
    assert stats(lake)["memory"]["hits"] == 1
    lake.sql("INSERT INTO orders VALUES (20000, 'new', 0)")
    assert lake.value("SELECT count(*) FROM orders") == 20001
    eventually(lambda: stats(lake)["tables"][0]["rows"] == 20001)
    assert stats(lake)["memory"]["files_loaded"] == 2
    lake.stop()
    lake.start()
    assert lake.value("SELECT max(id) FROM orders") == 20000
    eventually(lambda: stats(lake)["tables"][0]["state"] == "hot")
    assert lake.request("POST", "/query/cache/evict", json={"dataset": "orders"}).status_code == 204
    assert stats(lake)["tables"] == []
    assert lake.value("SELECT count(*) FROM orders") == 20001


def test_an_engine_that_is_killed_costs_no_answer(lake):
    lake.call("POST", "/query/cache/pin", json={"dataset": "orders"})
    for round_ in range(3):
        for engine in engines(lake):
            os.kill(engine, signal.SIGKILL)
        assert lake.value(f"SELECT count(*) + {round_} - {round_} FROM orders WHERE id >= {round_} - {round_}") == 20000
    eventually(lambda: stats(lake)["tables"][0]["state"] == "hot")
    hits = stats(lake)["memory"]["hits"]
    assert lake.value("SELECT sum(kind) FROM orders") > 0
    assert stats(lake)["memory"]["hits"] == hits + 1


def test_what_cannot_be_pinned_says_why(lake):
    for body, status in (({"dataset": "none"}, 404), ({"dataset": "orders", "key": ["none"]}, 400), ({}, 400),
                         ({"dataset": "orders", "more": 1}, 400), ({"dataset": "orders", "key": "id"}, 400)):
        with pytest.raises(Problem) as problem:
            lake.call("POST", "/query/cache/pin", json=body)
        assert problem.value.status == status, body
    with pytest.raises(Problem) as problem:
        lake.call("POST", "/query/cache/evict", json={"dataset": "orders"})
    assert problem.value.status == 404


def test_a_repeated_query_is_answered_from_memory_until_a_table_changes(lake):
    sql = "SELECT kind, count(*) FROM orders GROUP BY kind ORDER BY kind"
    first, second = lake.sql(sql), lake.sql(sql)
    assert first["cached"] is False and second["cached"] is True and first["rows"] == second["rows"]
    assert second["snapshot_ids"] == first["snapshot_ids"] and second["query_id"] != first["query_id"]
    for accept in ("text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream"):
        contents = [lake.request("POST", "/query/sql", json={"sql": sql}, headers={"Accept": accept}).content
                    for _ in range(2)]
        assert contents[0] == contents[1] and contents[0]
    lake.sql("INSERT INTO orders VALUES (20000, 'new', 3)")
    third = lake.sql(sql)
    assert third["cached"] is False and third["rows"][3][1] == first["rows"][3][1] + 1
    assert lake.sql("SELECT random()")["cached"] is False and lake.sql("SELECT random()")["cached"] is False
    assert stats(lake)["results"]["hits"] >= 1


def test_an_entity_tag_spares_the_answer(lake):
    body = {"sql": "SELECT sum(id) FROM orders"}
    first = lake.request("POST", "/query/sql", json=body)
    tag = first.headers["ETag"]
    again = lake.request("POST", "/query/sql", json=body, headers={"If-None-Match": f'"other", {tag}'})
    assert again.status_code == 304 and not again.content and again.headers["ETag"] == tag
    lake.sql("INSERT INTO orders VALUES (20000, 'new', 0)")
    changed = lake.request("POST", "/query/sql", json=body, headers={"If-None-Match": tag})
    assert changed.status_code == 200 and changed.headers["ETag"] != tag
    assert "ETag" not in lake.request("POST", "/query/sql", json={"sql": "SELECT random()"}).headers


def test_many_writers_and_readers_of_a_pinned_dataset_agree(lake):
    """Each answer is one snapshot's: ids are handed out in order, so that count and maximum fit."""
    import threading

    lake.call("POST", "/query/cache/pin", json={"dataset": "orders"})
    done, wrong = threading.Event(), []

    def read():
        server = Server(lake.data)
        server.url = lake.url
        while not done.is_set():
            count, last = server.rows("SELECT count(*), max(id) FROM orders")[0]
            if count != last + 1:
                wrong.append((count, last))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(15):
        lake.sql(f"INSERT INTO orders VALUES ({20000 + i}, 'new', 0)")
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong and lake.value("SELECT count(*) FROM orders") == 20015
