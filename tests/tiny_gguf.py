#!/usr/bin/env python3
"""Writes a language model of 300 kB in GGUF, with random weights: what it says makes no sense, and
is the same each time. Usage: tiny_gguf.py FILE"""

import pathlib
import random
import struct
import sys

EMBEDDING, LAYERS, HEADS, KV_HEADS, FORWARD, CONTEXT = 64, 2, 4, 2, 128, 2048
CHAT = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
        "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
U32, F32, STRING, ARRAY, I32 = 4, 6, 8, 9, 5


def tokens():
    """The 256 bytes as GPT-2 writes them, and three control tokens."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(rest)) for b in range(256)] + [
        "<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, value):
    packed = {U32: lambda: struct.pack("<I", value), F32: lambda: struct.pack("<f", value),
              STRING: lambda: text(value)}
    return text(key) + struct.pack("<I", kind) + packed[kind]()


def array(key, kind, values):
    body = b"".join(text(v) if kind == STRING else struct.pack("<i", v) for v in values)
    return text(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + body


def metadata(vocabulary):
    arch = "llama"
    return [
        pair("general.architecture", STRING, arch),
        pair("general.name", STRING, "tiny"),
        pair(f"{arch}.context_length", U32, CONTEXT),
        pair(f"{arch}.embedding_length", U32, EMBEDDING),
        pair(f"{arch}.block_count", U32, LAYERS),
        pair(f"{arch}.feed_forward_length", U32, FORWARD),
        pair(f"{arch}.attention.head_count", U32, HEADS),
        pair(f"{arch}.attention.head_count_kv", U32, KV_HEADS),
        pair(f"{arch}.attention.layer_norm_rms_epsilon", F32, 1e-5),
        pair(f"{arch}.rope.dimension_count", U32, EMBEDDING // HEADS),
        pair("tokenizer.ggml.model", STRING, "gpt2"),
        pair("tokenizer.ggml.pre", STRING, "qwen2"),
        array("tokenizer.ggml.tokens", STRING, vocabulary),
        array("tokenizer.ggml.token_type", I32, [1] * 256 + [3] * 3),
        array("tokenizer.ggml.merges", STRING, ["a b"]),
        pair("tokenizer.ggml.eos_token_id", U32, 258),
        pair("tokenizer.ggml.bos_token_id", U32, 256),
        pair("tokenizer.chat_template", STRING, CHAT),
    ]


def shapes(vocabulary):
    """Name and shape, the fastest dimension first."""
    keys = EMBEDDING // HEADS * KV_HEADS
    yield "token_embd.weight", (EMBEDDING, len(vocabulary))
    for i in range(LAYERS):
        yield f"blk.{i}.attn_norm.weight", (EMBEDDING,)
        yield f"blk.{i}.attn_q.weight", (EMBEDDING, EMBEDDING)
        yield f"blk.{i}.attn_k.weight", (EMBEDDING, keys)
        yield f"blk.{i}.attn_v.weight", (EMBEDDING, keys)
        yield f"blk.{i}.attn_output.weight", (EMBEDDING, EMBEDDING)
        yield f"blk.{i}.ffn_norm.weight", (EMBEDDING,)
        yield f"blk.{i}.ffn_gate.weight", (EMBEDDING, FORWARD)
        yield f"blk.{i}.ffn_up.weight", (EMBEDDING, FORWARD)
        yield f"blk.{i}.ffn_down.weight", (FORWARD, EMBEDDING)
    yield "output_norm.weight", (EMBEDDING,)
    yield "output.weight", (EMBEDDING, len(vocabulary))


def write(path):
    dice = random.Random(6)
    vocabulary = tokens()
    infos, data = [], bytearray()
    for name, shape in shapes(vocabulary):
        count = 1
        for size in shape:
            count *= size
        values = [1.0] * count if len(shape) == 1 else [dice.gauss(0, 0.2) for _ in range(count)]
        infos.append(text(name) + struct.pack("<I", len(shape)) +
                     b"".join(struct.pack("<Q", size) for size in shape) +
                     struct.pack("<IQ", 0, len(data)))
        data += struct.pack(f"<{count}f", *values)
        data += bytes(-len(data) % 32)
    pairs = metadata(vocabulary)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(pairs)) + b"".join(pairs) + b"".join(infos)
    head += bytes(-len(head) % 32)
    pathlib.Path(path).write_bytes(head + data)


if __name__ == "__main__":
    write(sys.argv[1])
