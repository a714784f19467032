"""A CSV of 1 M rows: (a) DuckDB's library straight to Parquet, (b) the server over HTTP into a table."""

import pathlib
import tempfile

import duckdb

from common import Server, interleaved, sample_files, upload


def main():
    path = sample_files()["timesheets"]
    with tempfile.TemporaryDirectory() as folder, Server(pathlib.Path(folder) / "data") as server:
        connection = duckdb.connect()

        def theirs():
            connection.execute(f"COPY (FROM read_csv('{path}')) TO '{folder}/out.parquet' "
                               "(FORMAT parquet, COMPRESSION zstd)")

        def ours():
            answer = upload(server, path, "timesheets", mode="replace")
            assert answer["rows"] == 1_000_000, answer

        ours_s, theirs_s = interleaved(ours, theirs, runs=5)
        size_mb = path.stat().st_size / 1e6
        print(f"ingest {path.name}: {size_mb:.0f} MB, 1,000,000 rows")
        print(f"  duckdb to parquet  {theirs_s:6.2f} s  {size_mb / theirs_s:6.0f} MB/s")
        print(f"  lakehouse          {ours_s:6.2f} s  {size_mb / ours_s:6.0f} MB/s")
        print(f"  ratio              {ours_s / theirs_s:6.2f}    (wanted: at most 1.30)")


main()
