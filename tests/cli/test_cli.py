"""The program's commands against a running server: what they print, write and end with."""

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import BINARY, eventually


def lake(server, *arguments, stdin="", **options):
    environment = {**os.environ, "LAKEHOUSE_SERVER": server if isinstance(server, str) else server.url}
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          env=environment, timeout=120, check=False, **options)


@pytest.fixture(scope="module", autouse=True)
def sample(server):
    server.sql("CREATE TABLE numbers AS SELECT i, 'text ' || i AS t, i / 4 AS q FROM range(1000) x(i)")


def test_the_version_and_the_help_need_no_server():
    done = lake("http://127.0.0.1:1", "version")
    assert done.returncode == 0 and re.fullmatch(r"lakehouse \d+\.\d+\.\d+\n", done.stdout)
    assert lake("http://127.0.0.1:1", "--help").returncode == 0


def test_wrong_usage_is_two_and_an_absent_server_three(server):
    assert lake(server, "fly").returncode == 2
    assert lake(server, "sql", "--format", "xml", "SELECT 1").returncode == 2
    done = lake("http://127.0.0.1:1", "sql", "SELECT 1")
    assert done.returncode == 3 and "cannot be reached" in done.stderr and "lakehouse serve" in done.stderr
    assert lake("http://127.0.0.1:1", "datasets").returncode == 3
    assert lake("not a url", "sql", "SELECT 1").returncode == 2


def test_a_table_is_aligned_and_says_what_it_cut(server):
    done = lake(server, "sql", "SELECT i, t FROM numbers ORDER BY i LIMIT 2")
    lines = done.stdout.splitlines()
    assert lines[:4] == [" i | t", "---+--------", " 0 | text 0", " 1 | text 1"]
    assert lines[4].startswith("(2 rows, ")
    assert "there are more" in lake(server, "sql", "FROM numbers").stdout
    assert lake(server, "sql", "--limit", 3, "FROM numbers").stdout.count("text") == 3


def test_data_cannot_command_the_terminal(server):
    done = lake(server, "sql", "SELECT chr(27) || '[31m' || chr(10) AS a, NULL AS b")
    assert "\x1b" not in done.stdout and "\\x1b[31m\\n | NULL" in done.stdout


def test_every_format_holds_the_same_rows(server, tmp_path):
    sql = "SELECT i, t, q FROM numbers ORDER BY i"
    rows = server.rows(sql)
    out = {}
    for name in ("csv", "json", "ndjson", "arrow", "parquet"):
        done = lake(server, "sql", "--format", name, "-o", tmp_path / name, sql)
        assert done.returncode == 0 and not done.stdout, done.stderr
        out[name] = (tmp_path / name).read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["arrow", "csv", "json", "ndjson", "parquet"]
    assert [[int(i), t, float(q)] for i, t, q in list(csv.reader(io.StringIO(out["csv"].decode())))[1:]] == rows
    assert json.loads(out["json"])["rows"] == rows
    assert [list(json.loads(line).values()) for line in out["ndjson"].splitlines()] == rows
    assert [list(row.values()) for row in pa.ipc.open_stream(out["arrow"]).read_all().to_pylist()] == rows
    assert [list(row.values()) for row in pq.read_table(io.BytesIO(out["parquet"])).to_pylist()] == rows
    assert lake(server, "sql", "--format", "csv", sql).stdout.encode() == out["csv"].replace(b"\r\n", b"\n")


def test_a_failed_statement_leaves_no_output(server, tmp_path):
    done = lake(server, "sql", "--format", "csv", "-o", tmp_path / "x.csv", "SELECT nothing FROM numbers")
    assert done.returncode == 1 and not list(tmp_path.iterdir())


def test_errors_show_the_place(server):
    done = lake(server, "sql", "SELECT i,\n  nothing FROM numbers")
    assert done.returncode == 1
    assert "  2 |   nothing FROM numbers\n    |   ^\n" in done.stderr and done.stderr.startswith("error: ")


def test_several_statements_stop_at_the_first_that_fails(server):
    done = lake(server, "sql", "SELECT 'a;b' AS a; SELEC 2; SELECT 3")
    assert done.returncode == 4 and "a;b" in done.stdout and "1 of 3" in done.stderr and "3\n" not in done.stdout
    assert lake(server, "sql", "SELEC 1").returncode == 1
    assert lake(server, "sql", stdin="SELECT 1 AS a; -- done\n").returncode == 0


def test_parameters_and_files(server, tmp_path):
    assert lake(server, "sql", "--format", "csv", "--arg", "5", "--arg", "x'y", "SELECT ? + 1 AS a, ? AS b").stdout == "a,b\n6,x'y\n"
    assert lake(server, "sql", "--format", "csv", "--param", "a=5", "SELECT $a * 2 AS a").stdout == "a\n10\n"
    (tmp_path / "s.sql").write_text("SELECT 1 AS a;\nSELECT 2 AS b")
    done = lake(server, "sql", "--format", "csv", "-f", tmp_path / "s.sql", "-o", tmp_path / "o.csv")
    assert done.returncode == 0 and (tmp_path / "o.csv").read_text() == "a\n1\nb\n2\n"


def test_control_c_cancels_what_runs(server):
    process = subprocess.Popen([BINARY, "sql", "--server", server.url, "SELECT count(*) FROM range(1000000000000)"],
                               stderr=subprocess.PIPE, text=True)
    eventually(lambda: server.call("GET", "/query/running")["queries"])
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130 and "interrupted" in process.stderr.read()
    eventually(lambda: not server.call("GET", "/query/running")["queries"])


def test_files_are_loaded_once_and_named_by_their_names(server, tmp_path):
    good, other = tmp_path / "Big Clients.csv", tmp_path / "two.ndjson"
    good.write_text("id,name\n1,Ann\n2,Bo\n")
    other.write_text('{"a": {"b": 1}}\n')
    done = lake(server, "ingest", good, other)
    assert done.returncode == 0 and "main.big_clients: 2 rows" in done.stdout and "main.two: 1 row in" in done.stdout, done.stderr
    assert lake(server, "ingest", good).stdout.endswith("main.big_clients: already there\n")
    assert server.value("SELECT count(*) FROM big_clients") == 2
    assert json.loads(lake(server, "ingest", "--json", good).stdout)["duplicate"] is True
    assert lake(server, "ingest", "-", "--dataset", "piped", stdin="a\n1\n").returncode == 0
    assert server.value("SELECT a FROM piped") == 1
    assert lake(server, "ingest", "--nested", "struct", "--dataset", "kept", other).returncode == 0
    assert server.value("SELECT a.b FROM kept") == 1


def test_some_of_several_files_is_four(server, tmp_path):
    good, bad = tmp_path / "some_good.csv", tmp_path / "some_bad.parquet"
    good.write_text("a\n1\n")
    bad.write_text("PAR1 nonsense PAR1")
    done = lake(server, "ingest", good, bad, tmp_path / "absent.csv")
    assert done.returncode == 4 and "1 of 3 files" in done.stderr and "absent.csv" in done.stderr
    assert lake(server, "ingest", bad).returncode == 1
    assert lake(server, "ingest", tmp_path).returncode == 1


def test_datasets_are_listed_shown_and_dropped(server, tmp_path):
    file = tmp_path / "passing.csv"
    file.write_text("a,b\n1,x\n")
    lake(server, "ingest", file)
    assert "main.passing" in lake(server, "datasets").stdout
    assert "main.passing" in {d["name"] for d in json.loads(lake(server, "datasets", "list", "--json").stdout)}
    shown = lake(server, "datasets", "show", "passing").stdout
    assert "rows: 1" in shown and "BIGINT" in shown
    refused = lake(server, "datasets", "drop", "passing")
    assert refused.returncode == 2 and "--yes" in refused.stderr
    assert lake(server, "datasets", "drop", "passing", "--yes").returncode == 0
    assert lake(server, "datasets", "show", "passing").returncode == 1


def test_the_configuration_is_checked_shown_and_documented(tmp_path):
    file = tmp_path / "lakehouse.toml"
    file.write_text('[server]\nlisten = "127.0.0.1:4000"\n')
    assert lake("", "config", "check", "--config", file).returncode == 0
    assert "127.0.0.1:4000" in lake("", "config", "show", "--config", file).stdout
    file.write_text('[server]\nlistn = "127.0.0.1:4000"\n')
    done = lake("", "config", "check", "--config", file)
    assert done.returncode == 1 and "listn" in done.stderr and "listen" in done.stderr
    assert lake("", "config", "check", "--config", tmp_path / "absent.toml").returncode == 1
    assert "LAKEHOUSE_SERVER_LISTEN" in lake("", "config", "docs").stdout


class Terminal:
    """The interactive shell on a pseudo-terminal."""

    def __init__(self, server, history):
        environment = {**os.environ, "LAKEHOUSE_SERVER": server.url, "LAKEHOUSE_HISTORY": str(history), "TERM": "xterm"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(BINARY, [str(BINARY), "sql"], environment)
        self.seen = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, text, seconds=120):
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come; there is {self.seen!r}"
            self.seen += os.read(self.fd, 65536).decode(errors="replace")
        before, self.seen = self.seen.split(text, 1)
        return before

    def end(self):
        """Ctrl-D on an emptied line until it is taken: one typed before the line editor listens is the terminal's, and
        leaves a character on the line that the next Ctrl-D would only list completions for."""
        for _ in range(100):
            self.type("\x15\x04")
            ready, _, _ = select.select([self.fd], [], [], 0.2)
            try:
                while ready and os.read(self.fd, 65536):
                    ready, _, _ = select.select([self.fd], [], [], 0.2)
            except OSError:  # The terminal's other side is closed.
                return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("the shell does not end at the end of its input")


def test_the_shell_completes_edits_cancels_and_remembers(server, tmp_path):
    shell = Terminal(server, tmp_path / "history")
    prompt = "lakehouse> "
    shell.wait_for(prompt)
    shell.type("sel\t1 AS one,\n")
    shell.wait_for("...> ")
    shell.type("2 AS two;\n")
    shell.wait_for(" one | two")
    shell.wait_for(prompt)
    shell.type("SELECT max(i) AS m FROM numb\t;\n")
    shell.wait_for("999")
    shell.wait_for(prompt)
    shell.type("\\d numbers\n")
    assert "column_name" in shell.wait_for("(3 rows")
    shell.wait_for(prompt)
    shell.type("SELECT 'open\n")
    shell.wait_for("...> ")
    shell.type("\x03")
    shell.wait_for(prompt)
    shell.type("SELECT count(*) FROM range(1000000000000);\n")
    eventually(lambda: server.call("GET", "/query/running")["queries"])
    shell.type("\x03")
    shell.wait_for("interrupted")
    shell.wait_for(prompt)
    shell.type("SELECT 40 + 2;\n")
    shell.wait_for("42")
    shell.wait_for(prompt)
    assert shell.end() == 0
    again = Terminal(server, tmp_path / "history")
    again.wait_for(prompt)
    again.type("\x1b[A\n")
    again.wait_for("42")
    again.wait_for(prompt)
    assert again.end() == 0
    assert (tmp_path / "history").stat().st_mode & 0o077 == 0
