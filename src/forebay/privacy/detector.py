"""Finding values in one stretch of text: a gate that most text does not pass, then candidates, then a judgement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec
import re2

from forebay.privacy import numbers
from forebay.privacy.alphabet import foldable
from forebay.privacy.budget import CROWDED, FREE
from forebay.privacy.chains import Chains
from forebay.privacy.expression import Expression, options
from forebay.privacy.fold import Folded, fold, fold_with_places
from forebay.privacy.recogniser import BEFORE_CHARACTERS, POSSIBLE, Found, Recogniser
from forebay.privacy.span import Rest, Span
from forebay.privacy.words import Words

Named = tuple[tuple[str, Recogniser], ...]


class DetectorFailed(Exception):
    """Whether something was there is not known; whoever asked must take it that it was."""


class Looked(msgspec.Struct, gc=False):
    """What a look at a stretch of text found, and how many candidates it had to judge for that."""

    spans: list[Span]
    candidates: int = 0


class _Candidate(msgspec.Struct, frozen=True, gc=False):
    """Bytes of the folded text that may be a value of any of these kinds."""

    kinds: Named
    begin: int
    end: int
    number: numbers.Number | None = None


class Detector:
    """A set of recognisers made ready. `least` is the score from which on something counts as found.

    `words` are looked for by themselves: see `search`. `candidates` of a call may be confirmed: see `budget`.
    `known_keys` are names that it has found nothing in; another policy's may find something in the same.
    """

    def __init__(
        self,
        recognisers: Mapping[str, Recogniser],
        least: float = POSSIBLE,
        words: Words | None = None,
        candidates: int = FREE,
    ) -> None:
        self.least = least
        self.words = words
        self.candidates = candidates
        self.known_keys: set[str] = set()
        self.chains = Chains()
        self._patterns = [
            (((name, each),), each, Expression(each.pattern.encode()))
            for name, each in recognisers.items()
            if each.pattern
        ]
        self._by_length = _by_length(recognisers)
        self._rests = {name: rest for name, each in recognisers.items() if (rest := _rest(each)) is not None}
        self.begins_anywhere = any(each.anywhere for each in recognisers.values())
        self.endless = frozenset({*self._rests, CROWDED})
        self._gate = re2.Set.SearchSet(options())
        for _, each, _ in self._patterns:
            self._gate.Add(each.gate or each.pattern)
        self._gate.Add(numbers.GATE if self._by_length else "[^\\x00-\\xff]")
        self._gate.Add("")  # matches everywhere: the gate's word that it has looked
        self._gate.Compile()
        self._match = self._gate._set.Match  # the wrapper around it costs a fifth of a look

    def passes(self, text: str) -> bool:
        """Whether `text` may hold anything at all; False is certain, and cheap."""
        return self.may_hold(text) or (self.words is not None and self.words.hold(text))

    def may_hold(self, text: str) -> bool:
        """`passes`, but for the operator's words. What only begins like a value is told from one here, all at once."""
        folded = fold(text)
        hits = self._hits(folded)
        if len(hits) == 1:
            return False
        count = len(self._patterns)
        return any(index == count or (index < count and self._is_in(index, folded)) for index in hits)

    def find(self, before: str, text: str, step: int) -> Looked:
        """Values in `text` that begin within its first `step` characters, and what overlaps them.

        None overlap, and they are in order; `before` is what stood before, at most so much as counts. Candidates count
        that begin within `step` and are not cut off.
        """
        whole = before + text
        folded = fold_with_places(whole)
        hits = self._hits(folded.text)
        looked = Looked([])
        if len(hits) == 1:
            return looked
        skipped = len(before)
        seen, edge = folded.index(skipped), len(folded.text) if step < len(text) else -1
        last = until = folded.index(skipped + step)
        while seen < until:
            reach = until
            for candidate in self._candidates(folded.text, seen, until, hits):
                looked.candidates += candidate.begin < last and candidate.end != edge
                for span in self._judged(candidate, whole, folded, skipped):
                    looked.spans.append(span)
                    reach = max(reach, candidate.end)
            seen, until = until, reach
        if len(looked.spans) > 1:
            looked.spans = _resolved(looked.spans)
        return looked

    def _hits(self, folded: bytes) -> list[int]:
        hits: list[int] = self._match(folded)
        if not hits:
            raise DetectorFailed("the gate gave up")
        return hits

    def _is_in(self, index: int, folded: bytes) -> bool:
        _, recogniser, expression = self._patterns[index]
        return recogniser.needs in folded and expression.is_in(folded)

    def _candidates(self, folded: bytes, start: int, until: int, hits: list[int]) -> list[_Candidate]:
        """Those that begin from `start` on and before `until`."""
        found: list[_Candidate] = []
        for index in hits:
            if index < len(self._patterns):
                found += self._of_pattern(index, folded, start, until)
            elif index == len(self._patterns):
                found += self._of_numbers(folded, start, until)
        return found

    def _of_pattern(self, index: int, folded: bytes, start: int, until: int) -> Iterator[_Candidate]:
        kinds, recogniser, expression = self._patterns[index]
        if recogniser.needs not in folded:
            return
        for begin, end in expression.spans(folded, max(0, start - recogniser.back)):
            if begin >= until:
                return
            if start <= begin < end:
                yield _Candidate(kinds, begin, end)

    def _of_numbers(self, folded: bytes, start: int, until: int) -> Iterator[_Candidate]:
        by_length = self._by_length
        for number in numbers.numbers(folded, start, until + numbers.BEFORE_DIGITS):
            kinds = by_length.get(len(number.digits))
            if kinds and start <= number.start < until:
                yield _Candidate(kinds, number.start, number.end, number)

    def _judged(self, candidate: _Candidate, whole: str, folded: Folded, skipped: int) -> Iterator[Span]:
        begin, end = folded.span(candidate.begin, candidate.end)
        text = folded.text[candidate.begin : candidate.end].decode()
        before, number = whole[max(0, begin - BEFORE_CHARACTERS) : begin].lower(), candidate.number
        if number is None:
            found = Found(text, before)
        else:
            found = Found(text, before, number.digits, number.groups, number.plus)
        for name, recogniser in candidate.kinds:
            score = recogniser.judge(found)
            if score >= self.least:
                yield Span(name, begin - skipped, end - skipped, score, self._rests.get(name))


def _by_length(recognisers: Mapping[str, Recogniser]) -> dict[int, Named]:
    lengths = frozenset[int]().union(*(each.lengths for each in recognisers.values()))
    return {
        length: tuple((name, each) for name, each in recognisers.items() if length in each.lengths)
        for length in lengths
    }


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
