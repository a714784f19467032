"""Format versions 1 to 3: written by us, PyIceberg and DuckDB, each read by the others."""

import datetime

import pyarrow
import pytest

from harness import duckdb_attached, pyiceberg_catalog


@pytest.fixture(scope="module")
def duck(server):
    server.sql("CREATE SCHEMA formats")
    return duckdb_attached(server)


def counts(server, duck, table, columns="count(*), sum(id)"):
    """What each of the three reads, which must be the same."""
    ours = server.rows(f"SELECT {columns} FROM formats.{table}")[0]
    theirs = list(duck.sql(f"SELECT {columns} FROM lake.formats.{table}").fetchall()[0])
    rows = pyiceberg_catalog(server).load_table(f"formats.{table}").scan().to_arrow()
    assert ours == theirs
    assert ours[0] == rows.num_rows
    return ours


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_a_table_of_each_version_is_everybodys(server, duck, version):
    name = f"of_version_{version}"
    server.sql(f"CREATE TABLE formats.{name} (id BIGINT, name VARCHAR, grp INTEGER) PARTITIONED BY (grp) "
               f"WITH ('format-version' = '{version}')")
    server.sql(f"INSERT INTO formats.{name} SELECT i, 'n' || i, i % 4 FROM range(100) t(i)")
    catalog = pyiceberg_catalog(server)
    assert catalog.load_table(f"formats.{name}").metadata.format_version == int(version)
    assert counts(server, duck, name) == [100, 4950]
    if version != "3":  # PyIceberg 0.12 writes no manifests of version 3.
        table = catalog.load_table(f"formats.{name}")
        table.append(pyarrow.table({"id": [1000, 1001], "name": ["x", "y"],
                                    "grp": pyarrow.array([7, 7], pyarrow.int32())}))
        table.delete("id = 1000")
        assert counts(server, duck, name) == [101, 5951]
    server.sql(f"INSERT INTO formats.{name} VALUES (5, 'again', 1)")
    assert server.value(f"SELECT count(*) FROM formats.{name} WHERE id = 5") == 2
    scan = catalog.load_table(f"formats.{name}").scan(row_filter="id = 5 AND grp = 1")
    assert scan.to_arrow().num_rows == 2
    assert len(list(scan.plan_files())) == 2, "the partitions prune"


def test_deletion_vectors_of_duckdb_are_read_and_kept(server, duck):
    server.sql("CREATE TABLE formats.vectors WITH ('format-version' = '3') AS "
               "SELECT i AS id, 'n' || i AS name FROM range(100000) t(i)")
    server.sql("INSERT INTO formats.vectors SELECT i, 'later' FROM range(1000000, 1000010) t(i)")
    duck.sql("DELETE FROM lake.formats.vectors WHERE id % 10 = 3")
    first = pyiceberg_catalog(server).load_table("formats.vectors").current_snapshot()
    assert counts(server, duck, "vectors")[0] == 90009
    duck.sql("DELETE FROM lake.formats.vectors WHERE id < 70000 OR id = 1000005")
    duck.sql("UPDATE lake.formats.vectors SET name = 'changed' WHERE id = 99999")
    assert counts(server, duck, "vectors")[0] == 27008
    assert server.rows("SELECT name FROM formats.vectors WHERE id IN (3, 99999, 99993)") == [["changed"]]
    # Our own writes leave the vectors where they are, and older snapshots keep theirs.
    server.sql("INSERT INTO formats.vectors VALUES (3, 'ours')")
    assert counts(server, duck, "vectors")[0] == 27009
    assert server.value(f"SELECT count(*) FROM formats.vectors AT (VERSION => {first.snapshot_id})") == 90009
    table = pyiceberg_catalog(server).load_table("formats.vectors")
    assert table.metadata.next_row_id >= 100012, "every row that was ever added has an id of its own"


def test_tables_are_upgraded_with_their_rows(server, duck):
    server.sql("CREATE TABLE formats.upgraded (id BIGINT) WITH ('format-version' = '1')")
    server.sql("INSERT INTO formats.upgraded VALUES (1)")
    catalog = pyiceberg_catalog(server)
    with catalog.load_table("formats.upgraded").transaction() as transaction:
        transaction.upgrade_table_version(2)
    server.sql("INSERT INTO formats.upgraded VALUES (2)")
    server.sql("ALTER TABLE formats.upgraded SET ('format-version' = '3')")
    server.sql("INSERT INTO formats.upgraded VALUES (3)")
    duck.sql("DELETE FROM lake.formats.upgraded WHERE id = 1")
    assert counts(server, duck, "upgraded") == [2, 5]
    metadata = catalog.load_table("formats.upgraded").metadata
    assert metadata.format_version == 3 and metadata.next_row_id == 3


def test_types_and_defaults_of_version_3_are_kept(server):
    server.sql("CREATE SCHEMA IF NOT EXISTS formats")
    fields = [
        {"id": 1, "name": "id", "type": "long", "required": True},
        {"id": 2, "name": "nothing", "type": "unknown", "required": False},
        {"id": 3, "name": "place", "type": "geometry(srid:3857)", "required": False},
        {"id": 4, "name": "body", "type": "variant", "required": False},
        {"id": 5, "name": "precise", "type": "timestamptz_ns", "required": False},
        {"id": 6, "name": "grade", "type": "string", "required": False, "write-default": "new"},
        {"id": 7, "name": "nested", "required": False, "type": {"type": "struct", "fields": [
            {"id": 8, "name": "a", "type": "int", "required": False}]}},
    ]
    created = server.call("POST", "/iceberg/v1/namespaces/formats/tables", json={
        "name": "types", "schema": {"type": "struct", "schema-id": 0, "fields": fields},
        "properties": {"format-version": "3"}})
    assert created["metadata"]["schemas"][0]["fields"] == fields
    assert created["metadata"]["format-version"] == 3 and created["metadata"]["next-row-id"] == 0
    server.sql("INSERT INTO formats.types (id, body, precise, nested) VALUES "
               "(1, {'x': [1, 2]}::VARIANT, '2024-01-31 12:00:00.123456+00', {'a': 5})")
    # A field in the struct, with a default for the rows there are: as another client commits it.
    grown = [*fields[:6], {**fields[6], "type": {"type": "struct", "fields": [
        fields[6]["type"]["fields"][0],
        {"id": 9, "name": "b", "type": "int", "required": True, "initial-default": 7, "write-default": 8}]}}]
    after = server.call("POST", "/iceberg/v1/namespaces/formats/tables/types", json={"requirements": [], "updates": [
        {"action": "add-schema", "schema": {"type": "struct", "fields": grown}},
        {"action": "set-current-schema", "schema-id": -1}]})
    assert after["metadata"]["schemas"][1]["fields"] == grown
    server.sql("INSERT INTO formats.types (id) VALUES (2)")
    assert server.rows("SELECT id, nothing, place, body::JSON, grade, nested FROM formats.types WHERE id = 1") == [
        [1, None, None, '{"x":[1,2]}', "new", {"a": 5, "b": 7}]]
    assert server.rows("SELECT id, body IS NULL, precise, nested FROM formats.types WHERE id = 2") == [
        [2, True, None, None]]
    snapshot = server.call("GET", "/iceberg/v1/namespaces/formats/tables/types")["metadata"]["snapshots"][-1]
    assert (snapshot["first-row-id"], snapshot["added-rows"]) == (1, 1)


def test_every_transform_partitions_as_pyiceberg_computes_it(server):
    server.sql("CREATE SCHEMA IF NOT EXISTS formats")
    server.sql("CREATE TABLE formats.transforms (id INTEGER, big BIGINT, name VARCHAR, price DECIMAL(9,2), raw BLOB, "
               "day DATE, moment TIMESTAMP, zoned TIMESTAMPTZ, born TIMESTAMP, uid UUID) PARTITIONED BY ("
               "id, bucket(4, id), bucket(8, name), bucket(3, price), bucket(5, uid), bucket(2, raw), "
               "truncate(10, big), truncate(2, name), truncate(50, price), truncate(1, raw), "
               "year(day), month(moment), day(zoned), hour(born))")
    server.sql("""INSERT INTO formats.transforms VALUES
        (1, 101, 'alpha', 12.34, '\\x01\\x02'::BLOB, '2020-02-29', '2020-02-29 23:59:59', '2020-02-29 23:59:59+02',
         '2020-02-29 01:30:00', 'f79c3e09-677c-4bbd-a479-3f349cb785e7'),
        (-2, -15, 'ünïcode', -0.01, '\\xFF'::BLOB, '1969-12-31', '1969-12-31 23:00:00.000001',
         '1969-12-31 23:59:59.999999+00', '1969-12-31 22:59:59', '00000000-0000-0000-0000-000000000000'),
        (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)""")
    table = pyiceberg_catalog(server).load_table("formats.transforms")
    schema = table.schema()
    seen = 0
    for task in table.scan().plan_files():
        [row] = table.scan(row_filter=f"id = {task.file.partition[0]}" if task.file.partition[0] is not None
                           else "id is null").to_arrow().to_pylist()
        for position, field in enumerate(table.spec().fields):
            column = schema.find_field(field.source_id)
            expected = field.transform.transform(column.field_type)(as_iceberg(row[column.name]))
            assert task.file.partition[position] == expected, (field.name, row)
            seen += 1
    assert seen == 3 * 14
    assert server.rows("SELECT id FROM formats.transforms WHERE moment < TIMESTAMP '1970-01-01'") == [[-2]]
    assert server.rows("SELECT id FROM formats.transforms WHERE name = 'alpha' AND price > 12") == [[1]]


def as_iceberg(value):
    """What a transform takes: days, or microseconds, since 1970."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.timezone.utc)
        return (value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days
    return value
