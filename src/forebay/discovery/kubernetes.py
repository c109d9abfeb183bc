"""Engines behind a Kubernetes service: its EndpointSlices, listed once and watched from there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from forebay.discovery.api_server import Event, Said
from forebay.discovery.endpoint_slices import Slice, SliceList, engines_in
from forebay.discovery.found import DiscoveryError, Tell
from forebay.discovery.http_stream import Server, get

T = TypeVar("T")
_PAGE = 500
_LIST_LIMIT_BYTES = 64 * 1024 * 1024
_EVENT_LIMIT_BYTES = 8 * 1024 * 1024
_LIST_S = 30.0
_WATCH_S = 120
_SILENCE_S = _WATCH_S + 15.0
"""The server ends a watch by itself: one that lasts longer has a dead line."""


class _Gone(Exception):
    """The version we know is too old: list again."""


class Access(msgspec.Struct, frozen=True):
    """The API server and who we are to it. The token is read again for each request: it is rotated."""

    server: str
    token: Path | None
    authority: Path | None


class KubernetesSource:
    """Lists, then watches; lists again where the server has forgotten the version (410)."""

    def __init__(self, access: Access, namespace: str, service: str, port: str | int | None) -> None:
        self._access = access
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        self._selector = f"kubernetes.io/service-name={service}"
        self._port = port
        self._slices: dict[str, Slice] = {}
        self._version = ""

    async def watch(self, tell: Tell) -> None:
        server = Server(self._access.server, _tls(self._access))
        while True:
            await self._list(server)
            tell(engines_in(self._slices.values(), self._port))
            try:
                while True:
                    await self._follow(server, tell)
            except _Gone:
                continue

    async def _list(self, server: Server) -> None:
        """Take every page; what is known changes only when all have come."""
        slices: dict[str, Slice] = {}
        query = {"labelSelector": self._selector, "limit": str(_PAGE)}
        while True:
            async with get(server, f"{self._path}?{urlencode(query)}", self._headers(), _LIST_S) as answer:
                body = await answer.whole(_LIST_LIMIT_BYTES)
            if answer.status == 410 and "continue" in query:
                del query["continue"]
                slices.clear()
                continue
            if answer.status != 200:
                raise DiscoveryError(_refused(answer.status, body))
            page = _decode(body, SliceList)
            slices.update({each.metadata.name: each for each in page.items or ()})
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        self._slices, self._version = slices, page.metadata.resource_version

    async def _follow(self, server: Server, tell: Tell) -> None:
        """One watch, until the server ends it."""
        query = {
            "labelSelector": self._selector,
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_S),
        }
        async with get(server, f"{self._path}?{urlencode(query)}", self._headers(), _SILENCE_S) as answer:
            if answer.status == 410:
                raise _Gone
            if answer.status != 200:
                raise DiscoveryError(_refused(answer.status, await answer.whole(_EVENT_LIMIT_BYTES)))
            async for line in answer.lines(_EVENT_LIMIT_BYTES):
                if line.strip() and self._take(_decode(line, Event)):
                    tell(engines_in(self._slices.values(), self._port))

    def _take(self, event: Event) -> bool:
        """Apply an event; returns whether it may have changed the engines."""
        if event.type == "ERROR":
            status = _decode(bytes(event.object), Said)
            if status.code == 410:
                raise _Gone
            raise DiscoveryError(f"the watch ended with {status.code}: {status.message[:200]}")
        each = _decode(bytes(event.object), Slice)
        self._version = each.metadata.resource_version
        if event.type == "BOOKMARK":
            return False
        if event.type == "DELETED":
            self._slices.pop(each.metadata.name, None)
        else:
            self._slices[each.metadata.name] = each
        return True

    def _headers(self) -> dict[str, str]:
        return dict(_authorization(self._access.token))


def _authorization(token: Path | None) -> Iterator[tuple[str, str]]:
    if token is None:
        return
    try:
        text = token.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DiscoveryError(f"the token {token} cannot be read") from error
    if not text.isprintable() or " " in text:
        raise DiscoveryError(f"{token} holds no token")
    yield "Authorization", f"Bearer {text}"


def _tls(access: Access) -> ssl.SSLContext | None:
    if not access.server.startswith("https://"):
        return None
    try:
        return ssl.create_default_context(cafile=str(access.authority) if access.authority else None)
    except OSError as error:  # ssl.SSLError is one
        raise DiscoveryError(f"the authority {access.authority} cannot be used") from error


def _refused(status: int, body: bytes) -> str:
    try:
        said = msgspec.json.decode(body, type=Said).message[:200]
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = ""
    return f"the API server answered {status}{': ' if said else ''}{said}"


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DiscoveryError("the API server's answer is not understood", detail=str(error)) from error
