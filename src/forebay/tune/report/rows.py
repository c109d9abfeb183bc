"""The requests of a run as one table, and what is worked out for each."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from forebay.tune.load.frames import Played
from forebay.tune.load.workload import Slo
from forebay.tune.report.measured import Columns, finite


class Row(msgspec.Struct, frozen=True, gc=False):
    """One request. Moments are seconds from the start of the run; NaN where something never happened.

    `start_s` is the intended start, or the sending where that was earlier: clocks of event loops round either way.
    """

    intended_s: float
    sent_s: float
    first_s: float
    last_s: float
    ended_s: float
    planned_input: int
    planned_output: int
    input_tokens: int
    told: int
    tokens: int
    disputed: bool
    events: int
    reason: str
    rejected: bool

    @property
    def start_s(self) -> float:
        return min(self.intended_s, self.sent_s)

    @property
    def good(self) -> bool:
        return not self.reason

    @property
    def ttft_ms(self) -> float:
        return (self.first_s - self.start_s) * 1000

    @property
    def tpot_ms(self) -> float:
        """(last - first) / (n - 1); NaN for an answer of one token."""
        return (self.last_s - self.first_s) * 1000 / (self.tokens - 1) if self.tokens > 1 else math.nan

    @property
    def e2e_ms(self) -> float:
        return (self.ended_s - self.sent_s) * 1000

    @property
    def scheduled_e2e_ms(self) -> float:
        return (self.ended_s - self.start_s) * 1000

    def keeps(self, slo: Slo) -> bool:
        """Whether it was answered well and within every bound; what cannot be seen is not kept."""
        bounds = ((slo.ttft_ms, self.ttft_ms), (slo.e2e_ms, self.scheduled_e2e_ms))
        fine = all(bound is None or value <= bound for bound, value in bounds)
        one_token = self.tokens <= 1
        return self.good and fine and (slo.tpot_ms is None or one_token or self.tpot_ms <= slo.tpot_ms)


def rows(shares: Iterable[Played]) -> list[Row]:
    """The shares of all processes together, in the order of intended starts."""
    found = [
        Row(*cells)
        for share in shares
        for cells in zip(
            share.intended_s,
            share.sent_s,
            share.first_s,
            share.last_s,
            share.ended_s,
            share.planned_input,
            share.planned_output,
            share.input_tokens,
            share.told,
            share.tokens,
            share.disputed,
            share.events,
            share.reason,
            share.rejected,
            strict=True,
        )
    ]
    return sorted(found, key=lambda row: row.intended_s)


def columns(found: list[Row]) -> Columns:
    """The table by column, as it is kept."""
    return Columns(
        start_s=tuple(round(row.start_s, 6) for row in found),
        ttft_ms=tuple(_kept(row, row.ttft_ms) for row in found),
        tpot_ms=tuple(_kept(row, row.tpot_ms) for row in found),
        e2e_ms=tuple(_kept(row, row.e2e_ms) for row in found),
        scheduled_e2e_ms=tuple(_kept(row, row.scheduled_e2e_ms) for row in found),
        input_tokens=tuple(row.input_tokens for row in found),
        output_tokens=tuple(row.tokens for row in found),
        status=tuple(row.reason for row in found),
    )


def _kept(row: Row, value_ms: float) -> float | None:
    return finite(round(value_ms, 3)) if row.good else None
