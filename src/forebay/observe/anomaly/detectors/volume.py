"""Far more text taken out than usual: what copying a model's knowledge, or others' data, looks like."""

from __future__ import annotations

from forebay.observe.anomaly.seen import Minute
from forebay.observe.anomaly.usual import Usual
from forebay.observe.anomaly.watcher import detector

_FEWEST_TOKENS, _TIMES, _DEVIATIONS = 20_000, 10, 6.0


@detector("volume")
def volume(minute: Minute, usual: Usual) -> str | None:
    """Output tokens of a minute, against the usual."""
    known, taken = usual.output_tokens, minute.output_tokens
    if taken < _FEWEST_TOKENS or taken < _TIMES * known.mean or known.deviations(taken) < _DEVIATIONS:
        return None
    return f"{taken} output tokens within a minute, {known.mean:.0f} are usual"
