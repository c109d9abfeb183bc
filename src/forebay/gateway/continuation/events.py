"""The events of vLLM's streams, as far as a continuation must read, clean and write them. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from forebay.wire.sse import data_of, event

_IDS = re.compile(rb',"(?:prompt_)?token_ids":(?:\[[0-9]*(?:,[0-9]+)*\]|null)')
# Within text its quotes would be escaped: these bytes are always a key.
_IDS_BEGIN = b',"token_ids":['
_ID_KEY = b'token_ids":'


class _Delta(msgspec.Struct, gc=False):
    content: str | UnsetType | None = UNSET
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: Any = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    text: str | UnsetType | None = UNSET
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int = 0


class Seen(msgspec.Struct, gc=False):
    """One event of an engine."""

    choices: list[_Choice] = []
    prompt_token_ids: list[int] | None = None
    usage: _Usage | None = None


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What all events of one answer share."""

    id: str
    created: int
    model: str


_decode = msgspec.json.Decoder(Seen).decode
_decode_origin = msgspec.json.Decoder(Origin).decode


def read(whole: bytes) -> Seen | None:
    """What one whole event says; None for `[DONE]`, a comment, or what is no event of a completion."""
    try:
        return _decode(whole[6:] if whole.startswith(b"data: ") else data_of(whole))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_failure(seen: Seen, whole: bytes) -> bool:
    """Whether the event reports that the engine failed on this call, or was stopped, instead of going on with it.

    Releases differ in how they write an error; none has choices or counts beside it.
    """
    if not seen.choices:
        return seen.usage is None and b'"error"' in whole
    return seen.choices[0].finish_reason in {"abort", "error"}


def origin_of(whole: bytes) -> Origin | None:
    """Id, time and model of an answer, from its first event."""
    try:
        return _decode_origin(data_of(whole))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def text_of(choice: _Choice) -> str | None:
    """The text of an event; None where a parser of the engine's keeps it back or makes something else of it."""
    delta = choice.delta
    if delta is None:
        return choice.text or "" if choice.text is not UNSET else None
    if delta.content is UNSET or delta.reasoning or delta.reasoning_content or delta.tool_calls is not None:
        return None
    return delta.content or ""


def without_ids(whole: bytes) -> bytes:
    """The event as it would be had nobody asked for token ids."""
    start = whole.rfind(_IDS_BEGIN)
    if start >= 0:  # as vLLM writes them: a fifth of what the expression costs
        whole = whole[:start] + whole[whole.index(b"]", start) + 1 :]
        if _ID_KEY not in whole:
            return whole
    cleaned = _IDS.sub(b"", whole)
    return _slowly_without_ids(cleaned) if _ID_KEY in cleaned else cleaned


def text_event(origin: Origin, text: str, choice: _Choice, token_ids: list[int] | None, *, chat: bool) -> bytes:
    """One event of the original answer's shape, with the end that `choice` tells of."""
    said: dict[str, Any] = {"index": 0}
    said |= {"delta": {"content": text}} if chat else {"text": text}
    said |= {"logprobs": None, "finish_reason": choice.finish_reason}
    if choice.finish_reason is not None or not chat:
        said["stop_reason"] = choice.stop_reason
    if token_ids is not None:
        said["token_ids"] = token_ids
    return _event_of(origin, [said], chat=chat)


def usage_event(origin: Origin, prompt_tokens: int, completion_tokens: int, *, chat: bool) -> bytes:
    """The event that carries the token counts of the whole answer."""
    usage = {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
    }
    return _event_of(origin, [], chat=chat, usage=usage)


def _event_of(origin: Origin, choices: list[dict[str, Any]], *, chat: bool, **more: object) -> bytes:
    kind = "chat.completion.chunk" if chat else "text_completion"
    fields = {"id": origin.id, "object": kind, "created": origin.created, "model": origin.model, "choices": choices}
    return event(orjson.dumps({**fields, **more}))


def _slowly_without_ids(whole: bytes) -> bytes:
    fields = orjson.loads(data_of(whole))
    for each in (fields, *fields.get("choices", ())):
        each.pop("token_ids", None)
        each.pop("prompt_token_ids", None)
    return event(orjson.dumps(fields))
