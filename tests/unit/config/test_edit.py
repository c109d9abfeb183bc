"""Changes of single keys leave every other byte of the operator's file alone."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.config.edit import Change, edited
from forebay.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "change", "after"),
    [
        ("a: 1  # one\nb: 2\n", (1, 1, "value", 3), "a: 3  # one\nb: 2\n"),
        ("a: 'x'  # one\n", (1, 1, "value", "true"), 'a: "true"  # one\n'),
        ("a: x\n", (1, 1, "value", "float16"), "a: float16\n"),
        ("a: 1 # one\n", (1, 1, "name", "b-c"), "b-c: 1 # one\n"),
        ("a: 1\n\n# above\nb: 2 # gone\nc: 3\n", (4, 1, "remove", None), "a: 1\n\n# above\nc: 3\n"),
        ("a: {x: 1, y: 2}\n", (1, 5, "remove", None), "a: {y: 2}\n"),
        ("a: {x: 1, y: 2}\n", (1, 11, "remove", None), "a: {x: 1}\n"),
        ("a: {x: 1}\n", (1, 5, "remove", None), "a: {}\n"),
        ("a:\n  x: 1 # last\nb: 2\n", (2, 3, "remove", None), "a:\n  {} # last\nb: 2\n"),
        ("a:\n  x:\n    - 1\n    - 2\n  y: 2\n", (2, 3, "remove", None), "a:\n  y: 2\n"),
        ("- x: 1\n  y: 2\n", (1, 3, "remove", None), "- y: 2\n"),
        ("a: 1\nb: 2", (2, 1, "remove", None), "a: 1\n"),
        ('é: "ü" # ö\nb: 1\n', (2, 1, "value", 2), 'é: "ü" # ö\nb: 2\n'),
    ],
)
def test_one_change_is_made_where_it_stands(text: str, change: tuple[int, int, Change, object], after: str) -> None:
    assert edited(text, [change]) == after


def test_several_changes_do_not_move_one_another() -> None:
    text = "a: 1\nm: {x: 1, y: 2, z: 3}\nb: 2\n"
    changes: list[tuple[int, int, Change, object]] = [(1, 1, "remove", None), (2, 11, "value", 9), (3, 1, "name", "c")]
    assert edited(text, changes) == "m: {x: 1, y: 9, z: 3}\nc: 2\n"


@pytest.mark.parametrize("text", ["a: [", "a: 1\n", ""])
def test_what_is_not_there_cannot_be_changed(text: str) -> None:
    with pytest.raises(ConfigError):
        edited(text, [(7, 1, "remove", None)])


@given(
    st.lists(st.sampled_from(["a: 1", "  b: 2", "# c", "- d", "e: {f: 1}", "", "g: |", "  h", "i: 'j'"]), max_size=9)
)
def test_no_change_changes_nothing(lines: list[str]) -> None:
    text = "\n".join(lines)
    with contextlib.suppress(ConfigError):  # it may be no YAML
        assert edited(text, []) == text
