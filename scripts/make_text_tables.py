#!/usr/bin/env python3
"""Writes src/vector/text/unicode_tables.inc: what full-text search knows of Unicode, out of Python's unicodedata.

    scripts/make_text_tables.py > src/vector/text/unicode_tables.inc
"""

import unicodedata

LAST = 0x323AF
# Letters that compatibility decomposition leaves whole, though people type them without.
EXTRA = {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "þ": "th", "ŧ": "t"}
# Written without spaces: each sign is a term, and each two that follow each other.
SIGNS = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "HANGUL SYLLABLE", "THAI CHARACTER",
         "LAO ", "KHMER ", "MYANMAR ", "BOPOMOFO LETTER")


def is_accent(code):
    """Marks that are left out: accents, and the vowel points of Hebrew and Arabic. Those of Indian scripts are letters."""
    return (0x300 <= code <= 0x36F or 0x483 <= code <= 0x487 or 0x591 <= code <= 0x5C7 or 0x610 <= code <= 0x61A
            or 0x640 == code or 0x64B <= code <= 0x65F or code == 0x670 or 0x1AB0 <= code <= 0x1AFF
            or 0x1DC0 <= code <= 0x1DFF or 0x20D0 <= code <= 0x20FF or 0xFE20 <= code <= 0xFE2F or code == 0xAD
            or 0x200B <= code <= 0x200D or 0xFE00 <= code <= 0xFE0F)


def kind(code):
    char = chr(code)
    if is_accent(code):
        return "Accent"
    category = unicodedata.category(char)
    if category[0] not in "LNM" or category in ("Me",):
        return None
    name = unicodedata.name(char, "")
    return "Sign" if name.startswith(SIGNS) and category[0] != "N" else "Letter"


def fold(code):
    """Case and accents removed."""
    if 0xAC00 <= code <= 0xD7A3:
        return [code]
    if 0x2F00 <= code <= 0x2FDF or 0x3130 <= code <= 0x33FF or 0xF900 <= code <= 0xFAFF or 0xFB10 <= code <= 0xFDFF or 0x1F100 <= code:
        return [code]  # Radicals, squared words, ligatures of words, rare ideographs: as they are.
    text = unicodedata.normalize("NFKD", chr(code)).casefold()
    text = "".join(EXTRA.get(c, c) for c in unicodedata.normalize("NFKD", text))
    codes = [c for c in map(ord, text) if not is_accent(c) and kind(c)]
    return codes or [code]


def ranges():
    found = []
    for code in range(0x80, LAST + 1):
        this = kind(code)
        if not this:
            continue
        if found and found[-1][1] == code - 1 and found[-1][2] == this:
            found[-1][1] = code
        else:
            found.append([code, code, this])
    return found


def folds():
    """Runs of (first, last, step, difference), and the rest with what each becomes."""
    single, several = [], []
    for code in range(0x80, LAST + 1):
        if not kind(code) or kind(code) == "Accent":
            continue
        to = fold(code)
        if to == [code]:
            continue
        if len(to) > 1:
            several.append((code, to[:4]))
            continue
        difference = to[0] - code
        for run in single[-3:]:
            gap = code - run[1]
            if run[3] == difference and (gap == run[2] or (run[0] == run[1] and gap <= 2)):
                run[1], run[2] = code, gap
                break
        else:
            single.append([code, code, 1, difference])
    return sorted(single), several


def rows(items, width=110):
    line = ""
    for item in items:
        if len(line) + len(item) + 1 > width:
            yield line
            line = ""
        line += (" " if line else "") + item
    if line:
        yield line


def main():
    print("// Made by scripts/make_text_tables.py from Unicode " + unicodedata.unidata_version + ". clang-format off")
    print("constexpr CharRange kRanges[] = {")
    print("\n".join(rows(f"{{{a:#x},{b:#x},CharKind::{k}}}," for a, b, k in ranges())))
    print("};\nconstexpr FoldRun kFolds[] = {")
    single, several = folds()
    print("\n".join(rows(f"{{{a:#x},{b:#x},{s},{d}}}," for a, b, s, d in single)))
    print("};\nconstexpr FoldLong kLongFolds[] = {")
    print("\n".join(rows("{%#x,{%s}}," % (c, ",".join(f"{x:#x}" for x in to)) for c, to in several)))
    print("};")


if __name__ == "__main__":
    main()
