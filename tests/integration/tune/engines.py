"""An engine of known behaviour: it notes by its own clock what it did, and how late it was itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from random import Random

import orjson

from forebay.testing.fake_engine import Exchange

_BEAT_S = 0.02


class Known:
    """A script. Counts words as tokens; answers after `first_s()`, then a token every `gap_s`.

    `ttft_s` and `e2e_s` hold what each streamed answer took by the engine's own clock; `late_s` how late its loop was.
    """

    def __init__(self, first_s=0.0, gap_s=0.0, *, spread=0.0, seed=1):
        self._first_s, self._gap_s, self._spread = first_s, gap_s, spread
        self._chance = Random(seed)
        self.ttft_s, self.e2e_s, self.bodies = [], [], []
        self.late_s = 0.0
        self._beating = False

    async def __call__(self, exchange: Exchange) -> None:
        began = time.monotonic()
        if not self._beating:
            self._beating = True
            asyncio.get_running_loop().call_later(_BEAT_S, self._beat, time.monotonic() + _BEAT_S)
        fields = exchange.fields
        if b"tokenize" in exchange.head.split(b"\r\n")[0]:
            words = len(fields["prompt"].split())
            await exchange.answer(orjson.dumps({"count": words, "tokens": list(range(words))}))
            return
        self.bodies.append(fields)
        usage = self.usage(len(fields["prompt"].split()), fields["max_tokens"])
        if not fields.get("stream"):
            choice = {"text": "x " * fields["max_tokens"], "finish_reason": "length"}
            await exchange.answer(orjson.dumps({"choices": [choice], "usage": usage}))
            return
        await asyncio.sleep(self._first_s * self._chance.lognormvariate(0.0, self._spread))
        await self.stream(exchange, fields["max_tokens"], usage, began)

    def usage(self, prompt: int, tokens: int) -> dict[str, int]:
        return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}

    async def stream(self, exchange, tokens, usage, began):
        await exchange.begin_stream()
        for number in range(tokens):
            if number and self._gap_s:
                await asyncio.sleep(self._gap_s)
            if not number:
                self.ttft_s.append(time.monotonic() - began)
            await exchange.event(token(" hi", "length" if number == tokens - 1 else None))
        self.e2e_s.append(time.monotonic() - began)
        if usage is not None:
            await exchange.event(orjson.dumps({"choices": [], "usage": usage}))
        await exchange.event(b"[DONE]")
        await exchange.end_stream()

    def _beat(self, due: float) -> None:
        now = time.monotonic()
        self.late_s = max(self.late_s, now - due)
        with contextlib.suppress(RuntimeError):  # the loop was closed
            asyncio.get_running_loop().call_later(_BEAT_S, self._beat, now + _BEAT_S)


def token(text: str, finish: str | None) -> bytes:
    return orjson.dumps({"choices": [{"text": text, "finish_reason": finish}]})
