"""Calls from a network that this caller never used; from several at once above all."""

from __future__ import annotations

from forebay.observe.anomaly.seen import Minute
from forebay.observe.anomaly.usual import Usual
from forebay.observe.anomaly.watcher import detector

_MOST_USUAL = 8
"""Who comes from more networks than that moves about by habit."""


@detector("networks")
def networks(minute: Minute, usual: Usual) -> str | None:
    """A key that turns up elsewhere may have been taken along. Without a key, the network is the caller itself."""
    if not minute.key_id or len(usual.networks) > _MOST_USUAL:
        return None
    fresh = sorted(minute.networks - usual.networks.keys())
    if not fresh:
        return None
    return f"calls from {', '.join(fresh[:8])}, usual are: {', '.join(sorted(usual.networks))}"
