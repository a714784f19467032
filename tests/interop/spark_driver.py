"""Spark, as a program that takes statements: one JSON text a line on standard input, one JSON answer a line on standard
output. Run by test_engines.py with a Python that has pyspark:  spark_driver.py JAR CATALOG_URI WAREHOUSE_DIR
"""

import datetime
import decimal
import json
import os
import sys


def plain(value):
    if isinstance(value, (datetime.date, datetime.datetime, decimal.Decimal)):
        return str(value)
    return value


def main():
    jar, uri, folder = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What Spark prints is no answer.
    from pyspark.sql import SparkSession

    settings = {
        "spark.jars": jar,
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "rest",
        "spark.sql.catalog.lake.uri": uri,
        "spark.sql.catalog.lake.cache-enabled": "false",
        "spark.sql.warehouse.dir": folder,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
    }
    builder = SparkSession.builder.master("local[2]").appName("interop")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    print(json.dumps({"ready": spark.version}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            rows = spark.sql(json.loads(line)).collect()
            answer = {"rows": [[plain(value) for value in row] for row in rows]}
        except Exception as error:  # noqa: BLE001: whatever it is, the test shall see it.
            answer = {"error": str(error)[:4000]}
        print(json.dumps(answer), file=answers, flush=True)


main()
