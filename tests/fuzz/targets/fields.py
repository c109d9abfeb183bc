"""Invariant: whatever object a body is, each route takes it or names one field that does not fit, in a short text; what
it takes it takes again, with nothing more to remove, and no field goes on that is not on the route's list.
"""

from __future__ import annotations

import copy

from forebay.gateway.routes import ROUTES
from forebay.wire.json_body import BadBody, parse_object
from forebay.wire.openai.shape import BadField, check_fields

_SHAPES = [route.shape for route in ROUTES.values() if route.shape is not None]


def check(fuzzed: bytes) -> None:
    """The last byte names the route."""
    shape = _SHAPES[(fuzzed or b"\0")[-1] % len(_SHAPES)]
    try:
        body, _canonical = parse_object(fuzzed[:-1])
    except BadBody:
        return
    before = copy.deepcopy(body)
    try:
        removed = check_fields(body, shape)
    except BadField as refused:
        _check_said(refused.message)
        assert body == before
        return
    assert removed == (body != before)
    assert body.keys() <= shape.fields.keys()
    assert check_fields(body, shape) is False


def _check_said(message: str) -> None:
    assert 0 < len(message) < 2000
