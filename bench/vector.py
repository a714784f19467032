"""Our vector index beside hnswlib and USearch (with its own kernels) on the same vectors, one thread each,
in one process: build, memory, queries a second at a recall, exact scans, filters.

Without --vectors the résumés of the sample are embedded by the server's own model first, which takes a
quarter of an hour; build/bench keeps the vectors.
"""

import argparse
import array
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from common import Server, sample_files

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = ROOT / "third_party" / "parts"
RELEASE = ROOT / "build" / "release"
KEPT = ROOT / "build" / "bench"
TARGETS = ["HASWELL", "SKYLAKE", "ICELAKE", "GENOA", "SAPPHIRE"]


def newer(target, *sources):
    return target.exists() and all(target.stat().st_mtime > source.stat().st_mtime for source in sources)


def program():
    """The C++ half: ours as it is in the release, the peers as fast as this compiler makes them here."""
    subprocess.run([sys.executable, ROOT / "scripts" / "fetch_parts.py", "hnswlib", "usearch"], check=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    peers = PARTS / "usearch"
    kernels = KEPT / "numkong.a"
    if not kernels.exists():
        with tempfile.TemporaryDirectory() as folder:
            for source in sorted((peers / "numkong" / "c").glob("*.c")):
                subprocess.run(["clang-19", "-O3", "-DNK_DYNAMIC_DISPATCH=1", *(f"-DNK_TARGET_{t}=1" for t in TARGETS),
                                "-I", peers / "numkong" / "include", "-c", source, "-o",
                                pathlib.Path(folder) / f"{source.stem}.o"], check=True)
            subprocess.run(["ar", "rcs", kernels, *sorted(pathlib.Path(folder).iterdir())], check=True)
    out = KEPT / "vector_bench"
    source = ROOT / "bench" / "vector" / "main.cc"
    ours = [RELEASE / "src" / "vector" / "libvector.a", RELEASE / "src" / "base" / "libbase.a"]
    if not newer(out, source, *ours):
        subprocess.run(["clang++-19", "-std=c++23", "-O3", "-march=native", "-DUSEARCH_USE_NUMKONG=1",
                        "-DNK_DYNAMIC_DISPATCH=1", "-w", "-I", ROOT / "src", "-isystem", PARTS / "hnswlib" / "include",
                        "-isystem", peers / "include", "-isystem", peers / "numkong" / "include", source, *ours, kernels,
                        "-lfmt", "-lpthread", "-o", out], check=True)
    return out


def resumes(count):
    """The vectors of `count` résumés, row after row, made once."""
    path = KEPT / f"resumes-{count}.f32"
    if path.exists():
        return path
    with open(sample_files()["candidates"], encoding="utf-8") as file:
        texts = [row["resume_text"] for row in csv.DictReader(file)][:count]
    with Server() as server, open(path.with_suffix(".part"), "wb") as out:
        for first in range(0, len(texts), 64):
            request = urllib.request.Request(f"http://127.0.0.1:{server.port}/ai/embed",
                                             json.dumps({"texts": texts[first:first + 64]}).encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=600) as response:
                for vector in json.load(response)["embeddings"]:
                    out.write(array.array("f", vector).tobytes())
            print(f"\r{first} of {len(texts)} résumés embedded", end="", file=sys.stderr)
    print(file=sys.stderr)
    os.replace(path.with_suffix(".part"), path)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=pathlib.Path, help="fp32, row-major, little-endian")
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1_000)
    options = parser.parse_args()
    bench = program()
    vectors = options.vectors or resumes(options.texts)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([bench, vectors, str(options.dimensions), str(options.queries),
                        pathlib.Path(folder) / "bench.index"], check=True)


if __name__ == "__main__":
    main()
