"""One look at a rate: an open loop of requests, and how many of the answers were good."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import msgspec

from forebay.tune.load import ClientLimits, ClientWasTheBottleneck, NothingMeasured, measure
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Arrivals, Lengths, Slo, Workload
from forebay.tune.report.measured import Measured
from forebay.tune.slo import Probe, Window

_LEAST_REQUESTS = 20
_LONGEST_WINDOW_S = 60.0
_WARM_RATIO = 0.2
_TRIES = 4
_LEAST_ANSWER_S = 60.0
_LIMITS = ClientLimits(lag_p99_ms=25.0)
"""Wider than a benchmark's: a late client makes answers look late; what is found is too low at worst."""
_TOKENS_PER_PROCESS = 12_500.0
"""Tokens a second that take half a core of the generator."""


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, and with what. `until_s`: the end of the search's time, on the monotonic clock."""

    target: Target
    slo: Slo
    input_tokens: Lengths
    output_tokens: Lengths
    window_s: float
    say: Callable[[str], None]
    limits: ClientLimits = _LIMITS
    until_s: float = math.inf


def probe_of(looked: Looked) -> Probe:
    """Windows of that load; each has other gaps between its requests."""

    def probe(rate_rps: float, number: int) -> Window:
        load = load_at(looked, rate_rps, number)
        processes = 1 + int(rate_rps * looked.output_tokens.largest / _TOKENS_PER_PROCESS)
        try:
            seen = _measured(looked, load, processes)
        except NothingMeasured as error:  # that nothing is answered well is an answer here
            looked.say(f"{rate_rps:.3g} requests/s: {error.what}")
            return Window(sent=error.sent, good=0)
        good = round((seen.attained_ratio or 0.0) * seen.sent)
        looked.say(f"{rate_rps:.3g} requests/s: {good} of {seen.sent} good")
        return Window(
            sent=seen.sent,
            good=good,
            ttft_p95_ms=seen.ttft.p95_ms if seen.ttft else 0.0,
            e2e_p95_ms=seen.e2e.p95_ms if seen.e2e else 0.0,
            output_tokens_per_s=seen.output_tokens_per_s,
        )

    return probe


def load_at(looked: Looked, rate_rps: float, number: int) -> Workload:
    """The load of one window. Who stands still holds it no longer than what is left, or a minute."""
    length_s = max(looked.window_s, min(_LONGEST_WINDOW_S, _LEAST_REQUESTS / rate_rps))
    warm_s = _WARM_RATIO * length_s
    load = Workload(
        arrivals=Arrivals(shape="poisson", rate_rps=rate_rps),
        input_tokens=looked.input_tokens,
        output_tokens=looked.output_tokens,
        duration_s=length_s + warm_s,
        warm_up_s=warm_s,
        seed=1 + number,
    )
    return load.within(looked.until_s - time.monotonic(), _LEAST_ANSWER_S)


def _measured(looked: Looked, load: Workload, processes: int) -> Measured:
    """Again where the client was late: another moment may be quieter, and another process has less to do."""
    for more in range(_TRIES - 1):
        try:
            return measure(looked.target, load, processes=processes + more, slo=looked.slo, limits=looked.limits)
        except ClientWasTheBottleneck as error:
            looked.say(error.what)
    return measure(looked.target, load, processes=processes + _TRIES - 1, slo=looked.slo, limits=looked.limits)
