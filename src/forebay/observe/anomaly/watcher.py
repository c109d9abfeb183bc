"""Adds calls up to minutes, judges each finished minute by the caller's habits, and then learns from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from forebay.core.registry import Registry
from forebay.observe.anomaly.seen import MINUTE_S, Minute, Seen
from forebay.observe.anomaly.usual import Usual

Detector = Callable[[Minute, Usual], str | None]
"""Says in one sentence what is unusual about a minute; None where nothing is."""
_MOST_CALLERS = 20_000
_QUIET_S = 3600.0
_FORGET_S = 30 * 86_400.0


class Kind(NamedTuple):
    """A kind of anomaly. One that needs habits says nothing of a caller that is not known well yet."""

    unusual: Detector
    needs_habits: bool = True


detectors: Registry[Kind] = Registry("detector of anomalies")


def detector(name: str, *, needs_habits: bool = True) -> Callable[[Detector], Detector]:
    """Registers the decorated function as what tells this kind of anomaly."""

    def keep(function: Detector) -> Detector:
        detectors.add(name)(Kind(function, needs_habits))
        return function

    return keep


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """Something unusual: its kind, whose, when (seconds since the epoch), and why, in one sentence."""

    kind: str
    tenant: str
    key_id: str
    networks: tuple[str, ...]
    at_s: float
    why: str


class Watcher:
    """Habits of every caller. `habits` may be kept and given back after a restart."""

    def __init__(self, learn_minutes: int, habits: dict[str, Usual] | None = None) -> None:
        detectors.load("forebay.observe.anomaly.detectors")
        self._learn_minutes = learn_minutes
        self.habits = habits or {}
        self._open: dict[str, Minute] = {}
        self._told: dict[tuple[str, str], float] = {}

    def see(self, call: Seen) -> None:
        """Count a call into its caller's minute. A caller that nobody knows is no reason to grow without end."""
        if not call.caller or (call.caller not in self._open and len(self._open) >= _MOST_CALLERS):
            return
        start_s = call.at_s // MINUTE_S * MINUTE_S
        minute = self._open.get(call.caller)
        if minute is None:
            minute = self._open[call.caller] = Minute(start_s, call.tenant, call.key_id)
        minute.add(call)

    def judge(self, now_s: float) -> Iterator[Anomaly]:
        """Close the minutes that are over and tell what was unusual in them; the same of one caller once an hour."""
        over = [caller for caller, minute in self._open.items() if minute.start_s + MINUTE_S <= now_s]
        for caller in over:
            minute = self._open.pop(caller)
            usual = self.habits.setdefault(caller, Usual())
            for kind, why in self._unusual(minute, usual):
                if now_s - self._told.get((caller, kind), 0.0) >= _QUIET_S:
                    self._told[caller, kind] = now_s
                    yield Anomaly(
                        kind=kind,
                        tenant=minute.tenant,
                        key_id=minute.key_id,
                        networks=tuple(sorted(minute.networks)),
                        at_s=minute.start_s,
                        why=why,
                    )
            usual.learn(minute)
        self._forget(now_s)

    def _unusual(self, minute: Minute, usual: Usual) -> Iterator[tuple[str, str]]:
        known = usual.minutes >= self._learn_minutes
        for name, kind in detectors.items():
            if (known or not kind.needs_habits) and (why := kind.unusual(minute, usual)) is not None:
                yield name, why

    def _forget(self, now_s: float) -> None:
        if len(self.habits) > _MOST_CALLERS:
            oldest = sorted(self.habits, key=lambda caller: self.habits[caller].last_s)
            for caller in oldest[: len(self.habits) - _MOST_CALLERS]:
                del self.habits[caller]
        for caller in [name for name, usual in self.habits.items() if now_s - usual.last_s > _FORGET_S]:
            del self.habits[caller]
        self._told = {each: at_s for each, at_s in self._told.items() if now_s - at_s < _QUIET_S}
