"""vLLM's manners without a model: token ids, texts that wait for whole characters, stop strings held back.

Its tokens are pieces of UTF-8 of at most three bytes, cut anywhere; an id holds its bytes. What it would answer is
fixed, so a prompt that goes on within the answer gets the rest of it, as from greedy decoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from forebay.testing.fake_engine import Exchange

EOS = 2
PROMPT = (9, 8, 7)
_TERMINATOR = 1


def token(piece: bytes) -> int:
    """The id of a token that stands for `piece`, which is at most three bytes long."""
    return int.from_bytes(bytes([_TERMINATOR]) + piece, "big")


def bytes_of(token_id: int) -> bytes:
    """What a token stands for; nothing for a special one."""
    return b"" if token_id < 256 else token_id.to_bytes(4, "big").lstrip(b"\0")[1:]


def tokens(text: str, step: int = 1) -> list[int]:
    """`text` in tokens of `step` bytes."""
    encoded = text.encode()
    return [token(encoded[at : at + step]) for at in range(0, len(encoded), step)]


class FakeVllm:
    """Answers `answer` to any chat or text prompt. `groups` are the tokens in each event, one where it ends."""

    def __init__(self, answer: Sequence[int], groups: Sequence[int] = (), name: str = "fake") -> None:
        self.answer = list(answer)
        self.groups = groups
        self.name = name

    async def __call__(self, exchange: Exchange) -> None:
        """As the script of a fake engine."""
        await exchange.begin_stream()
        path = exchange.head.split(b" ", 2)[1].decode()
        for payload in self.stream(exchange.fields, path):
            await exchange.event(payload)
        await exchange.event(b"[DONE]")
        await exchange.end_stream()

    def stream(self, fields: dict[str, Any], path: str) -> Iterator[bytes]:
        """The payload of each event but `[DONE]`."""
        chat = path.endswith("/chat/completions")
        prompt = fields.get("prompt")
        before = list(prompt) if isinstance(prompt, list) else list(PROMPT)
        made = before[len(PROMPT) :]
        if before[: len(PROMPT)] != list(PROMPT) or made != self.answer[: len(made)]:
            raise AssertionError("the prompt holds what was never said")
        shows = fields.get("return_token_ids") is True
        if chat:
            first = {"prompt_token_ids": before} if shows else {}
            yield self._event(chat, {"delta": {"role": "assistant", "content": ""}}, **first)
        written = _Writer(fields, made)
        for number, step in enumerate(written.steps(self.answer[len(made) :], self.groups)):
            text, ids, finish = step
            choice: dict[str, Any] = {"delta": {"content": text}} if chat else {"text": text}
            choice |= {"logprobs": None, "finish_reason": finish}
            if not chat and shows:
                choice["prompt_token_ids"] = None if number else before
            if shows:
                choice["token_ids"] = ids
            yield self._event(chat, choice)
        if (fields.get("stream_options") or {}).get("include_usage"):
            counts = {"prompt_tokens": len(before), "completion_tokens": written.count}
            yield self._event(chat, None, usage={**counts, "total_tokens": sum(counts.values())})

    def _event(self, chat: bool, choice: dict[str, Any] | None, **more: Any) -> bytes:
        kind = "chat.completion.chunk" if chat else "text_completion"
        choices = [] if choice is None else [{"index": 0, **choice}]
        fields = {"id": f"{self.name}-1", "object": kind, "created": 1, "model": "m", "choices": choices}
        return orjson.dumps({**fields, **more})


class _Writer:
    """vLLM's incremental detokenizer and its check for stop strings."""

    def __init__(self, fields: dict[str, Any], made: list[int]) -> None:
        stop = fields.get("stop") or []
        self._stop: list[str] = [stop] if isinstance(stop, str) else stop
        self._hold = max(map(len, self._stop), default=1) - 1
        self._limit = fields.get("max_tokens")
        self._least = fields.get("min_tokens") or 0
        self._pending = b"".join(map(bytes_of, made))
        if not self._pending.decode("utf-8", "replace").endswith("\ufffd"):
            self._pending = b""  # otherwise the text of the whole prompt comes again, as it does from vLLM
        self._text = ""
        self._sent = 0
        self.count = 0

    def steps(self, rest: list[int], groups: Sequence[int]) -> Iterator[tuple[str, list[int], str | None]]:
        rest, sizes = [*rest, EOS], iter(groups)
        while rest:
            size = next(sizes, 1)
            group, rest = rest[:size], rest[size:]
            ids, finish = self._take(group)
            yield self._delta(finish), ids, finish
            if finish:
                return

    def _take(self, group: list[int]) -> tuple[list[int], str | None]:
        for at, each in enumerate(group, 1):
            before = len(self._text)
            self.count += 1
            if each == EOS:
                return group[:at], "stop"
            self._decode(bytes_of(each))
            if self.count > self._least and self._stopped(before):
                return group[:at], "stop"
            if self.count == self._limit:
                return group[:at], "length"
        return group, None

    def _decode(self, piece: bytes) -> None:
        self._pending += piece
        text = self._pending.decode("utf-8", "replace")
        if text and not text.endswith("\ufffd"):
            self._text += text
            self._pending = b""

    def _stopped(self, before: int) -> bool:
        found = [self._text.find(each, max(0, before + 1 - len(each))) for each in self._stop]
        hits = [at for at in found if at >= 0]
        if hits:
            self._text = self._text[: min(hits)]
        return bool(hits)

    def _delta(self, finish: str | None) -> str:
        end = len(self._text) - (0 if finish else self._hold)
        if end <= self._sent:
            return ""
        text, self._sent = self._text[self._sent : end], end
        return text
