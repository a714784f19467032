"""Personal data found in files, and profiles of datasets, through a running server."""

import csv
import io
import json
import pathlib
import subprocess

import pytest

import harness

LABELLED = pathlib.Path(__file__).resolve().parent.parent / "data" / "pii"
PRECISION_MIN = 0.9
RECALL_MIN = 0.95


def pii(server, dataset, method="GET", path="", **options):
    return server.call(method, f"/catalog/datasets/by-name/{dataset}/pii{path}", **options)


def profile(server, dataset, **params):
    found = server.call("GET", f"/catalog/datasets/by-name/{dataset}/profile", params=params)
    return found, {column["name"]: column for column in found["columns"]}


def people_csv(rows=40):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "email", "salary", "team"])
    for i in range(rows):
        writer.writerow([i, f"person{i}@example.org", 30000 + 1000 * i, "red" if i % 4 else "blue"])
    return out.getvalue()


def kinds(report):
    return {(finding["column"], finding["kind"]) for finding in report["findings"]}


def test_the_labelled_columns_are_told_apart(server):
    """203 columns of 17 tables; `null` in the labels means that reasonable people differ."""
    labels = json.loads((LABELLED / "labels.json").read_text(encoding="utf-8"))
    counts = {}
    for table, wanted in labels.items():
        answer = server.ingest((LABELLED / f"{table}.csv").read_bytes(), f"labelled.{table}", name=f"{table}.csv")
        originals = {column["name"]: column.get("original", column["name"]) for column in answer["columns"]}
        found = {}
        for finding in answer["pii"]:
            found.setdefault(originals[finding["column"]], set()).add(finding["kind"])
        assert set(originals.values()) == set(wanted["columns"]), "the labels name other columns"
        for column, kinds_wanted in wanted["columns"].items():
            if kinds_wanted is None:
                continue
            count = counts.setdefault(wanted["group"], {"columns": 0, "right": 0, "wrong": [], "missed": []})
            have, want = found.get(column, set()), set(kinds_wanted)
            count["columns"] += 1
            count["right"] += len(have & want)
            count["wrong"] += [(table, column, kind) for kind in have - want]
            count["missed"] += [(table, column, kind) for kind in want - have]
    for group, count in counts.items():
        precision = count["right"] / (count["right"] + len(count["wrong"]))
        recall = count["right"] / (count["right"] + len(count["missed"]))
        print(f"\npersonal data, {group}: {count['columns']} columns, precision {precision:.3f}, recall {recall:.3f}, "
              f"wrong {count['wrong']}, missed {count['missed']}")
        assert precision >= PRECISION_MIN and recall >= RECALL_MIN, count


def test_an_ingest_says_what_it_found_and_the_registry_knows(server):
    answer = server.ingest(people_csv(), "hr.staff", name="staff.csv", headers={"Idempotency-Key": "staff-1"})
    assert {(one["column"], one["kind"]) for one in answer["pii"]} == {("email", "email"), ("salary", "salary")}
    again = server.ingest(people_csv(), "hr.staff", name="staff.csv", headers={"Idempotency-Key": "staff-1"})
    assert again == answer
    report = pii(server, "hr.staff")
    assert kinds(report) == {("email", "email"), ("salary", "salary")}
    assert report["sensitivity"] == "confidential"
    assert report["scanned"]["snapshot_id"] == answer["snapshot_id"] and not report["scanned"]["on_demand"]
    for finding in report["findings"]:
        assert 0.5 <= finding["confidence"] <= 0.99 and finding["sample_size"] == 40
        assert "@" not in finding["reason"] and finding["decided_by"] == "detector"
    assert server.value("SELECT count(*) FROM hr.staff") == 40


def test_a_persons_decision_stands(server):
    server.ingest(people_csv(), "hr.decided", name="staff.csv")
    server.call("PATCH", "/catalog/datasets/by-name/hr.decided/metadata",
                json={"columns": {"email": {"sensitivity": "public"}}})
    for _ in range(2):
        report = pii(server, "hr.decided", "POST", "/scan", params={"sample_rows": 100})
        by_column = {finding["column"]: finding for finding in report["findings"]}
        assert by_column["email"]["sensitivity"] == "public" and by_column["email"]["decided_by"] == "person"
        assert by_column["salary"]["sensitivity"] == "confidential"
    server.ingest(people_csv(41), "hr.decided", name="more.csv")
    assert {f["column"]: f["sensitivity"] for f in pii(server, "hr.decided")["findings"]}["email"] == "public"
    # What is public by a person's word is shown; what is not, is not.
    _, columns = profile(server, "hr.decided")
    assert columns["email"]["min"] == "person0@example.org"
    assert "min" not in columns["salary"]


def test_a_scan_finds_what_sql_brought_and_forgets_what_is_gone(server):
    server.sql("CREATE SCHEMA IF NOT EXISTS scans")
    server.sql("CREATE TABLE scans.t AS SELECT i AS id, '4111 1111 1111 1111' AS note, "
               "{'mail': 'a' || i || '@example.org', 'n': i} AS inner_part FROM range(50) r(i)")
    assert pii(server, "scans.t")["scanned"] is None
    headers = {"Idempotency-Key": "scan-1"}
    report = pii(server, "scans.t", "POST", "/scan", headers=headers)
    assert ("inner_part.mail", "email") in kinds(report) and report["scanned"]["on_demand"]
    assert pii(server, "scans.t", "POST", "/scan", headers=headers) == report
    with pytest.raises(harness.Problem) as other:
        pii(server, "scans.t", "POST", "/scan", headers=headers, params={"sample_rows": 200})
    assert other.value.status == 422
    server.sql("CREATE OR REPLACE TABLE scans.t AS SELECT i AS id FROM range(50) r(i)")
    assert kinds(pii(server, "scans.t", "POST", "/scan")) == set()


def test_findings_come_in_pages(server):
    server.ingest(people_csv(), "hr.pages", name="staff.csv")
    first = pii(server, "hr.pages", params={"limit": 1})
    second = pii(server, "hr.pages", params={"limit": 1, "page_token": first["next_page_token"]})
    assert len(first["findings"]) == len(second["findings"]) == 1 and second["next_page_token"] is None
    assert kinds(first) != kinds(second)
    for path in ("/catalog/datasets/by-name/hr.nothing/pii", "/catalog/datasets/by-name/hr.nothing/profile"):
        with pytest.raises(harness.Problem) as missing:
            server.call("GET", path)
        assert missing.value.status == 404


def test_a_profile_is_right_and_kept(server):
    server.sql("CREATE SCHEMA IF NOT EXISTS profiles")
    server.sql("CREATE TABLE profiles.numbers AS SELECT i AS n, CASE WHEN i % 10 = 0 THEN NULL ELSE i / 4 END AS q, "
               "'w' || (i % 3) AS word, '' AS empty, DATE '2024-01-01' + CAST(i % 366 AS INTEGER) AS d, "
               "[i, i + 1] AS list, {'a': i % 2 = 0} AS s FROM range(1000) r(i)")
    found, columns = profile(server, "profiles.numbers")
    assert found["rows"] == 1000 and found["dataset"] == "profiles.numbers"
    n = columns["n"]
    assert (n["count"], n["nulls"], n["min"], n["max"]) == (1000, 0, 0, 999)
    assert n["distinct"] == 1000 and abs(n["quantiles"]["0.5"] - 499.5) < 25
    assert len(n["histogram"]) == 20 and sum(one["count"] for one in n["histogram"]) == 1000
    assert n["histogram"][0]["from"] == 0 and n["histogram"][-1]["to"] == 999
    assert columns["q"]["nulls"] == 100 and sum(one["count"] for one in columns["q"]["histogram"]) == 900
    assert columns["word"]["top_values"] == [{"value": "w0", "count": 334}, {"value": "w1", "count": 333},
                                             {"value": "w2", "count": 333}]
    assert columns["empty"]["top_values"] == [{"value": "", "count": 1000}]
    assert columns["d"]["min"] == "2024-01-01" and columns["d"]["max"] == "2024-12-31"
    assert columns["d"]["histogram"][0]["from"] == "2024-01-01"
    assert columns["list"]["count"] == 1000 and "min" not in columns["list"]
    assert columns["s.a"]["distinct"] == 2
    assert profile(server, "profiles.numbers")[0] == found, "it is computed once"


def test_a_profile_belongs_to_its_snapshot(server):
    server.sql("CREATE SCHEMA IF NOT EXISTS profiles")
    server.sql("CREATE TABLE profiles.grows AS SELECT 1 AS a")
    first, _ = profile(server, "profiles.grows")
    server.sql("INSERT INTO profiles.grows VALUES (2)")
    second, columns = profile(server, "profiles.grows")
    assert (first["rows"], second["rows"], columns["a"]["max"]) == (1, 2, 2)
    assert profile(server, "profiles.grows", snapshot_id=first["snapshot_id"])[0] == first
    server.sql("ALTER TABLE profiles.grows RENAME COLUMN a TO b")
    server.sql("ALTER TABLE profiles.grows ADD COLUMN c VARCHAR")
    renamed, columns = profile(server, "profiles.grows")
    assert renamed["snapshot_id"] == second["snapshot_id"] and "b" in columns and columns["b"]["max"] == 2
    server.sql("CREATE TABLE profiles.empty (a INTEGER)")
    empty, columns = profile(server, "profiles.empty")
    assert empty["rows"] == 0 and empty["snapshot_id"] is None and columns["a"]["count"] == 0
    with pytest.raises(harness.Problem) as missing:
        profile(server, "profiles.grows", snapshot_id=1)
    assert missing.value.status == 404


def test_personal_values_are_not_in_a_profile(server):
    server.ingest(people_csv(), "hr.private", name="staff.csv")
    found, columns = profile(server, "hr.private")
    assert "person1@" not in json.dumps(found)
    assert columns["email"]["personal"] == "email" and columns["email"]["distinct"] == 40
    assert set(columns["salary"]["quantiles"]) == {"0.05", "0.25", "0.5", "0.75", "0.95"}
    assert "min" not in columns["salary"] and "histogram" not in columns["salary"]
    assert columns["team"]["top_values"][0] == {"value": "red", "count": 30}
    # The same for a dataset that nobody has looked through, and for its new columns.
    server.sql("CREATE TABLE hr.unseen AS SELECT email FROM hr.private")
    found, columns = profile(server, "hr.unseen")
    assert "person1@" not in json.dumps(found) and columns["email"]["personal"] == "email"
    server.sql("ALTER TABLE hr.unseen ADD COLUMN card VARCHAR")
    server.sql("INSERT INTO hr.unseen VALUES ('a@example.org', '4111111111111111')")
    found, columns = profile(server, "hr.unseen")
    assert "41111" not in json.dumps(found) and columns["card"]["personal"] == "card"


def test_odd_columns_have_profiles_too(server):
    server.sql("CREATE SCHEMA IF NOT EXISTS profiles")
    server.sql('''CREATE TABLE profiles.odd AS SELECT 'NaN'::DOUBLE AS "nan", 'inf'::DOUBLE AS inf, 5 AS "one ""value""",
               NULL::INTEGER AS nothing, TIMESTAMP '1969-12-31 23:59:59.5' AS early, chr(39) || 'x' AS quoted, true AS yes,
               12.34::DECIMAL(9, 2) AS dec, TIME '10:00:00' AS t, 'x'::BLOB AS bytes, MAP {'k': 1} AS m
               FROM range(3)''')
    _, columns = profile(server, "profiles.odd")
    assert columns['one "value"']["max"] == 5 and columns["nothing"]["count"] == 0
    assert columns["quoted"]["top_values"] == [{"value": "'x", "count": 3}]
    assert columns["dec"]["min"] == 12.34 and columns["bytes"]["count"] == 3 and columns["m"]["count"] == 3


def test_the_program_shows_both(server):
    server.ingest(people_csv(), "hr.shown", name="staff.csv")

    def run(*arguments):
        done = subprocess.run([harness.BINARY, "datasets", *arguments, "--server", server.url], capture_output=True,
                              text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    code, out, _ = run("pii", "hr.shown")
    assert code == 0 and "salary" in out and "confidential" in out and "E-" not in out
    code, out, _ = run("pii", "hr.shown", "--scan", "--json")
    assert code == 0 and {one["kind"] for one in json.loads(out)} == {"email", "salary"}
    code, out, _ = run("profile", "hr.shown")
    assert code == 0 and "red (30)" in out and "person1@" not in out
    code, out, _ = run("profile", "hr.shown", "--column", "id")
    assert code == 0 and "#" in out and "quantile 0.5" in out
    code, _, error = run("profile", "hr.shown", "--column", "nothing")
    assert code == 1 and "nothing" in error
