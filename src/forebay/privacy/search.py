"""Everything that is looked for in one text: the recognisers' values and the operator's words, in one row."""

from __future__ import annotations

from typing import Protocol

import msgspec

from forebay.privacy.budget import UNBOUNDED, Budget
from forebay.privacy.detector import Detector
from forebay.privacy.scan import Scan
from forebay.privacy.span import GOES_ON, Span
from forebay.privacy.words import WordScan


class Search(Protocol):
    """A text that comes in pieces. Up to `decided` all that is found is in `spans`, in order, none overlapping."""

    decided: int
    spans: list[Span]

    def feed(self, text: str) -> None: ...
    def finish(self) -> None: ...


def search(detector: Detector, budget: Budget | None = None) -> Search:
    """A search of one text; what is beyond `budget`, by default the text's own, counts as found."""
    scan = Scan(detector, budget or Budget(detector.candidates))
    return scan if detector.words is None else _Both(scan, WordScan(detector.words))


def spans_of(text: str, detector: Detector, budget: Budget | None = None) -> list[Span]:
    """What is in a whole text, without a bound or within `budget`."""
    if not detector.passes(text):
        return []
    searched = search(detector, budget or Budget(UNBOUNDED))
    searched.feed(text)
    searched.finish()
    return searched.spans


class _Both:
    """Of two that overlap the one that begins first stays whole, at the same place the longer."""

    __slots__ = ("_open", "_places", "_scans", "decided", "spans")

    def __init__(self, *scans: Search) -> None:
        self._scans = scans
        self._places = [0] * len(scans)  # how many of each one's spans were taken
        self._open: tuple[int, int] | None = None  # whose span, and which, it is whose end has not come
        self.decided = 0
        self.spans: list[Span] = []

    def feed(self, text: str) -> None:
        for scan in self._scans:
            scan.feed(text)
        self._merge()

    def finish(self) -> None:
        for scan in self._scans:
            scan.finish()
        self._merge()

    def _merge(self) -> None:
        self.decided = min(scan.decided for scan in self._scans)
        while self._closed() and (found := self._next()) is not None:
            number, span = found
            last = self.spans[-1].end if self.spans else 0
            if span.end == GOES_ON:
                self._open = number, self._places[number]
            self._places[number] += 1
            if span.end > last:
                self.spans.append(msgspec.structs.replace(span, start=max(span.start, last)))

    def _closed(self) -> bool:
        """Whether the last span that was taken has an end by now."""
        if self._open is None:
            return True
        number, place = self._open
        end = self._scans[number].spans[place].end
        if end == GOES_ON:
            return False
        self.spans[-1] = msgspec.structs.replace(self.spans[-1], end=end)
        self._open = None
        return True

    def _next(self) -> tuple[int, Span] | None:
        """The first span that was not taken and begins in what is decided."""
        heads = [
            (number, scan.spans[place])
            for number, (scan, place) in enumerate(zip(self._scans, self._places, strict=True))
            if place < len(scan.spans) and scan.spans[place].start < self.decided
        ]
        return min(heads, key=lambda each: (each[1].start, -each[1].end), default=None)
