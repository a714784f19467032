"""Texts into vectors over HTTP, by the model that comes with the program."""

import math
import os
import pathlib
import signal

import pytest
from harness import Problem


def embed(server, *texts, **fields):
    return server.call("POST", "/ai/embed", json={"texts": list(texts), **fields})


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def model_process(server):
    """The server's child that runs models, as the system tells it."""
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines()
                          if ":\t" in line)
        except OSError:
            continue
        if fields["Name"].startswith("lakehouse-model") and fields["PPid"] == str(server.process.pid):
            return int(status.parent.name), fields
    return None


def test_near_texts_have_near_vectors(server):
    answer = embed(server, "a welder in Ohio", "someone who joins metal near Cleveland",
                   "the law of taxes for banks", "a welder in Ohio", "")
    vectors = answer["embeddings"]
    assert answer["model"] == "minilm"
    assert answer["dimensions"] == 384
    assert len(answer["version"]) == 64
    assert [len(vector) for vector in vectors] == [384] * 5
    for vector in vectors:
        assert math.isclose(dot(vector, vector), 1, rel_tol=1e-4)
    assert dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2]) + 0.2
    assert dot(vectors[0], vectors[3]) > 0.9999


def test_a_vector_does_not_depend_on_its_neighbours(server):
    alone = embed(server, "forklift driver")["embeddings"][0]
    texts = ["forklift driver", "x" * 5_000, "many words " * 500, "\u0000\u200d\U0001F680"]
    beside = embed(server, *texts)["embeddings"][0]
    assert dot(alone, beside) > 0.999


def test_the_model_process_is_locked_in(server):
    embed(server, "wake up")
    _, fields = model_process(server)
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    assert int(fields["CapEff"], 16) == 0


def test_a_killed_model_process_is_started_again(server):
    before = embed(server, "night shift")["embeddings"][0]
    pid, _ = model_process(server)
    os.kill(pid, signal.SIGKILL)
    after = embed(server, "night shift of the text after it")["embeddings"][0]
    assert dot(before, after) > 0.3
    again, _ = model_process(server)
    assert again != pid


@pytest.mark.parametrize(("body", "status", "said"), [
    ({}, 400, "texts"),
    ({"texts": []}, 400, "1 to 1,000"),
    ({"texts": ["x"] * 1_001}, 400, "1 to 1,000"),
    ({"texts": [1]}, 400, "texts"),
    ({"texts": ["x"], "model": "nothing"}, 404, "nothing"),
    ({"texts": ["x"], "modle": "minilm"}, 400, "modle"),
])
def test_what_cannot_be_embedded_says_why(server, body, status, said):
    with pytest.raises(Problem, match=said) as problem:
        server.call("POST", "/ai/embed", json=body)
    assert problem.value.status == status
