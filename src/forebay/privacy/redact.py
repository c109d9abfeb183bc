"""A whole text without its values: what a stream of it would say, at once."""

from __future__ import annotations

from collections.abc import Generator

from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.replace import Replacer
from forebay.privacy.search import Search, search
from forebay.privacy.span import Span
from forebay.privacy.stream import Channel

PIECE_CHARACTERS = 1_024
"""What is searched at once where others wait: the worst that such a piece takes is a few milliseconds."""


def redact(
    text: str, detector: Detector, replacer: Replacer, *, is_json: bool = False, budget: Budget | None = None
) -> str:
    """`text` with its values replaced: the very same text where there are none. Raises Blocked.

    `is_json`: it is the text of a JSON value, and still is one afterwards. `budget`: that of several texts together.
    """
    if not text or not detector.passes(text):
        return text
    return _replaced(text, search(detector, budget), replacer, is_json=is_json)


def redaction(
    text: str,
    detector: Detector,
    replacer: Replacer,
    *,
    is_json: bool = False,
    budget: Budget | None = None,
    piece: int = PIECE_CHARACTERS,
) -> Generator[None, None, str]:
    """`redact`, and after each piece of a long text a moment for others. The law of streams: it finds the same."""
    if len(text) <= piece:
        return redact(text, detector, replacer, is_json=is_json, budget=budget)
    channel = Channel(search(detector, budget), replacer, is_json=is_json)
    starts, told = range(0, len(text), piece), list[str]()
    for start in starts:
        channel.add(text[start : start + piece])
        while (len(told) + 1) * piece <= channel.decided:
            told.append(channel.take())
        yield
    channel.finish()
    told += [channel.take() for _ in starts[len(told) :]]
    left = "".join(told)
    return text if left == text else left


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
