"""A whole text without its values: what a stream of it would say, at once."""

from __future__ import annotations

from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.replace import Replacer
from forebay.privacy.search import Search, search
from forebay.privacy.span import Span
from forebay.privacy.stream import Channel


def redact(
    text: str, detector: Detector, replacer: Replacer, *, is_json: bool = False, budget: Budget | None = None
) -> str:
    """`text` with its values replaced: the very same text where there are none. Raises Blocked.

    `is_json`: it is the text of a JSON value, and still is one afterwards. `budget`: that of several texts together.
    """
    if not text or not detector.passes(text):
        return text
    return _replaced(text, search(detector, budget), replacer, is_json=is_json)


def redact_found(text: str, spans: list[Span], replacer: Replacer, *, is_json: bool = False) -> str:
    """`redact`, where somebody else has found the values: in order, none overlapping."""
    return _replaced(text, _Given(spans), replacer, is_json=is_json)


def _replaced(text: str, found: Search, replacer: Replacer, *, is_json: bool) -> str:
    channel = Channel(found, replacer, is_json=is_json)
    channel.add(text)
    channel.finish()
    return channel.take()


class _Given:
    """A search that is over."""

    def __init__(self, spans: list[Span]) -> None:
        self.decided = 0
        self.spans = spans

    def feed(self, text: str) -> None:
        self.decided += len(text)

    def finish(self) -> None:
        """Nothing was held."""
