"""How well searches rank: the Cranfield collection through the server, by text, vector and hybrid. Prints nDCG@10 (gain
2^grade - 1), beside plain BM25 without stems (computed here) and the plain fusion of both rankings.

    bench/retrieval.py --collection FOLDER     (documents.ndjson, queries.ndjson, qrels.tsv)

The collection has one document of grade 0 for each question, which is most probably the paper that the question was
taken from: it is left out of all rankings. Nothing in the server is tuned to the collection.
"""

import argparse
import collections
import itertools
import json
import math
import pathlib
import re
import statistics
import tempfile
import time

from common import Server
from harness import eventually

DEPTH = 10


def read(folder):
    lines = lambda name: (folder / name).read_text().splitlines()  # noqa: E731
    documents = [json.loads(line) for line in lines("documents.ndjson")]
    queries = [json.loads(line) for line in lines("queries.ndjson")]
    judged = collections.defaultdict(dict)
    for line in lines("qrels.tsv")[1:]:
        query, document, grade = line.split("\t")
        judged[query][document] = int(grade)
    return documents, queries, judged


def ndcg(ranking, grades):
    gain = lambda grade: 2 ** grade - 1  # noqa: E731
    kept = [document for document in ranking if grades.get(document, -1) != 0][:DEPTH]
    got = sum(gain(grades.get(document, 0)) / math.log2(place + 2) for place, document in enumerate(kept))
    best = sorted((gain(grade) for grade in grades.values()), reverse=True)[:DEPTH]
    ideal = sum(value / math.log2(place + 2) for place, value in enumerate(best))
    return got / ideal if ideal else 0.0


class PlainBm25:
    """BM25 (k1 1.2, b 0.75) over title and text as the collection's README has it: no stems, no stop words."""

    def __init__(self, documents):
        self.ids = [document["id"] for document in documents]
        words = [re.findall(r"\w+", document["text"].lower()) for document in documents]
        mean = statistics.mean(len(text) for text in words)
        self.postings = collections.defaultdict(list)
        for place, text in enumerate(words):
            norm = 1.2 * (0.25 + 0.75 * len(text) / mean)
            for word, count in collections.Counter(text).items():
                self.postings[word].append((place, count * 2.2 / (count + norm)))

    def rank(self, query, depth):
        scores = collections.defaultdict(float)
        for word in re.findall(r"\w+", query.lower()):
            found = self.postings.get(word, [])
            idf = math.log(1 + (len(self.ids) - len(found) + 0.5) / (len(found) + 0.5))
            for place, score in found:
                scores[place] += idf * score
        return [self.ids[place] for place in sorted(scores, key=lambda place: (-scores[place], place))[:depth]]


def fused(rankings, constant=60):
    scores = collections.defaultdict(float)
    for ranking in rankings:
        for place, document in enumerate(ranking):
            scores[document] += 1 / (constant + place + 1)
    return sorted(scores, key=lambda document: (-scores[document], document))


def index(server, folder):
    server.ingest((folder / "documents.ndjson").read_bytes(), "main.cranfield", name="documents.ndjson")
    key = "id"
    started = server.call("POST", "/vectors/index", json={
        "name": "cranfield", "dataset": "main.cranfield", "key": key, "text": ["title", "text"]})
    job = lambda: server.call("GET", f"/jobs/{started['job_id']}")  # noqa: E731
    eventually(lambda: job()["state"] in ("done", "failed"), seconds=1800)
    assert job()["state"] == "done", job()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--collection", type=pathlib.Path, required=True)
    options = parser.parse_args()
    documents, queries, judged = read(options.collection)
    plain = PlainBm25(documents)
    rankings = {"plain BM25": [plain.rank(query["text"], 100) for query in queries]}
    latency = {}
    with tempfile.TemporaryDirectory() as data, Server(pathlib.Path(data) / "lake") as server:
        began = time.perf_counter()
        index(server, options.collection)
        print(f"{len(documents)} documents indexed in {time.perf_counter() - began:.1f} s")
        for mode, rerank in itertools.product(("text", "vector", "hybrid"), (False, True)):
            name = f"{mode}, reranked" if rerank else mode
            rankings[name], times = [], []
            for query in queries:
                start = time.perf_counter()
                found = server.call("POST", "/vectors/search", json={
                    "index": "cranfield", "text": query["text"], "k": 100, "mode": mode, "one_per_row": True, "rerank": rerank})
                times.append(time.perf_counter() - start)
                rankings[name].append([str(hit["key"]) for hit in found["results"]])
            latency[name] = statistics.median(times) * 1000
    rankings["text and vector, fused here"] = [fused(pair) for pair in zip(rankings["text"], rankings["vector"])]
    for name, lists in rankings.items():
        score = statistics.mean(ndcg(ranking, judged[query["id"]]) for ranking, query in zip(lists, queries))
        took = f"   median {latency[name]:.1f} ms" if name in latency else ""
        print(f"{name:30} nDCG@10 {score:.3f}{took}")


if __name__ == "__main__":
    main()
