"""Text in any pieces, and what is found in it: always the same, however it was cut.

What is undecided is held: the chain (`chains`) at the very end, which may yet become a value. A chain longer than a
window is decided from its front, a step at a time; where its windows lie depends on the chain alone. So the same
windows are looked at whether the text came at once or byte by byte, and that is the whole proof.
"""

from __future__ import annotations

import re

import msgspec

from forebay.privacy.budget import CROWDED, Budget
from forebay.privacy.detector import Detector
from forebay.privacy.recogniser import BEFORE_CHARACTERS, CERTAIN, LONGEST_CHARACTERS, SHORTEST_CHARACTERS
from forebay.privacy.span import GOES_ON, Rest, Span

STEP_CHARACTERS = 64
"""How much more than is undecided may be held."""
WINDOW_CHARACTERS = LONGEST_CHARACTERS + STEP_CHARACTERS
# An end marker is shorter; so much of a value that only ends with one is looked at again.
_MARKER_CHARACTERS = 96
# Cutting text costs as much as keeping it: it is done now and then.
_SLACK_CHARACTERS = 256
# Where something is somewhere, it is looked for in blocks of this size first.
_BLOCK = 512
_TO_THE_END = Rest(until=re.compile(r"(?!)"))


class Scan:
    """One text. `decided` characters of it, from its beginning, are done with; `spans` are the values in these.

    The last span's `end` is GOES_ON while it does. From where `budget` is spent all of the text is one value.
    """

    __slots__ = ("_base", "_budget", "_detector", "_held", "_rest", "decided", "spans")

    def __init__(self, detector: Detector, budget: Budget | None = None) -> None:
        self._detector = detector
        self._budget = budget
        self._held = ""
        self._base = 0
        self._rest: Rest | None = None
        self.decided = 0
        self.spans: list[Span] = []

    def feed(self, text: str) -> None:
        """Take more of the text."""
        self._held += text
        self._go_on(final=False)
        self._forget()

    def finish(self) -> None:
        """There is no more: what was held is decided."""
        self._go_on(final=True)
        if self._budget is not None:
            self._budget.next_text(self.decided)

    def _go_on(self, *, final: bool) -> None:
        at = self.decided - self._base
        if self._rest is None and not self._may_hold(at):
            at = len(self._held) if final else self._skip(at)
        else:
            at = self._look(at, final=final)
        self.decided = self._base + at

    def _skip(self, at: int) -> int:
        """Nothing is anywhere in what is held; the open chain at its end alone is undecided."""
        held = self._held
        if len(held) - at > _BLOCK:
            at = self._detector.chains.last_between(held, at, len(held))
        while (chain := self._detector.chains.next(held, at)) is not None:
            start, end = chain
            if self._detector.chains.is_open(held, end):
                steps = -(-max(0, end - start - WINDOW_CHARACTERS) // STEP_CHARACTERS)
                return start + steps * STEP_CHARACTERS
            at = end
        return len(held)

    def _look(self, at: int, *, final: bool) -> int:
        """Go over every chain as far as it can be decided."""
        held, clear_to, end = self._held, at, at
        while True:
            if self._rest is not None:
                at = self._follow(at, self._rest, final=final)
                if self._rest is not None:
                    return at
            chains = self._detector.chains
            chain = chains.next(held, at) if at >= end else chains.rest(held, at, end)
            if chain is None:
                return len(held)
            at, end = chain
            if end > clear_to >= at and not self._may_hold(at, at + _BLOCK):
                clear_to = at + _BLOCK
                if (behind := chains.last_between(held, at, clear_to)) > end:
                    at = behind
                    continue
            ended = final or not chains.is_open(held, end)
            if ended and (end <= clear_to or self._is_too_short(at, end)):
                at = end
            elif end - at > WINDOW_CHARACTERS:
                at = self._look_on(at, end)
            elif ended:
                at = self._look_at(at, end, end - at)
            else:
                return at

    def _is_too_short(self, start: int, end: int) -> bool:
        """Whether a chain is shorter than all values but the shortest addresses of IPv6."""
        is_short = end - start < SHORTEST_CHARACTERS and not self._detector.begins_anywhere
        return is_short and "::" not in self._held[start:end]

    def _may_hold(self, start: int, end: int | None = None) -> bool:
        return self._detector.may_hold(self._held[max(0, start - BEFORE_CHARACTERS) : end])

    def _over_inert(self, at: int) -> int:
        """Step over windows in which no value begins, since they lie in a run of letters and digits."""
        if self._detector.begins_anywhere or at == 0:
            return at
        whole = self._detector.chains.inert_end(self._held, at) - at
        return at + max(0, (whole - WINDOW_CHARACTERS) // STEP_CHARACTERS + 1) * STEP_CHARACTERS

    def _look_on(self, at: int, end: int) -> int:
        """Take a step within a chain that is longer than a window."""
        at = self._over_inert(at)
        if end - at <= WINDOW_CHARACTERS:
            return at
        return self._look_at(at, at + WINDOW_CHARACTERS, STEP_CHARACTERS)

    def _look_at(self, start: int, end: int, step: int) -> int:
        """Take the values that begin in the first `step` characters; returns where to look next."""
        held, at, partly = self._held, start + step, start + step < end
        looked = self._detector.find(held[max(0, start - BEFORE_CHARACTERS) : start], held[start:end], step)
        if looked.candidates and self._budget and not self._budget.spend(looked.candidates, self._base + start):
            self._take(Span(CROWDED, 0, 0, CERTAIN, _TO_THE_END), start)
            self._rest = _TO_THE_END
            return start
        for span in looked.spans:
            if span.start >= step or (partly and start + span.end == end):
                continue
            self._take(span, start)
            if span.rest is not None:
                self._rest = span.rest
                return start + span.end
            at = max(at, start + span.end)
        return at

    def _take(self, span: Span, start: int) -> None:
        begin, end = self._base + start + span.start, self._base + start + span.end
        self.spans.append(Span(span.type, begin, GOES_ON if span.rest is not None else end, span.score))

    def _follow(self, at: int, rest: Rest, *, final: bool) -> int:
        """How far the value that is going on reaches in what is held."""
        held = self._held
        if rest.extends is not None:
            found = rest.extends.match(held, at)
            end = found.end() if found is not None else at
            if not final and len(held) - end <= 1 and held[end:] in {"", "."}:
                return end
        else:
            marker = rest.until.search(held, at) if rest.until is not None else None
            if marker is None and not final:
                return max(at, len(held) - _MARKER_CHARACTERS)
            end = len(held) if marker is None else marker.end()
        self._rest = None
        self.spans[-1] = msgspec.structs.replace(self.spans[-1], end=self._base + end)
        return end

    def _forget(self) -> None:
        """Keep what is undecided, and before it what recognisers may look at."""
        excess = self.decided - self._base - BEFORE_CHARACTERS
        if excess > _SLACK_CHARACTERS:
            self._held = self._held[excess:]
            self._base += excess
