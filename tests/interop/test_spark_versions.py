"""Spark with Iceberg 1.11 and the server's SQL on tables of format versions 1 and 3: deletion vectors, row ids, compaction,
upgrades, variants.
"""

import pytest

from peers import Spark

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spark(server, tmp_path_factory):
    server.sql("CREATE SCHEMA sv")
    peer = Spark(server, tmp_path_factory.mktemp("spark"))
    yield peer
    peer.stop()


def same(server, spark, table, columns="count(*), sum(id)"):
    ours = [int(value) for value in server.rows(f"SELECT {columns} FROM sv.{table}")[0]]
    assert ours == spark.sql(f"SELECT {columns} FROM lake.sv.{table}")[0]
    return ours


def row_ids(spark, table, ids):
    rows = spark.sql(f"SELECT id, _row_id, _last_updated_sequence_number FROM lake.sv.{table} WHERE id IN ({ids})")
    assert spark.sql(f"SELECT count(*) = count(DISTINCT _row_id) FROM lake.sv.{table}") == [[True]]
    return sorted(rows)


def test_rows_keep_their_ids_through_deletes_updates_and_compaction(server, spark):
    server.sql("CREATE TABLE sv.lineage (id BIGINT, name VARCHAR, grade VARCHAR DEFAULT 'new') WITH ("
               "'format-version' = '3', 'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read')")
    server.sql("INSERT INTO sv.lineage (id, name) SELECT i, 'n' FROM range(1000) t(i)")
    server.sql("INSERT INTO sv.lineage (id, name) SELECT i, 'n' FROM range(5000, 5010) t(i)")
    spark.sql("DELETE FROM lake.sv.lineage WHERE id % 7 = 0")
    assert same(server, spark, "lineage", "count(*), sum(id), count(grade)") == [866, 473469, 866]
    assert row_ids(spark, "lineage", "1, 5003") == [[1, 1, 1], [5003, 1003, 2]]
    spark.sql("UPDATE lake.sv.lineage SET name = 'changed' WHERE id = 5003")
    assert row_ids(spark, "lineage", "1, 5003") == [[1, 1, 1], [5003, 1003, 4]]
    server.sql("INSERT INTO sv.lineage (id, name) VALUES (9999, 'later')")
    before = same(server, spark, "lineage")
    spark.sql("CALL lake.system.rewrite_data_files(table => 'lake.sv.lineage', options => map('rewrite-all', 'true'))")
    assert same(server, spark, "lineage") == before
    assert row_ids(spark, "lineage", "1, 5003") == [[1, 1, 1], [5003, 1003, 4]]
    spark.sql("CALL lake.system.rewrite_manifests('lake.sv.lineage')")
    server.sql("INSERT INTO sv.lineage (id, name) VALUES (10000, 'last')")
    assert same(server, spark, "lineage") == [before[0] + 1, before[1] + 10000]
    assert row_ids(spark, "lineage", "5003")[0][1] == 1003


def test_a_table_of_version_1_grows_up(server, spark):
    server.sql("CREATE TABLE sv.old (id BIGINT, moment TIMESTAMP, name VARCHAR) PARTITIONED BY "
               "(bucket(3, id), day(moment), truncate(2, name)) WITH ('format-version' = '1')")
    server.sql("INSERT INTO sv.old SELECT i, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR, 'n' || i FROM range(50) t(i)")
    spark.sql("INSERT INTO lake.sv.old SELECT id + 100, moment, name FROM lake.sv.old")
    server.sql("INSERT INTO sv.old VALUES (7, NULL, NULL)")
    assert same(server, spark, "old") == [101, 7457]
    assert server.value("SELECT count(*) FROM sv.old WHERE id = 7") == 2
    assert spark.sql("SELECT count(*) FROM lake.sv.old WHERE id = 7") == [[2]]
    spark.sql("ALTER TABLE lake.sv.old SET TBLPROPERTIES ('format-version' = '3')")
    spark.sql("DELETE FROM lake.sv.old WHERE id = 107")
    server.sql("INSERT INTO sv.old VALUES (1000, NULL, NULL)")
    assert same(server, spark, "old") == [101, 8350]
    row_ids(spark, "old", "7")


def test_variants_are_read_by_both(server, spark):
    server.sql("CREATE TABLE sv.variants (id BIGINT, v VARIANT) WITH ('format-version' = '3')")
    server.sql("INSERT INTO sv.variants VALUES (1, {'a': [1, 2], 'b': 'x'}::VARIANT)")
    spark.sql("""INSERT INTO lake.sv.variants VALUES (2, parse_json('{"c": 1.5}')), (3, NULL)""")
    assert spark.sql("SELECT id, to_json(v) FROM lake.sv.variants ORDER BY id") == [
        [1, '{"a":[1,2],"b":"x"}'], [2, '{"c":1.5}'], [3, None]]
    assert server.rows("SELECT id, v::JSON FROM sv.variants WHERE v IS NOT NULL ORDER BY id") == [
        [1, '{"a":[1,2],"b":"x"}'], [2, '{"c":1.5}']]
