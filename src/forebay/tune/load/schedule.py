"""What is sent and when: the same for a seed, however many processes share it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import msgspec

from forebay.tune.load.arrivals import starts
from forebay.tune.load.lengths import draw
from forebay.tune.load.trace import Trace
from forebay.tune.load.trace import read as read_trace
from forebay.tune.load.workload import Workload

_FAVOURITES = 64
_FAVOURITES_FROM = 1 << 36


class Planned(msgspec.Struct, frozen=True, gc=False):
    """A session of one or more turns: when its first is due, and the lengths of each turn's new text and answer."""

    number: int
    at_s: float
    turns: tuple[tuple[int, int], ...]
    blocks: tuple[int, ...] = ()
    text: int = -1
    """The number whose text it says; its own where it repeats nobody."""


def planned(workload: Workload, share: int = 0, shares: int = 1) -> Iterator[Planned]:
    """Every `shares`-th session of an open loop, beginning with the `share`-th."""
    if workload.arrivals.shape == "trace":
        everything = _of_trace(workload, read_trace(Path(workload.arrivals.trace), workload.arrivals.trace_format))
    else:
        # Lengths have a generator of their own, so that another shape of arrivals sends the same requests.
        lengths = Random(f"lengths {workload.seed}")
        times = starts(workload, Random(f"arrivals {workload.seed}"))
        everything = (_session(workload, n, at_s, lengths) for n, at_s in enumerate(times))
    return islice(everything, share, None, shares)


def endless(workload: Workload, share: int = 0, shares: int = 1) -> Iterator[Planned]:
    """The sessions of a closed loop, in the order in which its slots take them."""
    lengths = Random(f"lengths {workload.seed}")
    everything = (_session(workload, number, 0.0, lengths) for number in range(workload.requests or 10**12))
    return islice(everything, share, None, shares)


def _session(workload: Workload, number: int, at_s: float, lengths: Random) -> Planned:
    """What repeats has the lengths of what it repeats; the lengths of all others stay what they are without it."""
    turns = _turns(workload, lengths)
    text = _text(workload, number)
    if text != number:
        turns = _turns(workload, Random(f"lengths {workload.seed} of {text}"))
    return Planned(number, at_s, turns, text=text)


def _text(workload: Workload, number: int) -> int:
    """A favourite's, or its own: of two favourites the first is asked more often, as people do."""
    if not workload.repeat_share:
        return number
    chance = Random(f"repeats {workload.seed} {number}")
    if chance.random() >= workload.repeat_share:
        return number
    return _FAVOURITES_FROM + int(_FAVOURITES * chance.random() ** 2)


def _turns(workload: Workload, chance: Random) -> tuple[tuple[int, int], ...]:
    return tuple(
        (draw(workload.input_tokens, chance), draw(workload.output_tokens, chance)) for _ in range(workload.turns)
    )


def _of_trace(workload: Workload, trace: Trace) -> Iterator[Planned]:
    for number, each in enumerate(trace.requests):
        at_s = each.at_s / workload.arrivals.speed
        if at_s >= workload.longest_s or number == workload.requests:
            return
        yield Planned(number, at_s, ((each.input_tokens, each.output_tokens),), each.blocks, number)
