"""How right questions in plain language are answered: POST /ai/ask over two databases, per model. Prints the share
answered, how many of those are right by their rows (execution accuracy), and the time a question takes.

    bench/ask.py --questions FOLDER [--models NAME...] [--gguf FOLDER] [--limit N]

FOLDER holds questions.ndjson and a .sql for each database. An answer is right when its rows equal those of `sql` or of
one of `also`, ignoring columns' names, and rows' order unless the question asks for one: then some column by which the
wanted rows are ordered must read the same; those that are equal in it may stand either way. Models come from --gguf, or
are pulled.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import duckdb

from common import BINARY, Server

MODELS = ("qwen-coder-0.5b", "qwen-coder-1.5b")
ORDERED = re.compile(r"\border(ed)? by\b|\bstarting from\b|\bascending\b|\bdescending\b|from (highest|lowest|most|least)", re.I)


def cell(value):
    if value is None:
        return ""
    try:
        return f"{float(value):.4g}" if abs(float(value)) < 1 else f"{float(value):.6g}"
    except (TypeError, ValueError):
        # A date that one statement keeps as a timestamp is the same day.
        return re.sub(r"[ T]00:00:00(\.0+)?(\+00)?$", "", str(value))


def is_sorted(values):
    try:
        return list(values) in (sorted(values), sorted(values, reverse=True))
    except TypeError:  # Some are NULL.
        return False


def same(ours, right, ordered):
    keys = [[tuple(cell(value) for value in row) for row in rows] for rows in (ours, right)]
    if not ordered or keys[0] == keys[1]:
        return sorted(keys[0]) == sorted(keys[1])
    columns = [place for place, values in enumerate(zip(*right)) if is_sorted(values)]
    return sorted(keys[0]) == sorted(keys[1]) and any(
        [row[place] for row in keys[0]] == [row[place] for row in keys[1]] for place in columns)


class Database:
    """One .sql in DuckDB's library, and its tables and comments in the server."""

    def __init__(self, file):
        self.name = file.stem
        self.duckdb = duckdb.connect()
        self.duckdb.execute(file.read_text())
        self.tables = [row[0] for row in self.duckdb.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()]

    def load(self, server, folder):
        for table in self.tables:
            path = folder / f"{table}.parquet"
            self.duckdb.execute(f"COPY {table} TO '{path}' (FORMAT parquet)")
            with open(path, "rb") as data:
                server.call("POST", "/ingest/file", data={"dataset": f"{self.name}.{table}"}, files={"file": (path.name, data)})
            notes = self.duckdb.execute(
                "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ? AND comment IS NOT NULL", [table]).fetchall()
            if notes:
                server.call("PATCH", f"/catalog/datasets/by-name/{self.name}.{table}/metadata",
                            json={"columns": {name: {"note": note} for name, note in notes}})

    def rows(self, sql):
        return self.duckdb.execute(sql).fetchall()


def ask(server, database, question, model):
    body = {"question": question["question"], "model": model, "row_limit": 10000,
            "datasets": [f"{database.name}.{table}" for table in database.tables]}
    if "hint" in question:
        body["hint"] = question["hint"]
    start = time.perf_counter()
    answer = server.call("POST", "/ai/ask", json=body, timeout=600)
    return answer, time.perf_counter() - start


def is_right(answer, database, question):
    ordered = bool(ORDERED.search(question["question"]))
    also = question.get("also", [])
    return any(same(answer["rows"], database.rows(sql), ordered) for sql in [question["sql"], *also])


def measure(server, databases, questions, model, log):
    answered, right, times = 0, 0, []
    for number, question in enumerate(questions, 1):
        database = databases[question["db"]]
        answer, seconds = ask(server, database, question, model)
        times.append(seconds)
        good = not answer["abstained"] and is_right(answer, database, question)
        answered += not answer["abstained"]
        right += good
        verdict = "abstained" if answer["abstained"] else "right" if good else "WRONG"
        log.write(json.dumps({"model": model, "id": question["id"], "verdict": verdict, "question": question["question"],
                              "confidence": answer["confidence"], "sql": answer["sql"], "wanted": question["sql"],
                              "reason": answer["reason"], "seconds": round(seconds, 2)}) + "\n")
        log.flush()
        print(f"\r{model}: {number} of {len(questions)}, {answered} answered, {right} right", end="", flush=True)
    accuracy = right / answered if answered else 0
    print(f"\r{model}: {len(questions)} questions, answered {answered} ({answered / len(questions):.0%}), of these right {right} "
          f"({accuracy:.1%}), abstained {1 - answered / len(questions):.0%}; a question takes {statistics.median(times):.1f} s "
          f"(median), {max(times):.1f} s at most")


def provide(data, model, gguf):
    if gguf:
        found = [path for path in gguf.glob("*.gguf") if model.rsplit("-", 1)[1] in path.name]
        subprocess.run([BINARY, "model", "add", model, found[0], "--data", data], check=True, stdout=subprocess.DEVNULL)
    else:
        subprocess.run([BINARY, "model", "pull", model, "--data", data], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=pathlib.Path, required=True)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--gguf", type=pathlib.Path, help="a folder that has the models already")
    parser.add_argument("--limit", type=int, help="so many questions, spread over all")
    parser.add_argument("--log", type=pathlib.Path, default=pathlib.Path("build/ask.ndjson"))
    options = parser.parse_args()
    questions = [json.loads(line) for line in (options.questions / "questions.ndjson").read_text().splitlines()]
    if options.limit:
        questions = questions[::max(1, len(questions) // options.limit)]
    databases = {file.stem: Database(file) for file in sorted(options.questions.glob("*.sql"))}
    with tempfile.TemporaryDirectory() as folder, options.log.open("w") as log:
        data = pathlib.Path(folder) / "lake"
        data.mkdir()
        for model in options.models:
            provide(data, model, options.gguf)
        with Server(data) as server:
            for database in databases.values():
                database.load(server, pathlib.Path(folder))
            for model in options.models:
                measure(server, databases, questions, model, log)


if __name__ == "__main__":
    main()
