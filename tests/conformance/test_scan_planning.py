"""Scans planned by the server: PyIceberg reads by its plans what it reads by its own, and the protocol itself."""

import datetime
import decimal
import itertools
import json
import pathlib
import subprocess

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import (DateType, DecimalType, DoubleType, LongType, NestedField, StringType, TimestampType)

from harness import Server, duckdb_attached, pyiceberg_catalog

NAN = float("nan")


def plan(server, table, expect=200, **request):
    response = server.request("POST", f"/iceberg/v1/namespaces/planned/tables/{table}/plan", json=request)
    assert response.status_code == expect, response.text
    return response.json()


def tasks_of(server, table, plan_task, expect=200):
    response = server.request("POST", f"/iceberg/v1/namespaces/planned/tables/{table}/tasks",
                              json={"plan-task": plan_task})
    assert response.status_code == expect, response.text
    return response.json()


def paths(answer):
    return sorted(task["data-file"]["file-path"] for task in answer["file-scan-tasks"])


@pytest.fixture(scope="module")
def catalog(server):
    catalog = pyiceberg_catalog(server, **{"scan-planning-mode": "server"})
    assert catalog.supports_server_side_planning()
    catalog.create_namespace("planned")
    return catalog


@pytest.fixture(scope="module")
def events(server, catalog):
    """Twelve partitions of region and day, with nulls and NaN, and rows deleted in some."""
    table = catalog.create_table("planned.events", schema=Schema(
        NestedField(1, "id", LongType(), required=False), NestedField(2, "region", StringType(), required=False),
        NestedField(3, "at", TimestampType(), required=False), NestedField(4, "ratio", DoubleType(), required=False),
        NestedField(5, "price", DecimalType(9, 2), required=False), NestedField(6, "day", DateType(), required=False)),
        partition_spec=PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "region"),
                                     PartitionField(3, 1001, DayTransform(), "at_day")))
    start = datetime.datetime(2024, 3, 1)
    rows = []
    for i, (region, day) in enumerate(itertools.product(["north", "south", "su'd"], range(4))):
        for k in range(5):
            at = start + datetime.timedelta(days=day, hours=k)
            rows.append({"id": i * 10 + k, "region": region, "at": at,
                         "ratio": [None, NAN, i / 2, -i / 4, 0.1][k], "price": decimal.Decimal(i * 100 + k) / 100,
                         "day": None if k == 4 else at.date()})
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
    # DuckDB writes position deletes; PyIceberg would write the files anew.
    duckdb_attached(server).execute("DELETE FROM lake.planned.events WHERE id % 10 = 2 AND region = 'south'")
    return table


FILTERS = [
    "id = 31", "id > 100", "id in (1, 55, 99)", "id not in (1, 2, 3)", "not (id < 100)", "id != 0",
    "region = 'north'", "region != 'north'", "region like 's%'", "region not like 's%'", "region = 'su''d'",
    "at >= '2024-03-02T00:00:00' and at < '2024-03-03T00:00:00'", "at < '2024-03-01T02:30:00'",
    "ratio > 4", "ratio is null", "ratio is nan", "ratio is not nan", "ratio = 0.1", "price <= 2.03", "price = 11.01",
    "day = '2024-03-04'", "day is null", "region = 'north' or id > 105", "region = 'nowhere'",
    "(region = 'north' and at < '2024-03-02T00:00:00') or (region like 'su%' and id >= 95)",
]


@pytest.mark.parametrize("condition", FILTERS)
def test_pyiceberg_reads_the_same_by_either_plan(server, catalog, events, condition):
    ours = catalog.load_table("planned.events").scan(row_filter=condition)
    theirs = pyiceberg_catalog(server).load_table("planned.events").scan(row_filter=condition)
    planned, own = list(ours.plan_files()), list(theirs.plan_files())
    if "ratio" not in condition:  # Whether NaN is greater than 4, engines differ about: we keep such files.
        assert {task.file.file_path for task in planned} <= {task.file.file_path for task in own}
    for task, same in itertools.product(planned, own):
        if task.file.file_path != same.file.file_path:
            continue
        assert {file.file_path for file in task.delete_files} == {file.file_path for file in same.delete_files}
        assert (task.file.record_count, task.file.spec_id, task.file.file_size_in_bytes) == \
            (same.file.record_count, same.file.spec_id, same.file.file_size_in_bytes)
    order = [("id", "ascending")]
    assert str(ours.to_arrow().sort_by(order).to_pylist()) == str(theirs.to_arrow().sort_by(order).to_pylist())
    assert ours.count() == theirs.to_arrow().num_rows


def test_what_a_partition_says_need_not_be_asked_of_its_rows(server, events):
    day = {"type": "and", "left": {"type": "gt-eq", "term": "at", "value": "2024-03-02T00:00:00"},
           "right": {"type": "lt", "term": "at", "value": "2024-03-03T00:00:00"}}
    answer = plan(server, "events", filter={"type": "and", "left": day,
                                            "right": {"type": "eq", "term": "region", "value": "south"}})
    [task] = answer["file-scan-tasks"]
    assert answer["status"] == "completed" and task["residual-filter"] is True
    assert task["data-file"]["partition"] == ["south", "2024-03-02"]
    assert task["data-file"]["content"] == "data" and task["data-file"]["file-format"] == "parquet"
    [deletes] = answer["delete-files"]
    assert task["delete-file-references"] == [0] and deletes["content"] == "position-deletes"

    answer = plan(server, "events", filter={"type": "gt", "term": "id", "value": 112})
    [task] = answer["file-scan-tasks"]
    assert task["residual-filter"] == {"type": "gt", "term": "id", "value": 112}
    assert plan(server, "events", filter={"type": "false"})["file-scan-tasks"] == []
    assert len(plan(server, "events", filter=True)["file-scan-tasks"]) == 12
    term = {"type": "transform", "transform": "day", "term": "at"}
    assert len(plan(server, "events", filter={"type": "eq", "term": term, "value": "2024-03-03"})["file-scan-tasks"]) == 3


def test_metrics_are_sent_for_the_columns_that_are_asked_for(server, events):
    filter = {"type": "eq", "term": "id", "value": 31}
    [task] = plan(server, "events", filter=filter)["file-scan-tasks"]
    assert "lower-bounds" not in task["data-file"]
    [task] = plan(server, "events", filter=filter, **{"stats-fields": ["id", "nope"]})["file-scan-tasks"]
    file = task["data-file"]
    # In the binary form, as the reference implementation's clients read them.
    assert file["lower-bounds"] == {"keys": [1], "values": [(30).to_bytes(8, "little").hex().upper()]}
    assert file["value-counts"] == {"keys": [1], "values": [5]}


def test_enough_rows_are_enough(server, events):
    north = {"type": "eq", "term": "region", "value": "north"}
    assert len(plan(server, "events", filter=north)["file-scan-tasks"]) == 4
    assert len(plan(server, "events", filter=north, **{"min-rows-requested": 7})["file-scan-tasks"]) == 2


def test_snapshots_and_what_came_between_them(server, catalog):
    server.sql("CREATE TABLE planned.history (a INTEGER)")
    assert plan(server, "history")["file-scan-tasks"] == []
    ids = []
    for statement in ("INSERT INTO planned.history VALUES (1)", "INSERT INTO planned.history VALUES (2)",
                      None, "INSERT INTO planned.history VALUES (3)",
                      "ALTER TABLE planned.history RENAME a TO b"):
        if statement:
            server.sql(statement)
        else:
            catalog.load_table("planned.history").delete("a = 1")
        ids.append(catalog.load_table("planned.history").current_snapshot().snapshot_id)
    count = lambda **request: len(plan(server, "history", **request)["file-scan-tasks"])  # noqa: E731
    assert count(**{"snapshot-id": ids[0]}) == 1 and count(**{"snapshot-id": ids[1]}) == 2 and count() == 2
    assert count(**{"start-snapshot-id": ids[0], "end-snapshot-id": ids[3]}) == 2
    assert count(**{"start-snapshot-id": ids[3], "end-snapshot-id": ids[3]}) == 0
    new, old = ({"type": "eq", "term": name, "value": 1} for name in "ba")
    assert count(**{"snapshot-id": ids[1]}, filter=new) == 1
    assert count(**{"snapshot-id": ids[1]}, filter=old, **{"use-snapshot-schema": True}) == 1
    assert count(filter={"type": "eq", "term": "B", "value": 2}, **{"case-sensitive": False}) == 1

    for wrong in ({"snapshot-id": 5}, {"start-snapshot-id": ids[0]}, {"filter": old}, {"filter": {"type": "like"}},
                  {"filter": {"type": "eq", "term": "b", "value": "x"}}, {"select": "b"},
                  {"snapshot-id": ids[0], "start-snapshot-id": ids[0], "end-snapshot-id": ids[1]},
                  {"start-snapshot-id": ids[3], "end-snapshot-id": ids[0]}):
        assert plan(server, "history", expect=400, **wrong)["error"]["type"] == "BadRequestException"
    assert plan(server, "nothing", expect=404)["error"]["type"] == "NoSuchTableException"


def test_plans_are_fetched_again_and_cancelled(server, events):
    answer = plan(server, "events", filter={"type": "lt", "term": "id", "value": 30})
    path = f"/iceberg/v1/namespaces/planned/tables/events/plan/{answer['plan-id']}"
    assert server.call("GET", path) == answer
    for _ in range(2):
        assert server.request("DELETE", path).status_code == 204
    assert server.call("GET", path) == {"status": "cancelled"}
    for method in ("GET", "DELETE"):
        response = server.request(method, path + "x")
        assert response.status_code == 404 and response.json()["error"]["type"] == "NoSuchPlanIdException"
    for task in ("", "{}", "[" * 300, '{"table":"x"}', json.dumps({"table": events.metadata.table_uuid.hex})):
        assert tasks_of(server, "events", task, 404)["error"]["type"] == "NoSuchPlanTaskException"


def test_large_plans_come_in_parts_that_outlive_the_server(tmp_path):
    """A long filter fills an answer with few files, so that sixty are enough to see the parts."""
    running = Server(tmp_path / "data").start()
    try:
        catalog = pyiceberg_catalog(running, **{"scan-planning-mode": "server"})
        catalog.create_namespace("planned")
        table = catalog.create_table("planned.many", schema=Schema(NestedField(1, "name", StringType(), required=False)),
                                     partition_spec=PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "name")))
        names = [f"n{i:02}" for i in range(60)]
        table.append(pa.table({"name": pa.array(names, pa.string())}))
        long = {"type": "in", "term": "name", "values": names[:50] + [f"{i:060}" for i in range(14_000)]}
        not_first = {"type": "not-eq", "term": "name", "value": "n00"}
        answer = plan(running, "many", filter={"type": "and", "left": long, "right": not_first})
        found = paths(answer)
        todo = list(answer["plan-tasks"])
        assert 1 <= len(found) < 49 and todo
        [repeated] = {tuple(paths(tasks_of(running, "many", todo[0]))) for _ in range(2)}
        assert repeated
        running.stop()
        running = Server(tmp_path / "data").start()
        while todo:
            part = tasks_of(running, "many", todo.pop())
            found += paths(part)
            todo += part.get("plan-tasks", [])
        assert len(found) == len(set(found)) == 49
        catalog = pyiceberg_catalog(running, **{"scan-planning-mode": "server"})
        assert catalog.load_table("planned.many").scan().to_arrow().num_rows == 60
    finally:
        running.stop()


def test_every_transform_prunes_and_loses_nothing(server, catalog):
    table = catalog.create_table("planned.transforms", schema=Schema(
        NestedField(1, "id", LongType(), required=False), NestedField(2, "name", StringType(), required=False),
        NestedField(3, "at", TimestampType(), required=False)),
        partition_spec=PartitionSpec(PartitionField(1, 1000, BucketTransform(4), "bucket"),
                                     PartitionField(2, 1001, TruncateTransform(2), "start")))
    rows = [{"id": i, "name": f"{'abcd'[i % 4]}{'xyz'[i % 3]}{i}", "at": datetime.datetime(2020, 1, 1 + i % 28)}
            for i in range(100)]
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
    whole = len(list(table.scan().plan_files()))
    for condition in ("id = 17", "name like 'ax%'", "name like 'b%'", "name = 'cz50'", "name < 'b'", "name >= 'dy'"):
        scan = catalog.load_table("planned.transforms").scan(row_filter=condition)
        theirs = pyiceberg_catalog(server).load_table("planned.transforms").scan(row_filter=condition)
        assert sorted(scan.to_arrow()["id"].to_pylist()) == sorted(theirs.to_arrow()["id"].to_pylist())
        assert 0 < len(list(scan.plan_files())) < whole


@pytest.mark.slow
def test_icebergs_own_client_reads_by_the_servers_plans(server, events):
    here = pathlib.Path(__file__).parent
    class_path = subprocess.run([here / "rck" / "class-path"], capture_output=True, text=True, timeout=600, check=True).stdout
    ran = subprocess.run(["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", class_path.strip(),
                          here / "scan_planning" / "ScanPlanning.java", server.iceberg],
                         capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr[:6000]
    read = dict(line.split(": ", 1) for line in ran.stdout.splitlines())

    # Files, those of which all rows match, delete files, and rows in all files.
    assert read == {
        "all": "12 12 4 60", "id": "1 0 0 5", "in": "1 0 0 5", "not": "2 2 0 10", "region": "4 4 0 20",
        "south": "4 4 4 20", "day": "3 3 1 15", "transform": "3 3 1 15", "nan": "12 0 4 60", "price": "3 2 0 15",
        "date": "12 0 4 60", "stats": "30 5"}
