"""A request's JSON, parsed once, and refused where two parsers could read it differently.

orjson keeps the last of duplicate keys and turns 2^64 into a float. That writing its result gives the very bytes
again (1.7 µs) proves that nothing of the kind happened; only other bodies pay for the slow look (9.4 µs).
"""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

_SMALL_BYTES = 65_536
_MOST_WORK = 2**19
"""Half a million tokens as numbers, or 100,000 members: 0.1 s of a worker for the slow look, where 16 MB took 7 s."""
_MEMBER_WORK = 4
"""What a container or a member of an object costs to look at, in numbers of an array."""
_MAX_INTEGER = 2**64 - 1
_MIN_INTEGER = -(2**63)


class BadBody(ValueError):
    """The body is not one JSON object that every parser reads alike."""


def parse_object(body: bytes) -> tuple[dict[str, Any], bool]:
    """Parse `body`; returns the object and whether its bytes are already what would be sent on. Raises BadBody."""
    if len(body) > _SMALL_BYTES and _is_crowded(body):
        raise BadBody("The body holds too many values: half a million numbers or 100,000 members are read.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadBody(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    if type(value) is not dict:
        raise BadBody("The body is not a JSON object.")
    try:
        canonical = orjson.dumps(value) == body
    except orjson.JSONEncodeError:  # orjson reads 1024 levels and writes 254
        raise BadBody("The body is nested too deeply.") from None
    if not canonical:
        _look_closely(body)
    # `in` costs 2,300 instructions more: CPython first tries whether the bytes are a number.
    if body.find(b"\\u0000") >= 0 and _has_nul(value):
        raise BadBody("A string holds the character NUL.")
    return value, canonical


def _is_crowded(body: bytes) -> bool:
    """Whether reading it would take too long; exact, as far as the body is JSON, without reading it."""
    if _work(body) <= _MOST_WORK:  # text counted, too
        return False
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    pieces = unescaped.split(b'"', 2 * _MOST_WORK)
    return len(pieces) > 2 * _MOST_WORK or _work(b"".join(pieces[::2])) > _MOST_WORK


def _work(body: bytes) -> int:
    members = body.count(b"[") + body.count(b"{") + body.count(b":")
    return body.count(b",") + _MEMBER_WORK * members


def _look_closely(body: bytes) -> None:
    try:
        json.loads(
            body,
            object_pairs_hook=_no_duplicates,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except BadBody:
        raise
    except RecursionError:
        raise BadBody("The body is nested too deeply.") from None
    except ValueError as error:
        raise BadBody(f"The body is not JSON: {error}.") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadBody("A key stands in the body twice.")
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or text == "-0" or not _MIN_INTEGER <= (value := int(text)) <= _MAX_INTEGER:
        raise BadBody("A number is outside the range of 64-bit integers.")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadBody("A number is not finite.")
    return value


def _has_nul(value: object) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return True
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return False
