#!/usr/bin/env python3
"""Texts into vectors on one thread: ours beside ONNX Runtime in float32 and llama.cpp in q8_0, on the same model and
the same résumés in one run. Processor time, so that a busy machine changes little. Needs PyPI onnxruntime."""

import argparse
import csv
import os
import pathlib
import struct
import subprocess
import tempfile
import time

import numpy
import onnxruntime
from common import ROOT, Server, sample_files
from tiny_gguf import F32, STRING, U32, pair, text
from tokenizers import Tokenizer

MODEL = ROOT / "third_party" / "parts" / "models" / "minilm"
LLAMA = ROOT / "third_party" / "parts" / "llama"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """The fields of a protobuf message, as (number, bytes or whole number)."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def weights():
    """The float32 tensors of the ONNX file by name."""
    graph = next(v for n, v in fields(memoryview((MODEL / "model.onnx").read_bytes())) if n == 7)
    found = {}
    for tensor in (v for n, v in fields(graph) if n == 5):
        parts = list(fields(tensor))
        name = bytes(next(v for n, v in parts if n == 8)).decode()
        shape = [v for n, v in parts if n == 1 and isinstance(v, int)]
        raw = next((v for n, v in parts if n == 9), b"")
        if next(v for n, v in parts if n == 2) == 1:
            found[name] = numpy.frombuffer(raw, "<f4").reshape(shape)
    return found


def q8_0(matrix):
    blocks = numpy.ascontiguousarray(matrix).reshape(-1, 32)
    scale = numpy.abs(blocks).max(1, keepdims=True) / 127
    small = numpy.rint(numpy.divide(blocks, scale, out=numpy.zeros_like(blocks), where=scale > 0)).astype(numpy.int8)
    return numpy.concatenate([scale.astype("<f2").view(numpy.uint8), small.view(numpy.uint8)], 1).tobytes()


def write_gguf(path):
    """The same model for llama.cpp, quantised as its own tools do it."""
    found = weights()
    # The matrices have no names: query, key, value, attention's output, then the two wide ones.
    matrices = sorted((int(name.rsplit("_", 1)[1]), value) for name, value in found.items() if "MatMul" in name)
    tensors = [("token_embd.weight", found["embeddings.word_embeddings.weight"], True),
               ("position_embd.weight", found["embeddings.position_embeddings.weight"], False),
               ("token_types.weight", found["embeddings.token_type_embeddings.weight"], False)]

    def norm(theirs, ours):
        tensors.extend((f"{theirs}.{part}", found[f"{ours}.{part}"], False) for part in ("weight", "bias"))

    norm("token_embd_norm", "embeddings.LayerNorm")
    layers = len(matrices) // 6
    names = [("attn_q", "attention.self.query"), ("attn_k", "attention.self.key"),
             ("attn_v", "attention.self.value"), ("attn_output", "attention.output.dense"),
             ("ffn_up", "intermediate.dense"), ("ffn_down", "output.dense")]
    for i in range(layers):
        ours = f"encoder.layer.{i}"
        for (theirs, part), (_, matrix) in zip(names, matrices[6 * i:6 * i + 6], strict=True):
            tensors.append((f"blk.{i}.{theirs}.weight", matrix.T, True))
            tensors.append((f"blk.{i}.{theirs}.bias", found[f"{ours}.{part}.bias"], False))
        norm(f"blk.{i}.attn_output_norm", f"{ours}.attention.output.LayerNorm")
        norm(f"blk.{i}.layer_output_norm", f"{ours}.output.LayerNorm")
    # BOOL is 7; the vocabulary is of no use, since tokens are given.
    pairs = [pair("general.architecture", STRING, "bert"), pair("bert.context_length", U32, 512),
             pair("bert.embedding_length", U32, 384), pair("bert.block_count", U32, layers),
             pair("bert.feed_forward_length", U32, 1536), pair("bert.attention.head_count", U32, 12),
             pair("bert.attention.layer_norm_epsilon", F32, 1e-12), pair("bert.vocab_size", U32, 30522),
             pair("bert.pooling_type", U32, 1), pair("tokenizer.ggml.model", STRING, "no_vocab"),
             pair("tokenizer.ggml.token_type_count", U32, 2),
             text("bert.attention.causal") + struct.pack("<I?", 7, False)]
    infos, data = [], bytearray()
    for name, value, is_small in tensors:
        infos.append(text(name) + struct.pack("<I", value.ndim) +
                     b"".join(struct.pack("<Q", size) for size in reversed(value.shape)) +
                     struct.pack("<IQ", 8 if is_small else 0, len(data)))
        data += q8_0(value) if is_small else numpy.ascontiguousarray(value, "<f4").tobytes()
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(pairs)) + b"".join(pairs) + b"".join(infos)
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def by_llama(folder, ids):
    program, model = folder / "embed_llama", folder / "minilm.gguf"
    libraries = LLAMA / "lib"
    subprocess.run(["clang++-19", "-O2", "-std=c++20", f"-I{LLAMA / 'include'}", ROOT / "bench" / "embed_llama.cc",
                    *libraries.glob("libllama.*so"), *libraries.glob("libggml.*so"), libraries / "libggml-base.so",
                    f"-Wl,-rpath,{libraries}", f"-Wl,-rpath-link,{libraries}", "-o", program], check=True)
    write_gguf(model)
    (folder / "tokens").write_text("".join(" ".join(map(str, one)) + "\n" for one in ids))
    done = subprocess.run([program, libraries, model, folder / "tokens", folder / "rows"],
                          capture_output=True, text=True, check=True)
    return float(done.stdout), numpy.fromfile(folder / "rows", "<f4").reshape(len(ids), -1)


def by_onnxruntime(ids):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODEL / "model.onnx", options, ["CPUExecutionProvider"])

    def rows():
        for one in ids:
            tokens = numpy.array([one], numpy.int64)
            yield session.run(None, {"input_ids": tokens, "attention_mask": numpy.ones_like(tokens),
                                     "token_type_ids": numpy.zeros_like(tokens)})[0][0].mean(0)
    list(zip(rows(), range(5), strict=False))
    began = time.process_time()
    vectors = numpy.array(list(rows()))
    return time.process_time() - began, vectors


def processor_seconds(pid):
    ticks = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def child_of(pid):
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            content = path.read_text()
        except OSError:
            continue
        if "(lakehouse-model)" in content and content.rsplit(")", 1)[1].split()[1] == str(pid):
            return int(path.parent.name)
    raise SystemExit("there is no model process")


def by_ours(folder, texts):
    few = {"LAKEHOUSE_AI_THREADS": "1", "LAKEHOUSE_AI_EMBEDDING_CACHE": "0"}
    with Server(folder / "lake", environment=few) as server:
        def embed():
            rows = []
            for i in range(0, len(texts), 500):
                rows += server.call("POST", "/ai/embed", json={"texts": texts[i:i + 500]})["embeddings"]
            return numpy.array(rows)
        embed()
        child = child_of(server.process.pid)
        began = processor_seconds(child)
        rows = embed()
        return processor_seconds(child) - began, rows


def shortened(tokenizer, full, tokens_max):
    """As many of its words as are `tokens_max` tokens."""
    words = full.split()
    while len(tokenizer.encode(" ".join(words)).ids) > tokens_max:
        words = words[:len(words) - max(1, len(words) // 20)]
    return " ".join(words)


def measure(tokenizer, texts, tokens_max):
    short = [shortened(tokenizer, one, tokens_max) for one in texts]
    ids = [tokenizer.encode(one).ids for one in short]
    print(f"{len(ids)} texts of {sum(map(len, ids)) / len(ids):.0f} tokens")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        runs = {"ONNX Runtime, float32": by_onnxruntime(ids), "llama.cpp, q8_0": by_llama(folder, ids),
                "lakehouse": by_ours(folder, short)}
    exact = runs["ONNX Runtime, float32"][1]
    for name, (seconds, rows) in runs.items():
        cosine = (rows * exact).sum(1) / numpy.linalg.norm(rows, axis=1) / numpy.linalg.norm(exact, axis=1)
        print(f"  {name:22} {len(ids) / seconds:7.1f} texts a second of one processor, "
              f"cosine to float32 {cosine.min():.5f} at least, {cosine.mean():.5f} on average")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=200)
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    with open(sample_files()["candidates"], newline="") as file:
        texts = [row["resume_text"] for row, _ in zip(csv.DictReader(file), range(options.texts), strict=False)]
    for tokens_max in (100, 256, 16):
        measure(tokenizer, texts, tokens_max)


if __name__ == "__main__":
    main()
