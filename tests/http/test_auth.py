"""Keys and tokens: nobody without one gets in at any door, and Iceberg's clients know how to get in."""

import os
import subprocess
import time

import pyarrow as pa
import pytest
import requests
from pyiceberg.exceptions import OAuthError, UnauthorizedError

from harness import BINARY, Problem, Server, duckdb_attached, eventually, pyiceberg_catalog

ALICE, BOB = "key-of-alice-0123456789", "key-of-bob-0123456789"
OPEN = {("get", "/"), ("get", "/health"), ("get", "/ready"), ("post", "/iceberg/v1/oauth/tokens")}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def write_keys(folder, **keys):
    path = folder / "secrets.toml"
    text = "[keys]\n" + "".join(f'{name} = "{key}"\n' for name, key in keys.items())
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)
    return path


def with_keys(folder, lifetime="1h", **keys):
    return Server(folder / "data", environment={
        "LAKEHOUSE_AUTH_ENABLED": "true", "LAKEHOUSE_SECRETS_FILE": str(write_keys(folder, **keys)),
        "LAKEHOUSE_AUTH_TOKEN_LIFETIME": lifetime})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with with_keys(tmp_path_factory.mktemp("guarded"), alice=ALICE, bob=BOB) as running:
        running.session.headers["Authorization"] = f"Bearer {ALICE}"
        yield running


def token(server, **form):
    form = {"grant_type": "client_credentials", "client_id": "bob", "client_secret": BOB, **form}
    return requests.post(server.iceberg + "/v1/oauth/tokens", data=form, timeout=120)


def as_bearer(text):
    return {"Authorization": f"Bearer {text}"}


def test_no_route_but_the_open_ones_answers_a_stranger(guarded):
    document = guarded.call("GET", "/openapi.json")
    asked = 0
    for path, methods in document["paths"].items():
        for method in methods:
            url = guarded.url + path.replace("{", "").replace("}", "")
            for headers in ({}, as_bearer("lh_" + "0" * 40), {"Authorization": "Basic YTpi"}):
                answer = requests.request(method, url, headers=headers, timeout=120)
                if (method, path) in OPEN:
                    assert answer.status_code != 401 or path.endswith("tokens"), (method, path)
                    continue
                assert answer.status_code == 401, (method, path, answer.status_code)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
                asked += 1
    assert asked > 100
    for path in ("/nowhere", "/iceberg/v1/primary/namespaces", "/iceberg/v1/nowhere"):
        assert requests.get(guarded.url + path, timeout=120).status_code == 401, path
    refused = requests.get(guarded.url + "/datasets", timeout=120)
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "UNAUTHENTICATED" and refused.json()["hint"]
    refused = requests.get(guarded.iceberg + "/v1/config", timeout=120)
    assert refused.json()["error"]["type"] == "NotAuthorizedException"


def test_keys_open_every_way_of_saying_them(guarded):
    for headers in (as_bearer(ALICE), {"Authorization": f"bearer  {BOB}"}, as_bearer(token(guarded).json()["access_token"])):
        assert requests.get(guarded.url + "/datasets", headers=headers, timeout=120).status_code == 200
    assert requests.get(guarded.url + "/datasets", auth=("bob", BOB), timeout=120).status_code == 200
    assert requests.get(guarded.url + "/datasets", auth=("alice", BOB), timeout=120).status_code == 401


def test_the_token_endpoint_speaks_oauth(guarded):
    answer = token(guarded)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert body["token_type"] == "bearer" and body["expires_in"] == 3600
    assert body["issued_token_type"] == ACCESS_TOKEN

    def error_of(response):
        assert response.headers["Content-Type"] == "application/json"
        return response.status_code, response.json()["error"]

    url = guarded.iceberg + "/v1/oauth/tokens"
    assert error_of(token(guarded, client_secret=ALICE)) == (401, "invalid_client")
    assert error_of(token(guarded, client_secret="")) == (400, "invalid_request")
    assert error_of(token(guarded, grant_type="password")) == (400, "unsupported_grant_type")
    assert error_of(requests.post(url, json={}, timeout=120)) == (400, "invalid_request")
    assert error_of(requests.post(url, timeout=120)) == (400, "invalid_request")
    assert error_of(requests.get(url, headers=as_bearer(ALICE), timeout=120)) == (405, "invalid_request")
    assert error_of(requests.post(url, data="grant_type=%zz", timeout=120)) == (400, "invalid_request")
    assert error_of(requests.post(url, data="a=" + "b" * 100_000, timeout=120)) == (413, "invalid_request")
    only_secret = requests.post(url, data={"grant_type": "client_credentials", "client_secret": BOB}, timeout=120)
    assert only_secret.status_code == 200
    basic = requests.post(url, data={"grant_type": "client_credentials"}, auth=("bob", BOB), timeout=120)
    assert basic.status_code == 200

    exchange = {"grant_type": EXCHANGE, "subject_token": body["access_token"], "subject_token_type": ACCESS_TOKEN}
    fresh = requests.post(url, data=exchange, headers=as_bearer(body["access_token"]), timeout=120)
    assert fresh.status_code == 200 and fresh.json()["access_token"] != body["access_token"]
    unsigned = {**exchange, "subject_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ."}
    assert error_of(requests.post(url, data=unsigned, headers=as_bearer(ALICE), timeout=120)) == (400, "invalid_grant")


def test_iceberg_clients_get_in_and_stay_in(guarded):
    catalog = pyiceberg_catalog(guarded, credential=f"bob:{BOB}")
    rows = pa.table({"a": [1, 2, 3]})
    catalog.create_table("main.by_bob", schema=rows.schema).append(rows)
    assert pyiceberg_catalog(guarded, token=ALICE).load_table("main.by_bob").scan().to_arrow().num_rows == 3
    assert pyiceberg_catalog(guarded, credential=BOB).table_exists("main.by_bob")
    with pytest.raises(UnauthorizedError):
        pyiceberg_catalog(guarded, token="lh_nothing")
    with pytest.raises(OAuthError):
        pyiceberg_catalog(guarded, credential="bob:wrong-key-that-is-long-enough")

    duckdb = duckdb_attached(guarded, f"CLIENT_ID 'bob', CLIENT_SECRET '{BOB}', "
                                      f"OAUTH2_SERVER_URI '{guarded.iceberg}/v1/oauth/tokens'")
    duckdb.execute("INSERT INTO lake.main.by_bob VALUES (4)")
    assert duckdb.execute("SELECT count(*) FROM lake.main.by_bob").fetchone() == (4,)
    duckdb = duckdb_attached(guarded, f"TOKEN '{ALICE}'")
    assert duckdb.execute("SELECT count(*) FROM lake.main.by_bob").fetchone() == (4,)
    assert guarded.value("SELECT count(*) FROM by_bob") == 4


def test_receipts_are_each_callers_own(guarded):
    def create(key, name):
        return requests.post(guarded.iceberg + "/v1/namespaces", json={"namespace": [name]}, timeout=120,
                             headers={**as_bearer(key), "Idempotency-Key": "0192d5a0-0000-7000-8000-000000000001"})

    assert create(ALICE, "of_alice").status_code == 200
    assert create(ALICE, "of_alice").status_code == 200, "answered again"
    assert create(ALICE, "of_other").status_code == 422
    assert create(BOB, "of_bob").status_code == 200, "the same key of another caller is another key"
    assert create(BOB, "of_alice").status_code == 422


def test_the_program_sends_the_key(guarded, tmp_path):
    def run(*arguments, **variables):
        return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "LAKEHOUSE_SERVER": guarded.url, **variables})

    assert run("sql", "SELECT 41 + 1", "--format", "csv").returncode == 1
    assert "42" in run("sql", "SELECT 41 + 1", "--format", "csv", LAKEHOUSE_TOKEN=BOB).stdout
    assert "42" in run("sql", "SELECT 41 + 1", "--format", "csv", "--token", BOB).stdout
    assert run("datasets", "list", LAKEHOUSE_TOKEN=ALICE).returncode == 0
    (tmp_path / "f.csv").write_text("a\n1\n")
    assert run("ingest", str(tmp_path / "f.csv"), LAKEHOUSE_TOKEN=ALICE).returncode == 0
    made = run("keys", "new", "carol")
    assert made.returncode == 0 and made.stdout.startswith("lh_") and "sha256:" in made.stderr
    assert made.stdout.strip() not in made.stderr
    assert run("keys", "new", "not a name").returncode == 2


def test_keys_come_and_go_while_the_server_runs(tmp_path):
    made = subprocess.run([BINARY, "keys", "new", "carol"], capture_output=True, text=True, check=True, timeout=60)
    hashed = made.stderr.split('"sha256:')[1].split('"')[0]
    with with_keys(tmp_path, alice=ALICE) as server:
        def status(text):
            return requests.get(server.url + "/version", headers=as_bearer(text), timeout=120).status_code

        issued = token(server, client_id="alice", client_secret=ALICE).json()["access_token"]
        assert status(ALICE) == status(issued) == 200
        assert status(made.stdout.strip()) == 401
        write_keys(tmp_path, carol="sha256:" + hashed)
        eventually(lambda: status(made.stdout.strip()) == 200)
        assert status(ALICE) == status(issued) == 401, "a token dies with its key"
        server.kill()
        server.start()
        assert status(made.stdout.strip()) == 200
    with with_keys(tmp_path, lifetime="1s", alice=ALICE) as server:
        short = token(server, client_id="alice", client_secret=ALICE).json()["access_token"]
        eventually(lambda: requests.get(server.url + "/version", headers=as_bearer(short), timeout=120).status_code == 401)
        # PyIceberg gets itself a new one when its token has ended.
        catalog = pyiceberg_catalog(server, credential=f"alice:{ALICE}")
        time.sleep(1.5)  # The token's end is a time, and there is nothing else to wait for.
        assert catalog.list_namespaces() == [("main",)]


def test_the_log_and_the_configuration_show_no_key(guarded):
    shown = subprocess.run([BINARY, "config", "show"], capture_output=True, text=True, check=True, timeout=60,
                           env=guarded.environment)
    guarded.call("GET", "/datasets")
    requests.get(guarded.url + "/datasets", headers=as_bearer(ALICE + "x"), timeout=120)
    token(guarded)
    log = guarded.log.read_text()
    assert "principal=alice" in log
    for key in (ALICE, BOB):
        assert key not in shown.stdout and key not in log


@pytest.mark.parametrize("arguments,environment", [
    ((), {"LAKEHOUSE_SERVER_LISTEN": "0.0.0.0:0"}),
    ((), {"LAKEHOUSE_AUTH_ENABLED": "true"}),
    ((), {"LAKEHOUSE_AUTH_ENABLED": "true", "LAKEHOUSE_SECRETS_FILE": "/nowhere/secrets.toml"}),
])
def test_a_server_that_would_stand_open_does_not_start(tmp_path, arguments, environment):
    done = subprocess.run([BINARY, "serve", "--data", tmp_path / "data", *arguments], capture_output=True, text=True,
                          timeout=60, check=False, env={**os.environ, "LAKEHOUSE_SERVER_LISTEN": "127.0.0.1:0", **environment})
    assert done.returncode == 1 and done.stderr


def test_with_keys_it_may_listen_anywhere(tmp_path):
    server = with_keys(tmp_path, alice=ALICE)
    server.listen = "0.0.0.0:0"
    with server:
        url = f"http://127.0.0.1:{server.port}"
        assert requests.get(url + "/datasets", timeout=120).status_code == 401
        assert requests.get(url + "/datasets", headers=as_bearer(ALICE), timeout=120).status_code == 200


def test_without_auth_nobody_is_asked_and_tokens_are_not_given(server):
    assert requests.get(server.url + "/datasets", headers=as_bearer("anything"), timeout=120).status_code == 200
    assert token(server).json()["error"] == "invalid_request"
    with pytest.raises(Problem):
        server.call("POST", "/iceberg/v1/oauth/tokens", data={"grant_type": "client_credentials", "client_secret": "x"})
