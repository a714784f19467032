"""Runs the .test files of this folder: sqllogictest's format, each file on datasets of its own.

    statement ok | statement error      then a statement; for an error, after ----, words its message holds
    query                               then a statement, ----, one line a row, cells separated by tabs
    query rowsort                       the same, rows in any order

Cells are JSON without the quotes of plain strings. `# group:`-like comments and blank lines are free.
"""

import json
import pathlib

import pytest

from harness import Problem

FILES = sorted(pathlib.Path(__file__).parent.glob("*.test"))


def records(text):
    """Yields (line number, head, statement, expected lines) of each record."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        head = lines[at].strip()
        at += 1
        if not head or head.startswith("#"):
            continue
        number, statement, expected = at, [], None
        while at < len(lines) and lines[at].strip():
            if lines[at] == "----":
                expected = []
            elif expected is None:
                statement.append(lines[at])
            else:
                expected.append(lines[at])
            at += 1
        yield number, head, "\n".join(statement), expected


def cell(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(server, path):
    for number, head, statement, expected in records(path.read_text()):
        where = f"{path.name}:{number}: {statement}"
        if head == "statement ok":
            server.sql(statement)
        elif head == "statement error":
            with pytest.raises(Problem) as refused:
                server.sql(statement)
                pytest.fail(f"{where}: was not refused")
            assert 400 <= refused.value.status < 500, f"{where}: {refused.value}"
            text = json.dumps(refused.value.document, ensure_ascii=False)
            for words in expected or []:
                assert words in text, f"{where}: '{words}' is not in {text}"
        elif head in ("query", "query rowsort"):
            rows = ["\t".join(map(cell, row)) for row in server.rows(statement)]
            if head.endswith("rowsort"):
                rows, expected = sorted(rows), sorted(expected)
            assert rows == expected, where
        else:
            pytest.fail(f"{path.name}:{number}: unknown record '{head}'")


def test_there_are_golden_files():
    assert len(FILES) >= 5
