"""The job that embeds, killed with its server again and again: it goes on where it was."""

import random

from harness import Server, eventually

ROWS = 1500


def embedded(server):
    try:
        return server.value("SELECT count(*) FROM vectors.big")
    except AssertionError:
        return 0
    except Exception as problem:  # The table is not there yet.
        assert getattr(problem, "status", None) == 404, problem
        return 0


def test_a_killed_job_is_resumed_and_embeds_each_row_once(tmp_path):
    dice = random.Random(6)
    server = Server(tmp_path / "data").start()
    words = ["steel", "river", "music", "doctor", "engine", "garden", "window", "letter"]
    rows = [{"id": i, "body": f"{i} " + " ".join(dice.choice(words) for _ in range(40))} for i in range(ROWS)]
    server.ingest("".join(f'{row["id"]},{row["body"]}\n' for row in [{"id": "id", "body": "body"}, *rows]), "main.big")
    job = server.call("POST", "/vectors/index", json={"name": "big", "dataset": "big", "key": "id", "text": ["body"]})
    for part in (0, 1, 2):
        at_least = part * 400 + 1 if part else 0
        eventually(lambda at_least=at_least: embedded(server) >= at_least
                   or server.call("GET", f"/jobs/{job['job_id']}")["state"] == "done", 120)
        server.kill()
        server.start()
    eventually(lambda: server.call("GET", f"/jobs/{job['job_id']}")["state"] not in ("queued", "running"), 300)
    ended = server.call("GET", f"/jobs/{job['job_id']}")
    assert ended["state"] == "done", ended
    assert server.rows("SELECT count(*), count(DISTINCT key) FROM vectors.big") == [[ROWS, ROWS]]
    row = rows[dice.randrange(ROWS)]
    found = server.call("POST", "/vectors/search", json={"index": "big", "text": row["body"], "k": 1})
    assert found["results"][0]["key"] == row["id"]
    server.stop()
