"""Makes the tables in this folder with Spark, so that unit tests can read what it writes without it.

    python make_fixtures.py ICEBERG_SPARK_RUNTIME.jar

Needs pyspark 4.0, a JDK 17 and the jar of iceberg-spark-runtime-4.0_2.13 (1.11.0). The tables are made under
file:/tmp/lakehouse-fixtures, which their metadata names for good: tests lay a bucket over that location.
expected.json holds the rows as Spark reads them.
"""

import json
import pathlib
import shutil
import sys

from pyspark.sql import SparkSession

HERE = pathlib.Path(__file__).resolve().parent
WAREHOUSE = pathlib.Path("/tmp/lakehouse-fixtures")
MERGE_ON_READ = ("'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read', "
                 "'write.merge.mode'='merge-on-read'")


def session(jar):
    return (SparkSession.builder.master("local[1]")
            .config("spark.jars", jar)
            .config("spark.sql.extensions",
                    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
            .config("spark.sql.catalog.lake.type", "hadoop")
            .config("spark.sql.catalog.lake.warehouse", f"file:{WAREHOUSE}")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.ui.enabled", "false")
            .getOrCreate())


def iceberg_table(spark, name):
    """The Java API's table, for what SQL cannot say."""
    return spark._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession,
                                                                           f"lake.db.{name}")


def v1_plain(spark):
    spark.sql("CREATE TABLE lake.db.v1_plain (id BIGINT, region STRING, price DECIMAL(9,2)) USING iceberg "
              "PARTITIONED BY (region) TBLPROPERTIES ('format-version'='1')")
    spark.sql("INSERT INTO lake.db.v1_plain VALUES (1, 'north', 1.50), (2, 'south', -2.25), (3, NULL, NULL)")
    spark.sql("INSERT INTO lake.db.v1_plain VALUES (4, 'north', 4.00)")
    # A dropped field of version 1 stays, as void.
    spark.sql("ALTER TABLE lake.db.v1_plain DROP PARTITION FIELD region")
    spark.sql("ALTER TABLE lake.db.v1_plain RENAME COLUMN price TO amount")
    spark.sql("INSERT INTO lake.db.v1_plain VALUES (5, 'west', 5.00)")
    spark.sql("DELETE FROM lake.db.v1_plain WHERE id = 1")  # Rewrites the file.


def v2_transforms(spark):
    spark.sql("CREATE TABLE lake.db.v2_transforms (id INT, big BIGINT, name STRING, price DECIMAL(9,2), "
              "raw BINARY, day DATE, at TIMESTAMP, local TIMESTAMP_NTZ, at2 TIMESTAMP) USING iceberg "
              "PARTITIONED BY (bucket(4, id), bucket(8, name), truncate(10, big), truncate(2, name), "
              "truncate(50, price), years(day), months(at), days(local), hours(at2)) "
              "TBLPROPERTIES ('format-version'='2')")
    spark.sql("INSERT INTO lake.db.v2_transforms VALUES "
              "(1, 101, 'alpha', 12.34, X'0102', DATE'2020-02-29', TIMESTAMP'2020-02-29 23:59:59Z', "
              "TIMESTAMP_NTZ'2020-02-29 12:00:00', TIMESTAMP'2020-02-29 01:30:00Z'), "
              "(-2, -15, 'ünïcode', -0.01, X'', DATE'1969-12-31', TIMESTAMP'1969-12-31 23:00:00.000001Z', "
              "TIMESTAMP_NTZ'1969-12-31 23:59:59.999999', TIMESTAMP'1969-12-31 22:59:59Z'), "
              "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")


def v2_deletes(spark):
    spark.sql("CREATE TABLE lake.db.v2_deletes (id BIGINT, name STRING) USING iceberg "
              f"TBLPROPERTIES ('format-version'='2', {MERGE_ON_READ})")
    spark.sql("INSERT INTO lake.db.v2_deletes SELECT /*+ COALESCE(1) */ id, concat('n', id) FROM range(100)")
    spark.sql("DELETE FROM lake.db.v2_deletes WHERE id % 10 = 3")
    spark.sql("UPDATE lake.db.v2_deletes SET name = 'changed' WHERE id = 7")


def v3_vectors(spark):
    spark.sql("CREATE TABLE lake.db.v3_vectors (id BIGINT, name STRING) USING iceberg "
              f"TBLPROPERTIES ('format-version'='3', {MERGE_ON_READ})")
    # Enough rows, and deletes of every kind, for all three containers of a bitmap.
    spark.sql("INSERT INTO lake.db.v3_vectors SELECT /*+ COALESCE(1) */ id, 'n' FROM range(200000)")
    spark.sql("INSERT INTO lake.db.v3_vectors SELECT /*+ COALESCE(1) */ id, 'm' FROM range(1000000, 1000010)")
    spark.sql("DELETE FROM lake.db.v3_vectors WHERE id IN (0, 5, 199999, 1000003)")
    spark.sql("DELETE FROM lake.db.v3_vectors WHERE (id BETWEEN 65536 AND 131071 AND id % 2 = 1) "
              "OR id BETWEEN 140000 AND 160000")
    spark.sql("UPDATE lake.db.v3_vectors SET name = 'changed' WHERE id = 1000007")


def v3_types(spark):
    spark.sql("CREATE TABLE lake.db.v3_types (id BIGINT, v VARIANT) USING iceberg "
              "TBLPROPERTIES ('format-version'='3')")
    spark.sql("""INSERT INTO lake.db.v3_types VALUES (1, parse_json('{"a": [1, "x", null], "b": {"c": 1.5}}')),
                 (2, parse_json('"text"')), (3, NULL)""")
    literal = spark._jvm.org.apache.iceberg.expressions.Expressions.lit
    types = spark._jvm.org.apache.iceberg.types.Types
    (iceberg_table(spark, "v3_types").updateSchema()
     .addColumn("grade", types.StringType.get(), literal("new"))
     .addColumn("amount", types.DecimalType.of(9, 2), literal("1.25").to(types.DecimalType.of(9, 2)))
     .commit())
    spark.sql("REFRESH TABLE lake.db.v3_types")
    spark.sql("INSERT INTO lake.db.v3_types (id, v, grade, amount) VALUES (4, parse_json('[true]'), 'own', 9.75)")
    (iceberg_table(spark, "v3_types").updateSchema().updateColumnDefault("grade", literal("newer")).commit())


def upgraded(spark):
    spark.sql("CREATE TABLE lake.db.upgraded (id BIGINT, name STRING) USING iceberg "
              f"TBLPROPERTIES ('format-version'='1', {MERGE_ON_READ})")
    spark.sql("INSERT INTO lake.db.upgraded SELECT /*+ COALESCE(1) */ id, 'v1' FROM range(10)")
    spark.sql("ALTER TABLE lake.db.upgraded SET TBLPROPERTIES ('format-version'='2')")
    spark.sql("INSERT INTO lake.db.upgraded SELECT /*+ COALESCE(1) */ id, 'v2' FROM range(10, 20)")
    spark.sql("ALTER TABLE lake.db.upgraded SET TBLPROPERTIES ('format-version'='3')")
    spark.sql("INSERT INTO lake.db.upgraded SELECT /*+ COALESCE(1) */ id, 'v3' FROM range(20, 30)")
    spark.sql("DELETE FROM lake.db.upgraded WHERE id IN (1, 11, 21)")


# What is asked of each table: few rows, in an order.
QUESTIONS = {
    "v1_plain": "SELECT id, region, CAST(amount AS STRING) FROM {} ORDER BY id",
    "v2_transforms": "SELECT id, big, name, CAST(price AS STRING), hex(raw), CAST(day AS STRING), "
                     "unix_micros(at), CAST(local AS STRING), unix_micros(at2) FROM {} ORDER BY big NULLS LAST",
    "v2_deletes": "SELECT count(*), sum(id), count_if(name = 'changed') FROM {}",
    "v3_vectors": "SELECT count(*), sum(id), count_if(name = 'changed'), count_if(id BETWEEN 65536 AND 131071) "
                  "FROM {}",
    "v3_types": "SELECT id, to_json(v), grade, CAST(amount AS STRING) FROM {} ORDER BY id",
    "upgraded": "SELECT count(*), sum(id), count(DISTINCT name) FROM {}",
}
TABLES = [v1_plain, v2_transforms, v2_deletes, v3_vectors, v3_types, upgraded]


def main():
    shutil.rmtree(WAREHOUSE, ignore_errors=True)
    spark = session(sys.argv[1])
    expected = {}
    for make in TABLES:
        name = make.__name__
        make(spark)
        rows = spark.sql(QUESTIONS[name].format(f"lake.db.{name}")).collect()
        target = HERE / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(WAREHOUSE / "db" / name, target,
                        ignore=shutil.ignore_patterns(".*.crc", "version-hint.text"))
        metadata = sorted((target / "metadata").glob("v*.metadata.json"), key=lambda path: int(path.name[1:].split(".")[0]))
        for old in metadata[:-1]:
            old.unlink()
        metadata[-1].rename(target / "metadata" / "current.metadata.json")
        lineage = []
        if name in ("v3_vectors", "upgraded"):
            lineage = spark.sql(f"SELECT id, _row_id, _last_updated_sequence_number FROM lake.db.{name} "
                                "WHERE id IN (2, 12, 22, 1000007)").collect()
        expected[name] = {"rows": [list(row) for row in rows],
                          "lineage": sorted([list(row) for row in lineage])}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1, default=str, ensure_ascii=False) + "\n")
    spark.stop()
    shutil.rmtree(WAREHOUSE)


if __name__ == "__main__":
    main()
