"""Which of the engines that a source has named are members of the fleet. Pure: time is passed in.

The laws. An empty or failed answer changes nothing. An engine leaves when it has been missing for `settle_s`, while
the source answers. One that has left comes back at once the first time, later only after it has been there for a
while, longer each time. As long as one engine is there, the fleet is not empty.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from forebay.discovery.found import MOST_ENGINES, Found

LONGEST_HOLD_S = 300.0
FORGET_S = 600.0
"""An engine that has not moved for this long has no history any more."""


class _Seat(msgspec.Struct):
    """One engine. `since_s`: when `present` last changed. `moved_s`: when its address was last taken over."""

    found: Found
    present: bool
    member: bool
    since_s: float
    moved_s: float
    leaves: int = 0


class Membership:
    """Follows the answers of one source. `trouble` says why the last one was not taken; empty where it was."""

    def __init__(self, settle_s: float, known: Iterable[Found], now_s: float) -> None:
        self.trouble = ""
        self._settle_s = settle_s
        # What was known before counts as present until an answer says otherwise.
        self._seats = {each.name: _Seat(each, True, True, now_s, now_s) for each in known}

    def answered(self, found: tuple[Found, ...], now_s: float) -> None:
        """Take a whole answer."""
        if not found:
            self.failed("the answer is empty")
            return
        if len(found) > MOST_ENGINES:
            self.failed(f"the answer names {len(found)} engines, more than {MOST_ENGINES}")
            return
        self.trouble = ""
        named = {each.name: each for each in _distinct(found)}
        for name, each in named.items():
            self._seen(name, each, now_s)
        for name, seat in self._seats.items():
            if seat.present and name not in named:
                seat.present, seat.since_s = False, now_s
        self.settle(now_s)

    def failed(self, why: str) -> None:
        """There was no usable answer: everything stays as it is until there is one."""
        self.trouble = why

    def settle(self, now_s: float) -> None:
        """Let time have its effect; call now and then, also while no answer comes."""
        if self.trouble:
            return
        for seat in self._seats.values():
            if seat.present and not seat.member and now_s - seat.since_s >= self._hold_s(seat):
                seat.member = True
        joining = [seat for seat in self._seats.values() if seat.present]
        gone = [seat for seat in self._seats.values() if self._has_left(seat, now_s)]
        if gone and not any(seat.member and seat not in gone for seat in self._seats.values()):
            for seat in joining:  # better one that comes and goes than none
                seat.member = True
        for seat in gone:
            seat.member, seat.leaves = False, seat.leaves + 1
        self._forget(now_s)

    @property
    def members(self) -> tuple[Found, ...]:
        """The fleet, ordered by name."""
        return tuple(sorted(seat.found for seat in self._seats.values() if seat.member))

    def _seen(self, name: str, each: Found, now_s: float) -> None:
        seat = self._seats.get(name)
        if seat is None:
            self._seats[name] = _Seat(each, True, True, now_s, now_s)
            return
        if not seat.present:
            seat.present, seat.since_s = True, now_s
        if seat.found != each and (not seat.member or now_s - seat.moved_s >= self._settle_s):
            seat.found, seat.moved_s = each, now_s

    def _has_left(self, seat: _Seat, now_s: float) -> bool:
        return seat.member and not seat.present and now_s - seat.since_s >= self._settle_s

    def _hold_s(self, seat: _Seat) -> float:
        """How long one that has left before must be there until it is believed."""
        if seat.leaves <= 1:
            return 0.0
        return min(LONGEST_HOLD_S, self._settle_s * 2.0 ** min(seat.leaves - 2, 32))

    def _forget(self, now_s: float) -> None:
        for name, seat in list(self._seats.items()):
            if now_s - seat.since_s < FORGET_S:
                continue
            seat.leaves = 0
            if not seat.present and not seat.member:
                del self._seats[name]


def _distinct(found: tuple[Found, ...]) -> list[Found]:
    """One engine for each address: the same server under two names would get two shares of the calls."""
    by_address: dict[tuple[str, int], Found] = {}
    for each in sorted(found):
        by_address.setdefault((each.host, each.port), each)
    return list(by_address.values())
