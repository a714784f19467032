#!/usr/bin/env python3
"""Writes src/ai/unicode_tables.inc: what Hugging Face's BERT tokenizers know of each character.

Their libraries hold tables of several versions of Unicode, so the tables are read off the library
itself, character by character. Needs PyPI `tokenizers`; run again when a newer one should be equal.
"""

import pathlib
import unicodedata

from tokenizers import normalizers, pre_tokenizers

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "ai" / "tokens" / "unicode_tables.inc"
CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)  # Decomposed by rule.


def bert(**on):
    return normalizers.BertNormalizer(**{"clean_text": False, "handle_chinese_chars": False,
                                         "strip_accents": False, "lowercase": False, **on})


def ranges(members):
    found = []
    for c in members:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def write_ranges(out, name, meaning, members):
    out.append(f"// {meaning}\nconstexpr Range {name}[] = {{")
    out += [f"    {{0x{a:X}, 0x{b:X}}}," for a, b in ranges(members)]
    out.append("};\n")


def write_map(out, name, meaning, mapping):
    """Sorted by character; the texts lie one after the other in `name`Text."""
    out.append(f"// {meaning}\nconstexpr Mapping {name}[] = {{")
    texts, lines = [], []
    for c, text in sorted(mapping.items()):
        lines.append(f"    {{0x{c:X}, {len(texts)}, {len(text)}}},")
        texts += [ord(x) for x in text]
    out += [*lines, "};", f"constexpr char32_t {name}Text[] = {{"]
    out += ["    " + " ".join(f"0x{t:X}," for t in texts[i:i + 12]) for i in range(0, len(texts), 12)]
    out.append("};\n")


def main():
    clean, strip, lower = bert(clean_text=True), bert(strip_accents=True), bert(lowercase=True)
    decomposed = normalizers.NFD()
    split = pre_tokenizers.BertPreTokenizer()
    apart = bert(handle_chinese_chars=True)
    gone, space, mark, punctuation, spaces_split, ideographs = [], [], [], [], [], []
    nfd, lowered, classes = {}, {}, {}
    for c in CHARACTERS:
        text = chr(c)
        cleaned = clean.normalize_str(text)
        if cleaned == "":
            gone.append(c)
        elif cleaned == " ":
            space.append(c)
        if apart.normalize_str(text) == f" {text} ":
            ideographs.append(c)
        if c not in HANGUL and decomposed.normalize_str(text) != text:
            nfd[c] = decomposed.normalize_str(text)
        elif strip.normalize_str(text) == "":
            mark.append(c)
        if lower.normalize_str(text) != text:
            lowered[c] = lower.normalize_str(text)
        pieces = [piece for piece, _ in split.pre_tokenize_str(f"a{text}a")]
        if pieces == ["a", text, "a"]:
            punctuation.append(c)
        elif pieces == ["a", "a"]:
            spaces_split.append(c)
        # Only marks that are not dropped can be put into another order.
        if unicodedata.combining(text):
            classes.setdefault(unicodedata.combining(text), []).append(c)
    out = ["// Made by scripts/make_unicode_tables.py. clang-format off\n"]
    write_ranges(out, "kGone", "Dropped when text is cleaned.", gone)
    write_ranges(out, "kSpace", "Become a space when text is cleaned.", space)
    write_ranges(out, "kMark", "Accents that stand by themselves.", mark)
    write_ranges(out, "kPunctuation", "A word of its own.", punctuation)
    write_ranges(out, "kSplit", "Between two words.", spaces_split)
    write_ranges(out, "kIdeograph", "Written without spaces: put between two.", ideographs)
    write_map(out, "kDecomposed", "Canonical decomposition, but for Hangul.", nfd)
    write_map(out, "kLowered", "Lower case.", lowered)
    out.append("// Canonical combining classes.\nconstexpr ClassRange kClass[] = {")
    lines = [(a, b, k) for k, members in classes.items() for a, b in ranges(members)]
    out += [f"    {{0x{a:X}, 0x{b:X}, {k}}}," for a, b, k in sorted(lines)]
    out.append("};\n// clang-format on")
    OUT.write_text("\n".join(out) + "\n")
    print(f"{OUT.name}: {OUT.stat().st_size} bytes; gone {len(gone)} in {len(ranges(gone))} ranges, "
          f"{len(mark)} marks, {len(punctuation)} punctuation, {len(nfd)} decomposed, "
          f"{len(lowered)} lowered")


if __name__ == "__main__":
    main()
