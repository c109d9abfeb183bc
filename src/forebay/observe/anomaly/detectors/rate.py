"""Far more calls a minute than usual."""

from __future__ import annotations

from forebay.observe.anomaly.seen import Minute
from forebay.observe.anomaly.usual import Usual
from forebay.observe.anomaly.watcher import detector

_FEWEST, _TIMES, _DEVIATIONS = 30, 5, 6.0


@detector("rate")
def rate(minute: Minute, usual: Usual) -> str | None:
    """Both a multiple of the usual and beyond its noise: a caller of two calls a minute may well make six."""
    known = usual.calls
    if minute.calls < _FEWEST or minute.calls < _TIMES * known.mean or known.deviations(minute.calls) < _DEVIATIONS:
        return None
    return f"{minute.calls} calls within a minute, {known.mean:.1f} are usual"
