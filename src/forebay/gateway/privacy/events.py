"""The events of a streamed answer: which of their texts go on from event to event, and what else they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

_EVENT = re.compile(rb"(event: ?[A-Za-z0-9_.]+\r?\n)?data: ?([^\r\n]*)\r?\n\r?\n")
_CHAT_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
_BLOCK_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
# Events in which nothing else can hold text.
_PLAIN_EVENT = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"})
_PLAIN_CHOICE = frozenset({"index", "delta", "text", "logprobs", "finish_reason", "stop_reason", "token_ids"})
_PLAIN_DELTA = frozenset({"role", "content", "reasoning", "reasoning_content"})


class BadEvent(ValueError):
    """An event whose text cannot be told from the rest."""


class Read(NamedTuple):
    """One event. `fields` is empty where its data is no object."""

    head: bytes
    data: bytes
    fields: dict[str, Any]


class Said(NamedTuple):
    """A text that goes on: `key` names it, it stands in `where` under `member`; `owner` tells its tokens, too."""

    key: tuple[object, ...]
    where: dict[str, Any]
    member: str
    owner: dict[str, Any]
    is_json: bool = False


def read(event: bytes) -> Read:
    """Take one event apart. Raises BadEvent for anything but one line of data, perhaps below one of its name."""
    found = _EVENT.fullmatch(event)
    if found is None:
        raise BadEvent
    head, data = found[1] or b"", found[2]
    if data == b"[DONE]" or not data:
        return Read(head, data, {})
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BadEvent from None
    if type(fields) is not dict:
        raise BadEvent
    return Read(head, data, fields)


def texts_of(fields: dict[str, Any], endpoint: str) -> list[Said]:
    """The texts of an event that go on in others."""
    if "choices" in fields:
        choices = fields["choices"]
        return [said for choice in choices if type(choice) is dict for said in _of_choice(choice)] if choices else []
    kind = fields.get("type")
    if type(kind) is not str:
        return []
    return list(_of_messages(fields, kind) if endpoint == "/v1/messages" else _of_responses(fields, kind))


def ends(fields: dict[str, Any], endpoint: str) -> list[tuple[object, ...]]:
    """How the keys begin of texts that end with an event; all keys begin with nothing."""
    if "choices" in fields:
        choices = fields["choices"] or ()
        return [(each.get("index"),) for each in choices if type(each) is dict and each.get("finish_reason")]
    kind = fields.get("type")
    if kind == "content_block_stop":
        return [(fields.get("index"),)]
    if type(kind) is str and kind.endswith(".done") and endpoint == "/v1/responses":
        return [_place(fields, kind)]
    return []


def is_plain(fields: dict[str, Any]) -> bool:
    """Whether an event holds no text beside `texts_of` it: most do not, and are not searched for any."""
    choices = fields.get("choices")
    if type(choices) is not list or not fields.keys() <= _PLAIN_EVENT:
        return False
    for choice in choices:
        if type(choice) is not dict or not choice.keys() <= _PLAIN_CHOICE:
            return False
        delta = choice.get("delta")
        if delta is not None and not (type(delta) is dict and delta.keys() <= _PLAIN_DELTA):
            return False
    return True


def _of_choice(choice: dict[str, Any]) -> Iterator[Said]:
    index = choice.get("index")
    if type(choice.get("text")) is str:
        yield Said((index, "text"), choice, "text", choice)
    delta = choice.get("delta")
    if type(delta) is not dict:
        return
    for name in _CHAT_TEXTS:
        if type(delta.get(name)) is str:
            yield Said((index, name), delta, name, choice)
    called = [(each.get("index"), each.get("function")) for each in delta.get("tool_calls") or () if type(each) is dict]
    for number, function in [*called, (None, delta.get("function_call"))]:
        if type(function) is dict and type(function.get("arguments")) is str:
            yield Said((index, "arguments", number), function, "arguments", choice, is_json=True)


def _of_messages(fields: dict[str, Any], kind: str) -> Iterator[Said]:
    delta = fields.get("delta")
    if kind == "content_block_delta" and type(delta) is dict:
        member = _BLOCK_TEXTS.get(str(delta.get("type")))
        if member is not None and type(delta.get(member)) is str:
            yield Said((fields.get("index"), member), delta, member, fields, is_json=member == "partial_json")


def _of_responses(fields: dict[str, Any], kind: str) -> Iterator[Said]:
    if kind.endswith(".delta") and type(fields.get("delta")) is str:
        yield Said(_place(fields, kind), fields, "delta", fields, is_json="arguments" in kind)


def _place(fields: dict[str, Any], kind: str) -> tuple[object, ...]:
    """Which text of the answer: events of one kind name the item, and where in it."""
    where = tuple(fields.get(name) for name in ("item_id", "output_index", "content_index", "summary_index"))
    return (kind.rpartition(".")[0], *where)
