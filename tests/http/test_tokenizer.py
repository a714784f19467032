"""Our tokenizer beside Hugging Face's, on texts of every sort: not one token may differ."""

import json
import random
import subprocess
import unicodedata

import pytest
from harness import BINARY, ROOT
from tokenizers import Tokenizer

FILE = ROOT / "third_party" / "parts" / "models" / "minilm" / "tokenizer.json"
HOST = BINARY.parent / "model_host"  # Built by ./run test, as all that tests need.
ODD = ["\u200d", "\ufe0f", "\u00ad", "\ufffd", "\u2028", "\u3000", "\u0130", "\u1e9e", "\ufb01",
       "\u0345", "\u03a3", "\ufeff", "\u2066", "\ue000", "\U000e0001", "\U0001d165", "\U0001d15e",
       "\uac01", "\u115f", "\u0f77", "\u1d5e"]
BLOCKS = [(0x20, 0x7f), (0xa0, 0x250), (0x300, 0x370), (0x370, 0x1200), (0x1200, 0x3000),
          (0x3000, 0xd7ff), (0xf900, 0x10000), (0x1f300, 0x1fa00), (0, 0x20), (0x10000, 0x30000)]


class Texts:
    def __init__(self, seed, words):
        self.dice = random.Random(seed)
        self.words = words

    def character(self):
        if self.dice.random() < 0.1:
            return self.dice.choice(ODD)
        block = self.dice.choice(BLOCKS if self.dice.random() < 0.7 else BLOCKS[:1])
        return chr(self.dice.randrange(*block))

    def text(self):
        dice = self.dice
        kind = dice.randrange(10)
        if kind < 3:
            return " ".join(dice.choice(self.words) for _ in range(dice.randrange(40)))
        if kind < 7:
            return "".join(self.character() for _ in range(dice.randrange(60)))
        if kind == 7:
            special = dice.choice(["[SEP]", "a[MASK]b", "x [CLS] y", "[[SEP]]", "[SEP", "[PAD][UNK]"])
            return special + "".join(self.character() for _ in range(10))
        if kind == 8:
            return "".join(dice.choice("abcdefghij\u00e9\u6f22") for _ in range(dice.randrange(80, 130)))
        letters = "\u00e9\u00e0\u00fc\u00f1\u00e7\u00c5st\u0440\u0430\u0438\u0451\ud55c\uae00\ud7a3\uff8a\u309b"
        form = dice.choice(["NFC", "NFD", "NFKC"])
        return unicodedata.normalize(form, "".join(dice.choice(letters) for _ in range(30)))


@pytest.mark.skipif(not HOST.exists(), reason="model_host is not built")
@pytest.mark.parametrize(("seed", "count", "tokens_max"), [(1, 4_000, 100_000), (2, 2_000, 24)])
def test_no_token_differs(seed, count, tokens_max):
    theirs = Tokenizer.from_file(str(FILE))
    theirs.no_padding()
    theirs.enable_truncation(tokens_max)
    words = sorted(word for word in theirs.get_vocab() if not word.startswith("["))
    texts = Texts(seed, words)
    asked = [texts.text() for _ in range(count)]
    asked += [[texts.text(), texts.text()] for _ in range(count // 8)]
    ours = subprocess.run([HOST, "tokenize", FILE, str(tokens_max)],
                          input="".join(json.dumps(text) + "\n" for text in asked),
                          capture_output=True, text=True, check=True, encoding="utf-8")
    got = [json.loads(line) for line in ours.stdout.splitlines()]
    assert len(got) == len(asked)
    for text, tokens in zip(asked, got, strict=True):
        wanted = theirs.encode(text) if isinstance(text, str) else theirs.encode(*text)
        assert tokens == wanted.ids, repr(text)
