"""Claims about deriving the table of flags; the real parser is asked in tests/engine."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from forebay.config.flags import Run, Table, stored_table
from forebay.config.flags_derive import Difference, added, derive, differences, main, written
from forebay.core.errors import ForebayError, RunError


def table(version: str, **flags: dict[str, object]) -> Table:
    runs = {
        f"--{name}": (msgspec.convert({"from": version, "to": version, **row}, Run),) for name, row in flags.items()
    }
    return Table(releases=(version,), flags=runs)


def test_the_stored_file_is_what_would_be_written() -> None:
    stored = Path(__file__).parents[3] / "src/forebay/config/vllm_flags.json"
    assert written(stored_table()) == stored.read_bytes()
    assert len(stored.read_bytes()) < 1_000_000


def test_a_release_added_extends_what_stayed_and_starts_what_changed() -> None:
    old = table(
        "0.33.0", same={"kind": "int", "limits": {"ge": 1}}, gone={"kind": "str"}, other={"kind": "int", "default": 1}
    )
    new = table("0.34.0", same={"kind": "int"}, other={"kind": "int", "default": 2}, fresh={"kind": "bool"})
    both = added(old, new)
    assert both.releases == ("0.33.0", "0.34.0")
    assert both.at("0.34.0").keys() == {"--same", "--other", "--fresh"}
    assert both.at("0.34.0")["--same"].limits == {"ge": 1}
    assert (both.at("0.33.0")["--other"].default, both.at("0.34.0")["--other"].default) == (1, 2)
    assert both.at("0.33.0") == old.at("0.33.0")


def test_only_a_newer_release_can_be_added() -> None:
    with pytest.raises(ForebayError, match=r"not newer than 0\.33\.0"):
        added(stored_table(), table("0.33.0"))


def test_differences_name_the_flag_and_the_field() -> None:
    stored = table("1.0.0", a={"kind": "int", "default": 1}, b={"kind": "str"}, c={"kind": "enum", "choices": ["x"]})
    parser = table("1.0.0", a={"kind": "int", "default": 2}, c={"kind": "enum", "choices": ["x", "y"]})
    assert [(found.flag, found.field) for found in differences(stored, parser)] == [
        ("--a", "default"),
        ("--b", "exists"),
        ("--c", "choices"),
    ]
    assert differences(stored, parser)[0] == Difference("--a", "default", "1", "2")


def test_choices_that_plugins_extend_are_not_held_against_a_parser_that_hides_them() -> None:
    stored = table("1.0.0", a={"kind": "enum", "open": True, "choices": ["x"]})
    assert differences(stored, table("1.0.0", a={"kind": "str"})) == []


def test_an_interpreter_without_vllm_is_named_as_the_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunError, match="No module named 'vllm'"):
        derive(Path(sys.executable))
    assert main(["--python", "/nowhere/python", "--compare"]) == 1
    assert "Name a python that has vLLM" in capsys.readouterr().err
