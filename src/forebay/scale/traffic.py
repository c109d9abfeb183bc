"""Recorded traffic as a series: how many calls came, and how many were in flight, slot by slot."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.observe.access_lines import Call

_MOST_SLOTS = 400_000


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """A recorded call: when it came, in seconds since the epoch, how long an engine took, and its tokens.

    `first_s`: until its first token; 0 where nobody saw it.
    """

    engine: str
    at_s: float
    took_s: float
    first_s: float
    prompt: int
    answer: int


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Slots of `slot_s` from `begin_s`, seconds since the epoch: calls that came, and the mean number in flight."""

    begin_s: float
    slot_s: float
    calls: tuple[int, ...]
    in_flight: tuple[float, ...]


def arrived(calls: Iterable[Call], model: str) -> list[Arrived]:
    """The calls that an engine of the model had to answer, in the order in which they came.

    The log tells when a call ended. Answers out of a cache asked no engine; calls that were refused cost none.
    """
    found = []
    for call in calls:
        if call.model != model or call.status >= 500 or not call.engine or call.tokens.get("output", 0) < 1:
            continue
        took_s = max(0.0, call.latency_ms - call.queue_ms) / 1000
        ended_s = datetime.fromisoformat(call.timestamp).timestamp()
        first_s = max(0.0, call.ttft_ms - call.queue_ms) / 1000 if call.ttft_ms else 0.0
        came_s, tokens = ended_s - call.latency_ms / 1000, call.tokens
        found.append(Arrived(call.engine, came_s, took_s, first_s, tokens.get("input", 0), tokens["output"]))
    return sorted(found, key=lambda each: each.at_s)


def series(calls: Iterable[Arrived], slot_s: float, until_s: float | None = None) -> Series:
    """Their counts by slot; UsageError where there are none, or too many slots to be a record of one service."""
    ordered = list(calls)
    if not ordered:
        raise UsageError(
            _("no call is recorded"), fix=_("Keep observe.log.access on, and come back after some traffic")
        )
    begin_s = ordered[0].at_s // slot_s * slot_s
    end_s = max(until_s or 0.0, *(each.at_s + each.took_s for each in ordered))
    count = int((end_s - begin_s) / slot_s) + 1
    if count > _MOST_SLOTS:
        why = _("the record spans {days:.0f} days").format(days=(end_s - begin_s) / 86_400)
        raise UsageError(why, fix=_("Leave out what is older"))
    came = Counter(int(each.at_s / slot_s) for each in ordered)
    busy_s, first = busy(ordered, slot_s), round(begin_s / slot_s)
    return Series(
        begin_s=begin_s,
        slot_s=slot_s,
        calls=tuple(came[first + slot] for slot in range(count)),
        in_flight=tuple(busy_s.get(first + slot, 0.0) / slot_s for slot in range(count)),
    )


def busy(calls: Iterable[Arrived], slot_s: float) -> dict[int, float]:
    """Seconds that calls were in flight, by slot since the epoch: each is shared out among the slots it lies in."""
    found: dict[int, float] = defaultdict(float)
    for each in calls:
        first, last = each.at_s / slot_s, (each.at_s + each.took_s) / slot_s
        for slot in range(int(first), int(last) + 1):
            found[slot] += max(0.0, min(last, slot + 1) - max(first, slot)) * slot_s
    return dict(found)
