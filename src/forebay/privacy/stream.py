"""One text that comes in pieces, and leaves in the same pieces without its values.

A piece leaves when all of it is decided; what has left is never changed. A value that lies over several pieces is
replaced in the first of them, and gone from the others.
"""

from __future__ import annotations

from collections import deque

from forebay.privacy.json_text import JsonText
from forebay.privacy.replace import Replacer
from forebay.privacy.search import Search
from forebay.privacy.span import Span


class Channel:
    """One text. `is_json`: it is itself the text of a JSON value, and must be one afterwards."""

    __slots__ = ("_instead", "_json", "_pieces", "_replacer", "_scan", "_span", "end", "over")

    def __init__(self, found: Search, replacer: Replacer, *, is_json: bool = False) -> None:
        self._scan = found
        self._replacer = replacer
        self._json = JsonText() if is_json else None
        self._pieces: deque[tuple[int, str]] = deque()
        self._span = 0  # the first span that is not behind the pieces that left
        self._instead: str | None = None  # what that span was replaced by, if a part of it has left
        self.end = 0
        self.over = False

    def add(self, text: str) -> None:
        """Another piece. It leaves through `take`, which must be called once for each."""
        self._pieces.append((self.end, text))
        self.end += len(text)
        self._scan.feed(text)

    def finish(self) -> None:
        """No piece follows: all of them may leave."""
        self._scan.finish()
        self.over = True

    @property
    def decided(self) -> int:
        """Up to which character pieces may leave."""
        return self._scan.decided

    def take(self) -> str:
        """The next piece as it leaves; its end must be decided. Raises Blocked."""
        start, text = self._pieces.popleft()
        at, end, spans = start, start + len(text), self._scan.spans
        kept: list[str] = []
        while self._span < len(spans) and (span := spans[self._span]).start < end:
            if span.start >= start:
                kept.append(text[at - start : span.start - start])
                self._pass(kept[-1])
                self._instead = self._replacement(span, start, text)
                kept.append(self._instead or "")
                at = span.start
            covered = text[at - start : span.end - start]
            self._pass(covered)
            if self._instead is None:
                kept.append(covered)
            at = min(span.end, end)
            if span.end > end:
                break
            self._span += 1
        rest = text[at - start :]
        self._pass(rest)
        kept.append(rest)
        return "".join(kept)

    def _pass(self, text: str) -> None:
        if self._json is not None:
            self._json.feed(text)

    def _replacement(self, span: Span, start: int, text: str) -> str | None:
        """A value is known whole before its first piece leaves, but for those that are masked whatever they are."""
        value = text[span.start - start : span.end - start]
        for begin, more in self._pieces:
            if begin >= span.end:
                break
            value += more[: span.end - begin]
        if self._json is None:
            return self._replacer.replacement(span, value)
        instead = self._replacer.replacement(span, self._json.read(value))
        return None if instead is None else self._json.written(instead)
