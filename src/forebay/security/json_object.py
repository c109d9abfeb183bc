"""JSON of strangers: one object, no member twice, no number that two parsers read differently, bounded."""

from __future__ import annotations

import json
import math
from typing import Any

_MAX_DIGITS = 18


class BadJson(ValueError):
    """The bytes are not one JSON object that every parser reads alike."""


def read_object(content: bytes, limit_bytes: int) -> dict[str, Any]:
    """Parse `content`, at any depth without duplicate members, NaN, infinities or huge numbers. Raises BadJson."""
    if len(content) > limit_bytes:
        raise BadJson("too long")
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_refuse,
        )
    except BadJson:
        raise
    except RecursionError:
        raise BadJson("nested too deeply") from None
    except ValueError:
        raise BadJson("no JSON in UTF-8") from None
    if type(value) is not dict:
        raise BadJson("no object")
    if b"\\u" in content:
        _refuse_half_characters(value)
    return value


def _refuse_half_characters(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadJson("half a character") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("a member stands there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise BadJson("a number has too many digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadJson("a number is not finite")
    return value


def _refuse(text: str) -> float:
    raise BadJson(f"{text} is no number")
