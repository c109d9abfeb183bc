"""Calls from a place at which this caller never was, by the operator's map."""

from __future__ import annotations

from forebay.observe.anomaly.seen import Minute
from forebay.observe.anomaly.usual import Usual
from forebay.observe.anomaly.watcher import detector

_MOST_USUAL = 8
"""Who comes from more places than that travels by habit."""


@detector("geography")
def geography(minute: Minute, usual: Usual) -> str | None:
    """A key used in another country may have been taken along; in two within a minute nobody is."""
    if not minute.key_id or len(usual.places) > _MOST_USUAL:
        return None
    fresh = sorted(minute.places - usual.places.keys())
    if not fresh:
        return None
    known = ", ".join(sorted(usual.places)) or "none known"
    return f"calls from {', '.join(fresh[:8])}, usual are: {known}"
