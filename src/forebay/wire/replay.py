"""One answer in two forms: a whole body made into events, and events gathered into a whole body.

Only what is understood is converted. An answer with anything else in it raises CannotReplay, and is asked for anew.
"""

from __future__ import annotations

from typing import Any

import orjson

from forebay.wire.sse import DONE, data_of, event, events

# `abort` and whatever else an engine may say: not an answer that can stand for another.
_FINISHED = frozenset({"stop", "length"})
_DONE_EVENT = DONE + b"\n\n"
_TEXTS = ("reasoning_content", "reasoning", "content")
_SHARED = ("id", "created", "model", "system_fingerprint")


class CannotReplay(ValueError):
    """The answer holds what the other form, or a second call, cannot be given."""


def check_whole(body: bytes) -> bytes:
    """The usage object of a whole answer that may be given again, as JSON; raises CannotReplay for any other."""
    answer = _loads(body)
    choice = _only_choice(answer)
    if choice.get("finish_reason") not in _FINISHED:
        raise CannotReplay("it did not end by itself")
    return _usage_of(answer)


def check_events(payload: bytes) -> tuple[bytes, bytes]:
    """The events of a stream that may be given again, without the usage event, and its usage object as JSON.

    Raises CannotReplay where the stream did not end by itself or holds anything but events of one choice.
    """
    kept, usage, finish = [], b"", None
    done = False
    for each in events(payload):
        payload_of = data_of(each)
        done = payload_of == b"[DONE]"
        if done or not payload_of:
            continue
        chunk = _loads(payload_of)
        usage = _usage_of(chunk) or usage
        if chunk.get("choices") == []:
            continue
        finish = _only_choice(chunk).get("finish_reason") or finish
        kept.append(event(payload_of))
    if not done or finish not in _FINISHED:
        raise CannotReplay("it did not end by itself")
    return b"".join(kept) + _DONE_EVENT, usage


def events_of(body: bytes) -> bytes:
    """A whole answer as the events of a stream, without usage and with `[DONE]`."""
    answer = _loads(body)
    choice = _only_choice(answer)
    chat = answer.get("object") == "chat.completion"
    base = {name: answer[name] for name in _SHARED if name in answer}
    base["object"] = "chat.completion.chunk" if chat else "text_completion"
    pieces = _chat_pieces(choice) if chat else [{"text": _text(choice.get("text")), "logprobs": choice.get("logprobs")}]
    last: dict[str, Any] = {"delta": {}} if chat else {"text": "", "logprobs": None}
    last |= {name: value for name, value in choice.items() if name in {"finish_reason", "stop_reason"}}
    choices = [{"index": 0, "finish_reason": None, **piece} for piece in pieces] + [{"index": 0, **last}]
    return b"".join(event(orjson.dumps(base | {"choices": [each]})) for each in choices) + _DONE_EVENT


def whole_of(payload: bytes, usage: bytes) -> bytes:
    """The events of a stream as one whole answer; `usage` as `check_events` returned it."""
    chunks = [_loads(data) for each in events(payload) if (data := data_of(each)) and data != b"[DONE]"]
    if not chunks:
        raise CannotReplay("it is empty")
    choices = [_only_choice(chunk) for chunk in chunks]
    chat = chunks[0].get("object") == "chat.completion.chunk"
    whole: dict[str, Any] = {name: chunks[0][name] for name in _SHARED if name in chunks[0]}
    whole["object"] = "chat.completion" if chat else "text_completion"
    choice: dict[str, Any] = {"index": 0}
    choice |= {"message": _message(choices)} if chat else {"text": _text_of(choices)}
    choice["logprobs"] = None
    for each in choices:
        choice |= {name: each[name] for name in ("finish_reason", "stop_reason") if each.get(name) is not None}
    whole["choices"] = [choice]
    if usage:
        whole["usage"] = orjson.loads(usage)
    return orjson.dumps(whole)


def with_usage(payload: bytes, usage: bytes) -> bytes:
    """The events with a usage event before `[DONE]`, as a client gets them that asked for it."""
    if not usage:
        return payload
    first = _loads(data_of(next(events(payload))))
    named = {name: first[name] for name in (*_SHARED, "object") if name in first}
    told = event(orjson.dumps(named | {"choices": [], "usage": orjson.loads(usage)}))
    return payload.removesuffix(_DONE_EVENT) + told + _DONE_EVENT


def _chat_pieces(choice: dict[str, Any]) -> list[dict[str, Any]]:
    message = choice.get("message")
    if type(message) is not dict or not _nothing_beyond(message, {"role", *_TEXTS}):
        raise CannotReplay("its message is more than text")
    pieces: list[dict[str, Any]] = [{"delta": {"role": "assistant", "content": ""}}]
    pieces += [{"delta": {name: _text(message[name])}} for name in _TEXTS if message.get(name)]
    if choice.get("logprobs") is not None:
        pieces[-1]["logprobs"] = choice["logprobs"]
    return pieces


def _message(choices: list[dict[str, Any]]) -> dict[str, Any]:
    texts: dict[str, list[str]] = {}
    for choice in choices:
        delta = choice.get("delta")
        if type(delta) is not dict or not _nothing_beyond(delta, {"role", *_TEXTS}):
            raise CannotReplay("its delta is more than text")
        _refuse_extras(choice, "delta")
        for name in _TEXTS:
            if delta.get(name) is not None:
                texts.setdefault(name, []).append(_text(delta[name]))
    return {"role": "assistant", "content": "", **{name: "".join(pieces) for name, pieces in texts.items()}}


def _text_of(choices: list[dict[str, Any]]) -> str:
    for choice in choices:
        _refuse_extras(choice, "text")
    return "".join(_text(choice.get("text") or "") for choice in choices)


def _refuse_extras(choice: dict[str, Any], content: str) -> None:
    if not _nothing_beyond(choice, {"index", content, "finish_reason", "stop_reason"}):
        raise CannotReplay("its choice holds more than text")


def _nothing_beyond(fields: dict[str, Any], known: set[str]) -> bool:
    return all(name in known or value is None or value in ([], {}) for name, value in fields.items())


def _only_choice(answer: dict[str, Any]) -> dict[str, Any]:
    choices = answer.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        raise CannotReplay("it has not one choice")
    choice: dict[str, Any] = choices[0]
    return choice


def _usage_of(answer: dict[str, Any]) -> bytes:
    usage = answer.get("usage")
    return orjson.dumps(usage) if type(usage) is dict else b""


def _text(value: object) -> str:
    if type(value) is not str:
        raise CannotReplay("its text is no text")
    return value


def _loads(payload: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise CannotReplay("it is not JSON") from None
    if type(answer) is not dict:
        raise CannotReplay("it is not an object")
    return answer
