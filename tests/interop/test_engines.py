"""Spark, Trino, DuckDB, PyIceberg and the server's own SQL on one catalog: each makes, appends to, deletes from and evolves
a table, and all of them read it, as it is and as it was.
"""

import pytest

from peers import DuckDb, Lakehouse, PyIceberg, Spark, Trino, jdk_for_trino

pytestmark = pytest.mark.slow

COLUMNS = ["id", "name", "pay", "day", "seen", "price"]
TYPES = {
    "spark": ["bigint", "string", "double", "date", "timestamp_ntz", "decimal(9,2)"],
    "trino": ["bigint", "varchar", "double", "date", "timestamp(6)", "decimal(9,2)"],
    "duckdb": ["BIGINT", "VARCHAR", "DOUBLE", "DATE", "TIMESTAMP", "DECIMAL(9,2)"],
}
TYPES["lakehouse"] = TYPES["duckdb"]
ROWS = [[1, "Ana", 1.5, "2024-05-06", "2024-05-06 07:08:09", "10.25"],
        [2, "Bo's", -2.0, "1969-12-31", "1969-12-31 23:59:59", "-0.01"],
        [3, None, None, None, None, None],
        [4, "Dée", 1e300, "2999-01-01", "2999-01-01 00:00:00", "9999999.99"]]
SQL_ENGINES = ["lakehouse", "duckdb", "spark", "trino"]


@pytest.fixture(scope="module")
def engines(server, tmp_path_factory):
    server.sql("CREATE SCHEMA inter")
    made = {"lakehouse": Lakehouse(server), "duckdb": DuckDb(server), "pyiceberg": PyIceberg(server),
            "spark": Spark(server, tmp_path_factory.mktemp("spark"))}
    if jdk_for_trino():
        made["trino"] = Trino(server, tmp_path_factory.mktemp("trino"))
    yield made
    for engine in made.values():
        if hasattr(engine, "stop"):
            engine.stop()


def engine_or_skip(engines, name):
    if name not in engines:
        pytest.skip("Trino 476 needs JDK 24 or later, and there is none on this machine: not run")
    return engines[name]


def literal(value, kind):
    if value is None:
        return f"CAST(NULL AS {kind})"
    return f"CAST('{str(value).replace(chr(39), chr(39) * 2)}' AS {kind})"


def spark_literal(value, kind):
    if value is None:
        return f"CAST(NULL AS {kind})"
    text = str(value).replace("'", "\\'")
    return f"CAST('{text}' AS {kind})"


def values(engine, rows, types=None):
    write = spark_literal if engine.name == "spark" else literal
    types = types or TYPES[engine.name]
    return ", ".join("(" + ", ".join(write(value, kind) for value, kind in zip(row, types)) + ")" for row in rows)


def create(engine, name, partitioned=False):
    columns = ", ".join(f"{column} {kind}" for column, kind in zip(COLUMNS, TYPES[engine.name]))
    by = {"spark": "USING iceberg" + (" PARTITIONED BY (bucket(4, id), days(seen))" if partitioned else ""),
          "trino": "WITH (partitioning = ARRAY['bucket(id, 4)', 'day(seen)'])" if partitioned else ""}.get(engine.name, "")
    engine.sql(f"CREATE TABLE {engine.table(name)} ({columns}) {by}")


def read_by_all(engines, name, columns, snapshot_id=None):
    answers = {}
    for engine in engines.values():
        if engine.name == "pyiceberg":
            answers[engine.name] = engine.rows(name, columns, snapshot_id)
            continue
        table = engine.table(name) if snapshot_id is None else engine.at(name, snapshot_id)
        shown = ", ".join(f"CAST({column} AS {'string' if engine.name == 'spark' else 'VARCHAR'})"
                          if column in ("day", "seen", "price") else column for column in columns)
        answers[engine.name] = engine.sql(f"SELECT {shown} FROM {table} ORDER BY id")
    return answers


def expect_all(engines, name, columns, rows, snapshot_id=None):
    for engine, answer in read_by_all(engines, name, columns, snapshot_id).items():
        if engine == "trino":
            answer = [[value.removesuffix(".000000") if isinstance(value, str) else value for value in row] for row in answer]
        assert answer == rows, f"as {engine} reads {name}"


def current_snapshot(engines, name):
    return engines["pyiceberg"].catalog.load_table(name).current_snapshot().snapshot_id


@pytest.mark.parametrize("writer", SQL_ENGINES)
def test_what_one_writes_all_read(engines, writer):
    engine = engine_or_skip(engines, writer)
    name = f"inter.by_{writer}"
    create(engine, name)
    engine.sql(f"INSERT INTO {engine.table(name)} VALUES {values(engine, ROWS)}")
    expect_all(engines, name, COLUMNS, ROWS)
    first = current_snapshot(engines, name)
    # Deletes through SQL of our own are not there yet: then another engine deletes.
    deleter = engines["spark"] if writer == "lakehouse" else engine
    deleter.sql(f"DELETE FROM {deleter.table(name)} WHERE id = 2")
    kept = [ROWS[0], ROWS[2], ROWS[3]]
    expect_all(engines, name, COLUMNS, kept)
    engine.sql(f"ALTER TABLE {engine.table(name)} ADD COLUMN note {TYPES[writer][1]}")
    engine.sql(f"ALTER TABLE {engine.table(name)} RENAME COLUMN name TO full_name")
    types = [*TYPES[writer], TYPES[writer][1]]
    engine.sql(f"INSERT INTO {engine.table(name)} VALUES {values(engine, [[5, 'Eve', None, None, None, None, 'new']], types)}")
    expect_all(engines, name, ["id", "full_name", "pay", "note"],
               [[row[0], row[1], row[2], None] for row in kept] + [[5, "Eve", None, "new"]])
    for reader, answer in read_by_all(engines, name, ["id"], first).items():
        assert answer == [[1], [2], [3], [4]], f"as {reader} reads the first snapshot of {name}"


def test_what_pyiceberg_writes_all_read(engines):
    import pyarrow as pa

    catalog = engines["pyiceberg"].catalog
    data = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", "b", None]})
    table = catalog.create_table("inter.by_pyiceberg", schema=data.schema)
    table.append(data)
    first = table.current_snapshot().snapshot_id
    table.delete("id = 2")
    with table.update_schema() as update:
        update.add_column("note", __import__("pyiceberg.types", fromlist=["StringType"]).StringType())
    expect_all(engines, "inter.by_pyiceberg", ["id", "name", "note"], [[1, "a", None], [3, None, None]])
    for reader, answer in read_by_all(engines, "inter.by_pyiceberg", ["id"], first).items():
        assert answer == [[1], [2], [3]], f"as {reader} reads the first snapshot"


@pytest.mark.parametrize("maker", ["spark", "trino"])
def test_all_append_to_a_partitioned_table_of_one(engines, maker):
    engine = engine_or_skip(engines, maker)
    name = f"inter.parts_of_{maker}"
    create(engine, name, partitioned=True)
    expected = []
    for number, writer in enumerate(engine for engine in engines.values() if engine.name != "pyiceberg"):
        row = [number, f"by {writer.name}", number / 2, "2024-02-29", f"2024-02-29 0{number}:00:00", "1.00"]
        writer.sql(f"INSERT INTO {writer.table(name)} VALUES {values(writer, [row])}")
        expected.append(row)
    expect_all(engines, name, COLUMNS, expected)
    for deleter in ("spark", "trino"):
        if deleter in engines:
            gone = expected.pop()
            engines[deleter].sql(f"DELETE FROM {engines[deleter].table(name)} WHERE id = {gone[0]}")
            expect_all(engines, name, COLUMNS, expected)


def test_merge_and_update_of_spark_and_trino_are_seen_by_all(engines):
    spark = engines["spark"]
    spark.sql("CREATE TABLE lake.inter.moved (id bigint, name string) USING iceberg TBLPROPERTIES ("
              "'format-version' = '2', 'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read', "
              "'write.merge.mode' = 'merge-on-read')")
    spark.sql("INSERT INTO lake.inter.moved VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    spark.sql("UPDATE lake.inter.moved SET name = 'B' WHERE id = 2")
    spark.sql("MERGE INTO lake.inter.moved t USING (SELECT 3 AS id, 'C' AS name UNION ALL SELECT 4, 'D') s ON t.id = s.id "
              "WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT *")
    expected = [[1, "a"], [2, "B"], [3, "C"], [4, "D"]]
    expect_all(engines, "inter.moved", ["id", "name"], expected)
    if "trino" in engines:
        engines["trino"].sql("UPDATE lake.inter.moved SET name = 'A' WHERE id = 1")
        expected[0] = [1, "A"]
        expect_all(engines, "inter.moved", ["id", "name"], expected)


def test_deletion_vectors_of_spark_are_read(engines):
    spark = engines["spark"]
    spark.sql("CREATE TABLE lake.inter.vectors (id bigint, name string) USING iceberg TBLPROPERTIES ("
              "'format-version' = '3', 'write.delete.mode' = 'merge-on-read')")
    spark.sql("INSERT INTO lake.inter.vectors SELECT id, concat('n', id) FROM range(1000)")
    spark.sql("DELETE FROM lake.inter.vectors WHERE id % 3 = 0")
    for name in ("lakehouse", "spark"):
        engine = engines[name]
        assert engine.sql(f"SELECT count(*), sum(id), min(id) FROM {engine.table('inter.vectors')}") == [[666, 332667, 1]]
    engines["lakehouse"].sql("INSERT INTO inter.vectors VALUES (5000, 'ours')")
    assert spark.sql("SELECT count(*), max(id) FROM lake.inter.vectors") == [[667, 5000]]
    spark.sql("DELETE FROM lake.inter.vectors WHERE id = 5000")
    assert engines["lakehouse"].sql("SELECT count(*), max(id) FROM inter.vectors") == [[666, 998]]


def test_views_of_spark_and_trino_are_kept(engines, server):
    spark = engines["spark"]
    spark.sql("CREATE TABLE lake.inter.viewed (id bigint) USING iceberg")
    spark.sql("INSERT INTO lake.inter.viewed VALUES (1), (2)")
    spark.sql("CREATE VIEW lake.inter.doubled AS SELECT id * 2 AS twice FROM lake.inter.viewed")
    assert spark.sql("SELECT * FROM lake.inter.doubled ORDER BY 1") == [[2], [4]]
    names = [view["name"] for view in server.call("GET", "/iceberg/v1/namespaces/inter/views")["identifiers"]]
    assert "doubled" in names
    if "trino" in engines:
        trino = engines["trino"]
        trino.sql("CREATE VIEW lake.inter.tripled AS SELECT id * 3 AS thrice FROM lake.inter.viewed")
        assert trino.sql("SELECT * FROM lake.inter.tripled ORDER BY 1") == [[3], [6]]
