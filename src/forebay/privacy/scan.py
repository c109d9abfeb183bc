"""Text in any pieces, and what is found in it: always the same, however it was cut.

What is undecided is held: the chain (`chains`) at the very end, which may yet become a value. A chain longer than a
window is decided from its front, a step at a time; where its windows lie depends on the chain alone. So the same
windows are looked at whether the text came at once or byte by byte, and that is the whole proof.
"""

from __future__ import annotations

import msgspec

from forebay.privacy.detector import Detector, Rest, Span
from forebay.privacy.recogniser import BEFORE_CHARACTERS, LONGEST_CHARACTERS

STEP_CHARACTERS = 64
"""How much more than is undecided may be held."""
WINDOW_CHARACTERS = LONGEST_CHARACTERS + STEP_CHARACTERS
# An end marker is shorter; so much of a value that only ends with one is looked at again.
_MARKER_CHARACTERS = 96
# Cutting text costs as much as keeping it: it is done now and then.
_SLACK_CHARACTERS = 256
# Where something is somewhere, it is looked for in blocks of this size first.
_BLOCK = 512
GOES_ON = 2**62


class Scan:
    """One text. `decided` characters of it, from its beginning, are done with; `spans` are the values in these.

    The last span's `end` is GOES_ON while it does.
    """

    __slots__ = ("_base", "_detector", "_held", "_rest", "decided", "spans")

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
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

    def _go_on(self, *, final: bool) -> None:
        at = self.decided - self._base
        if self._rest is None and not self._detector.passes(self._held[max(0, at - BEFORE_CHARACTERS) :]):
            at = len(self._held) if final else self._skip(at)
        else:
            at = self._look(at, final=final)
        self.decided = self._base + at

    def _skip(self, at: int) -> int:
        """Nothing is anywhere in what is held; the open chain at its end alone is undecided."""
        held = self._held
        while (chain := self._detector.chains.next(held, at)) is not None:
            start, end = chain
            if self._detector.chains.is_open(held, end):
                steps = -(-max(0, end - start - WINDOW_CHARACTERS) // STEP_CHARACTERS)
                return start + steps * STEP_CHARACTERS
            at = end
        return len(held)

    def _look(self, at: int, *, final: bool) -> int:
        """Go over every chain as far as it can be decided."""
        held, clear_to = self._held, at
        while True:
            if self._rest is not None:
                at = self._follow(at, self._rest, final=final)
                if self._rest is not None:
                    return at
            chain = self._detector.chains.next(held, at)
            if chain is None:
                return len(held)
            at, end = chain
            if end > clear_to >= at and not self._detector.passes(held[max(0, at - BEFORE_CHARACTERS) : at + _BLOCK]):
                clear_to = at + _BLOCK
            if end <= clear_to and (final or not self._detector.chains.is_open(held, end)):
                at = end
            elif end - at > WINDOW_CHARACTERS:
                at = self._over_inert(at)
                if end - at <= WINDOW_CHARACTERS:
                    continue
                at = self._look_at(at, at + WINDOW_CHARACTERS, STEP_CHARACTERS)
            elif not final and self._detector.chains.is_open(held, end):
                return at
            else:
                at = self._look_at(at, end, end - at)

    def _over_inert(self, at: int) -> int:
        """Step over windows in which no value begins, since they lie in a run of letters and digits."""
        if self._detector.begins_anywhere or at == 0:
            return at
        whole = self._detector.chains.inert_end(self._held, at) - at
        return at + max(0, (whole - WINDOW_CHARACTERS) // STEP_CHARACTERS + 1) * STEP_CHARACTERS

    def _look_at(self, start: int, end: int, step: int) -> int:
        """Take the values that begin in the first `step` characters; returns where to look next."""
        held, at, partly = self._held, start + step, start + step < end
        for span in self._detector.find(held[max(0, start - BEFORE_CHARACTERS) : start], held[start:end]):
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
            if not final and held[end:] in {"", "."}:
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


def spans_of(text: str, detector: Detector) -> list[Span]:
    """What is in a whole text."""
    if not detector.passes(text):
        return []
    scan = Scan(detector)
    scan.feed(text)
    scan.finish()
    return scan.spans
