"""Planning scans of a table of 10,000 files: our server beside PyIceberg's own planner, in one run on the same table.

    bench/planning.py [--files 10000] [--runs 9]
"""

import argparse
import http.client
import json
import struct
import tempfile
import time

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField, StringType

from common import Server, interleaved

COLUMNS = 20
FILTERS = {
    "all files": None,
    "one file by its bounds": {"type": "eq", "term": "c1", "value": 5000},
    "one partition of 100": {"type": "eq", "term": "region", "value": "r07"},
    "either of two": {"type": "or", "left": {"type": "lt", "term": "c1", "value": 50},
                      "right": {"type": "eq", "term": "region", "value": "r07"}},
}
PYICEBERG = {"all files": "True", "one file by its bounds": "c1 = 5000", "one partition of 100": "region = 'r07'",
             "either of two": "c1 < 50 or region = 'r07'"}


def make_table(catalog, files):
    """Manifests only: planning reads no data."""
    fields = [NestedField(1, "region", StringType(), required=False)]
    fields += [NestedField(i + 1, f"c{i}", LongType(), required=False) for i in range(1, COLUMNS)]
    catalog.create_namespace("bench")
    table = catalog.create_table("bench.wide", schema=Schema(*fields), partition_spec=PartitionSpec(
        PartitionField(1, 1000, IdentityTransform(), "region")))
    ids = range(2, COLUMNS + 1)
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        for i in range(files):
            low, high = struct.pack("<q", i), struct.pack("<q", i)
            file = DataFile.from_args(
                content=DataFileContent.DATA, file_path=f"{table.location()}/data/region=r{i % 100:02}/{i:08}-0-data.parquet",
                file_format=FileFormat.PARQUET, partition=Record(f"r{i % 100:02}"), record_count=1000,
                file_size_in_bytes=100_000, column_sizes={id: 5000 for id in ids}, value_counts={id: 1000 for id in ids},
                null_value_counts={id: 0 for id in ids}, nan_value_counts={}, lower_bounds={id: low for id in ids},
                upper_bounds={id: high for id in ids}, split_offsets=[4], sort_order_id=0)
            file.spec_id = 0
            append.append_data_file(file)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=10_000)
    arguments.add_argument("--runs", type=int, default=9)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, Server(folder + "/data") as server:
        catalog = RestCatalog("lake", uri=server.iceberg)
        make_table(catalog, options.files)
        table = catalog.load_table("bench.wide")
        connection = http.client.HTTPConnection("127.0.0.1", server.port)

        def ours(filter):
            body = json.dumps({"filter": filter} if filter else {})
            connection.request("POST", "/iceberg/v1/namespaces/bench/tables/wide/plan", body,
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            assert response.status == 200, answer
            return answer

        started = time.perf_counter()
        ours(None)
        print(f"{options.files} files, {COLUMNS} columns; the first plan took {1000 * (time.perf_counter() - started):.0f} ms")
        print(f"{'scan':<24}{'files':>8}{'answer':>10}{'ours':>10}{'median of':>11}{'PyIceberg':>12}")
        for name, filter in FILTERS.items():
            answer = ours(filter)
            tasks = answer.count(b'"data-file":')
            own = table.scan(row_filter=PYICEBERG[name]) if name != "all files" else table.scan()
            mine, theirs = interleaved(lambda: ours(filter), lambda: list(own.plan_files()), options.runs)
            print(f"{name:<24}{tasks:>8}{len(answer) // 1024:>7} kB{1000 * mine:>7.1f} ms{options.runs:>11}"
                  f"{1000 * theirs:>9.0f} ms")
            assert tasks <= len(list(own.plan_files()))


if __name__ == "__main__":
    main()
