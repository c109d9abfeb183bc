"""Wrong keys by source: whoever sends many is told to wait, longer each time. Bounded in memory; nobody else waits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

_WINDOW_S = 60.0
_MOST_SOURCES = 10_000
_FORGOTTEN_S = 3600.0


class FailurePolicy(msgspec.Struct, frozen=True):
    """See the `security.failures` keys."""

    allowed: int = 20
    wait_s: float = 5.0
    longest_wait_s: float = 900.0


class _Source:
    __slots__ = ("began_at", "count", "seen_at", "until", "waits")

    def __init__(self, now: float) -> None:
        self.began_at = self.seen_at = now
        self.count = self.waits = 0
        self.until = 0.0


class Failures:
    """Counts failures of each source; asked only when one has failed, so that a right key never pays for it."""

    def __init__(self, policy: FailurePolicy, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._clock = clock
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def failed(self, source: str) -> int:
        """Note one failure; returns how many whole seconds the source has to wait, 0 for none."""
        now, policy = self._clock(), self.policy
        seen = self._sources.pop(source, None)
        if seen is None or now - seen.seen_at > _FORGOTTEN_S:
            seen = _Source(now)
        self._sources[source] = seen  # the newest last: the oldest are forgotten first
        if len(self._sources) > _MOST_SOURCES:
            self._sources.popitem(last=False)
        seen.seen_at = now
        if now < seen.until:
            return int(seen.until - now) + 1
        if now - seen.began_at > _WINDOW_S:
            seen.began_at, seen.count = now, 0
        seen.count += 1
        if seen.count <= policy.allowed:
            return 0
        wait_s = min(policy.longest_wait_s, policy.wait_s * 2.0 ** min(seen.waits, 32))
        seen.waits += 1
        seen.until, seen.began_at, seen.count = now + wait_s, now, 0
        return int(wait_s) + 1
