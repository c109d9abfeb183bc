"""Most of a key's calls are refused: a broken client, or one that looks for what it may do."""

from __future__ import annotations

from forebay.observe.anomaly.seen import Minute
from forebay.observe.anomaly.usual import Usual
from forebay.observe.anomaly.watcher import detector

_FEWEST, _RATIO, _USUAL_RATIO = 20, 0.5, 0.2


@detector("refusals", needs_habits=False)
def refusals(minute: Minute, usual: Usual) -> str | None:
    """Refused for what they are; calls beyond a limit do not count."""
    ratio = minute.refused / max(minute.calls, 1)
    if not minute.key_id or minute.refused < _FEWEST or ratio < _RATIO or usual.refused_ratio > _USUAL_RATIO:
        return None
    return f"{minute.refused} of {minute.calls} calls refused, {usual.refused_ratio:.0%} are usual"
