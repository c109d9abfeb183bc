"""Codes of errors and rules of findings are spelled one way, so that whoever filters by them need not look twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "forebay"


def test_codes_and_rules_are_words_joined_by_underscores() -> None:
    codes = [each for path in sorted(SOURCE.rglob("*.py")) for each in _codes(path)]
    assert len(codes) > 100
    assert not [f"{path.relative_to(SOURCE)}: {code}" for path, code in codes if not code.isidentifier()]


def _codes(path: Path) -> Iterator[tuple[Path, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        given = [word.value for word in node.keywords if word.arg in {"code", "rule"}]
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in {"finding", "_finding", "_error"}:
            given += node.args[:1]
        for value in given:
            # What holds a dot is a place, which some give first.
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and "." not in value.value:
                yield path, value.value
