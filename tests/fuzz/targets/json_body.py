"""Invariant: a body is refused, or three parsers read the same object in it, no key of which stands there twice; what
is taken as canonical is what would be written, and what is written of a body that is taken is taken and reads the same.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson

from forebay.wire.json_body import BadBody, parse_object


def check(body: bytes) -> None:
    try:
        value, canonical = parse_object(body)
    except BadBody as refused:
        _check_said(str(refused))
        return
    assert type(value) is dict
    written = orjson.dumps(value)
    assert canonical == (written == body)
    assert _exactly(json.loads(body, object_pairs_hook=_once)) == _exactly(value)
    assert _exactly(msgspec.json.decode(body)) == _exactly(value)
    assert b"\\u0000" not in written.replace(b"\\\\", b"")
    again, canonical_again = parse_object(written)
    assert canonical_again
    assert _exactly(again) == _exactly(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def _exactly(value: object) -> str:
    """1, 1.0 and true are not the same."""
    return repr(value)


def _check_said(message: str) -> None:
    assert 0 < len(message) < 200
