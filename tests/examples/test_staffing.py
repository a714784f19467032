"""The sample company: as many rows as its README says, the same bytes each time, keys that hold."""

import hashlib
import subprocess

import pytest

from harness import BINARY, ROOT

SCRIPT = ROOT / "examples" / "staffing" / "generate.sql"
ROWS = {"clients": 2_000, "candidates": 100_000, "job_orders": 15_000, "placements": 50_000, "timesheets": 1_000_000,
        "call_log": 800_000, "email_log": 500_000}
KEYS = [("job_orders", "client_id", "clients"), ("placements", "job_order_id", "job_orders"),
        ("placements", "candidate_id", "candidates"), ("timesheets", "placement_id", "placements"),
        ("call_log", "candidate_id", "candidates"), ("email_log", "candidate_id", "candidates"),
        ("email_log", "client_id", "clients")]


def generate(folder):
    folder.mkdir()
    subprocess.run([BINARY, "engine", "--run-sql", SCRIPT, "--in", folder], check=True, timeout=300)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_sample_is_the_same_each_time_and_its_keys_hold(server, tmp_path):
    assert generate(tmp_path / "once") == generate(tmp_path / "again")
    files = sorted((tmp_path / "once").iterdir())
    subprocess.run([BINARY, "ingest", "--server", server.url, *files], check=True, timeout=300)
    assert {table: server.value(f"SELECT count(*) FROM {table}") for table in ROWS} == ROWS
    for table, key, other in KEYS:
        assert server.value(f"SELECT count({key}) FROM {table} ANTI JOIN {other} USING ({key})") == 0, (table, key)
    words = server.rows("SELECT min(n), max(n), avg(n) FROM (SELECT len(string_split(resume_text, ' ')) AS n FROM candidates)")[0]
    assert words[0] >= 80 and words[1] <= 250 and 120 < words[2] < 200
    assert server.value("SELECT count(DISTINCT resume_text) FROM candidates") == 100_000


def test_a_local_script_runs_in_a_folder_and_says_what_fails(tmp_path):
    script = tmp_path / "s.sql"
    script.write_text("CREATE TABLE t AS SELECT 1 AS a; COPY t TO 'out.csv' (FORMAT csv, HEADER);")
    (tmp_path / "there").mkdir()
    command = [BINARY, "engine", "--run-sql", script, "--in"]
    assert subprocess.run([*command, tmp_path / "there"], check=False).returncode == 0
    assert (tmp_path / "there" / "out.csv").read_text() == "a\n1\n"
    absent = subprocess.run([*command, tmp_path / "absent"], capture_output=True, text=True, check=False)
    assert absent.returncode == 1 and "absent" in absent.stderr
    script.write_text("SELECT nothing;")
    failed = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
    assert failed.returncode == 1 and "nothing" in failed.stderr
