"""A session goes on only with a journal whose trials can be compared with its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.tune.ladder.simulated import space

from forebay.core.errors import UsageError
from forebay.tune.journal import Began, Journal
from forebay.tune.session import Asked, run


def began(out: Path, asked: Asked, **more: object) -> None:
    """A journal that was begun with the same words."""
    names = ("model", "objective", "input_tokens", "output_tokens", "shared_prefix", "shared_prefixes", "repeats")
    said = {name: getattr(asked, name) for name in (*names, "concurrency", "ttft", "floor")}
    baseline = space(out).baseline()
    machine = {"name": "this one", "bandwidth_bytes_s": 1e9}
    with Journal(out) as journal:
        journal.append(
            Began(at=0.0, session=1, asked={**said, "way": "strides", **more}, baseline=baseline, machine=machine)
        )


def test_a_journal_whose_loads_were_measured_otherwise_is_refused(tmp_path: Path) -> None:
    """They faded while their last answers were counted: those trials look faster than any that is made now."""
    asked, before = Asked(model="m", out=tmp_path / "out", resume=True), space(tmp_path).loaded
    began(asked.out, asked)
    with pytest.raises(UsageError, match="begun with other loads"):
        run(before, asked, print)


def test_a_session_says_what_the_next_one_is_compared_with(tmp_path: Path) -> None:
    asked, loaded = Asked(model="m", out=tmp_path / "out", resume=True), space(tmp_path).loaded
    began(asked.out, asked, loads="held", spellings=3)
    with pytest.raises(UsageError, match=r"begun with other spellings\n"):
        run(loaded, asked, print)
