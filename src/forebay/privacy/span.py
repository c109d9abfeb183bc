"""Where a value stands in a text."""

from __future__ import annotations

import re

import msgspec

GOES_ON = 2**62
"""The `end` of a value whose end has not come yet."""


class Rest(msgspec.Struct, frozen=True, gc=False):
    """How a value without a longest length goes on: as long as `extends` matches, or until `until` does."""

    extends: re.Pattern[str] | None = None
    until: re.Pattern[str] | None = None


class Span(msgspec.Struct, frozen=True, gc=False):
    """A value, in characters of the text as it was written. `rest` is how it may go on behind `end`."""

    type: str
    start: int
    end: int
    score: float
    rest: Rest | None = None
