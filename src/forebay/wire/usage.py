"""The token counts an engine reports, out of a whole answer or of a stream's event."""

from __future__ import annotations

from typing import Annotated

import msgspec

# No answer has a million million tokens; a count beyond it would break the counters and the log line it goes into.
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class _Usage(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count = 0


class _Metered(msgspec.Struct):
    # Everything else is skipped over, not built: two numbers out of a long answer cost little more than a scan.
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Metered).decode


def usage_in(payload: bytes) -> tuple[int, int] | None:
    """Prompt and completion tokens, or None where the payload reports none that can be read."""
    try:
        usage = _decode(payload).usage
    except (msgspec.DecodeError, RecursionError):
        return None
    return None if usage is None else (usage.prompt_tokens, usage.completion_tokens)
