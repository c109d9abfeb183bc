"""What a machine does while another one's controller leads: its edge and gateway go on, with the leader's engines.

What the leader brings about is written down here as it is told, so that this machine goes on from there when it leads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from forebay.config.schema import Config
from forebay.controller.journal import Journal
from forebay.controller.lease.book import Book, read_book
from forebay.controller.lease.fence import Fence, clock_s
from forebay.controller.lease.shared import SharedLease
from forebay.controller.peers import Following, Leading, Peers
from forebay.core.errors import ForebayError
from forebay.release.running import Running, read_running, write_running
from forebay.release.version import read_config
from forebay.store.state_dir import StateDir


class Controls(Protocol):
    """A controller at work."""

    async def run(self) -> None: ...

    def ask_stop(self) -> None: ...

    def ask_reload(self) -> None: ...


_AGAIN_S = 5.0
Begin = Callable[[Fence, Peers], Controls]


class Follower:
    """Hears the leader of other machines; `begin` makes a controller that follows it."""

    def __init__(self, state: StateDir, shared: SharedLease, begin: Begin, journal: Journal) -> None:
        self.controller: Controls | None = None
        self._state = state
        self._shared = shared
        self._begin = begin
        self._journal = journal
        self._text = b""
        self._book: Book | None = None
        self._task: asyncio.Task[None] | None = None
        self._written: Running | None = None
        self._tried: Running | None = None
        self._again_s = 0.0

    def hear(self, fence: Fence) -> None:
        """Take what was told since; begin to serve as soon as enough is known. What fails is tried again."""
        self._watch()
        book = self._newest()
        if book is None or (self.controller is not None and self._written == book.running):
            return
        if self._tried == book.running and clock_s() < self._again_s:
            return
        self._tried, self._again_s = book.running, clock_s() + _AGAIN_S
        try:
            self._follow(fence, book)
        except (ForebayError, OSError) as error:
            self._journal.say("error", f"what the leader runs cannot be served here: {error}")

    async def stop(self) -> None:
        """What runs goes on; the next controller adopts it."""
        if self._task is not None and self.controller is not None:
            self.controller.ask_stop()
            await self._task
        self.controller = self._task = None

    def _newest(self) -> Book | None:
        """What this leader told last; a book may be here before it is known whose leadership that is."""
        text, seen = self._shared.book, self._shared.seen
        if not self._shared.leader:
            return None
        if text != self._text and (book := read_book(text)) is not None and book.number == seen:
            self._text, self._book = text, book
        return self._book if self._book is not None and self._book.number == seen else None

    def _follow(self, fence: Fence, book: Book) -> None:
        if self._written != book.running:
            # Less than the leadership itself: what it tells after this is newer than what lies here.
            write_running(self._state.running, msgspec.structs.replace(book.running, as_of=book.number - 1))
            self._written = book.running
            if self.controller is not None:
                self.controller.ask_reload()
        if self.controller is None and can_follow(book.running):
            self.controller = self._begin(fence, Following(self._latest, lambda: self._shared.leader))
            self._task = asyncio.create_task(self.controller.run())

    def _watch(self) -> None:
        """What ends by itself has failed: that is for whoever started this process."""
        if self._task is not None and self._task.done():
            self._task.result()
            self.controller = self._task = None

    def _latest(self) -> Book:
        assert self._book is not None  # noqa: S101  nobody follows before something is told
        return self._book


def take_over(state: StateDir, shared: SharedLease, ttl_s: float, journal: Journal) -> Leading:
    """Go on with what another machine's leader told last, unless what a command began here is what is wanted."""
    running, book = read_running(state.running), read_book(shared.book)
    if running is None or not running.as_of or book is None or book.number < running.as_of:
        book = None
    elif book.number > running.as_of:
        running = _begun_anew(book.running)
        journal.say("info", f"what another machine ran is taken over: {running.release.name}", leadership=book.number)
    if running is not None:
        write_running(state.running, msgspec.structs.replace(running, as_of=shared.number))
    return Leading(shared, ttl_s, book)


def can_follow(running: Running) -> bool:
    """Whether the leader's engines can be reached from here: those of its own machine cannot."""
    try:
        return not _starts_here(read_config(running.wanted.config))
    except ForebayError:
        return False


def _starts_here(config: Config) -> bool:
    kinds = {engine.kind for model in config.models.values() for engine in model.engines}
    return config.substrate.kind == "local" and bool(kinds - {"external", "discovered"})


def _begun_anew(running: Running) -> Running:
    """What was seen of a rollout's step is in the other machine's logs: the step begins anew."""
    change = running.change
    if change is None or change.rollout is None:
        return running
    rollout = msgspec.structs.replace(change.rollout, step_at=0.0, held="", cause=None)
    return msgspec.structs.replace(running, change=msgspec.structs.replace(change, rollout=rollout))
