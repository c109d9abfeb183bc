"""Invariant: whatever an engine's answer or event holds, counting its tokens raises nothing, and what is counted is
never negative, never beyond what a counter holds exactly, and is what the standard library reads there.
"""

from __future__ import annotations

import json

from forebay.wire.usage import cached_in, in_out_usage_in, usage_in

_MOST = 10**12


def check(payload: bytes) -> None:
    found = usage_in(payload)
    if found is not None:
        # What is skipped over is not looked at, so text that is no UTF-8 may stand there.
        usage = json.loads(payload.decode("utf-8", "replace"))["usage"]
        assert found == (usage["prompt_tokens"], usage.get("completion_tokens") or 0)
        assert all(type(count) is int and 0 <= count <= _MOST for count in found)
    cached = cached_in(payload)
    assert -1 <= cached <= _MOST
    counted = in_out_usage_in(payload, (7, 0))
    assert counted is None or all(0 <= count <= 3 * _MOST for count in counted)
