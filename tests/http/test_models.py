"""Models that write, over HTTP and by `lakehouse model`: with a tiny one of random weights, and with providers that
this test plays."""

import hashlib
import http.server
import json
import subprocess
import threading

import pytest
import tiny_gguf
from harness import BINARY, Problem, Server, eventually

HELLO = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 12}


def model(data, *arguments, code=0):
    done = subprocess.run([BINARY, "model", *arguments, "--data", data], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    tiny_gguf.write(path)
    return path


@pytest.fixture(scope="module")
def writer(tmp_path_factory, tiny):
    """A server with the tiny model."""
    data = tmp_path_factory.mktemp("lake") / "data"
    model(data, "add", "tiny", tiny)
    with Server(data) as running:
        yield running


def events(response):
    """The events of a stream, as (name, data)."""
    name, found = None, []
    response.encoding = "utf-8"  # As the specification of events says.
    for line in response.iter_lines(decode_unicode=True):
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
    return found


def test_models_are_listed_with_the_default_of_each_kind(writer):
    models = {one["name"]: one for one in writer.call("GET", "/ai/models")["models"]}
    assert models["tiny"]["kind"] == "generation"
    assert models["tiny"]["default"] is True
    assert models["tiny"]["context_tokens"] == 2048
    assert len(models["tiny"]["version"]) == 64
    assert models["minilm"]["kind"] == "embedding"


def test_an_answer_streams_as_events_and_is_the_same_whole(writer):
    with writer.request("POST", "/ai/generate", json=HELLO, stream=True) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        stream = events(response)
    *deltas, (name, last) = stream
    assert name == "done" and last["tokens"] == 12 and last["finish_reason"] == "length"
    assert "".join(data["text"] for _, data in deltas) == last["text"]
    whole = writer.call("POST", "/ai/generate", json={**HELLO, "stream": False})
    assert whole["text"] == last["text"]
    assert whole["model"] == "tiny"
    assert whole["prompt_tokens_cached"] > 0


def test_a_schema_holds_the_answer_to_its_form(writer):
    schema = {"type": "object", "required": ["yes"], "properties": {"yes": {"type": "boolean"}}}
    answer = writer.call("POST", "/ai/generate", json={**HELLO, "max_tokens": 100, "json_schema": schema, "stream": False})
    assert json.loads(answer["text"])["yes"] in (True, False)


@pytest.mark.parametrize("body, status", [
    ({}, 400),
    ({"prompt": "a", "messages": HELLO["messages"]}, 400),
    ({**HELLO, "max_tokens": 0}, 400),
    ({**HELLO, "max_tokens": 1_000_000}, 400),
    ({**HELLO, "temperature": -1}, 400),
    ({**HELLO, "colour": "red"}, 400),
    ({**HELLO, "grammar": "root ::= root"}, 400),
    ({**HELLO, "grammar": "root ::= " + "(" * 1000}, 400),
    ({**HELLO, "json_schema": {"type": "integer", "minimum": 4}}, 501),
    ({**HELLO, "model": "nobody"}, 404),
    ({**HELLO, "model": "minilm"}, 409),
    ({"messages": [{"role": "tool", "content": "x"}]}, 400),
])
@pytest.mark.parametrize("stream", [True, False])
def test_what_cannot_be_is_refused_before_a_stream_begins(writer, body, status, stream):
    with pytest.raises(Problem) as problem:
        writer.call("POST", "/ai/generate", json={**body, "stream": stream})
    assert problem.value.status == status, problem.value


def test_a_client_that_goes_away_ends_the_work(writer):
    long = {**HELLO, "max_tokens": 1900, "stop": []}
    before = writer.call("POST", "/ai/generate", json={**HELLO, "stream": False})
    with writer.request("POST", "/ai/generate", json=long, stream=True) as response:
        next(response.iter_lines())

    def idle():
        text = writer.request("GET", "/metrics").text
        return "lakehouse_model_process_running 0" in text
    eventually(idle)
    assert writer.call("POST", "/ai/generate", json={**HELLO, "stream": False})["text"] == before["text"]


def test_many_ask_at_once(writer):
    answers = {}

    def ask(i):
        body = {**HELLO, "messages": [{"role": "user", "content": f"question {i % 4}"}], "stream": False}
        answers[i] = writer.call("POST", "/ai/generate", json=body)["text"]
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16
    for i, text in answers.items():
        assert text == answers[i % 4]


def test_models_come_and_go_while_the_server_runs(writer, tiny):
    model(writer.data, "add", "second", tiny)
    assert writer.call("POST", "/ai/generate", json={**HELLO, "model": "second", "stream": False})["model"] == "second"
    model(writer.data, "rm", "second")
    with pytest.raises(Problem) as problem:
        writer.call("POST", "/ai/generate", json={**HELLO, "model": "second"})
    assert problem.value.status == 404


def test_the_program_checks_what_it_adds(tmp_path, tiny):
    data = tmp_path / "data"
    digest = hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert "those that were meant" in model(data, "add", "a", tiny, "--sha256", "0" * 64, code=1)
    assert digest in model(data, "add", "a", tiny, "--sha256", digest)
    assert "there is a model 'a'" in model(data, "add", "a", tiny, code=1)
    (tmp_path / "text").write_text("no model")
    assert "no GGUF" in model(data, "add", "b", tmp_path / "text", code=1)
    listed = json.loads(model(data, "list", "--json"))
    assert [one["name"] for one in listed["models"]] == ["a"]
    assert "qwen-coder-1.5b" in [one["name"] for one in listed["can_be_pulled"]]
    assert "SHA-256" in model(data, "pull", "c", "--from", "http://127.0.0.1:9/x", code=1)
    assert "did you mean" in model(data, "pull", "qwen-coder-15b", code=1).lower()
    model(data, "rm", "a")
    assert "there is no model 'a'" in model(data, "rm", "a", code=1)


class Ollama(http.server.BaseHTTPRequestHandler):
    """As much of Ollama as is asked of it here."""

    protocol_version = "HTTP/1.1"
    asked = []
    gone = False

    def log_message(self, *_):
        pass

    def answer(self, document, status=200):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"models": [{"name": "writer:latest", "digest": "d1"}, {"name": "vectors:latest", "digest": "d2"}]})

    def do_POST(self):
        if Ollama.gone:
            self.close_connection = True  # Connections that were kept end without an answer.
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Ollama.asked.append((self.path, body))
        if self.path == "/api/show":
            self.answer({"model_info": {"general.architecture": "x", "x.context_length": 1024}})
        elif self.path == "/api/embed":
            self.answer({"embeddings": [[float(len(text)), 1.0] for text in body["input"]]})
        else:
            self.answer(b'{"message":{"content":"from "},"done":false}\n{"message":{"content":"Ollama"},"done":false}\n'
                        b'{"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}\n')


def test_a_provider_writes_and_ranks_and_another_model_stands_in_for_it(tmp_path, tiny):
    provider = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ollama)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    data = tmp_path / "data"
    model(data, "add", "tiny", tiny)
    config = tmp_path / "lakehouse.toml"
    config.write_text(f"""
[ai]
embed = "vectors"
generate = "writer"
[[ai.providers]]
name = "friend"
type = "ollama"
url = "http://127.0.0.1:{provider.server_address[1]}"
keep_alive = "0"
retries = 0
[[ai.models]]
name = "writer"
kind = "generation"
provider = "friend"
fallback = ["tiny"]
[[ai.models]]
name = "vectors"
kind = "embedding"
provider = "friend"
""")
    with Server(data, "--config", config) as server:
        answer = server.call("POST", "/ai/generate", json={**HELLO, "stream": False})
        assert (answer["text"], answer["prompt_tokens"], answer["tokens"]) == ("from Ollama", 3, 2)
        path, body = Ollama.asked[-1]
        assert path == "/api/chat" and body["keep_alive"] == 0 and body["options"]["num_ctx"] == 1024
        ranked = server.call("POST", "/ai/rerank", json={"query": "four", "texts": ["a longer text", "five"]})
        assert ranked["method"] == "embedding"
        assert [one["index"] for one in ranked["results"]] == [1, 0]
        Ollama.gone = True
        provider.shutdown()
        provider.server_close()
        # Nobody is there any more: the model of this machine answers.
        answer = server.call("POST", "/ai/generate", json={**HELLO, "stream": False})
        assert answer["text"] != "from Ollama" and answer["tokens"] == 12
        with pytest.raises(Problem) as problem:
            server.call("POST", "/ai/rerank", json={"query": "x", "texts": ["never embedded before"]})
        assert problem.value.status == 503
