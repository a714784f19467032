"""PyIceberg from outside: what it writes the server's SQL sees at once, and the reverse."""

import datetime
import decimal

import pyarrow as pa
import pytest
from pyiceberg.exceptions import NamespaceNotEmptyError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import (BooleanType, DateType, DecimalType, DoubleType, IntegerType, ListType,
                             LongType, NestedField, StringType, StructType, TimestampType)

from harness import Problem, pyiceberg_catalog


@pytest.fixture(scope="module")
def catalog(server):
    catalog = pyiceberg_catalog(server)
    catalog.create_namespace("pyice")
    return catalog


def test_what_was_ingested_is_read_and_changed_by_pyiceberg(server, catalog):
    server.ingest("id,city\n1,Bonn\n2,Ulm\n3,Bonn\n", "pyice.towns")
    table = catalog.load_table("pyice.towns")
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == [1, 2, 3]

    table.append(table.scan(row_filter="id = 3").to_arrow().set_column(
        0, table.scan().to_arrow().schema.field("id"), pa.array([4], table.scan().to_arrow().schema.field("id").type)))
    assert server.value("SELECT count(*) FROM pyice.towns WHERE city = 'Bonn'") == 3
    table.delete("city = 'Bonn' and id < 4")
    assert server.rows("SELECT id FROM pyice.towns ORDER BY id") == [[2], [4]]
    table.overwrite(table.scan().to_arrow().slice(0, 1), overwrite_filter="id >= 2")
    assert server.value("SELECT count(*) FROM pyice.towns") == 1


def test_every_type_survives_both_ways(server, catalog):
    schema = pa.schema([
        pa.field("flag", pa.bool_()), pa.field("small", pa.int32()), pa.field("large", pa.int64()),
        pa.field("ratio", pa.float64()), pa.field("price", pa.decimal128(12, 3)),
        pa.field("day", pa.date32()), pa.field("at", pa.timestamp("us")),
        pa.field("at_utc", pa.timestamp("us", tz="UTC")), pa.field("name", pa.string()),
        pa.field("raw", pa.binary()), pa.field("tags", pa.list_(pa.string())),
        pa.field("who", pa.struct([("first", pa.string()), ("age", pa.int32())])),
        pa.field("counts", pa.map_(pa.string(), pa.int64()))])
    rows = pa.table({
        "flag": [True, None], "small": [-5, None], "large": [2**53, None], "ratio": [0.5, None],
        "price": [decimal.Decimal("12.345"), None], "day": [datetime.date(2024, 2, 29), None],
        "at": [datetime.datetime(2024, 2, 29, 12, 30, 1, 5), None],
        "at_utc": [datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc), None],
        "name": ["Ünï 'q' \"d\"", None], "raw": [b"\x00\xff", None], "tags": [["a", None], None],
        "who": [{"first": "Ann", "age": 7}, None], "counts": [{"x": 1}, None]}, schema=schema)
    catalog.create_table("pyice.types", schema=schema).append(rows)

    server.sql("CREATE TABLE pyice.types_copy AS SELECT * FROM pyice.types")
    back = catalog.load_table("pyice.types_copy").scan().to_arrow().sort_by([("small", "ascending")])
    assert back.to_pylist() == rows.to_pylist()
    assert server.rows("SELECT price, day, \"at\", name, tags, who FROM pyice.types WHERE flag") == [
        [12.345, "2024-02-29", server.value("SELECT \"at\" FROM pyice.types WHERE flag"),
         "Ünï 'q' \"d\"", ["a", None], {"first": "Ann", "age": 7}]]


def test_evolved_schemas_read_right_over_old_files(server, catalog):
    table = catalog.create_table("pyice.evolved", schema=Schema(
        NestedField(1, "id", IntegerType(), required=False),
        NestedField(2, "note", StringType(), required=False),
        NestedField(3, "who", StructType(NestedField(4, "name", StringType(), required=False)),
                    required=False)))
    table.append(pa.table({"id": pa.array([1], pa.int32()), "note": ["old"],
                           "who": [{"name": "Ann"}]}))
    with table.update_schema() as update:
        update.rename_column("note", "remark")
        update.update_column("id", LongType())
        update.add_column("score", DoubleType())
        update.add_column(("who", "age"), IntegerType())
        update.rename_column("who.name", "full_name")
    with table.update_schema() as update:
        update.move_first("score")
    table.append(pa.table({
        "score": [1.5], "id": pa.array([2**40], pa.int64()), "remark": ["new"],
        "who": pa.array([{"full_name": "Bob", "age": 9}],
                        pa.struct([("full_name", pa.string()), ("age", pa.int32())]))}))
    with table.update_schema() as update:
        update.delete_column("remark")
        update.add_column("remark", StringType())

    assert server.rows("SELECT * FROM pyice.evolved ORDER BY id") == [
        [None, 1, {"full_name": "Ann", "age": None}, None],
        [1.5, 2**40, {"full_name": "Bob", "age": 9}, None]]
    server.sql("ALTER TABLE pyice.evolved ADD COLUMN extra VARCHAR")
    server.sql("INSERT INTO pyice.evolved (id, extra) VALUES (3, 'x')")
    fresh = catalog.load_table("pyice.evolved")
    assert sorted(fresh.scan().to_arrow()["id"].to_pylist()) == [1, 3, 2**40]
    assert server.value("SELECT count(*) FROM pyice.evolved WHERE extra = 'x'") == 1


def test_partitioned_tables_are_written_by_both(server, catalog):
    schema = Schema(NestedField(1, "id", IntegerType(), required=False),
                    NestedField(2, "city", StringType(), required=False),
                    NestedField(3, "day", DateType(), required=False),
                    NestedField(4, "at", TimestampType(), required=False))
    spec = PartitionSpec(PartitionField(1, 1000, BucketTransform(4), "id_bucket"),
                         PartitionField(2, 1001, TruncateTransform(2), "city_head"),
                         PartitionField(3, 1002, IdentityTransform(), "day"),
                         PartitionField(4, 1003, DayTransform(), "at_day"))
    table = catalog.create_table("pyice.parted", schema=schema, partition_spec=spec)
    server.sql("INSERT INTO pyice.parted SELECT i, 'city' || (i % 3), DATE '2024-01-01' + (i % 2)::INT, "
               "TIMESTAMP '2024-05-01 10:00:00' + INTERVAL (i) HOUR FROM range(50) t(i)")
    server.sql("INSERT INTO pyice.parted VALUES (NULL, NULL, NULL, NULL)")
    table = catalog.load_table("pyice.parted")
    table.append(pa.table({"id": pa.array([100], pa.int32()), "city": ["city9"],
                           "day": [datetime.date(2024, 1, 1)],
                           "at": pa.array([datetime.datetime(2024, 5, 9)], pa.timestamp("us"))}))
    assert table.scan().to_arrow().num_rows == 52
    assert server.value("SELECT count(*) FROM pyice.parted") == 52
    for identifier in (0, 7, 33, 100):
        assert table.scan(row_filter=f"id = {identifier}").to_arrow().num_rows == 1
        assert server.value("SELECT count(*) FROM pyice.parted WHERE id = ?", [identifier]) == 1
    assert table.scan(row_filter="day = '2024-01-02'").to_arrow().num_rows == 25
    assert table.scan(row_filter="at >= '2024-05-02T00:00:00'").to_arrow().num_rows == \
        server.value("SELECT count(*) FROM pyice.parted WHERE \"at\" >= '2024-05-02'")
    assert table.scan(row_filter="city is null").to_arrow().num_rows == 1


def test_time_travel_reads_what_was(server, catalog):
    server.ingest("id\n1\n", "pyice.travel")
    first = catalog.load_table("pyice.travel").current_snapshot().snapshot_id
    server.sql("INSERT INTO pyice.travel VALUES (2)")
    assert server.value(f"SELECT count(*) FROM pyice.travel AT (VERSION => {first})") == 1
    assert server.value("SELECT count(*) FROM pyice.travel") == 2
    assert catalog.load_table("pyice.travel").scan(snapshot_id=first).to_arrow().num_rows == 1


def test_names_and_states_are_refused_as_the_specification_says(server, catalog):
    catalog.create_table("pyice.once", schema=Schema(NestedField(1, "a", BooleanType())))
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table("pyice.once", schema=Schema(NestedField(1, "a", BooleanType())))
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace("pyice")
    catalog.rename_table("pyice.once", "pyice.twice")
    with pytest.raises(NoSuchTableError):
        catalog.load_table("pyice.once")
    with pytest.raises(Problem) as refused:
        server.rows("SELECT * FROM pyice.once")
    assert refused.value.status in (400, 404)
    catalog.drop_table("pyice.twice")
    with pytest.raises(NoSuchTableError):
        catalog.load_table("pyice.twice")


def test_a_transaction_of_pyiceberg_is_one_commit(server, catalog):
    table = catalog.create_table("pyice.transaction", schema=Schema(
        NestedField(1, "a", LongType(), required=False), NestedField(2, "t", ListType(3, StringType(), element_required=False), required=False),
        NestedField(4, "d", DecimalType(9, 2), required=False)))
    with table.transaction() as transaction:
        transaction.set_properties({"owner": "ops"})
        transaction.append(pa.table({"a": [1], "t": [["x"]], "d": pa.array([decimal.Decimal("1.50")], pa.decimal128(9, 2))}))
    assert server.rows("SELECT a, t, d FROM pyice.transaction") == [[1, ["x"], 1.5]]
    assert catalog.load_table("pyice.transaction").properties["owner"] == "ops"
