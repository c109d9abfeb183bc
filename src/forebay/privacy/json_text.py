"""The text of a JSON value, in any pieces: whether a place in it is inside a string."""

from __future__ import annotations

import json
import re

_MARK = re.compile(r'\\.|["\\]', re.DOTALL)


class JsonText:
    """Feed it the text; `inside` is where it has come to."""

    __slots__ = ("_escaped", "inside")

    def __init__(self) -> None:
        self.inside = False
        self._escaped = False  # the text ended with a backslash whose character is yet to come

    def feed(self, text: str) -> None:
        if self._escaped and text:
            self._escaped, text = False, text[1:]
        for mark in _MARK.finditer(text):
            if mark[0] == '"':
                self.inside = not self.inside
            elif mark[0] == "\\":
                self._escaped = True

    def written(self, text: str) -> str:
        """`text` as it must stand at this place: the text is then JSON again."""
        quoted = json.dumps(text, ensure_ascii=False)
        return quoted[1:-1] if self.inside else quoted

    def read(self, written: str) -> str:
        """What stands there, without its escapes."""
        try:
            value = json.loads(f'"{written}"', strict=False) if self.inside else written
        except ValueError:
            return written
        return str(value)
