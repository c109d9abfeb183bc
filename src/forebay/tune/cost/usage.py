"""What calls used, read from the service's own access log: engine time, tokens, and whether the answer was good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.observe.access_lines import Call, calls
from forebay.tune.load.workload import Slo

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
Owner = tuple[str, str]
"""A tenant and a model."""


class Used(msgspec.Struct, kw_only=True):
    """Calls of one tenant and model, and the microseconds that they held an engine, by what became of them.

    `late`: answered, outside the objective. `abandoned`: the client left. `refused`: no engine saw it.
    """

    calls: int = 0
    good: int = 0
    late: int = 0
    failed: int = 0
    abandoned: int = 0
    refused: int = 0
    reused: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    good_us: int = 0
    late_us: int = 0
    failed_us: int = 0
    abandoned_us: int = 0

    @property
    def held_us(self) -> int:
        """All engine time, whatever came of it."""
        return self.good_us + self.late_us + self.failed_us + self.abandoned_us


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """All calls between two moments, in microseconds since the epoch: whole numbers, so that money adds up.

    `busy_us`: by engine, the time in which it had at least one call.
    """

    from_us: int
    to_us: int
    owners: dict[Owner, Used]
    busy_us: dict[str, int]

    @property
    def length_us(self) -> int:
        """How long that is."""
        return self.to_us - self.from_us


def lines(files: Iterable[Path]) -> Iterator[Call]:
    """The calls of access logs that were for a model."""
    for file in files:
        with file.open("rb") as content:
            yield from (call for call in calls(content) if call.model)


def log_files(folder: Path) -> list[Path]:
    """The workers' logs, rotated ones too."""
    return sorted(folder.glob("worker-*.log*"))


def used(seen: Iterable[Call], slo: Slo, from_s: float | None = None, to_s: float | None = None) -> Usage:
    """Add up calls that ended after one moment and until another; without them, all that the log holds."""
    owners: dict[Owner, Used] = {}
    held: dict[str, list[tuple[int, int]]] = {}
    least, most = (None if each is None else round(each * 1_000_000) for each in (from_s, to_s))
    starts, ends = [], []
    for call in seen:
        end = _moment_us(call.timestamp)
        if (least is not None and end <= least) or (most is not None and end > most):
            continue
        start = end - round(call.latency_ms * 1000)
        entered = start + round(call.queue_ms * 1000)
        starts.append(start)
        ends.append(end)
        if call.engine:
            held.setdefault(call.engine, []).append((entered, end))
        _add(owners.setdefault((call.tenant or "-", call.model), Used()), call, end - entered, slo)
    if not owners:
        raise UsageError(
            _("the log holds no call of that time"),
            fix=_("Name access logs of the gateway, or another time"),
            code="nothing_used",
        )
    begin, last = (min(starts) if least is None else least), (max(ends) if most is None else most)
    return Usage(
        from_us=begin,
        to_us=max(last, begin + 1),
        owners=owners,
        busy_us={name: _union_us(spans, begin) for name, spans in sorted(held.items())},
    )


def _add(to: Used, call: Call, held_us: int, slo: Slo) -> None:
    held_us = max(0, held_us) if call.engine else 0
    to.calls += 1
    to.input_tokens += call.tokens.get("input", 0)
    to.output_tokens += call.tokens.get("output", 0)
    if call.cancelled:
        to.abandoned += 1
        to.abandoned_us += held_us
    elif call.status >= 500:
        to.failed += 1
        to.failed_us += held_us
    elif call.status >= 400:
        to.refused += 1
        to.failed_us += held_us
    elif _keeps(call, slo):
        to.good += 1
        to.good_us += held_us
    else:
        to.late += 1
        to.late_us += held_us
    to.reused += not call.engine and call.status < 400


def _keeps(call: Call, slo: Slo) -> bool:
    if slo.ttft_ms is not None and (call.ttft_ms or call.latency_ms) > slo.ttft_ms:
        return False
    if slo.e2e_ms is not None and call.latency_ms > slo.e2e_ms:
        return False
    answer = call.tokens.get("output", 0)
    if slo.tpot_ms is not None and answer > 1 and call.ttft_ms:
        return (call.latency_ms - call.ttft_ms) / (answer - 1) <= slo.tpot_ms
    return True


def _union_us(spans: list[tuple[int, int]], begin: int) -> int:
    """Time that is covered by at least one span, after `begin`."""
    spans.sort()
    covered, until = 0, begin
    for start, end in spans:
        if end > until:
            covered += end - max(start, until)
            until = end
    return covered


def _moment_us(timestamp: str) -> int:
    return (datetime.fromisoformat(timestamp) - _EPOCH) // _MICROSECOND
