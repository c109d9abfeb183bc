"""The token counts an engine reports, out of a whole answer or of a stream's event."""

from __future__ import annotations

from typing import Annotated

import msgspec

# No answer has a million million tokens; a count beyond it would break the counters and the log line it goes into.
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Counts = tuple[int, int]


class _Usage(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count | None = 0  # null or absent where nothing is written: embeddings, scores, classes


class _Details(msgspec.Struct):
    cached_tokens: _Count | None = None


class _CachedUsage(msgspec.Struct):
    prompt_tokens_details: _Details | None = None


class _Cached(msgspec.Struct):
    usage: _CachedUsage | None = None


class _Metered(msgspec.Struct):
    # Everything else is skipped over, not built: two numbers out of a long answer cost little more than a scan.
    usage: _Usage | None = None


class _InOut(msgspec.Struct):
    input_tokens: _Count | None = None  # absent in llama.cpp's message_delta
    output_tokens: _Count = 0
    # Anthropic's input_tokens leaves out what a cache held.
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None

    def counts(self, before: Counts | None) -> Counts:
        if self.input_tokens is None:
            return (before[0] if before else 0), self.output_tokens
        cached = (self.cache_read_input_tokens or 0) + (self.cache_creation_input_tokens or 0)
        return self.input_tokens + cached, self.output_tokens


class _Holder(msgspec.Struct):
    usage: _InOut | None = None


class _Nested(msgspec.Struct):
    usage: _InOut | None = None
    response: _Holder | None = None  # of response.completed
    message: _Holder | None = None  # of message_start


_decode = msgspec.json.Decoder(_Metered).decode
_decode_cached = msgspec.json.Decoder(_Cached).decode
_decode_nested = msgspec.json.Decoder(_Nested).decode


def usage_in(payload: bytes, _before: Counts | None = None) -> Counts | None:
    """Prompt and completion tokens, or None where the payload reports none that can be read."""
    try:
        usage = _decode(payload).usage
    except (msgspec.DecodeError, RecursionError):
        return None
    return None if usage is None else (usage.prompt_tokens, usage.completion_tokens or 0)


def cached_in(payload: bytes) -> int:
    """Prompt tokens that the engine had in its cache; -1 where it does not say."""
    try:
        usage = _decode_cached(payload).usage
    except (msgspec.DecodeError, RecursionError):
        return -1
    details = None if usage is None else usage.prompt_tokens_details
    return -1 if details is None or details.cached_tokens is None else details.cached_tokens


def in_out_usage_in(payload: bytes, before: Counts | None = None) -> Counts | None:
    """The same of the Responses and Messages APIs; `before` is what an earlier event of the stream said."""
    try:
        found = _decode_nested(payload)
    except (msgspec.DecodeError, RecursionError):
        return None
    for part in (found, found.response, found.message):
        if part is not None and part.usage is not None:
            return part.usage.counts(before)
    return None
