"""Statements on a table of 10,000 Parquet files: planned alone and answered, over HTTP, beside the DuckDB library that is
given the same list of files.

    bench/many_files.py [--files 10000] [--runs 15]
"""

import argparse
import concurrent.futures
import http.client
import json
import pathlib
import struct
import tempfile

import duckdb
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField

from common import NO_ANSWERS_KEPT, Server, interleaved

COLUMNS = 20
ROWS = 100
QUERIES = {
    "all files": "SELECT sum(c1) FROM {}",
    "half of them": "SELECT sum(c1) FROM {} WHERE id < {half}",
    "two columns": "SELECT sum(c1), max(c2) FROM {} WHERE c3 >= 0",
    "count": "SELECT count(*) FROM {}",
    "a hundred files": "SELECT sum(c1) FROM {} WHERE id BETWEEN {half} AND {half} + 9950",
    "one row by its key": "SELECT c1 FROM {} WHERE id = {half}",
}


def write(folder, numbers):
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    columns = ", ".join(f"(i * {k + 7}) % 1000 AS c{k}" for k in range(1, COLUMNS))
    ids = ", ".join(f"{name}: {i + 1}" for i, name in enumerate(["id", *(f"c{k}" for k in range(1, COLUMNS))]))
    sizes = {}
    for i in numbers:
        path = f"{folder}/{i:08}-0-0190f5a2-0000-7000-8000-000000000000.parquet"
        connection.execute(f"COPY (SELECT i + {i * ROWS} AS id, {columns} FROM range({ROWS}) t(i)) TO '{path}' "
                           f"(FORMAT parquet, FIELD_IDS {{{ids}}})")
        sizes[path] = pathlib.Path(path).stat().st_size
    return sizes


def make_table(catalog, files):
    names = ["id", *(f"c{k}" for k in range(1, COLUMNS))]
    catalog.create_namespace("bench")
    table = catalog.create_table("bench.many", schema=Schema(
        *(NestedField(i + 1, name, LongType(), required=False) for i, name in enumerate(names))))
    folder = table.location().removeprefix("file://") + "/data"
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        sizes = {}
        for part in pool.map(lambda n: write(folder, n), [range(0, files, 2), range(1, files, 2)]):
            sizes |= part
    ids = range(2, COLUMNS + 1)
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        for i, (path, size) in enumerate(sorted(sizes.items())):
            low, high = struct.pack("<q", i * ROWS), struct.pack("<q", i * ROWS + ROWS - 1)
            file = DataFile.from_args(
                content=DataFileContent.DATA, file_path="file://" + path, file_format=FileFormat.PARQUET,
                partition=Record(), record_count=ROWS, file_size_in_bytes=size,
                column_sizes={k: 100 for k in ids}, value_counts={k: ROWS for k in (1, *ids)},
                null_value_counts={k: 0 for k in (1, *ids)}, nan_value_counts={},
                lower_bounds={1: low} | {k: struct.pack("<q", 0) for k in ids},
                upper_bounds={1: high} | {k: struct.pack("<q", 999) for k in ids}, split_offsets=[4], sort_order_id=0)
            file.spec_id = 0
            append.append_data_file(file)
    return sorted(sizes)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=10_000)
    arguments.add_argument("--runs", type=int, default=15)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, Server(folder + "/data", environment=NO_ANSWERS_KEPT) as server:
        paths = make_table(RestCatalog("lake", uri=server.iceberg), options.files)
        peer = duckdb.connect()
        peer.execute("SET threads = 2; SET parquet_metadata_cache = true")
        peer.execute("SET VARIABLE files = $1", [paths])
        connection = http.client.HTTPConnection("127.0.0.1", server.port)

        def ours(sql):
            connection.request("POST", "/query/sql", json.dumps({"sql": sql}), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            assert response.status == 200, answer
            return answer["rows"]

        print(f"{options.files} files; medians of {options.runs}, whole statements of 3, in ms. Planned: over HTTP as EXPLAIN, "
              "so the server's part\nand DuckDB's; the rest of a whole statement is opening the files that are left.")
        print(f"{'':<22}{'planned':>12}{'by DuckDB':>12}{'whole':>12}{'by DuckDB':>12}")
        for name, sql in QUERIES.items():
            half = options.files * ROWS // 2
            mine = sql.format("bench.many", half=half)
            own = sql.format("read_parquet(getvariable('files'), hive_partitioning = false)", half=half)
            assert ours(mine) == [list(row) for row in peer.execute(own).fetchall()], name
            planned = interleaved(lambda: ours("EXPLAIN " + mine), lambda: peer.execute("EXPLAIN " + own).fetchall(), options.runs)
            whole = interleaved(lambda: ours(mine), lambda: peer.execute(own).fetchall(), 3)
            print(f"{name:<22}" + "".join(f"{1000 * time:>12.1f}" for time in (*planned, *whole)), flush=True)


if __name__ == "__main__":
    main()
