"""Finding values in one stretch of text: a gate that most text does not pass, then candidates, then a judgement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec
import re2

from forebay.privacy import numbers
from forebay.privacy.alphabet import foldable
from forebay.privacy.chains import Chains
from forebay.privacy.fold import Folded, Folder
from forebay.privacy.recogniser import BEFORE_CHARACTERS, POSSIBLE, Found, Recogniser

# The gate's automaton is built as text comes. Beyond this it would give up, and then say so: see `_hits`.
_GATE_BYTES = 64 * 1024 * 1024


class Span(msgspec.Struct, frozen=True, gc=False):
    """A value, in characters of the text as it was written. `rest` is how it may go on behind `end`."""

    type: str
    start: int
    end: int
    score: float
    rest: Rest | None = None


class Rest(msgspec.Struct, frozen=True, gc=False):
    """How a value without a longest length goes on: as long as `extends` matches, or until `until` does."""

    extends: re.Pattern[str] | None = None
    until: re.Pattern[str] | None = None


class DetectorFailed(Exception):
    """Whether something was there is not known; whoever asked must take it that it was."""


class _Candidate(msgspec.Struct, frozen=True, gc=False):
    type: str
    recogniser: Recogniser
    begin: int
    end: int
    found: Found


class Detector:
    """A set of recognisers made ready. `least` is the score from which on something counts as found."""

    def __init__(self, recognisers: Mapping[str, Recogniser], least: float = POSSIBLE) -> None:
        self.least = least
        more = "".join(sorted({character for each in recognisers.values() for character in each.more}))
        self.chains = Chains(more, [phrase for each in recognisers.values() for phrase in each.phrases])
        self._folder = Folder(more)
        self._patterns = [
            (name, each, re2.compile(each.pattern.encode(), _options()))
            for name, each in recognisers.items()
            if each.pattern
        ]
        self._numbers = [(name, each) for name, each in recognisers.items() if each.lengths]
        self._lengths = frozenset[int]().union(*(each.lengths for _, each in self._numbers))
        self._rests = {name: rest for name, each in recognisers.items() if (rest := _rest(each)) is not None}
        self.begins_anywhere = any(each.anywhere for each in recognisers.values())
        self.endless = frozenset(self._rests)
        self._gate = re2.Set.SearchSet(_options())
        for _, each, _ in self._patterns:
            self._gate.Add(each.gate or each.pattern)
        self._gate.Add(numbers.GATE if self._numbers else "[^\\x00-\\xff]")
        self._gate.Add("")  # matches everywhere: the gate's word that it has looked
        self._gate.Compile()

    def passes(self, text: str) -> bool:
        """Whether `text` may hold anything at all; False is certain, and cheap."""
        return len(self._hits(self._folder.fold(text))) > 1

    def find(self, before: str, text: str) -> list[Span]:
        """Values in `text`, none overlapping, in order; `before` is what stood before it, at most so much as counts."""
        whole = before + text
        folded = self._folder.fold_with_places(whole)
        hits = self._hits(folded.text)
        if len(hits) == 1:
            return []
        skipped = len(before)
        start = folded.index(skipped)
        judged = [
            span
            for candidate in self._candidates(folded.text, start, hits)
            if (span := self._judged(candidate, whole, folded, skipped)) is not None
        ]
        return _resolved(judged) if judged else judged

    def _hits(self, folded: bytes) -> list[int]:
        hits: list[int] = self._gate.Match(folded)
        if not hits:
            raise DetectorFailed("the gate gave up")
        return hits

    def _candidates(self, folded: bytes, start: int, hits: list[int]) -> Iterator[_Candidate]:
        for index in hits:
            if index > len(self._patterns):
                continue
            if index == len(self._patterns):
                yield from self._in_numbers(folded, start)
                continue
            name, recogniser, pattern = self._patterns[index]
            if recogniser.needs not in folded:
                continue
            group = 1 if pattern.groups else 0
            for match in pattern.finditer(folded):
                begin, end = match.span(group)
                if start <= begin < end:
                    yield _Candidate(name, recogniser, begin, end, Found(folded[begin:end].decode(), ""))

    def _in_numbers(self, folded: bytes, start: int) -> Iterator[_Candidate]:
        for number in numbers.numbers(folded, start):
            count = len(number.digits)
            if count in self._lengths:
                text = folded[number.start : number.end].decode()
                found = Found(text, "", number.digits, number.groups, number.plus)
                for name, recogniser in self._numbers:
                    if count in recogniser.lengths:
                        yield _Candidate(name, recogniser, number.start, number.end, found)

    def _judged(self, candidate: _Candidate, whole: str, folded: Folded, skipped: int) -> Span | None:
        begin, end = folded.span(candidate.begin, candidate.end)
        before = whole[max(0, begin - BEFORE_CHARACTERS) : begin].lower()
        found = msgspec.structs.replace(candidate.found, before=before, written=whole[begin:end])
        score = candidate.recogniser.judge(found)
        if score < self.least:
            return None
        return Span(candidate.type, begin - skipped, end - skipped, score, self._rests.get(candidate.type))


def _resolved(spans: list[Span]) -> list[Span]:
    """Of spans that overlap the surest stays, of equally sure ones the longest."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda each: (-each.score, each.start - each.end, each.start, each.type)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda each: each.start)


def _rest(recogniser: Recogniser) -> Rest | None:
    if recogniser.extends:
        more = f"[{recogniser.extends}{foldable()}]"
        return Rest(extends=re.compile(f"(?:{more}|\\.(?={more}))*+"))
    return Rest(until=re.compile(recogniser.until)) if recogniser.until else None


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = _GATE_BYTES
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return options
