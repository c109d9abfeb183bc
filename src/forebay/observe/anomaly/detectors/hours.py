"""Active at an hour of the day at which this caller never was."""

from __future__ import annotations

from forebay.observe.anomaly.seen import Minute
from forebay.observe.anomaly.usual import Usual
from forebay.observe.anomaly.watcher import detector

_DAYS_S = 7 * 86_400.0
_FEWEST = 5
_BUSY_HOURS = 16


@detector("hours")
def hours(minute: Minute, usual: Usual) -> str | None:
    """After a week of knowing the caller; who is active all day has no unusual hour."""
    if usual.last_s - usual.first_s < _DAYS_S or minute.calls < _FEWEST or len(usual.hours) >= _BUSY_HOURS:
        return None
    if minute.hour in usual.hours:
        return None
    known = ", ".join(f"{hour:02d}" for hour in sorted(usual.hours))
    return f"active at {minute.hour:02d} h UTC, usual are: {known}"
