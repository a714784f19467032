"""Lance (DuckDB's extension) beside Parquet and our index: writing, reading rows here and there, appending,
building an index, searching. The same vectors, one thread; times are of the wall.
"""

import argparse
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import duckdb
import numpy
import pandas

import vector

LANCE = vector.PARTS / "duckdb" / "on_demand" / "lance.duckdb_extension"
INDEXES = {"IVF_HNSW_SQ": "num_partitions = 1, metric_type = 'cosine'", "IVF_FLAT": "num_partitions = 64, metric_type = 'cosine'"}


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def size_mb(path):
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def storage(connection, folder, dimensions, count):
    """Prints what writing and reading by key take in both formats."""
    lance, parquet = folder / "rows.lance", folder / "rows.parquet"
    rows = f"SELECT key, vector::FLOAT[{dimensions}] AS vector FROM vectors"
    write = (seconds(lambda: connection.execute(f"COPY ({rows}) TO '{lance}' (FORMAT lance, mode 'overwrite')")),
             seconds(lambda: connection.execute(f"COPY ({rows}) TO '{parquet}' (FORMAT parquet)")))
    print(f"write          Lance {write[0]:8.3f} s ({size_mb(lance):.1f} MB)   Parquet {write[1]:8.3f} s ({size_mb(parquet):.1f} MB)")
    dice = random.Random(1)
    keys = [", ".join(str(dice.randrange(count)) for _ in range(20)) for _ in range(20)]
    for name, source in (("Lance", f"'{lance}'"), ("Parquet", f"'{parquet}'")):
        times = [seconds(lambda k=k, s=source: connection.execute(f"SELECT * FROM {s} WHERE key IN ({k})").fetchall())
                 for k in keys]
        print(f"20 rows by key {name:8} {statistics.median(times) * 1e3:8.2f} ms")
    connection.execute(f"CREATE INDEX by_key ON '{lance}' (key) USING BTREE")
    times = [seconds(lambda k=k: connection.execute(f"SELECT * FROM '{lance}' WHERE key IN ({k})").fetchall()) for k in keys]
    print(f"               Lance with an index on the key {statistics.median(times) * 1e3:8.2f} ms")
    return lance


def append_rows(connection, folder, dimensions, count):
    more = f"SELECT key + {count} AS key, vector::FLOAT[{dimensions}] AS vector FROM vectors LIMIT 1000"
    took = (seconds(lambda: connection.execute(f"COPY ({more}) TO '{folder / 'rows.lance'}' (FORMAT lance, mode 'append')")),
            seconds(lambda: connection.execute(f"COPY ({more}) TO '{folder / 'more.parquet'}' (FORMAT parquet)")))
    print(f"append 1,000   Lance {took[0]:8.3f} s   Parquet (one file more) {took[1]:8.3f} s")


def search(connection, lance, queries, best, settings):
    hit, times = 0, []
    for query, wanted in zip(queries, best):
        start = time.perf_counter()
        found = connection.execute(f"SELECT key FROM lance_vector_search('{lance}', 'vector', ?::FLOAT[{len(query)}], "
                                   f"k = 10{settings})", [query.tolist()]).fetchall()
        times.append(time.perf_counter() - start)
        hit += len(wanted & {key for (key,) in found})
    return hit / (10 * len(best)), statistics.median(times) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=pathlib.Path, help="fp32, row-major, little-endian; else the résumés'")
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    bench = vector.program()
    subprocess.run([sys.executable, vector.ROOT / "scripts" / "fetch_parts.py", "duckdb-lance"], check=True)
    path = options.vectors or vector.resumes(options.texts)
    rows = numpy.fromfile(path, "<f4").reshape(-1, options.dimensions)
    queries = rows[:: max(1, len(rows) // options.queries)][: options.queries]
    best = [set(numpy.argpartition(-(rows @ query), 10)[:10].tolist()) for query in queries]
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(f"LOAD '{LANCE}'")
    connection.register("vectors", pandas.DataFrame({"key": numpy.arange(len(rows), dtype="int32"), "vector": list(rows)}))
    print(f"{len(rows)} vectors of {options.dimensions} dimensions")
    with tempfile.TemporaryDirectory() as folder:
        lance = storage(connection, pathlib.Path(folder), options.dimensions, len(rows))
        for kind, settings in INDEXES.items():
            took = seconds(lambda k=kind, s=settings: connection.execute(f"CREATE INDEX near ON '{lance}' (vector) USING {k} WITH ({s})"))
            for extra in ("", ", nprobs = 8, refine_factor = 4", ", refine_factor = 10"):
                recall, ms = search(connection, lance, queries, best, extra)
                print(f"Lance {kind:12} build {took:7.1f} s   recall@10 {recall:.4f}  {ms:7.2f} ms{extra}")
            connection.execute(f"DROP INDEX near ON '{lance}'")
        append_rows(connection, pathlib.Path(folder), options.dimensions, len(rows))
        done = subprocess.run([bench, path, str(options.dimensions), str(options.queries), os.path.join(folder, "ours.index"), "alone"],
                              check=True, capture_output=True, text=True)
        build, append, recall, ms = done.stdout.split()
        print(f"lakehouse          build {float(build):7.1f} s   recall@10 {recall}  {float(ms):7.2f} ms, ef 64; "
              f"{options.queries} rows more in {append} s")


if __name__ == "__main__":
    main()
