"""Questions whose answers are kept, by the group in which they may be compared. Bounded; it holds no answers."""

from __future__ import annotations

from collections import OrderedDict

Known = tuple[bytes, str]
"""The key of a question's answer, and its text."""

# More wordings of one question are not worth comparing with: each costs a dot product and 300 bytes on the wire.
_MOST_WORDINGS = 8


class NearQuestions:
    """What one worker knows for one model; the groups that were used least recently leave first."""

    def __init__(self, version: str, most: int) -> None:
        self.version = version
        self.most = most
        self.held = 0
        self._groups: OrderedDict[bytes, list[Known]] = OrderedDict()

    def find(self, group: bytes) -> tuple[Known, ...]:
        """The questions that one of this group may be compared with."""
        known = self._groups.get(group)
        if known is None:
            return ()
        self._groups.move_to_end(group)
        return tuple(known)

    def note(self, group: bytes, key: bytes, text: str) -> None:
        """Remember that this question has an answer."""
        known = self._groups.setdefault(group, [])
        self._groups.move_to_end(group)
        if any(other == key for other, _text in known):
            return
        known.append((key, text))
        self.held += 1
        if len(known) > _MOST_WORDINGS:
            del known[0]
            self.held -= 1
        self.shrink()

    def forget(self, group: bytes, key: bytes) -> None:
        """This question's answer has gone."""
        known = self._groups.get(group, [])
        left = [each for each in known if each[0] != key]
        self.held -= len(known) - len(left)
        if left:
            self._groups[group] = left
        else:
            self._groups.pop(group, None)

    def shrink(self) -> None:
        while self.held > self.most:
            self.held -= len(self._groups.popitem(last=False)[1])
