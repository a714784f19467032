"""/jobs: seen, watched and cancelled by those whose they are."""

import json
import subprocess

import pytest
from harness import BINARY, Problem, Server, eventually

WORDS = "river steel music doctor engine garden window letter".split()


def events(server, job_id):
    """The events of a job until the stream ends: (name, job)."""
    seen, name = [], None
    with server.request("GET", f"/jobs/{job_id}/events", stream=True) as stream:
        assert stream.status_code == 200
        assert stream.headers["Content-Type"] == "text/event-stream"
        for line in stream.iter_lines(decode_unicode=True):
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                seen.append((name, json.loads(line.removeprefix("data: "))))
    return seen


def compaction(server, name, headers=None):
    """A job that is over soon."""
    server.sql(f"CREATE TABLE {name} AS SELECT 1 AS id", headers=headers)
    server.sql(f"INSERT INTO {name} SELECT 2", headers=headers)
    return server.call("POST", "/query/compact", json={"dataset": name, "background": True}, headers=headers)["job_id"]


def embedding(server, name, rows=20_000):
    """A job that takes minutes."""
    lines = "".join(f'{i},"{i} {" ".join(WORDS[(i * p) % 8] for p in range(1, 40))}"\n' for i in range(rows))
    server.ingest("id,body\n" + lines, f"main.{name}")
    return server.call("POST", "/vectors/index", json={"name": name, "dataset": name, "key": "id",
                                                       "text": ["body"]})["job_id"]


def test_a_job_is_watched_until_it_is_over(server):
    job_id = compaction(server, "watched")
    seen = events(server, job_id)
    assert [name for name, _ in seen[:-1]] == ["job"] * (len(seen) - 1)
    name, last = seen[-1]
    assert name == "over" and last["state"] == "done" and last["error"] is None
    assert last == server.call("GET", f"/jobs/{job_id}")
    assert last["started"] <= last["ended"] and last["attempts"] == 1
    assert events(server, job_id) == [("over", last)]


def test_lists_page_and_filter(server):
    ids = [compaction(server, f"listed{i}") for i in range(3)]
    for job_id in ids:
        events(server, job_id)
    page = server.call("GET", "/jobs?kind=dataset.compact&limit=2")
    assert [job["id"] for job in page["jobs"]] == [ids[2], ids[1]]
    assert "spec" not in page["jobs"][0] and "result" not in page["jobs"][0]
    rest = server.call("GET", f"/jobs?kind=dataset.compact&limit=2&page_token={page['next_page_token']}")
    assert rest["jobs"][0]["id"] == ids[0]
    assert [job["id"] for job in server.call("GET", "/jobs?subject=main.listed1")["jobs"]] == [ids[1]]
    assert server.call("GET", "/jobs?subject=main.listed1&state=failed")["jobs"] == []
    for query in ("state=odd", "limit=0", "page_token=x'"):
        with pytest.raises(Problem) as refused:
            server.call("GET", f"/jobs?{query}")
        assert refused.value.status == 400


def test_what_is_not_there_is_not_found(server):
    for method, path in (("GET", "/jobs/none"), ("DELETE", "/jobs/none"), ("GET", "/jobs/none/events")):
        with pytest.raises(Problem) as refused:
            server.call(method, path)
        assert refused.value.status == 404


def test_a_running_job_is_cancelled_and_resumed_after_a_stop(tmp_path):
    with Server(tmp_path / "data") as server:
        job_id = embedding(server, "slow")
        eventually(lambda: server.call("GET", f"/jobs/{job_id}")["done"] > 0, 120)
    # Its server has stopped well, and quickly, in the middle of it.
    with Server(tmp_path / "data") as server:
        eventually(lambda: server.call("GET", f"/jobs/{job_id}")["attempts"] == 2, 60)
        running = server.call("GET", "/jobs?state=running")["jobs"]
        assert [job["id"] for job in running] == [job_id]
        watcher = subprocess.Popen([BINARY, "jobs", "watch", job_id, "--server", server.url],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        answer = server.request("DELETE", f"/jobs/{job_id}")
        assert answer.status_code in (200, 202) and answer.json()["cancel_requested"]
        name, last = events(server, job_id)[-1]
        assert name == "over" and last["state"] == "cancelled" and last["ended"]
        out, _ = watcher.communicate(timeout=60)
        assert watcher.returncode == 1 and "cancelled" in out
        again = server.request("DELETE", f"/jobs/{job_id}")
        assert again.status_code == 200 and again.json()["state"] == "cancelled"


def test_streams_of_events_do_not_hold_up_a_stop(tmp_path):
    server = Server(tmp_path / "data").start()
    job_id = embedding(server, "held")
    with server.request("GET", f"/jobs/{job_id}/events", stream=True) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        assert next(lines).startswith("id: ")
        server.stop()
        assert any(line.startswith(": the server stops") for line in lines)


def test_jobs_are_seen_by_whose_they_are_and_by_admins(tmp_path):
    keys = {name: f"{name}-0123456789-0123456789" for name in ("alice", "bob", "root")}
    secrets = tmp_path / "secrets.toml"
    secrets.write_text("[keys]\n" + "".join(f'{name} = "{key}"\n' for name, key in keys.items()))
    config = tmp_path / "lakehouse.toml"
    config.write_text(f'[secrets]\nfile = "{secrets}"\n[auth]\nenabled = true\nadmins = ["root"]\n')
    as_one = {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
    with Server(tmp_path / "data", "--config", str(config)) as server:
        job_id = compaction(server, "hers", headers=as_one["alice"])
        assert server.call("GET", f"/jobs/{job_id}", headers=as_one["alice"])["principal"] == "alice"
        assert server.call("GET", f"/jobs/{job_id}", headers=as_one["root"])["id"] == job_id
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
            with pytest.raises(Problem) as refused:
                server.call(method, f"/jobs/{job_id}{path}", headers=as_one["bob"])
            assert refused.value.status == 404

        def seen(by, query=""):
            return [job["id"] for job in server.call("GET", "/jobs" + query, headers=as_one[by])["jobs"]]

        assert seen("alice") == seen("root") == seen("root", "?principal=alice") == [job_id]
        assert seen("bob") == seen("bob", "?principal=alice") == []


def test_the_command_lists_shows_and_watches(server):
    job_id = compaction(server, "shown")

    def run(*arguments):
        return subprocess.run([BINARY, "jobs", *arguments, "--server", server.url], capture_output=True, text=True,
                              check=False)

    watched = run("watch", job_id)
    assert watched.returncode == 0 and f"{job_id} done" in watched.stdout
    listed = run("list", "--kind", "dataset.compact")
    assert job_id in listed.stdout and "main.shown" in listed.stdout
    assert json.loads(run("list", "--json").stdout)[0]["id"]
    assert "done" in run("show", job_id).stdout
    assert run("cancel", job_id).stdout == "It is done.\n"
    missing = run("watch", "none")
    assert missing.returncode == 1 and "no such job" in missing.stderr


def test_metrics_count_jobs(server):
    events(server, compaction(server, "counted"))
    metrics = server.request("GET", "/metrics").text
    assert 'lakehouse_jobs_over_total{kind="dataset.compact",state="done"}' in metrics
    assert 'lakehouse_jobs_running{kind="dataset.compact"} 0' in metrics
