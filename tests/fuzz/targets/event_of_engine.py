"""Invariant: whatever one event of an engine's stream holds, continuation reads it or leaves it alone and raises
nothing, and text that is read out of it can be written to a client.
"""

from __future__ import annotations

from forebay.gateway.continuation.events import is_failure, origin_of, read, text_of


def check(whole: bytes) -> None:
    origin_of(whole)
    seen = read(whole)
    if seen is None:
        return
    is_failure(seen, whole)
    for choice in seen.choices:
        text = text_of(choice)
        assert text is None or isinstance(text.encode(), bytes)
