"""The pods of one engine at the API server: found, made, watched, deleted."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from typing import TypeVar

import msgspec

from forebay.discovery.api_server import Event, Said
from forebay.substrate.kubernetes.api import Api, Away, Refused
from forebay.substrate.kubernetes.order import Order, pod_name
from forebay.substrate.kubernetes.pod import Pod, PodList

T = TypeVar("T")
_WATCH_S = 240
_SILENCE_S = _WATCH_S + 15.0
"""The server ends a watch by itself: one that lasts longer has a dead line."""
_EVENT_BYTES = 8 * 1024 * 1024
_LOOK_S = 0.5
_AGAIN_S = 0.2


class Pods:
    """Of the engine that `order` describes."""

    def __init__(self, api: Api, order: Order) -> None:
        self._api, self._order = api, order
        self._path = f"/api/v1/namespaces/{order.namespace}/pods"

    async def all(self) -> tuple[Pod, ...]:
        """Every pod of the engine, also those that have ended or are on their way out; the newest first."""
        body = await self._api.get(self._path, {"labelSelector": self._order.selector})
        found = _decode(body, PodList).items or ()
        return tuple(sorted(found, key=lambda pod: pod.metadata.creation_timestamp, reverse=True))

    async def make(self) -> Pod:
        """Apply a new one, under a name of its own."""
        name = pod_name(self._order, secrets.token_hex(3))
        content = self._order.pod | {"metadata": self._order.pod["metadata"] | {"name": name}}
        return _decode(await self._api.apply(f"{self._path}/{name}", content), Pod)

    async def delete(self, pod: Pod, grace_s: float) -> None:
        """Ask for its end; nothing to do where it is gone, or another one has its name."""
        options = {"gracePeriodSeconds": round(grace_s), "preconditions": {"uid": pod.metadata.uid}}
        try:
            await self._api.delete(f"{self._path}/{pod.metadata.name}", options)
        except Refused as error:
            if error.status != 404:
                raise

    async def await_gone(self, names: set[str], within_s: float) -> set[str]:
        """Wait until none of them is left; returns those that are."""
        until_s = time.monotonic() + within_s
        while True:
            left = names & {pod.metadata.name for pod in await self.all()}
            if not left or time.monotonic() > until_s:
                return left
            await asyncio.sleep(_LOOK_S)

    async def watch(self, name: str) -> AsyncGenerator[Pod | None, None]:
        """The pod as it is, then each change; None once it is gone, and the end. Away where the server is."""
        selector = {"fieldSelector": f"metadata.name={name}"}
        while True:
            listed = _decode(await self._api.get(self._path, selector), PodList)
            yield listed.items[0] if listed.items else None
            version = listed.metadata.resource_version
            while version:
                query = selector | {
                    "watch": "true",
                    "resourceVersion": version,
                    "allowWatchBookmarks": "true",
                    "timeoutSeconds": str(_WATCH_S),
                }
                try:
                    async with self._api.stream(self._path, query, _SILENCE_S) as answer:
                        async for line in answer.lines(_EVENT_BYTES):
                            event = _decode(line, Event)
                            pod = _pod_of(event)
                            version = pod.metadata.resource_version
                            if event.type != "BOOKMARK":
                                yield None if event.type == "DELETED" else pod
                except Refused as error:
                    if error.status != 410:
                        raise
                    version = ""  # the server has forgotten it: list again
                await asyncio.sleep(_AGAIN_S)


def _pod_of(event: Event) -> Pod:
    if event.type != "ERROR":
        return _decode(bytes(event.object), Pod)
    said = _decode(bytes(event.object), Said)
    what = f"the watch ended with {said.code}: {said.message[:200]}"
    if said.code != 410:
        raise Away(what)
    gone = Refused(what)
    gone.status = 410
    raise gone


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Away("the API server's answer is not understood", detail=str(error)) from error
