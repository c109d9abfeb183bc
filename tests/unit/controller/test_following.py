"""Which of two accounts of what runs a new leader goes by: its own file, or what another machine's leader told."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from forebay.config.schema import Config
from forebay.controller.following import can_follow, take_over
from forebay.controller.journal import Journal
from forebay.controller.lease.book import Book, Served, read_book
from forebay.controller.lease.shared import SharedLease
from forebay.gateway.limits.policy import ValkeyRef
from forebay.release.rollout.state import Rollout, Step
from forebay.release.running import Change, Running, Side, read_running, write_running
from forebay.release.version import effective
from forebay.store.state_dir import StateDir

NOWHERE = ValkeyRef(host="127.0.0.1", port=1, password=None, tls=False, reply_s=1.0, lease_s=1.0, on_loss="local")
ENGINE = Served(name="e", slot="e", host="10.0.0.1", port=1, digest="d")


def running(name: str, as_of: int = 0, change: Change | None = None) -> Running:
    return Running(
        environment="production", release=Side(name=name, digest=name, config={}), as_of=as_of, change=change
    )


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / ".forebay")
    found.prepare()
    return found


def taken_over(state: StateDir, own: Running, book: Book | None) -> tuple[Running, dict[str, Served]]:
    write_running(state.running, own)
    shared = SharedLease(NOWHERE, "k", "me", 3.0, lambda: False)
    shared.book = b"" if book is None else msgspec.json.encode(book)
    peers = take_over(state, shared, 3.0, Journal("forebay", "error"))
    found = read_running(state.running)
    assert found is not None
    return found, peers.handed()


@pytest.mark.parametrize(
    ("as_of", "number", "name", "engines"),
    [
        (6, 7, "theirs", 1),  # heard of the seventh, not every word
        (7, 7, "ours", 1),  # it was the seventh itself
        (8, 7, "ours", 0),  # what lies there is older
        (0, 7, "ours", 0),  # an operator has started it afresh
    ],
)
def test_who_leads_goes_by_the_newer_account(state: StateDir, as_of: int, number: int, name: str, engines: int) -> None:
    book = Book(number=number, running=running("theirs"), engines=(ENGINE,))
    found, handed = taken_over(state, running("ours", as_of), book)
    assert found.release.name == name
    assert len(handed) == engines


def test_without_a_book_it_goes_by_its_own(state: StateDir) -> None:
    found, handed = taken_over(state, running("ours", 7), None)
    assert (found.release.name, handed) == ("ours", {})


def test_a_step_begins_anew_where_its_logs_are_not(state: StateDir) -> None:
    steps = (Step(0.1, 1.0, 1), Step(0.5, 1.0, 1))
    rollout = Rollout(
        strategy="canary",
        steps=steps,
        slots={"m": ("e",)},
        step=1,
        step_at=time.time(),
    )
    side = Side(name="new", digest="new", config={})
    change = Change(id="c", kind="apply", by="me", pid=1, at=1.0, by_s=2.0, to=side, slots=("e",), rollout=rollout)
    found, _handed = taken_over(state, running("ours", 6), Book(number=7, running=running("theirs", change=change)))
    assert found.change is not None
    assert found.change.rollout is not None
    assert (found.change.rollout.step, found.change.rollout.step_at) == (1, 0.0)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"number": 1}'])
def test_what_is_no_book_is_none(text: bytes) -> None:
    assert read_book(text) is None


@pytest.mark.parametrize(
    ("substrate", "engine", "follows"),
    [
        ({"kind": "ray", "address": "10.0.0.1:6379"}, {"kind": "embedded"}, True),
        ({"kind": "local"}, {"kind": "external", "name": "e", "url": "http://10.0.0.2:8000"}, True),
        ({"kind": "local"}, {"kind": "embedded"}, False),
    ],
)
def test_engines_of_the_leaders_own_machine_cannot_be_followed(
    substrate: dict[str, object], engine: dict[str, object], follows: bool
) -> None:
    values = {"version": 1, "models": {"m": {"engines": [engine]}}, "substrate": substrate}
    side = Side(name="v1", digest="v1", config=effective(Config.model_validate(values)))
    assert can_follow(Running(environment="production", release=side)) is follows
