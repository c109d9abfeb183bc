"""A whole text without its values: what a stream of it would say, at once."""

from __future__ import annotations

from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.replace import Replacer
from forebay.privacy.stream import Channel


def redact(
    text: str, detector: Detector, replacer: Replacer, *, is_json: bool = False, budget: Budget | None = None
) -> str:
    """`text` with its values replaced: the very same text where there are none. Raises Blocked.

    `is_json`: it is the text of a JSON value, and still is one afterwards. `budget`: that of several texts together.
    """
    if not text or not detector.passes(text):
        return text
    channel = Channel(detector, replacer, is_json=is_json, budget=budget)
    channel.add(text)
    channel.finish()
    return channel.take()
