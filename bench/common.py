"""What the benchmarks share: the sample's files, a server, interleaved timing."""

import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness import BINARY, EXTENSIONS, Server, files_of  # noqa: E402, F401

# For what measures how statements run: a repeated one would be answered from memory.
NO_ANSWERS_KEPT = {"LAKEHOUSE_QUERY_RESULT_CACHE": "0"}


def sample_files():
    """The staffing sample's files by table, made if they are not there yet."""
    folder = ROOT / "build" / "staffing"
    if not (folder / "email_log.parquet").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([BINARY, "engine", "--run-sql", ROOT / "examples" / "staffing" / "generate.sql", "--in", folder],
                       check=True)
    return {path.name.split(".")[0]: path for path in folder.iterdir() if path.is_file()
            and path.suffix in (".csv", ".ndjson", ".parquet")}


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(ours, theirs, runs):
    """Medians of `runs` timings each, taken in turns after one warm-up of both."""
    ours(), theirs()
    times = [(seconds(theirs), seconds(ours)) for _ in range(runs)]
    return statistics.median(o for _, o in times), statistics.median(t for t, _ in times)


def upload(server, path, dataset, mode="append"):
    """A multipart upload that never holds the file: what curl -F does."""
    import http.client
    import json

    boundary = "----lakehouse-bench"
    head = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                   for name, value in (("dataset", dataset), ("mode", mode)))
    head += (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
             "Content-Type: application/octet-stream\r\n\r\n")
    tail = f"\r\n--{boundary}--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600, blocksize=1 << 20)
    connection.putrequest("POST", "/ingest/file")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.endheaders(head.encode())
    with open(path, "rb") as file:
        connection.sock.sendfile(file)
    connection.sock.sendall(tail.encode())
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status < 300, answer
    return answer
