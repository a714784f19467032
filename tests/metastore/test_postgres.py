"""The metastore on PostgreSQL, and several servers that share it and one data folder."""

import concurrent.futures
import pathlib
import subprocess
import tempfile
import uuid

import pytest

from harness import BINARY, ROOT, Problem, Server, eventually, pyiceberg_catalog

SCRIPT = ROOT / "tests" / "servers" / "postgres"


class Postgres:
    """A throw-away PostgreSQL; its socket's path has to be short."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="lakehouse-postgres-", dir="/tmp")
        self.url = None

    def start(self):
        done = subprocess.run([SCRIPT, "start", self.folder], capture_output=True, text=True)
        if done.returncode == 77:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        self.url = done.stdout.strip()
        return self

    def stop(self):
        subprocess.run([SCRIPT, "stop", self.folder], check=True)

    def run(self, sql):
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", self.url, "-c", sql], check=True,
                       stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def postgres():
    running = Postgres().start()
    yield running
    running.stop()


@pytest.fixture
def metastore(postgres):
    """The URL of a metastore of its own."""
    name = "t_" + uuid.uuid4().hex
    postgres.run(f"CREATE SCHEMA {name}")
    return f"{postgres.url}&application_name={name}&options=-csearch_path%3D{name}"


@pytest.fixture
def pair(tmp_path, metastore):
    environment = {"LAKEHOUSE_METASTORE_URL": metastore}
    data = tmp_path / "data"
    with Server(data, environment=environment) as one, Server(data, environment=environment) as two:
        yield one, two


def test_each_sees_what_the_other_has_done(pair):
    one, two = pair
    one.ingest("id,name\n1,a\n2,b\n", "people")
    assert two.rows("SELECT * FROM people ORDER BY id") == [[1, "a"], [2, "b"]]
    for number in range(3, 9):
        writer, reader = (one, two) if number % 2 else (two, one)
        writer.sql(f"INSERT INTO people VALUES ({number}, 'x')")
        assert reader.value("SELECT count(*) FROM people") == number
        assert writer.value("SELECT count(*) FROM people") == number
    two.sql("ALTER TABLE people ADD COLUMN age INTEGER")
    assert one.rows("SELECT age FROM people WHERE id = 1") == [[None]]
    two.sql("ALTER TABLE people RENAME TO persons")
    with pytest.raises(Problem) as gone:
        one.rows("SELECT * FROM people")
    assert gone.value.status == 404
    assert one.value("SELECT count(*) FROM persons") == 8
    assert not (one.data / "metastore.db").exists()


def test_a_table_that_has_changed_elsewhere_is_not_answered_from_memory(pair):
    one, two = pair
    one.sql("CREATE TABLE t (a INTEGER)")
    path = "/iceberg/v1/namespaces/main/tables/t"
    tag = two.request("GET", path).headers["ETag"]
    assert two.request("GET", path, headers={"If-None-Match": tag}).status_code == 304
    one.sql("INSERT INTO t VALUES (1)")
    changed = two.request("GET", path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == one.request("GET", path).headers["ETag"] != tag
    held = pyiceberg_catalog(one).load_table("main.t")
    two.sql("INSERT INTO t VALUES (2)")
    assert held.refresh().scan().to_arrow().num_rows == 2


def test_writers_at_both_lose_no_row(pair):
    one, _ = pair
    one.sql("CREATE TABLE t (server INTEGER, writer INTEGER, number INTEGER)")

    def write(job):
        index, writer = job
        for number in range(6):
            pair[index].sql(f"INSERT INTO t VALUES ({index}, {writer}, {number})")

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(write, [(index, writer) for index in (0, 1) for writer in range(4)]))
    for server in pair:
        assert server.value("SELECT count(*) FROM t") == 48
        assert server.value("SELECT count(DISTINCT (server, writer, number)) FROM t") == 48


def test_a_key_that_one_has_answered_is_answered_by_the_other(pair):
    one, two = pair
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = one.ingest("id\n1\n", "t", headers=key)
    assert two.ingest("id\n1\n", "t", headers=key) == first
    assert two.value("SELECT count(*) FROM t") == 1


def test_one_that_is_killed_does_not_hold_the_other_up(pair):
    one, two = pair
    one.ingest("id\n1\n", "t")
    one.kill()
    two.sql("INSERT INTO t VALUES (2)")
    with Server(one.data, environment=one.environment) as again:
        assert again.value("SELECT count(*) FROM t") == 2
        runs = [entry.name for entry in (one.data / "run").iterdir()]
        assert len(runs) == 2, runs  # What the killed one had is gone.


def test_a_server_with_sqlite_does_not_share_the_folder(pair):
    refused = subprocess.run([BINARY, "serve", "--data", pair[0].data, "--listen", "127.0.0.1:0"],
                             capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert "another server uses the data folder" in refused.stderr


def test_a_database_that_goes_away_and_comes_back(tmp_path):
    database = Postgres().start()
    try:
        environment = {"LAKEHOUSE_METASTORE_URL": database.url}
        with Server(tmp_path / "data", environment=environment) as server:
            server.ingest("id\n1\n", "t")
            bin_folder = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]

            def control(*arguments):
                user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
                is_root = pathlib.Path.home() == pathlib.Path("/root")
                subprocess.run([*(user if is_root else []), bin_folder / "pg_ctl", "-D",
                                f"{database.folder}/data", "-w", *arguments], check=True,
                               stdout=subprocess.DEVNULL, cwd="/")

            control("-m", "fast", "stop")
            assert server.request("GET", "/ready").status_code == 503
            with pytest.raises(Problem) as away:
                server.sql("INSERT INTO t VALUES (2)")
            assert away.value.status == 503
            control("-l", f"{database.folder}/server.log", "-o",
                    f"-c listen_addresses= -c unix_socket_directories={database.folder} -c fsync=off", "start")
            eventually(lambda: server.request("GET", "/ready").status_code == 200)
            server.sql("INSERT INTO t VALUES (3)")
            assert server.rows("SELECT id FROM t ORDER BY id") == [[1], [3]]
    finally:
        database.stop()


def test_the_password_is_not_shown():
    environment = {"LAKEHOUSE_METASTORE_URL": "postgresql://lake:geheim@db.example/lake"}
    shown = subprocess.run([BINARY, "config", "show"], capture_output=True, text=True, check=True,
                           env=environment, cwd="/tmp")
    assert "postgresql://lake:***@db.example/lake" in shown.stdout
    assert "geheim" not in shown.stdout + shown.stderr
