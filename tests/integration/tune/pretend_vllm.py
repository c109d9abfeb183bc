"""`python pretend_vllm.py serve WEIGHTS FLAGS…`: takes vLLM's flags, and is as fast as they say; for planted effects.

Without CUDA graphs a token takes 12 ms, with them 4. More than 256 sequences do not fit into the memory. FP8 weights
are faster still, and answer otherwise. Where PRETEND_READ_S says so, reading a prompt takes that time unless it begins
as one of the last four beginnings did.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

import orjson
from tests.integration.tune.engines import token

from forebay.testing.fake_engine import Exchange, FakeEngine

_BEGINNING, _REMEMBERED = 256, 4


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("serve")
    parser.add_argument("weights")
    parser.add_argument("--port", type=int)
    parser.add_argument("--max-num-seqs", type=int, default=64)
    parser.add_argument("--enforce-eager", action="store_true")
    parser.add_argument("--quantization", default="")
    asked, _others = parser.parse_known_args()
    if asked.max_num_seqs > 256:
        sys.exit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB.")
    sys.stdout.write(f"GPUs {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\n")
    sys.stdout.flush()
    served = Served(asked)
    stopped = asyncio.new_event_loop()
    with FakeEngine(served, port=asked.port):
        for number in (signal.SIGTERM, signal.SIGINT):
            stopped.add_signal_handler(number, stopped.stop)
        stopped.run_forever()


class Served:
    """Answers as the flags make it."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._gap_s = 0.012 if asked.enforce_eager else 0.004
        self._gap_s *= 0.5 if asked.quantization else 1.0
        self._logprob = -3.0 if asked.quantization else -0.1
        self._places = asyncio.Semaphore(asked.max_num_seqs)
        self._read_s = float(os.environ.get("PRETEND_READ_S", "0"))
        self._read: list[str] = []

    async def __call__(self, exchange: Exchange) -> None:
        line = exchange.head.split(b"\r\n")[0]
        if b"/health" in line:
            await exchange.answer(b"{}")
        elif b"/metrics" in line:
            await exchange.answer(b"vllm:num_requests_running 1.0\n", content_type="text/plain")
        elif b"/completions" in line:
            async with self._places:
                await self._complete(exchange)
        else:
            await exchange.answer(b'{"error":{"message":"no such route"}}', status=404)

    async def _take_in(self, prompt: str) -> None:
        beginning = prompt[:_BEGINNING]
        if beginning in self._read:
            self._read.remove(beginning)
        else:
            await asyncio.sleep(self._read_s)
        self._read = [beginning, *self._read][:_REMEMBERED]

    async def _complete(self, exchange: Exchange) -> None:
        fields = exchange.fields
        text = fields.get("prompt") or "\n".join(each["content"] for each in fields["messages"])
        if self._read_s:
            await self._take_in(text)
        count = fields["max_tokens"]
        prompt = len(text.split())
        usage = {"prompt_tokens": prompt, "completion_tokens": count, "total_tokens": prompt + count}
        if not fields.get("stream"):
            told = {
                "tokens": [" hi"] * count,
                "token_logprobs": [self._logprob] * count,
                "top_logprobs": [{" hi": self._logprob}] * count,
            }
            choice = {"text": " hi" * count, "finish_reason": "length", "logprobs": told}
            await exchange.answer(orjson.dumps({"choices": [choice], "usage": usage}))
            return
        await exchange.begin_stream()
        for number in range(count):
            await asyncio.sleep(self._gap_s)
            finish = "length" if number == count - 1 else None
            await exchange.event(said(" hi", finish) if "messages" in fields else token(" hi", finish))
        await exchange.event(orjson.dumps({"choices": [], "usage": usage}))
        await exchange.event(b"[DONE]")
        await exchange.end_stream()


def said(text: str, finish: str | None) -> bytes:
    return orjson.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]})


if __name__ == "__main__":
    main()
