"""What an engine says when it refuses a request, as far as a client may read it."""

from __future__ import annotations

import re

import msgspec

_LONGEST = 1_000
_SAYS_NOTHING = "The engine refused this request."
# Addresses, paths and Python's own words tell of the inside and help no client.
_INSIDE = re.compile(
    r"https?://\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|(?<![\w/])/(?:[\w.@+-]+/)+[\w.@+-]*"
    r"|<class '[^']*'>|\b0x[0-9a-f]{6,}"
)
_TRACE = re.compile(r"Traceback \(most recent|File \"|\bat line \d+ in ")


class _Error(msgspec.Struct):
    message: str = ""
    param: str | None = None


class _Answer(msgspec.Struct):
    error: _Error | str | None = None
    message: str | None = None
    detail: str | list[msgspec.Raw] | None = None


_decode = msgspec.json.Decoder(_Answer, strict=False).decode


class EngineSays(msgspec.Struct, frozen=True):
    """The message, bounded and cleaned. `known`: whether it is an error as engines word it, and no bare 404 of a server
    that has no such route."""

    message: str
    param: str | None
    known: bool


def engine_says(body: bytes) -> EngineSays:
    """Read an engine's refusal: vLLM's shape, llama.cpp's, Anthropic's, or whatever else it may be."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return EngineSays(_SAYS_NOTHING, None, known=False)
    error = answer.error
    if isinstance(error, _Error):
        param = error.param if error.param and len(error.param) <= 64 else None
        return EngineSays(_cleaned(error.message), param, known=True)
    text = error or answer.message
    return EngineSays(_cleaned(text or ""), None, known=text is not None)


def _cleaned(text: str) -> str:
    trace = _TRACE.search(text)
    if trace is not None:
        text = text[: trace.start()]
    text = " ".join(_INSIDE.sub("…", text[: 4 * _LONGEST]).split())
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return text or _SAYS_NOTHING
