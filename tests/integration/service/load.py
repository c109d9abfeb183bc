"""Steady load from ordinary HTTP clients, with every outcome kept: nothing is retried, nothing is forgotten."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from types import TracebackType
from typing import Any

import httpx2
import orjson

_DONE = "data: [DONE]"


class Load:
    """Runs `whole` plus `streamed` clients, each sending one call after another, until the context is left.

    `outcomes` counts `(kind, outcome)`. Whole: `answered`, or what went wrong. Streamed: `complete` (ended with
    [DONE]), `error_event`, `transport_error`, or `clean_end` (ended as if complete, but was not: the one that must
    never happen), or a status.
    """

    def __init__(self, url: str, key: str, tls: ssl.SSLContext, *, whole: int, streamed: int, max_tokens: int) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._url = f"{url}/chat/completions"
        self._key = key
        self._tls = tls
        self._clients = ["whole"] * whole + ["streamed"] * streamed
        self._fields: dict[str, Any] = {
            "model": "smollm2",
            "messages": [{"role": "user", "content": "Count from one to one hundred."}],
            "temperature": 0,
            "max_tokens": max_tokens,
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(120)

    def count(self, kind: str) -> int:
        """Calls of one kind that have ended so far."""
        return sum(number for (each, _), number in self.outcomes.items() if each == kind)

    async def _run(self) -> None:
        limits = httpx2.Limits(max_connections=len(self._clients) + 4)
        async with (
            httpx2.AsyncClient(
                verify=self._tls, timeout=120, limits=limits, headers={"authorization": f"Bearer {self._key}"}
            ) as http,
            asyncio.TaskGroup() as tasks,
        ):
            for kind in self._clients:
                tasks.create_task(self._client(http, kind))

    async def _client(self, http: httpx2.AsyncClient, kind: str) -> None:
        call = self._whole if kind == "whole" else self._streamed
        while not self._stop.is_set():
            try:
                outcome = await call(http)
            except httpx2.HTTPError as error:
                outcome = f"transport_error: {type(error).__name__}" if kind == "whole" else "transport_error"
            self.outcomes[kind, outcome] += 1

    async def _whole(self, http: httpx2.AsyncClient) -> str:
        answer = await http.post(self._url, json=self._fields)
        if answer.status_code != 200:
            return f"status {answer.status_code}: {answer.text[:200]}"
        return "answered" if orjson.loads(answer.content)["choices"] else "empty"

    async def _streamed(self, http: httpx2.AsyncClient) -> str:
        last = ""
        async with http.stream("POST", self._url, json={**self._fields, "stream": True}) as answer:
            if answer.status_code != 200:
                return f"status {answer.status_code}"
            async for line in answer.aiter_lines():
                last = line or last
        if last == _DONE:
            return "complete"
        return "error_event" if '"stream_cut"' in last else "clean_end"
