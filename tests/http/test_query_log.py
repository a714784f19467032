"""What is kept of statements: all of their text, none of their literals, or nothing of it."""

import sqlite3
import threading

import pytest

from harness import Problem, Server, eventually

SECRET = "hunter2"
SLOW = f"SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range + b.range = 3 AND '{SECRET}' = $1"


def everything_kept(server):
    """All texts in the metastore, and the server's log."""
    with sqlite3.connect(f"file:{server.data / 'metastore.db'}?mode=ro", uri=True) as metastore:
        kept = "\n".join(metastore.iterdump())
    return kept + server.log.read_text()


def logged(server):
    return server.call("GET", "/query/log?limit=1")["queries"][0]


@pytest.mark.parametrize("how, text", [("masked", "SELECT a FROM kept WHERE a = ? AND ? > ?"), ("off", "SELECT (59 bytes)")])
def test_literals_are_nowhere(tmp_path, how, text):
    environment = {"LAKEHOUSE_QUERY_LOG_STATEMENTS": how, "LAKEHOUSE_SERVER_LOG_LEVEL": "debug"}
    with Server(tmp_path / "data", environment=environment) as server:
        server.sql("CREATE TABLE kept AS SELECT 'x' AS a, 1 AS n")
        assert server.rows(f"SELECT a FROM kept WHERE a = '{SECRET}' AND 2 > 1 -- {SECRET}") == []
        entry = logged(server)
        assert entry["sql"] == text and entry["code"] == "OK"
        assert server.request("GET", f"/query/log/{entry['id']}/plan").json()["code"] == "FAILED_PRECONDITION"
        server.sql(f"INSERT INTO kept SELECT a || '{SECRET}', n FROM kept")
        server.sql("DELETE FROM kept WHERE a = $1 AND n = 1", [f"x{SECRET}"])
        for wrong in (f"SELECT '{SECRET}'::INT", f"SELECT {SECRET} {SECRET} 1", f'FROM kept WHERE a = "{SECRET}"',
                      f"SELECT error('{SECRET}')", f"SELECT * FROM kept WHERE '{SECRET}"):
            with pytest.raises(Problem):
                server.sql(wrong)
            assert "message" not in logged(server)
        caught = []
        runner = threading.Thread(target=lambda: caught.append(server.request("POST", "/query/sql", json={"sql": SLOW, "params": [SECRET]})))
        runner.start()
        eventually(lambda: server.call("GET", "/query/running")["queries"])
        running = server.call("GET", "/query/running")
        assert SECRET not in str(running)
        server.call("DELETE", f"/query/{running['queries'][0]['id']}")
        runner.join(120)
        assert caught[0].status_code != 200
        logged(server)  # The log is written before it is read.
        assert SECRET not in everything_kept(server)


def test_full_is_what_was_sent(tmp_path):
    with Server(tmp_path / "data") as server:
        server.rows(f"SELECT '{SECRET}' -- why")
        assert logged(server)["sql"] == f"SELECT '{SECRET}' -- why"
        assert SECRET in everything_kept(server)


def test_explain_of_a_write_writes_nothing(server):
    server.sql("CREATE TABLE explained AS SELECT range AS id, 'n' || range AS name FROM range(50)")
    before = server.call("GET", "/catalog/datasets/by-name/explained/snapshots")
    for sql, words in (("DELETE FROM explained WHERE id = 7", "would delete about"),
                       ("UPDATE explained SET name = 'x'", "copy-on-write"),
                       ("INSERT INTO explained SELECT 1, 'a'", "would add about 1 row of"),
                       ("MERGE INTO explained e USING (SELECT 1 AS id) s ON e.id = s.id WHEN MATCHED THEN DELETE",
                        "would change, add or delete about")):
        answer = server.rows("EXPLAIN " + sql)
        assert [row[0] for row in answer] == ["physical_plan", "write"]
        assert words in answer[1][1], answer
        assert words in server.call("POST", "/query/explain", json={"sql": sql})["plan"]
    for wrong in ("EXPLAIN ANALYZE DELETE FROM explained", "EXPLAIN DELETE FROM explained WHERE nme = 1"):
        with pytest.raises(Problem) as problem:
            server.sql(wrong)
        assert problem.value.status == 400
    assert server.call("GET", "/catalog/datasets/by-name/explained/snapshots") == before
    assert server.value("SELECT count(*) FROM explained") == 50
