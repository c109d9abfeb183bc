"""When requests come: seconds from the start of the run, endless unless the shape itself ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from forebay.tune.load.workload import Arrivals, Workload


def starts(workload: Workload, chance: Random) -> Iterator[float]:
    """The intended starts of an open loop that follows a rate, until the workload ends."""
    come = workload.arrivals
    if come.shape == "constant":
        times = _constant(come.rate_rps)
    elif come.shape in {"poisson", "gamma"}:
        times = _gamma(come.rate_rps, 1.0 if come.shape == "poisson" else come.burstiness, chance)
    else:
        times = _varying(_pieces(come, workload), chance)
    for number, at_s in enumerate(times):
        if at_s >= workload.longest_s or number == workload.requests:
            return
        yield at_s


def _constant(rate_rps: float) -> Iterator[float]:
    number = 0
    while True:
        yield number / rate_rps
        number += 1


def _gamma(rate_rps: float, burstiness: float, chance: Random) -> Iterator[float]:
    at_s = 0.0
    while True:
        at_s += chance.gammavariate(burstiness, 1 / (rate_rps * burstiness))
        yield at_s


def _pieces(come: Arrivals, workload: Workload) -> list[tuple[float, float, float]]:
    """Each stretch as its length in seconds, and the rates that it begins and ends with."""
    if come.shape == "ramp":
        return [(workload.duration_s or 0.0, come.rate_rps, come.to_rate_rps or 0.0)]
    return [(step.duration_s, step.rate_rps, step.rate_rps) for step in come.steps]


def _varying(pieces: list[tuple[float, float, float]], chance: Random) -> Iterator[float]:
    """A Poisson process whose rate changes: unit-rate arrivals, mapped through the inverse of the expected count."""
    wanted, before_s, before = 0.0, 0.0, 0.0
    remaining = iter(pieces)
    piece = next(remaining, None)
    while piece is not None:
        wanted += chance.expovariate(1.0)
        while piece is not None and wanted - before > piece[0] * (piece[1] + piece[2]) / 2:
            before += piece[0] * (piece[1] + piece[2]) / 2
            before_s += piece[0]
            piece = next(remaining, None)
        if piece is not None:
            yield before_s + _inverse(wanted - before, piece)


def _inverse(count: float, piece: tuple[float, float, float]) -> float:
    """When `count` arrivals are expected since the piece began."""
    length_s, first, last = piece
    slope = (last - first) / length_s
    if abs(slope) * length_s < 1e-9 * (first + last):
        return count / first
    return (math.sqrt(max(0.0, first * first + 2 * slope * count)) - first) / slope
