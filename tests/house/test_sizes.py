"""Files, functions, branches and arguments stay small enough to read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES, COMPLEXITY, ARGUMENTS = 500, 60, 10, 6
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_its_functions_are_simple(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    wrong = [f"{len(text.splitlines())} lines"] if len(text.splitlines()) > FILE_LINES else []
    for function in _functions(tree):
        length = (function.end_lineno or 0) - function.lineno + 1
        if length > FUNCTION_LINES:
            wrong.append(f"{function.name}: {length} lines")
        if (complexity := _complexity(function)) > COMPLEXITY:
            wrong.append(f"{function.name}: complexity {complexity}")
        if (count := _arguments(function)) > ARGUMENTS and not function.decorator_list:
            wrong.append(f"{function.name}: {count} arguments")
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_opens_with_one_sentence_of_purpose(path: Path) -> None:
    purpose = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert purpose
    assert purpose.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_called_what_says_nothing(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "manager", "data", "process", "misc", "common"}


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _complexity(function: Function) -> int:
    """Paths through a function: one, and one for each branch of its own (not of functions within)."""
    inner = {id(node) for below in _functions(function) if below is not function for node in ast.walk(below)}
    branches = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler)
    return 1 + sum(isinstance(node, branches) for node in ast.walk(function) if id(node) not in inner)


def _arguments(function: Function) -> int:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(part.arg not in ("self", "cls") for part in given)
