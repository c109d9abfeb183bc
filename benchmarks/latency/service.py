"""What a call takes of the processor by itself, call by call: the part of the tail that is the gateway's own."""

from __future__ import annotations

import gc
import math
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.instructions.replay import carrier

_CALLS, _WARM_CALLS = 20_000, 2_000
_COLLECTED_AT = (10_000, 20, 20)  # as a worker sets it


class Service(msgspec.Struct, frozen=True):
    """Microseconds of CPU from a call's bytes to its answer's, and how often the garbage collector ran."""

    mean_us: float
    p99_us: float
    p999_us: float
    collections: int


def service() -> Service:
    """Carry calls with limits between transports that go nowhere; this thread's CPU time of each."""
    with tempfile.TemporaryDirectory(prefix="forebay-service-") as folder:
        carry = carrier("limited", Path(folder))
        for _ in range(_WARM_CALLS):
            carry()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECTED_AT)
        before = _collections()
        clock, taken_ns = time.thread_time_ns, []
        for _ in range(_CALLS):
            began = clock()
            carry()
            taken_ns.append(clock() - began)
        gc.unfreeze()
    taken_ns.sort()
    at = [taken_ns[int(share * _CALLS)] / 1000 for share in (0.99, 0.999)]
    return Service(sum(taken_ns) / _CALLS / 1000, *at, _collections() - before)


def waiting_p99(busy: float) -> float:
    """P99 of the wait before one server that is `busy`, in service times, where all take the same (M/D/1).

    The tail falls by e^-x a service time, where x = busy (e^x - 1), and its factor is (1 - busy) / (busy e^x - 1).
    """
    low, high = 1e-6, 50.0
    while high - low > 1e-9:
        x = (low + high) / 2
        low, high = (low, x) if busy * math.expm1(x) > x else (x, high)
    factor = (1 - busy) / (busy * math.exp(low) - 1)
    return math.log(factor / 0.01) / low


def _collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())
