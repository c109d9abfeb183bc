"""Why an answer ended, out of its bytes: one word, found and not parsed."""

from __future__ import annotations

import re

_REASON = re.compile(rb'"(?:finish_reason|stop_reason)": ?"([a-z_]{1,32})"')
_KNOWN = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""OpenAI's words, and what they are called in the Messages API."""


def finish_in(payload: bytes) -> str:
    """The last reason that `payload` names, in OpenAI's words; `other` for one of an engine's own, empty for none.

    A generated text that quotes such a field is escaped in JSON, and so is never taken for it.
    """
    found = _REASON.findall(payload)
    return _KNOWN.get(found[-1].decode(), "other") if found else ""
