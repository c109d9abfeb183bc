"""Which copies of an engine run, and why fewer are there than are wanted. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from forebay.controller.status import Held
from forebay.messages.reasons import Reason, because

LONG_WAIT_S = 10.0
"""What a replaced engine held takes a moment to be free again: that long is no lack of room."""


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A unit as its keeper sees it. `waits_s`: so long for room; `troubled`: hopeless, or drained by hand."""

    name: str
    slot: str
    state: str
    why: Reason
    waits_s: float = 0.0
    runs: bool = True
    troubled: bool = False


class Short(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps the number of copies from being what it should be; see `ScalingStatus`."""

    held: Held = ""
    why: Reason | None = None


def parked(
    slots: Sequence[str], copies: int, mine: Collection[Copy], tried: Collection[str], aside: Collection[str] = ()
) -> frozenset[str]:
    """The units that are not to run. The first copies do; one in trouble gives its place to the next.

    What is ready stays before what is not, but for those that are `tried`: they take their share of the calls alone.
    What runs goes only once as many of the others are ready as are wanted, and is called back where they are no more.
    Those set `aside` are as if they did not exist.
    """
    troubled = {each.slot for each in mine if each.troubled}
    ready = {each.slot for each in mine if each.state == "ready"}
    first = ready.difference(tried)
    there = [slot for slot in slots if slot not in aside]
    order = sorted(there, key=lambda slot: (slot in troubled, slot not in first, slots.index(slot)))
    wanted = {*order[:copies]}
    enough = len(wanted & ready) >= min(copies, sum(slot not in troubled for slot in there))
    awake = wanted.union(tried)
    return frozenset(
        each.name for each in mine if each.slot in aside or (each.slot not in awake and (enough or not each.runs))
    )


def roomless(copies: int, least: int, mine: Collection[Copy], tried: Collection[str]) -> frozenset[str]:
    """The slots that have long waited for room and can be done without: a change would wait for them in vain.

    What is replaced by it would lose its own room to them, besides.
    """
    ready = {each.slot for each in mine if each.state == "ready"}
    waiting = {each.slot for each in mine if each.waits_s > LONG_WAIT_S}.difference(ready, tried)
    return frozenset(waiting) if copies - len(waiting) >= least else frozenset()


def short_of(mine: Collection[Copy], copies: int) -> Short:
    """Why not all of the copies are there that are to run."""
    waiting = next((each for each in mine if each.waits_s > LONG_WAIT_S), None)
    if waiting is not None:
        return Short(held="failed" if waiting.why.code == "image_missing" else "no_room", why=_of(waiting))
    failed = next((each for each in mine if each.troubled and each.state == "failed"), None)
    if failed is not None and sum(each.state == "ready" for each in mine) < copies:
        return Short(held="failed", why=_of(failed))
    return Short()


def _of(copy: Copy) -> Reason:
    return because("copy", name=copy.name, why=copy.why)
