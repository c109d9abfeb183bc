"""Somebody without a good key tries keys, or looks for doors."""

from __future__ import annotations

from forebay.observe.anomaly.seen import Minute
from forebay.observe.anomaly.usual import Usual
from forebay.observe.anomaly.watcher import detector

_FEWEST = 30


@detector("probing", needs_habits=False)
def probing(minute: Minute, _usual: Usual) -> str | None:
    """Many refusals from one network without a key, or many calls for what is not there."""
    if minute.missed >= _FEWEST:
        return f"{minute.missed} calls for what is not there within a minute"
    if not minute.key_id and minute.refused >= _FEWEST:
        return f"{minute.refused} calls without a good key within a minute"
    return None
