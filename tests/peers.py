"""Engines of others as the tests see them: each takes SQL and gives rows as lists of plain values."""

import datetime
import decimal
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys

import requests

from harness import ROOT, duckdb_attached, pyiceberg_catalog

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
SPARK = "4.0.5"
SPARK_RUNTIME = "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.11.0"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def plain(value):
    """As all engines are compared: dates and decimals by their text, timestamps without a zone."""
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ")
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return str(value)
    return value


def maven_jar(artifact):
    group, name, version = artifact.split(":")
    path = CACHE / "lakehouse-spark" / f"{name}-{version}.jar"
    if not path.exists():
        subprocess.run(["mvn", "-B", "-q", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy",
                        f"-Dartifact={artifact}", f"-DoutputDirectory={path.parent}"], check=True)
    return path


def spark_python():
    """A Python of its own for pyspark: it is as large as all that the other tests need."""
    folder = CACHE / "lakehouse-spark" / f"python-{SPARK}-{hashlib.sha256(sys.version.encode()).hexdigest()[:8]}"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "--disable-pip-version-check", "install", "-q", f"pyspark=={SPARK}"], check=True)
        (folder / "complete").touch()
    return folder / "bin" / "python"


class Lakehouse:
    name = "lakehouse"

    def __init__(self, server):
        self.server = server

    def sql(self, statement):
        return [[plain(value) for value in row] for row in self.server.rows(statement)]

    def table(self, name):
        return name

    def at(self, name, snapshot_id):
        return f"{name} AT (VERSION => {snapshot_id})"


class DuckDb:
    name = "duckdb"

    def __init__(self, server):
        self.connection = duckdb_attached(server)
        self.connection.execute("SET TimeZone = 'UTC'")

    def sql(self, statement):
        return [[plain(value) for value in row] for row in self.connection.execute(statement).fetchall()]

    def table(self, name):
        return f"lake.{name}"

    def at(self, name, snapshot_id):
        return f"lake.{name} AT (VERSION => {snapshot_id})"


class Spark:
    name = "spark"

    def __init__(self, server, folder):
        self.log = open(pathlib.Path(folder) / "spark.log", "wb")
        self.process = subprocess.Popen(
            [spark_python(), ROOT / "tests" / "interop" / "spark_driver.py", maven_jar(SPARK_RUNTIME), server.iceberg, folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=folder)
        ready = self.process.stdout.readline()
        assert "ready" in ready, (pathlib.Path(folder) / "spark.log").read_text()[-3000:]

    def sql(self, statement):
        self.process.stdin.write(json.dumps(statement) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, f"{statement}: {answer['error']}"
        return answer["rows"]

    def table(self, name):
        return f"lake.{name}"

    def at(self, name, snapshot_id):
        return f"lake.{name} VERSION AS OF {snapshot_id}"

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.log.close()


class Trino:
    name = "trino"

    def __init__(self, server, folder, port=None):
        self.folder, self.port = folder, port or free_port()
        subprocess.run([ROOT / "tests" / "servers" / "trino", "start", folder, str(self.port), server.iceberg], check=True)

    def sql(self, statement):
        answer = requests.post(f"http://127.0.0.1:{self.port}/v1/statement", data=statement.encode(),
                               headers={"X-Trino-User": "test", "X-Trino-Time-Zone": "UTC"}, timeout=120).json()
        rows = []
        while True:
            assert "error" not in answer, f"{statement}: {answer['error']['message']}"
            rows += answer.get("data", [])
            if "nextUri" not in answer:
                return [[self.trimmed(value) for value in row] for row in rows]
            answer = requests.get(answer["nextUri"], timeout=120).json()

    @staticmethod
    def trimmed(value):
        # "2024-05-06 07:08:09.000000": Trino writes the fraction out.
        return value.removesuffix(".000000") if isinstance(value, str) else value

    def table(self, name):
        return f"lake.{name}"

    def at(self, name, snapshot_id):
        return f"lake.{name} FOR VERSION AS OF {snapshot_id}"

    def stop(self):
        subprocess.run([ROOT / "tests" / "servers" / "trino", "stop", self.folder], check=True)


class PyIceberg:
    name = "pyiceberg"

    def __init__(self, server):
        self.catalog = pyiceberg_catalog(server)

    def rows(self, name, columns, snapshot_id=None):
        table = self.catalog.load_table(name).scan(selected_fields=tuple(columns), snapshot_id=snapshot_id).to_arrow()
        table = table.select(columns).sort_by(columns[0])
        return [[plain(value) for value in row.values()] for row in table.to_pylist()]


def jdk_for_trino():
    return os.environ.get("JAVA25") or any(pathlib.Path("/usr/lib/jvm").glob("*2[4-9]*"))


