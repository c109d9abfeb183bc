"""The highest load that keeps an SLO: bisection over rates, each of them decided by intervals and not by one look.

A rate is measured window after window until the share of good answers is surely above what is asked, or surely below.
What stays unsure is not counted as kept. The rate that comes out is measured once more, by windows that did not choose
it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist, fmean, variance
from typing import Literal

import msgspec

from forebay.tune.load.errors import ClientWasTheBottleneck, Unreachable
from forebay.tune.stats import student_quantile

Verdict = Literal["kept", "broken", "unsure", "unseen"]
"""`unseen`: the generator could not ask so much, and of the service nothing is known."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What one window at a rate has shown: `good` of `sent` kept all bounds; failed and rejected ones never do."""

    sent: int
    good: int
    ttft_p95_ms: float = 0.0
    e2e_p95_ms: float = 0.0
    output_tokens_per_s: float = 0.0

    @property
    def share(self) -> float:
        return self.good / self.sent if self.sent else 0.0


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate, its windows, and what they say: the share of good answers with the interval around it."""

    rate_rps: float
    verdict: Verdict
    share: float
    low: float
    high: float
    windows: tuple[Window, ...]
    again: bool = False


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`share` of the answers must be good. `resolution`: the ratio between rates at which the search ends."""

    share: float = 0.95
    confidence: float = 0.95
    resolution: float = 1.1
    least_windows: int = 2
    most_windows: int = 6
    least_rps: float = 0.05
    most_rps: float = 10_000.0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """`highest_rps` is None where no load keeps the SLO; `broken_rps` is the lowest that breaks it, or may.

    `ended`: why the search could not go on; empty where it has ended by itself, or with its time.
    """

    highest_rps: float | None
    broken_rps: float | None
    confirmed: bool
    why: str
    rates: tuple[Rate, ...]
    ended: str = ""


Probe = Callable[[float, int], Window]


def highest(probe: Probe, begin_rps: float, limits: Limits, enough: Callable[[], bool] = lambda: False) -> Found:
    """Search from `begin_rps`; `probe(rate, number)` measures one window, `enough()` says that the time has ended.

    Rates that `probe` finds the generator too weak for bound the search from above. Where the service is gone it ends
    with what was measured. Either is raised where nothing was.
    """
    search = _Search(probe, limits, enough)
    enough = search.enough
    kept, broken = search.bracket(begin_rps)
    while kept is not None and broken is not None and broken / kept > limits.resolution and not enough():
        middle = math.sqrt(kept * broken)
        kept, broken = (middle, broken) if search.keeps(middle) else (kept, middle)
    if search.error is not None and not any(each.windows for each in search.rates):
        raise search.error
    confirmed = False
    while kept is not None and not enough():
        confirmed = search.keeps(kept, again=True)
        if confirmed:
            break
        broken, lower = kept, kept / limits.resolution
        kept = lower if lower >= limits.least_rps else None
    return Found(
        highest_rps=kept,
        broken_rps=broken,
        confirmed=confirmed,
        why=_why(kept, broken, confirmed, search, limits),
        rates=tuple(search.rates),
        ended=search.ended,
    )


def judged(windows: Sequence[Window], limits: Limits) -> tuple[Verdict, float, float, float]:
    """What windows say: verdict, share, and the wider of two intervals.

    Wilson's counts each answer as news of its own; Student's over windows knows that slow moments come in rows.
    """
    sent = sum(window.sent for window in windows)
    good = sum(window.good for window in windows)
    if not sent:
        return "unsure", 0.0, 0.0, 1.0
    share = good / sent
    low, high = _wilson(good, sent, limits.confidence)
    shares = [window.share for window in windows if window.sent]
    if len(shares) > 1:
        half = student_quantile(limits.confidence, len(shares) - 1) * math.sqrt(variance(shares) / len(shares))
        low, high = min(low, fmean(shares) - half), max(high, fmean(shares) + half)
    verdict: Verdict = "kept" if low >= limits.share else "broken" if high < limits.share else "unsure"
    return verdict, share, max(0.0, low), min(1.0, high)


class _Search:
    def __init__(self, probe: Probe, limits: Limits, enough: Callable[[], bool]) -> None:
        self._probe, self._limits, self._time_ended = probe, limits, enough
        self.rates: list[Rate] = []
        self.error: ClientWasTheBottleneck | Unreachable | None = None
        self.ended = ""

    def enough(self) -> bool:
        """Whether another look cannot be had, or not in time."""
        return bool(self.ended) or self._time_ended()

    def bracket(self, begin_rps: float) -> tuple[float | None, float | None]:
        """A rate that keeps the SLO and one that does not, by doubling or halving."""
        rate = min(max(begin_rps, self._limits.least_rps), self._limits.most_rps)
        if self.keeps(rate):
            kept = rate
            while kept < self._limits.most_rps and not self.enough():
                rate = min(kept * 2, self._limits.most_rps)
                if not self.keeps(rate):
                    return kept, rate
                kept = rate
            return kept, None
        while rate > self._limits.least_rps and not self.enough():
            lower = max(rate / 2, self._limits.least_rps)
            if self.keeps(lower):
                return lower, rate
            rate = lower
        return None, rate

    def keeps(self, rate_rps: float, *, again: bool = False) -> bool:
        """Measure windows until they are sure, or there are too many of them."""
        windows: list[Window] = []
        verdict, share, low, high = judged(windows, self._limits)
        while len(windows) < self._limits.most_windows:
            window = self._look(rate_rps, len(windows))
            if window is None:
                verdict = "unseen"
                break
            windows.append(window)
            verdict, share, low, high = judged(windows, self._limits)
            # A queue that grows: another look costs time alone. Where nobody asked nothing is known.
            hopeless = windows[-1].sent > 0 and windows[-1].share < self._limits.share / 2
            if hopeless or (len(windows) >= self._limits.least_windows and verdict != "unsure") or self.enough():
                verdict = "broken" if hopeless else verdict
                break
        self.rates.append(
            Rate(
                rate_rps=rate_rps, verdict=verdict, share=share, low=low, high=high, windows=tuple(windows), again=again
            )
        )
        return verdict == "kept"

    def _look(self, rate_rps: float, number: int) -> Window | None:
        try:
            return self._probe(rate_rps, number)
        except ClientWasTheBottleneck as error:
            self.error = error
        except Unreachable as error:
            self.error, self.ended = error, error.what
        return None


def _wilson(good: int, sent: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval, one-sided on either side."""
    z = NormalDist().inv_cdf(confidence)
    share = good / sent
    middle = (share + z * z / (2 * sent)) / (1 + z * z / sent)
    half = z / (1 + z * z / sent) * math.sqrt(share * (1 - share) / sent + z * z / (4 * sent * sent))
    return middle - half, middle + half


def _why(kept: float | None, broken: float | None, confirmed: bool, search: _Search, limits: Limits) -> str:
    if kept is None:
        least = min((each for each in search.rates if each.windows), key=lambda each: each.rate_rps)
        last = least.windows[-1]
        surely = "keeps the SLO" if least.verdict == "broken" else "was surely seen to keep the SLO"
        ended = f" before the search ended ({search.ended})" if search.ended else ""
        if not ended and least.verdict == "unsure":
            ended = " in so few answers"
        return (
            f"no load {surely}{ended}: at {least.rate_rps:.2g} requests/s {least.share:.0%} of the answers are good, "
            f"{limits.share:.0%} are asked (TTFT P95 {last.ttft_p95_ms:.0f} ms, E2E P95 {last.e2e_p95_ms:.0f} ms)"
        )
    if search.ended:
        return f"the search ended ({search.ended}): about {kept:.3g} requests/s, not confirmed"
    if broken is None:
        return f"{kept:.3g} requests/s keep it, and no rate was found that does not"
    if not confirmed:
        return f"the time ended: about {kept:.3g} requests/s, not confirmed"
    if any(each.rate_rps == broken and each.verdict == "unseen" for each in search.rates):
        return f"{kept:.3g} requests/s keep it; at {broken:.3g} the generator was the limit, the service may bear more"
    return f"{kept:.3g} requests/s keep it, {broken:.3g} do not, or not surely"
