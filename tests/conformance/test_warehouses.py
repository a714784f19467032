"""Warehouses: each bucket is one, by name; the names of tables are one tree; new tables go where one asks."""

import json

import pyarrow as pa
import pytest
import requests
from pyiceberg.exceptions import RESTError

from harness import Problem, Server, duckdb_attached, pyiceberg_catalog

ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"]})


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warehouses")
    (folder / "lakehouse.toml").write_text(
        '[[storage.buckets]]\nname = "primary"\nlocation = "buckets/primary"\n'
        '[[storage.buckets]]\nname = "archive"\ntype = "local"\nlocation = "buckets/archive"\n')
    with Server(folder / "data", "--config", folder / "lakehouse.toml") as running:
        yield running


def config(server, warehouse=None):
    parameters = {} if warehouse is None else {"warehouse": warehouse}
    return requests.get(server.iceberg + "/v1/config", params=parameters, timeout=120)


def test_a_warehouse_is_a_bucket_by_name_or_location(two):
    assert config(two).json()["overrides"].get("prefix") is None
    assert config(two, "").json()["overrides"].get("prefix") is None
    for name in ("primary", "archive"):
        location = two.data / "buckets" / name
        for warehouse in (name, str(location), f"file://{location}/", f"file:{location}"):
            assert config(two, warehouse).json()["overrides"]["prefix"] == name, warehouse
    wrong = config(two, "archiv")
    assert wrong.status_code == 404
    assert wrong.json()["error"]["type"] == "NoSuchWarehouseException"
    assert "archive" in wrong.json()["error"]["message"]
    with pytest.raises(RESTError):
        pyiceberg_catalog(two, warehouse="nowhere")


def test_with_one_bucket_any_name_will_do(server):
    assert config(server, "rck_warehouse").json()["overrides"].get("prefix") is None
    assert config(server, "primary").json()["overrides"]["prefix"] == "primary"


def test_tables_go_where_the_warehouse_is_and_are_seen_from_all(two):
    for warehouse in ("primary", "archive"):
        catalog = pyiceberg_catalog(two, warehouse=warehouse)
        table = catalog.create_table(f"main.in_{warehouse}", schema=ROWS.schema)
        table.append(ROWS)
        assert f"/buckets/{warehouse}/" in table.location()
        two.sql(f"INSERT INTO in_{warehouse} VALUES (4, 'd')")
        with catalog.create_table_transaction(f"main.staged_{warehouse}", schema=ROWS.schema) as staged:
            staged.append(ROWS)
        assert f"/buckets/{warehouse}/" in catalog.load_table(f"main.staged_{warehouse}").location()
    for catalog in (pyiceberg_catalog(two), pyiceberg_catalog(two, warehouse="primary"),
                    pyiceberg_catalog(two, warehouse="archive")):
        names = {name for _, name in catalog.list_tables("main")}
        assert {"in_primary", "in_archive", "staged_primary", "staged_archive"} <= names
        for name in ("in_primary", "in_archive"):
            assert catalog.load_table(f"main.{name}").scan().to_arrow().num_rows == 4
    assert two.call("GET", "/datasets/in_archive")["bucket"] == "archive"
    assert two.value("SELECT count(*) FROM in_primary JOIN in_archive USING (id)") == 4


def test_duckdb_attaches_a_warehouse(two):
    lake = duckdb_attached(two, warehouse="archive")
    lake.execute("CREATE TABLE lake.main.by_duckdb AS SELECT range AS i FROM range(10)")
    assert two.call("GET", "/datasets/by_duckdb")["bucket"] == "archive"
    assert two.value("SELECT sum(i) FROM by_duckdb") == 45


def test_every_route_is_under_a_prefix_and_no_other_prefix_is(two):
    document = two.call("GET", "/openapi.json")
    assert not any("{prefix}" in path for path in document["paths"]), "second spellings are not listed"
    two.call("POST", "/iceberg/v1/archive/namespaces", json={"namespace": ["by_prefix"]})
    for path in ("namespaces", "namespaces/by_prefix", "namespaces/by_prefix/tables"):
        plain = two.call("GET", f"/iceberg/v1/{path}")
        assert two.call("GET", f"/iceberg/v1/archive/{path}") == plain
        with pytest.raises(Problem) as missing:
            two.call("GET", f"/iceberg/v1/nowhere/{path}")
        assert missing.value.status == 404
        assert missing.value.document["error"]["type"] == "NoSuchWarehouseException"
    assert two.request("HEAD", "/iceberg/v1/primary/namespaces/by_prefix").status_code == 204
    assert two.request("DELETE", "/iceberg/v1/archive/namespaces/by_prefix").status_code == 204
    assert two.request("GET", "/iceberg/v1/archive/config").status_code == 404
    two.sql("CREATE TABLE reported (a BIGINT)")
    table = "/iceberg/v1/archive/namespaces/main/tables/reported"
    assert two.call("GET", table + "/credentials") == {"storage-credentials": []}
    assert two.request("POST", table + "/metrics", json={"report-type": "scan-report"}).status_code == 204


def test_metrics_reports_are_kept_and_listed(two):
    two.sql("CREATE TABLE measured (a BIGINT)")
    path = "/iceberg/v1/namespaces/main/tables/measured"
    for number in range(205):
        report = {"report-type": "scan-report" if number % 2 else "commit-report", "table-name": "main.measured",
                  "snapshot-id": number, "metrics": {"total": {"value": number}}, "unknown": "stays"}
        assert two.request("POST", path + "/metrics", json=report).status_code == 204
    listed, token = [], None
    while True:
        page = two.call("GET", "/catalog/datasets/by-name/measured/metrics",
                        params={"limit": 60, **({"page_token": token} if token else {})})
        listed += page["reports"]
        token = page["next_page_token"]
        if not token:
            break
    assert page["dataset"] == "main.measured"
    assert [report["snapshot_id"] for report in listed] == list(range(204, 4, -1)), "the last 200, the newest first"
    assert listed[0]["report"]["unknown"] == "stays" and listed[0]["principal"] == "anonymous"
    scans = two.call("GET", "/catalog/datasets/by-name/main.measured/metrics", params={"report_type": "scan-report"})
    assert {report["report_type"] for report in scans["reports"]} == {"scan-report"}
    two.call("POST", "/iceberg/v1/tables/rename", json={
        "source": {"namespace": ["main"], "name": "measured"}, "destination": {"namespace": ["main"], "name": "renamed"}})
    assert len(two.call("GET", "/catalog/datasets/by-name/renamed/metrics")["reports"]) == 100

    key = {"Idempotency-Key": "0192d5a0-0000-7000-8000-00000000000a"}
    renamed = path.replace("measured", "renamed") + "/metrics"
    for _ in range(2):
        assert two.request("POST", renamed, json={"report-type": "scan-report", "snapshot-id": 900}, headers=key).status_code == 204
    newest = two.call("GET", "/catalog/datasets/by-name/renamed/metrics", params={"limit": 2})["reports"]
    assert [report["snapshot_id"] for report in newest] == [900, 204], "a report under one key is kept once"
    for bad, status in ((json.dumps({"report-type": "x", "pad": "y" * 70_000}), 400), ("{}", 400), ("[", 400)):
        assert two.request("POST", renamed, data=bad, headers={"Content-Type": "application/json"}).status_code == status
    assert two.request("POST", path + "/metrics", json={"report-type": "scan-report"}).status_code == 404
    assert two.request("GET", "/catalog/datasets/by-name/nothing/metrics").status_code == 404
