"""Answers of any size pass through the server in constant memory, at the reader's pace.

LAKEHOUSE_STREAM_BYTES sets the size of the slow test's answer: 5 GB by default.
"""

import http.client
import json
import os
import pathlib
import time

import pytest

from harness import Server, eventually

ACCEPT = {"arrow": "application/vnd.apache.arrow.stream", "json": "application/json", "csv": "text/csv",
          "ndjson": "application/x-ndjson"}
# What the server's own memory may grow by, whatever the answer's size: frames of 1 MiB, and what the allocator keeps.
GROWTH_MAX_MB = 48
ROW = "SELECT i AS id, i * 2.5 AS number, 'text ' || i AS text, TIMESTAMP '2024-01-01' + INTERVAL (i) SECOND AS at FROM range({rows}) t(i)"
ROW_BYTES = {"arrow": 44, "json": 66, "csv": 56, "ndjson": 96}


def peak_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no peak")


def forget_peak(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("stream") / "data") as server:
        for accept in ACCEPT.values():  # What is made once is made.
            answer, _ = ask(server, ROW.format(rows=1000), accept)
            answer.read()
        yield server


def ask(server, sql, accept):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request("POST", "/query/sql", json.dumps({"sql": sql, "limit": 10**12}),
                       {"Content-Type": "application/json", "Accept": accept})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    return answer, connection


def stream(server, encoding, size_bytes):
    rows = size_bytes // ROW_BYTES[encoding]
    forget_peak(server.process.pid)
    before = peak_mb(server.process.pid)
    answer, connection = ask(server, ROW.format(rows=rows), ACCEPT[encoding])
    buffer, size, started = bytearray(1 << 20), 0, time.perf_counter()
    while got := answer.readinto(buffer):
        size += got
    elapsed = time.perf_counter() - started
    grown = peak_mb(server.process.pid) - before
    print(f"{encoding}: {size / 1e6:.0f} MB at {size / 1e6 / elapsed:.0f} MB/s; the server grew by {grown:.0f} MB")
    assert size > size_bytes * 0.8
    assert grown < GROWTH_MAX_MB
    connection.close()


@pytest.mark.parametrize("encoding", ACCEPT)
def test_the_server_s_memory_does_not_grow_with_the_answer(lake, encoding):
    stream(lake, encoding, 200_000_000)


@pytest.mark.slow
def test_an_answer_of_gigabytes(lake):
    stream(lake, "arrow", int(os.environ.get("LAKEHOUSE_STREAM_BYTES", 5_000_000_000)))


def test_a_reader_that_does_not_read_holds_its_statement_back(lake):
    forget_peak(lake.process.pid)
    before = peak_mb(lake.process.pid)
    slow = [ask(lake, ROW.format(rows=50_000_000), ACCEPT["arrow"]) for _ in range(4)]
    # Others are answered meanwhile, and the statements wait for their readers.
    for _ in range(50):
        assert lake.value("SELECT count(*) FROM range(1000)") == 1000
    assert len(lake.call("GET", "/query/running")["queries"]) == 4
    assert peak_mb(lake.process.pid) - before < GROWTH_MAX_MB
    for answer, _ in slow:
        assert len(answer.read(1 << 20)) == 1 << 20
    # Who goes away ends what runs for them.
    for answer, connection in slow:
        answer.close()
        connection.close()
    eventually(lambda: not lake.call("GET", "/query/running")["queries"])
