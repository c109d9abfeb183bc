"""How two releases differ, for a person to decide by: sizes of effects, and how likely chance makes as large ones.

For one look, at the end of an A/B rollout: unlike the guard's, these p-values do not hold for whoever looks again and
again and stops when he likes what he sees. They are Bonferroni's, over the measures of one model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from forebay.release.judge.observation import Observation, Side
from forebay.release.judge.ranks import compare, factor
from forebay.release.judge.series import Series

_VALUES = ("TTFT", "inter-token latency", "output length")
_RATES = ("error rate", "answers cut by length")
_FEWEST = 2
_SIDES: tuple[Side, Side] = ("baseline", "canary")


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """B against A. `change`: by what share a value is greater, by how much a rate is.

    `size`: for a value the chance that one of B exceeds one of A (0.5 none, 0.56 small, 0.64 medium, 0.71 large), for a
    rate Cohen's h (0 none, 0.2 small, 0.5 medium, 0.8 large). `p`: corrected for the number of measures.
    """

    measure: str
    calls: tuple[int, int]
    change: float
    size: float
    p: float

    def __str__(self) -> str:
        size, (ours, theirs) = f"effect {self.size:.2f}, p = {self.p:.2g}", self.calls
        return f"{self.measure}: {self.change:+.1%} ({size}) over {ours} and {theirs} calls"


class Effects:
    """The calls of one model."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, Side], Series] = {(name, side): Series() for name in _VALUES for side in _SIDES}
        self._rates: dict[tuple[str, Side], list[int]] = {(name, side): [0, 0] for name in _RATES for side in _SIDES}

    def add(self, seen: Observation) -> None:
        """Take one call."""
        self._count("error rate", seen.side, not seen.ok)
        if not seen.ok:
            return
        if seen.finish:
            self._count("answers cut by length", seen.side, seen.finish == "length")
        figures = (seen.ttft_s, seen.itl_s, None if not seen.output_tokens else float(seen.output_tokens))
        for name, figure in zip(_VALUES, figures, strict=True):
            if figure is not None:
                self._values[name, seen.side].add(seen.stratum, figure)

    def found(self) -> tuple[Effect, ...]:
        """Every measure that both sides have figures of."""
        made = [each for name in _VALUES if (each := self._value(name)) is not None]
        made += [each for name in _RATES if (each := self._rate(name)) is not None]
        return tuple(msgspec.structs.replace(each, p=min(1.0, each.p * len(made))) for each in made)

    def _count(self, name: str, side: Side, event: bool) -> None:
        counts = self._rates[name, side]
        counts[0] += event
        counts[1] += 1

    def _value(self, name: str) -> Effect | None:
        sides = [self._values[name, side] for side in _SIDES]
        first, second = (side.held() for side in sides)
        compared, by = compare(first, second), factor(first, second)
        if compared is None or by is None:
            return None
        p = min(1.0, 2 * min(compared.p_greater, compared.p_less))
        calls = (sides[0].calls, sides[1].calls)
        return Effect(measure=name, calls=calls, change=by - 1, size=compared.superiority, p=p)

    def _rate(self, name: str) -> Effect | None:
        (a, n), (b, m) = self._rates[name, "baseline"], self._rates[name, "canary"]
        if min(n, m) < _FEWEST:
            return None
        size = 2 * math.asin(math.sqrt(b / m)) - 2 * math.asin(math.sqrt(a / n))
        return Effect(measure=name, calls=(n, m), change=b / m - a / n, size=size, p=fisher((a, n), (b, m)))


def fisher(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Fisher's exact test of two rates, both sides: the chance of a split that is no likelier than the one seen."""
    (a, n), (b, m) = first, second
    events = a + b
    logs = [_log_choose(n, k) + _log_choose(m, events - k) for k in _splits(events, n, m)]
    seen = _log_choose(n, a) + _log_choose(m, b)
    most = max(logs)
    whole = sum(math.exp(each - most) for each in logs)
    return min(1.0, sum(math.exp(each - most) for each in logs if each <= seen + 1e-9) / whole)


def _splits(events: int, n: int, m: int) -> Sequence[int]:
    return range(max(0, events - m), min(events, n) + 1)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
