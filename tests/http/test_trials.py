"""Eval sets and trials over HTTP and by the command."""

import json
import subprocess
import uuid

import pytest
from harness import BINARY, Problem, eventually

TOPICS = ["a cat sleeps on the warm sofa in the sun", "the welder joins long steel pipes by the river",
          "an accountant closes the books at the end of the year", "two horses pull a heavy cart up the hill",
          "a nurse changes the dressing of a small wound", "sparrows sing in the green hedge at dawn"]


def over(server, job_id):
    eventually(lambda: server.call("GET", f"/jobs/{job_id}")["state"] not in ("queued", "running"), 120)
    job = server.call("GET", f"/jobs/{job_id}")
    assert job["state"] == "done", job
    return job


@pytest.fixture(scope="module")
def index(server):
    """120 rows, and the index `tried` over them."""
    lines = "".join(f'{i},"{TOPICS[i % 6]}, said number {i} of {i * 7 % 50}"\n' for i in range(120))
    server.ingest("id,body\n" + lines, "main.tried")
    over(server, server.call("POST", "/vectors/index", json={"name": "tried", "dataset": "tried", "key": "id",
                                                             "text": ["body"]})["job_id"])
    return "tried"


@pytest.fixture(scope="module")
def words(server, index):
    made = server.call("POST", "/vectors/hnsw/evals/words/autogen", json={"index": index, "queries": 25, "seed": 2})
    assert made["query_count"] == made["with_truth"] == 25 and made["made_by"] == "autogen"
    return "words"


def test_settings_are_tried_and_the_best_promoted(server, index, words):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    wanted = {"index": index, "eval_set": words, "k": 5,
              "grid": {"m": [4, 16], "ef_construction": [50], "ef_search": [5, 100], "quantization": ["int8", "none"]}}
    job_id = server.call("POST", "/vectors/hnsw/trial", json=wanted, headers=key)["job_id"]
    assert server.call("POST", "/vectors/hnsw/trial", json=wanted, headers=key)["job_id"] == job_id
    job = over(server, job_id)
    assert job["kind"] == "vector.trial" and job["subject"] == index and job["result"]["trials"] == 8
    trials = server.call("GET", f"/vectors/hnsw/trials/{index}?limit=5")
    assert len(trials["trials"]) == 5
    rest = server.call("GET", f"/vectors/hnsw/trials/{index}?page_token={trials['next_page_token']}")
    every = trials["trials"] + rest["trials"]
    assert len({trial["id"] for trial in every}) == 8 and all(trial["job_id"] == job_id for trial in every)
    best = server.call("GET", f"/vectors/hnsw/trials/{index}/best")["trials"]
    assert len(best) == 1 and best[0]["recall"] == max(trial["recall"] for trial in every) >= 0.99
    front = server.call("GET", f"/vectors/hnsw/trials/{index}/best?metric=pareto")["trials"]
    assert front[-1]["id"] == best[0]["id"]
    assert sorted(trial["latency_us"] for trial in front) == [trial["latency_us"] for trial in front]
    fast = server.call("GET", f"/vectors/hnsw/trials/{index}/best?metric=latency&min_recall=0.99")["trials"]
    assert fast[0]["recall"] >= 0.99
    promoted = server.call("POST", f"/vectors/hnsw/trials/{index}/promote", json={"trial_id": every[0]["id"]})
    over(server, promoted["job_id"])
    shown = server.call("GET", f"/vectors/indexes/{index}")
    generation = [one for one in shown["generations"] if one["number"] == shown["active"]][0]
    assert generation["graph"] == every[0]["graph"]
    # The journal lies in the index's bucket, a line for each trial.
    journal = server.data / "buckets" / "primary" / "_hnsw_trials" / f"{index}.jsonl"
    assert [json.loads(line)["id"] for line in journal.read_text().splitlines()] == [t["id"] for t in reversed(every)]


def test_eval_sets_by_hand_are_kept_beside_the_journal(server, index):
    made = server.call("POST", "/vectors/hnsw/evals", json={
        "name": "hand", "index": index, "description": "two", "queries": [
            {"text": "a pet that purrs", "truth": [0, {"key": 6}]}, {"name": "v", "vector": [0.5] * 384}]})
    assert made["query_count"] == 2 and made["with_truth"] == 1 and made["made_by"] == "hand"
    shown = server.call("GET", "/vectors/hnsw/evals/hand")
    assert [query["name"] for query in shown["queries"]] == ["q1", "v"]
    assert shown["queries"][0]["truth"] == [{"key": 0}, {"key": 6}]
    assert (server.data / "buckets" / "primary" / "_hnsw_trials" / "evals" / "hand.json").exists()
    assert "hand" in [one["name"] for one in server.call("GET", "/vectors/hnsw/evals?limit=1000")["evals"]]
    for _ in range(2):
        assert server.request("DELETE", "/vectors/hnsw/evals/hand").status_code == 204
    assert server.request("GET", "/vectors/hnsw/evals/hand").status_code == 404


def test_searches_become_an_eval_set(server, index):
    for text in ("steel pipes", "steel pipes", "a horse"):
        server.call("POST", "/vectors/search", json={"index": index, "text": text, "k": 1})
    made = server.call("POST", "/vectors/hnsw/evals/asked/from-log", json={"index": index})
    assert made["made_by"] == "log"
    assert [query["text"] for query in server.call("GET", "/vectors/hnsw/evals/asked")["queries"]][:2] == [
        "steel pipes", "a horse"]


@pytest.mark.parametrize("path, body, status", [
    ("/vectors/hnsw/trial", {"index": "tried", "eval_set": "none"}, 404),
    ("/vectors/hnsw/trial", {"index": "none", "eval_set": "words"}, 404),
    ("/vectors/hnsw/trial", {"index": "tried", "eval_set": "words", "grid": {"m": [1]}}, 400),
    ("/vectors/hnsw/trial", {"index": "tried", "eval_set": "words", "grid": {"ef": [1]}}, 400),
    ("/vectors/hnsw/trial", {"index": "tried", "eval_set": "words", "grid": {"seed": list(range(65))}}, 400),
    ("/vectors/hnsw/evals", {"name": "../up", "index": "tried", "queries": [{"text": "a"}]}, 400),
    ("/vectors/hnsw/evals", {"name": "x", "index": "tried", "queries": [{"text": "a", "vector": [1]}]}, 400),
    ("/vectors/hnsw/evals", {"name": "x", "index": "none", "queries": [{"text": "a"}]}, 404),
    ("/vectors/hnsw/evals/x/autogen", {"index": "tried", "queries": 0}, 400),
    ("/vectors/hnsw/trials/tried/promote", {"trial_id": "none"}, 404),
    ("/vectors/hnsw/trials/tried/promote", {"metric": "pareto"}, 400),
])
def test_what_cannot_be_is_refused(server, index, words, path, body, status):
    with pytest.raises(Problem) as refused:
        server.call("POST", path, json=body)
    assert refused.value.status == status, refused.value


def test_the_command_does_it_all(server, index, tmp_path):
    def run(*arguments):
        done = subprocess.run([BINARY, "trials", *arguments, "--server", server.url], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    queries = tmp_path / "queries.json"
    queries.write_text(json.dumps([{"text": "a bird", "truth": [5]}]))
    assert run("import", "mine", index, str(queries)).startswith("mine: 1 queries, 1 ")
    assert "seeds: 5 queries" in run("autogen", "seeds", index, "--queries", "5", "--seed", "9")
    tried = run("run", index, "--eval", "seeds", "--m", "8", "--ef-construction", "40", "--ef-search", "20,80")
    assert "recall" in tried and "int8" in tried
    assert len(json.loads(run("list", index, "--json"))) >= 2
    assert "seeds" in run("best", index, "--metric", "pareto")
    assert "done" in run("promote", index)
    assert "mine" in run("evals")
    run("drop-eval", "mine")
    assert "mine" not in run("evals")
