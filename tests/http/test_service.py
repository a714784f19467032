"""The service routes and the rules of HTTP that hold for every route."""

import json
import socket
import threading

import pytest
import requests

from harness import BINARY, Problem, Server
import subprocess


def raw(server, data, wait_for_end=True):
    """Sends bytes as they are and returns all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
        connection.sendall(data)
        if wait_for_end:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_the_service_says_that_it_is_up(server):
    assert server.request("GET", "/health").status_code == 200
    assert server.request("GET", "/ready").status_code == 200
    assert server.call("GET", "/version")["version"]
    assert "# TYPE" in server.request("GET", "/metrics").text


def test_a_request_id_is_made_or_echoed(server):
    assert server.request("GET", "/health").headers["X-Request-Id"]
    echoed = server.request("GET", "/health", headers={"X-Request-Id": "abc-123"})
    assert echoed.headers["X-Request-Id"] == "abc-123"


def test_problems_are_problem_documents(server):
    response = server.request("POST", "/query/sql", json={"sql": "SELEC 1"})
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("application/problem+json")
    document = response.json()
    assert {"type", "title", "status", "detail", "code"} <= set(document)


def test_unknown_fields_are_refused_by_name(server):
    with pytest.raises(Problem, match="lmit"):
        server.call("POST", "/query/sql", json={"sql": "SELECT 1", "lmit": 5})


@pytest.mark.parametrize("headers, status", [
    ({"Host": "localhost"}, 200), ({"Host": "127.0.0.1:9"}, 200), ({"Host": "[::1]:80"}, 200),
    ({"Host": "evil.example"}, 403), ({"Host": "127.0.0.1.evil.example"}, 403),
    ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403)])
def test_no_web_page_can_reach_the_server(server, headers, status):
    assert server.request("GET", "/health", headers=headers).status_code in ({status} if status == 200 else {400, 403, 421})


@pytest.mark.parametrize("data", [
    b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
    b"POST /query/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /query/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /query/sql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /query/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"b" * 200000 + b"\r\n\r\n",
    b"GET /datasets/%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /datasets/%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"])
def test_malformed_requests_get_a_clear_refusal(server, data):
    answer = raw(server, data)
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert server.request("GET", "/health").status_code == 200


def test_paths_and_methods_that_do_not_exist(server):
    assert server.request("GET", "/nothing/here").status_code == 404
    wrong = server.request("DELETE", "/query/sql")
    assert wrong.status_code == 405 and "POST" in wrong.headers["Allow"]
    assert server.request("HEAD", "/health").status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"sql": 5}', b'{"sql": ""}', b'{"sql": "SELECT 1"} x',
                                  b'{"sql": "\xff"}', b"[" * 10000, b'{"sql": "SELECT 1", "params": 7}',
                                  b'{"sql": "SELECT 1", "timeout_ms": -5}', b'{"sql": "SELECT ?"}',
                                  b'{"sql": "SELECT 1; SELECT 2"}', b'{"sql": "SELECT \\u0000"}'])
def test_malformed_bodies_get_a_clear_refusal(server, body):
    response = server.request("POST", "/query/sql", data=body, headers={"Content-Type": "application/json"})
    assert 400 <= response.status_code < 500, response.text
    assert response.json()["detail"]


def test_a_client_that_goes_away_cancels_its_query(server):
    statement = json.dumps({"sql": "SELECT count(*) FROM range(100000000000)"}).encode()
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(b"POST /query/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(statement) + statement)
    from harness import eventually
    eventually(lambda: server.call("GET", "/query/running")["queries"])
    connection.close()
    eventually(lambda: not server.call("GET", "/query/running")["queries"])


def test_other_addresses_than_loopback_are_refused(tmp_path):
    done = subprocess.run([BINARY, "serve", "--data", tmp_path / "d", "--listen", "0.0.0.0:0"],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0 and "--insecure" in done.stderr


def test_a_second_server_on_the_same_data_is_refused(server):
    done = subprocess.run([BINARY, "serve", "--data", server.data, "--listen", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0 and str(server.data) in done.stderr


def test_a_shutdown_finishes_what_is_under_way(tmp_path):
    # Longer than the query takes on any machine.
    running = Server(tmp_path / "data", environment={"LAKEHOUSE_SERVER_SHUTDOWN_GRACE": "100s"}).start()
    answers = []

    def slow():
        answers.append(requests.post(running.url + "/query/sql", timeout=60, json={
            "sql": "SELECT sum(sqrt(i)) > 0 FROM range(60000000) t(i)"}))

    thread = threading.Thread(target=slow)
    thread.start()
    from harness import eventually
    eventually(lambda: running.call("GET", "/query/running")["queries"] or answers)
    running.stop()
    thread.join(120)
    assert answers and answers[0].status_code == 200


@pytest.mark.parametrize("toml, words", [
    ("[server]\nlistn = 'x'\n", "listen"), ("[server]\nlisten = 5\n", "server.listen"),
    ("[server\n", "line 1"), ("[query]\ntimeout = 'soon'\n", "query.timeout"),
    ("[nothing]\na = 1\n", "nothing"), ("[server]\nlisten = 'nowhere'\n", "listen")])
def test_malformed_configurations_get_a_clear_refusal(tmp_path, toml, words):
    path = tmp_path / "lakehouse.toml"
    path.write_text(toml)
    done = subprocess.run([BINARY, "config", "check", "--config", path], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode != 0 and words in done.stderr, done.stderr
