"""A reason is a stable code with values, and a text in the language of whoever reads it."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import forebay
from forebay.messages import speak
from forebay.messages.reasons import TEXTS, Reason, because

STUCK = because("given_up", why=because("stuck", calls=2, seconds=11))


@pytest.fixture
def chinese() -> Iterator[None]:
    speak("zh")
    yield
    speak("en")


def test_a_reason_is_told_in_english_to_logs_and_in_the_readers_language_to_people(chinese: None) -> None:
    assert str(STUCK) == "given up: it holds 2 calls and has made no token for 11 s"
    assert STUCK.shown == "已放弃：持有 2 个调用，已 11 秒没有产出 token"


def test_it_comes_back_from_a_file_as_it_was() -> None:
    late = because("late", what=because("said", text="{odd} words"), seconds=2.5)
    assert msgspec.json.decode(msgspec.json.encode(late), type=Reason) == late
    assert str(late) == "{odd} words within 2.5 s"


def test_a_code_of_a_newer_build_is_told_as_it_is() -> None:
    assert Reason("not_invented_yet", {"why": "x"}).shown == "not_invented_yet"


def test_a_code_with_the_values_of_another_build_is_told_with_them() -> None:
    assert str(Reason("late", {"what": "x"})) == "late, what: x"
    assert str(Reason("late", {"what": "x", "seconds": "y"})) == "late, what: x, seconds: y"


def test_every_reason_that_is_given_has_a_text_and_the_values_that_it_takes() -> None:
    found = list(_given())
    assert len(found) > 30
    for where, code, values in found:
        wanted = {field for _text, field, _form, _how in string.Formatter().parse(TEXTS[code]) if field}
        assert wanted == values, where


def _given() -> Iterator[tuple[str, str, set[str]]]:
    """Where, which code, and the names of its values."""
    for path in sorted(Path(forebay.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "because":
                continue
            values = {str(each.arg) for each in node.keywords}
            # `"a" if … else "b"` gives either.
            codes = (
                [each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)] if node.args else []
            )
            for code in codes:
                yield f"{path.name}:{node.lineno}", str(code), values
