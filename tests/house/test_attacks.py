"""Every attack of the list has its tests, and they exist: a test that was renamed or taken out is missed here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = ROOT / "docs" / "explanation" / "attacks.md"
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+) \|$")
_FILE = re.compile(r"`([\w/]+\.py)` ([\w, ]+)")
_LEFT_OUT = {6, 11, 13, 22, 38, 40, 48, 52, 61, 66, 75, 80, 84, 94, 101}
"""Numbers that nothing bears: the list is numbered as the one it was made from."""


def rows() -> Iterator[tuple[int, str]]:
    for line in LIST.read_text(encoding="utf-8").splitlines():
        found = _ROW.match(line)
        if found is not None:
            yield int(found[1]), found[4]


@cache
def declared_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(name.removeprefix("test_") for name in functions if name.startswith("test_"))


@pytest.mark.parametrize(("number", "cell"), list(rows()))
def test_an_attack_is_tried(number: int, cell: str) -> None:
    named = [(path, name.strip()) for path, names in _FILE.findall(cell) for name in names.split(",")]
    assert named
    assert _FILE.sub("", cell).strip("; ") == "", "every word of the cell is a file or a test"
    assert [(path, name) for path, name in named if name not in declared_in(path)] == []


def test_no_attack_is_missing() -> None:
    assert [number for number, _cell in rows()] == sorted(set(range(1, 103)) - _LEFT_OUT)
