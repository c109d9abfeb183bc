"""What kind of text an engine says its answer is, as far as a client's browser may believe it."""

from __future__ import annotations

import re

JSON = b"application/json"
# Nothing that a browser would run or draw: an engine's answer is text that strangers had a hand in.
_PASSED_ON = re.compile(
    rb"(?:application/(?:json|x-ndjson|jsonl|octet-stream|[a-z0-9.-]{1,40}\+json)|text/plain)"
    rb"(?:; ?charset=(?:utf-8|us-ascii))?",
    re.IGNORECASE,
)


def media_type(said: bytes) -> bytes:
    """`said` where it is harmless; JSON where nothing is said; bytes of no kind otherwise."""
    if said == JSON or not said:
        return JSON
    return said if _PASSED_ON.fullmatch(said) else b"application/octet-stream"
