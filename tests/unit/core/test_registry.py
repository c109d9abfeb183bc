"""A registry is filled when it is asked for, whoever imported a part of it before."""

from __future__ import annotations

import importlib

import pytest

from forebay.core.registry import Registry
from forebay.ops.doctor.run import checks


def test_a_part_that_was_imported_by_itself_does_not_hide_the_others() -> None:
    importlib.import_module("forebay.ops.doctor.checks.disk")
    assert len(list(checks.load("forebay.ops.doctor.checks"))) > 3


def test_a_second_load_finds_the_same_parts() -> None:
    names = list(checks.load("forebay.ops.doctor.checks"))
    assert list(checks.load("forebay.ops.doctor.checks")) == names


def test_a_name_that_is_taken_is_a_defect() -> None:
    parts: Registry[int] = Registry("part")
    parts.add("one")(1)
    with pytest.raises(ValueError, match="one"):
        parts.add("one")(2)
