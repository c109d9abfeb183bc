"""What engines say in tests, whole and in events, on each route; and what a client makes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from forebay.testing.fake_engine import Exchange, completion
from forebay.wire.sse import data_of, events

Script = Callable[[Exchange], Awaitable[None]]


def whole(body: object) -> Script:
    """Answer with a whole body."""
    written = body if isinstance(body, bytes) else orjson.dumps(body)

    async def script(exchange: Exchange) -> None:
        await exchange.answer(written)

    return script


def says(text: str) -> Script:
    """Answer a chat with one text."""
    return whole(completion(text))


def chat(*deltas: dict[str, Any], finish: str | None = "stop", index: int = 0) -> list[object]:
    """The events of one choice: a delta each, then its end."""
    said = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
    if finish is not None:
        said.append({"index": index, "delta": {}, "finish_reason": finish})

    return [
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [each]} for each in said
    ]


def streams(*payloads: object, done: bool = True, then: str = "end") -> Script:
    """Send events, one write each; `then` is end, reset or close."""

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for payload in payloads:
            if isinstance(payload, bytes):
                await exchange.send(b"%x\r\n%b\r\n" % (len(payload), payload))
            else:
                name = payload.get("type") if isinstance(payload, dict) and "choices" not in payload else None
                event = (f"event: {name}\n".encode() if name else b"") + b"data: " + orjson.dumps(payload) + b"\n\n"
                await exchange.send(b"%x\r\n%b\r\n" % (len(event), event))
        if done:
            await exchange.event(b"[DONE]")
        if then == "end":
            await exchange.end_stream()
        elif then == "reset":
            exchange.reset()
        else:
            exchange.close()

    return script


def payloads(body: bytes) -> list[Any]:
    """The events of a stream as a client reads them."""
    found = [data for each in events(body) if (data := data_of(each))]
    return [orjson.loads(data) if data != b"[DONE]" else "[DONE]" for data in found]


def heard(body: bytes, member: str = "content", index: int = 0) -> str:
    """One text of a chat's stream, put together."""
    told = [payload["choices"] for payload in payloads(body) if isinstance(payload, dict) and "choices" in payload]
    own = [choice for choices in told for choice in choices if choice["index"] == index]
    return "".join((choice.get("delta") or choice).get(member) or "" for choice in own)
