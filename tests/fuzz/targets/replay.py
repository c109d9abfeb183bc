"""Invariant: a stream or a whole answer that may be given again is given in its other form, or in none; going there and
back changes neither text nor end; and nothing but CannotReplay is raised.
"""

from __future__ import annotations

import json
from typing import Any

from forebay.wire.replay import CannotReplay, check_events, check_whole, events_of, whole_of, with_usage
from forebay.wire.sse import data_of, events


def check(payload: bytes) -> None:
    _check_stream(payload)
    _check_whole(payload)


def _check_stream(payload: bytes) -> None:
    try:
        kept, usage = check_events(payload)
        whole = whole_of(kept, usage)
    except CannotReplay:
        return
    assert check_events(with_usage(kept, usage))[0] == kept
    assert check_whole(whole) == usage
    again, _none = check_events(events_of(whole))
    assert _said(whole_of(again, usage)) == _said(whole)
    assert all(data_of(each) for each in events(kept))


def _check_whole(body: bytes) -> None:
    try:
        usage = check_whole(body)
        stream = events_of(body)
    except CannotReplay:
        return
    kept, _none = check_events(stream)
    assert kept == stream
    if _choice(body).get("logprobs") is None:
        assert _said(whole_of(kept, usage)) == _said(body)


def _choice(body: bytes) -> dict[str, Any]:
    choice: dict[str, Any] = json.loads(body)["choices"][0]
    return choice


def _said(body: bytes) -> tuple[object, ...]:
    choice = _choice(body)
    message = choice.get("message") or choice
    texts = [message.get(name) or "" for name in ("reasoning_content", "reasoning", "content", "text")]
    return (*texts, choice.get("finish_reason"))
