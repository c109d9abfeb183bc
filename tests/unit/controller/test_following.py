"""Which of two accounts of what runs a new leader goes by: its own file, or what another machine's leader told."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from forebay.config.schema import Config
from forebay.controller import following
from forebay.controller.following import Follower, can_follow, take_over
from forebay.controller.journal import Journal
from forebay.controller.lease.book import Book, Served, read_book
from forebay.controller.lease.fence import Fence
from forebay.controller.lease.shared import SharedLease
from forebay.controller.peers import Peers
from forebay.core.errors import ConfigError
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


class Serving:
    """A controller that follows, as its follower sees one."""

    def __init__(self) -> None:
        self.reloads = 0
        self._left = asyncio.Event()

    async def run(self) -> None:
        await self._left.wait()

    def ask_stop(self) -> None:
        self._left.set()

    def ask_reload(self) -> None:
        self.reloads += 1


class Heard:
    """A follower, what its leader tells, and a clock."""

    def __init__(self, state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.now_s = state, 1000.0
        self.refusals = 0
        self.begun: list[Serving] = []
        self.shared = SharedLease(NOWHERE, "k", "me", 3.0, lambda: False)
        self.follower = Follower(state, self.shared, self._begin, Journal("forebay", "error"))
        self.fence = Fence("me", 0, lambda: True, lambda: None)
        monkeypatch.setattr(following, "clock_s", lambda: self.now_s)

    def tell(self, number: int, release: str, *, seen: int) -> None:
        external = {"models": {"m": {"engines": [{"kind": "external", "name": "e", "url": "http://10.0.0.2:8000"}]}}}
        config = effective(Config.model_validate({"version": 1, **external}))
        told = Running(environment="production", release=Side(name=release, digest=release, config=config))
        self.shared.book = msgspec.json.encode(Book(number=number, running=told))
        self.knows(seen)

    def knows(self, seen: int) -> None:
        self.shared._election.leader, self.shared._election.seen = "other", seen

    def hear(self, *, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.follower.hear(self.fence)

    @property
    def written(self) -> str:
        found = read_running(self.state.running)
        return "" if found is None else found.release.name

    def _begin(self, _fence: Fence, _peers: Peers) -> Serving:
        if self.refusals:
            self.refusals -= 1
            raise ConfigError("the file of a secret is not there")
        self.begun.append(Serving())
        return self.begun[-1]


def test_a_book_that_comes_before_its_leadership_is_known_is_taken_later(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        heard = Heard(state, monkeypatch)
        heard.tell(7, "v1", seen=6)
        heard.hear()
        assert (heard.written, heard.begun) == ("", [])
        heard.knows(7)
        heard.hear()
        assert (heard.written, len(heard.begun)) == ("v1", 1)
        await heard.follower.stop()

    asyncio.run(run())


def test_what_cannot_be_served_yet_is_tried_again_in_a_while(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        heard = Heard(state, monkeypatch)
        heard.refusals = 2
        heard.tell(7, "v1", seen=7)
        heard.hear()
        heard.hear(after_s=1.0)
        assert heard.refusals == 1
        heard.hear(after_s=5.0)
        assert heard.refusals == 0
        assert heard.begun == []
        heard.hear(after_s=5.0)
        assert len(heard.begun) == 1
        await heard.follower.stop()

    asyncio.run(run())


def test_what_could_not_be_written_down_is_written_and_read_later(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        heard = Heard(state, monkeypatch)
        heard.tell(7, "v1", seen=7)
        heard.hear()
        state.running.unlink()
        state.running.mkdir()  # whoever runs this: nothing can be written over it
        heard.tell(7, "v2", seen=7)
        heard.hear()
        state.running.rmdir()
        heard.hear(after_s=1.0)
        assert (heard.written, heard.begun[0].reloads) == ("", 0)
        heard.hear(after_s=5.0)
        heard.hear(after_s=5.0)
        assert (heard.written, heard.begun[0].reloads) == ("v2", 1)
        await heard.follower.stop()

    asyncio.run(run())
