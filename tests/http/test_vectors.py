"""Vector indexes over HTTP, with the embedding model of this machine."""

import json
import subprocess
import uuid

import pytest
from harness import BINARY, Problem, Server, eventually

ANIMALS = ["a cat sleeps on the sofa", "the dog barks at the postman", "two horses pull a cart",
           "sparrows sing in the hedge", "a trout swims upstream"]
TRADES = ["the welder joins steel pipes", "an accountant closes the books", "a nurse changes the dressing",
          "the forklift driver loads trailers", "an electrician installs wiring"]


def finish(server, job_id):
    """The job as it ended; it must be done."""
    for _ in range(1000):
        with server.request("GET", f"/jobs/{job_id}/events", stream=True) as events:
            last = [line for line in events.iter_lines(decode_unicode=True) if line.startswith("data: ")][-1]
        job = json.loads(last.removeprefix("data: "))
        if job["state"] not in ("queued", "running"):
            assert job["state"] == "done", job
            return job
    raise AssertionError(job)


def make_index(server, name, dataset, **more):
    made = server.call("POST", "/vectors/index", json={"name": name, "dataset": dataset, "key": "id", **more})
    return finish(server, made["job_id"])


def keys(server, index, text, k=1, **more):
    return [one["key"] for one in server.call("POST", "/vectors/search",
                                              json={"index": index, "text": text, "k": k, **more})["results"]]


@pytest.fixture(scope="module")
def notes(server):
    """Ten notes in main.notes, and the index `notes` over them."""
    rows = [f'{i},{"animal" if i < 5 else "trade"},"{text}"' for i, text in enumerate(ANIMALS + TRADES)]
    server.ingest("id,kind,body\n" + "\n".join(rows) + "\n", "main.notes")
    job = make_index(server, "notes", "main.notes", text=["body"])
    assert job["kind"] == "vector.index" and job["done"] == 10
    return "notes"


def test_what_is_meant_is_found(server, notes):
    assert keys(server, notes, "a sleeping kitten") == [0]
    assert keys(server, notes, "bookkeeping job") == [6]
    assert keys(server, notes, "hospital work", mode="hybrid") == [7]
    assert keys(server, notes, "trailers", mode="text", k=3) == [8]
    assert keys(server, notes, "hospital work", rerank=True) == [7]


def test_an_answer_says_what_it_is_of(server, notes):
    found = server.call("POST", "/vectors/search", json={"index": notes, "text": "a fish", "k": 2, "exact": True})
    assert found["results"][0]["key"] == 4 and found["results"][0]["text"] == ANIMALS[4]
    assert found["results"][0]["score"] > found["results"][1]["score"]
    shown = server.call("GET", f"/vectors/indexes/{notes}")
    assert shown["active"] == 1 and shown["key_type"] == "int64"
    generation = shown["generations"][0]
    assert generation["state"] == "ready" and generation["coverage"] == 1 and generation["chunks"] == 10
    assert found["model"] == generation["model"] and found["model_version"] == generation["model_version"]
    assert found["snapshot_id"] == generation["source_snapshot_id"]
    assert found["chunks"] == found["allowed"] == 10


def test_a_given_vector_finds_its_chunk(server, notes):
    vector = server.rows("SELECT vector FROM vectors.notes WHERE key = 3")[0][0]
    found = server.call("POST", "/vectors/search", json={"index": notes, "vector": vector, "k": 1})
    assert found["results"][0]["key"] == 3
    assert found["results"][0]["score"] == pytest.approx(1, abs=1e-5)


def test_filters_are_conditions_on_the_dataset(server, notes):
    assert keys(server, notes, "a pet that purrs", k=10, filter="kind = 'trade' AND id >= 8") in ([8, 9], [9, 8])
    assert keys(server, notes, "a pet", k=10, filter="body LIKE '%cart%'") == [2]
    assert keys(server, notes, "a pet", k=10, filter="id > 99") == []
    with pytest.raises(Problem) as refused:
        keys(server, notes, "a pet", filter="knd = 'x'")
    assert refused.value.status == 400 and "knd" in refused.value.detail
    with pytest.raises(Problem) as refused:
        keys(server, notes, "a pet", filter="true) UNION SELECT 1 WHERE (true")
    assert refused.value.status == 400


def test_an_index_follows_its_dataset(server):
    server.ingest("id,body\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(ANIMALS)), "main.moving")
    make_index(server, "moving", "main.moving", text=["body"])
    server.sql("DELETE FROM main.moving WHERE id = 0")
    server.sql("UPDATE main.moving SET body = 'the moon is made of cheese' WHERE id = 1")
    server.sql("INSERT INTO main.moving VALUES (7, 'violins and cellos')")
    # Gone and changed rows are not found even before a refresh.
    assert 0 not in keys(server, "moving", "a cat", k=10) and 1 not in keys(server, "moving", "a dog", k=10)
    stale = server.call("GET", "/vectors/stale")["stale"]
    assert [one["commits_behind"] for one in stale if one["index"] == "moving"] == [3]
    refreshed = server.call("POST", "/vectors/refresh/main.moving")
    result = finish(server, refreshed["job_id"])["result"]
    assert (result["rows_embedded"], result["rows_removed"]) == (2, 2)
    assert keys(server, "moving", "music", k=1) == [7]
    assert keys(server, "moving", "cheese", k=1) == [1]
    assert not [one for one in server.call("GET", "/vectors/stale")["stale"] if one["index"] == "moving"]


def test_on_append_refreshes_by_itself(server):
    server.ingest("id,body\n1,first words\n", "main.growing")
    make_index(server, "growing", "main.growing", text=["body"], refresh="on_append")
    server.ingest("id,body\n2,an orchestra plays a symphony\n", "main.growing")
    eventually(lambda: keys(server, "growing", "classical music") == [2], 60)
    changed = server.call("PATCH", "/vectors/indexes/growing", json={"refresh": "manual"})
    assert changed["refresh"] == "manual"


def test_long_texts_are_chunks_with_their_places(server):
    text = " ".join(f"Sentence number {i} is about nothing." for i in range(100)) + " The needle hides here."
    server.ingest(json.dumps([{"id": 1, "body": text}]), "main.long", name="long.json")
    make_index(server, "long", "main.long", text=["body"], chunk={"size": 400, "overlap": 40})
    best = server.call("POST", "/vectors/search", json={"index": "long", "text": "needle", "mode": "hybrid"})["results"][0]
    assert best["text"].endswith("The needle hides here.")
    assert text.encode()[best["start"]:best["end"]].decode() == best["text"]


def test_another_generation_takes_over_and_is_left_again(server, notes):
    built = server.call("POST", f"/vectors/indexes/{notes}/generations", json={"chunk": {"size": 60, "overlap": 0}})
    assert finish(server, built["job_id"])["result"]["switched"] is True
    assert server.call("GET", f"/vectors/indexes/{notes}")["active"] == 2
    assert keys(server, notes, "bookkeeping job") == [6]
    assert server.call("POST", f"/vectors/indexes/{notes}/switch", json={"generation": 1})["active"] == 1
    server.call("DELETE", f"/vectors/indexes/{notes}/generations/2")
    assert len(server.call("GET", f"/vectors/indexes/{notes}")["generations"]) == 1


def test_a_repeated_request_makes_one_index(server, notes):
    body = {"name": "again", "dataset": "main.notes", "key": "id", "text": ["body"]}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = server.call("POST", "/vectors/index", json=body, headers=headers)
    assert server.call("POST", "/vectors/index", json=body, headers=headers) == first
    with pytest.raises(Problem) as refused:
        server.call("POST", "/vectors/index", json=body)
    assert refused.value.status == 409
    finish(server, first["job_id"])
    assert server.request("DELETE", "/vectors/indexes/again").status_code == 204
    assert server.request("DELETE", "/vectors/indexes/again").status_code == 204
    with pytest.raises(Problem) as gone:
        keys(server, "again", "x")
    assert gone.value.status == 404


@pytest.mark.parametrize("change, status, word", [
    ({"dataset": "main.nots"}, 404, "notes"), ({"key": "ids"}, 404, "id"), ({"text": ["bdy"]}, 404, "bdy"),
    ({"text": None}, 400, "template"), ({"model": "none"}, 404, "none"), ({"name": "Not Good"}, 400, "name"),
    ({"colour": 1}, 400, "colour"), ({"graph": {"m": 1}}, 400, "m"), ({"key": "body", "text": None, "template": "{"}, 400, "{")])
def test_what_is_wrong_with_an_index_is_said(server, notes, change, status, word):
    body = {"name": "wrong", "dataset": "main.notes", "key": "id", "text": ["body"], **change}
    with pytest.raises(Problem) as refused:
        server.call("POST", "/vectors/index", json=body)
    assert refused.value.status == status and word in json.dumps(refused.value.document)


def test_the_command_line_makes_and_searches(server, notes):
    def run(*arguments):
        done = subprocess.run([BINARY, *arguments, "--server", server.url], capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("index", "create", "by_cli", "main.notes", "--key", "id", "--text", "body")
    assert "by_cli" in run("index", "list")
    assert "forklift" in run("search", "by_cli", "warehouse work", "-k", "1")
    found = json.loads(run("search", "by_cli", "warehouse work", "-k", "2", "--filter", "id = 9", "--json"))
    assert [one["key"] for one in found["results"]] == [9]
    run("index", "refresh", "by_cli")
    run("index", "drop", "by_cli")
    assert "by_cli" not in run("index", "list")
