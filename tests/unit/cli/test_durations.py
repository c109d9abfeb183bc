"""A duration that is none is told the same way by every command that takes one."""

from __future__ import annotations

import json

import pytest

from forebay.cli.main import run

NOWHERE = ("--url", "http://127.0.0.1:1", "--model", "m")
OPTIONS = [
    (("key", "create"), "--expires"),
    (("key", "create"), "--begins"),
    (("key", "rotate", "k1"), "--overlap"),
    (("bench", "run", *NOWHERE), "--think"),
    (("bench", "run", *NOWHERE), "--duration"),
    (("bench", "run", *NOWHERE), "--warm-up"),
    (("bench", "run", *NOWHERE), "--request-timeout"),
    (("bench", "run", *NOWHERE), "--most-lag"),
    (("capacity", "simulate"), "--duration"),
    (("capacity", "simulate"), "--queue-wait"),
    (("scale", "plan"), "--slot"),
    (("scale", "explain"), "--last"),
    (("scale", "explain"), "--start"),
    (("scale", "explain"), "--up"),
    (("scale", "explain"), "--down"),
    (
        ("engine", "register", "--name", "e", "--url", "http://h:1", "--valkey", "valkey://h:1/0", "--model", "m"),
        "--lease",
    ),
    (("tune", "run"), "--budget"),
]


@pytest.mark.parametrize(("words", "option"), OPTIONS)
def test_a_duration_without_its_unit_is_refused_with_option_and_units(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], option: str
) -> None:
    assert run([*words, option, "5"]) == 64
    told = capsys.readouterr().err
    assert f"Invalid value for '{option}': '5' is not a duration" in told
    assert " --help`" in told


@pytest.mark.parametrize(("words", "option"), [(("scale", "plan"), "--slot"), (OPTIONS[-2][0], "--lease")])
def test_a_duration_that_is_too_short_is_refused(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], option: str
) -> None:
    assert run([*words, option, "0s"]) == 64
    assert f"'{option}': 0s is shorter than 1s" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["99999999d", "9" * 400 + "s"])
def test_a_key_cannot_end_at_a_time_that_no_calendar_knows(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert run(["key", "create", "--expires", text]) == 64
    assert "is longer than 100 years" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("bench", "run", *NOWHERE), ("capacity", "plan", "--peak", "5")])
@pytest.mark.parametrize(
    ("bounds", "why"),
    [
        ("ttft=5", "'5' is not a duration"),
        ("ttft=0s", "no call keeps a bound of 0"),
        ("speed=1s", "'speed' is no bound"),
    ],
)
def test_bounds_are_read_by_the_same_rule(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], bounds: str, why: str
) -> None:
    assert run([*words, "--slo", bounds, "-o", "json"]) == 64
    error = json.loads(capsys.readouterr().out)["error"]
    assert why in f"{error['where']}: {error['what']}"
