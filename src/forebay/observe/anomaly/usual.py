"""What a caller usually does, learned from its minutes. Old habits fade."""

from __future__ import annotations

import msgspec

from forebay.observe.anomaly.seen import Minute

_FADE_CALLS = 1 / 240
"""Weight of a new minute: habits are those of the last four hours of activity."""
_MOST_NETWORKS = 64


class Level(msgspec.Struct):
    """A quantity a minute: exponentially weighted mean and variance (West 1979)."""

    mean: float = 0.0
    variance: float = 0.0

    def learn(self, value: float, weight: float) -> None:
        change = value - self.mean
        self.mean += weight * change
        self.variance = (1 - weight) * (self.variance + weight * change * change)

    def deviations(self, value: float) -> float:
        """By how many standard deviations `value` is above the usual, counts being noisy by themselves (Poisson)."""
        return float((value - self.mean) / max(self.variance + self.mean, 1.0) ** 0.5)


class Usual(msgspec.Struct):
    """The habits of one caller. Times are seconds since the epoch."""

    first_s: float = 0.0
    last_s: float = 0.0
    minutes: int = 0
    calls: Level = msgspec.field(default_factory=Level)
    output_tokens: Level = msgspec.field(default_factory=Level)
    refused_ratio: float = 0.0
    hours: dict[int, int] = msgspec.field(default_factory=dict)
    networks: dict[str, float] = msgspec.field(default_factory=dict)
    places: dict[str, float] = msgspec.field(default_factory=dict)

    def learn(self, minute: Minute) -> None:
        """Take in a minute that was judged."""
        self.first_s = self.first_s or minute.start_s
        self.last_s = minute.start_s
        self.minutes += 1
        weight = max(_FADE_CALLS, 1 / self.minutes)
        self.calls.learn(minute.calls, weight)
        self.output_tokens.learn(minute.output_tokens, weight)
        self.refused_ratio += weight * (minute.refused / max(minute.calls, 1) - self.refused_ratio)
        self.hours[minute.hour] = self.hours.get(minute.hour, 0) + 1
        for known, seen in ((self.networks, minute.networks), (self.places, minute.places)):
            known.update(dict.fromkeys(seen, minute.start_s))
            while len(known) > _MOST_NETWORKS:
                del known[min(known, key=known.__getitem__)]
