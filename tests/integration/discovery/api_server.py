"""An emulator of the part of a Kubernetes API server that EndpointSlices need: list in pages, watch, forget.

It keeps every event with its resourceVersion, so that a watch begins where it is told to; `compact` forgets the old
ones and makes such a watch 410 Gone, as etcd's compaction does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


class ApiServer:
    """`refuse` is a status that every request gets; `gone` counts the watches that began too late."""

    def __init__(self, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.token = token
        self._tls = tls
        self.refuse = 0
        self.page_size = 2
        self.version = 100
        self.lists = 0
        self.watches = 0
        self.gone = 0
        self.end_watches = False
        self.port = 0
        self._slices: dict[str, dict[str, Any]] = {}
        self._events: list[tuple[int, bytes]] = []
        self._oldest = 100
        self._error = b""
        self._news = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> ApiServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    async def put(self, name: str, *pods: tuple[str, str], ready: bool = True) -> None:
        """Create or change a slice; a pod is its name and address."""
        kind = "MODIFIED" if name in self._slices else "ADDED"
        endpoints = [
            {"addresses": [address], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}
            for pod, address in pods
        ]
        self.version += 1
        self._slices[name] = {
            "metadata": {"name": name, "resourceVersion": str(self.version), "labels": {}},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
        }
        await self._tell(kind, self._slices[name])

    async def delete(self, name: str) -> None:
        gone = self._slices.pop(name)
        self.version += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        await self._tell("DELETED", gone)

    async def bookmark(self) -> None:
        self.version += 10
        await self._tell("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    async def error(self, code: int) -> None:
        """An event that ends the watch that runs, as the server sends where its own watch has broken."""
        status = {"kind": "Status", "code": code, "message": "too old resource version"}
        self._error = orjson.dumps({"type": "ERROR", "object": status}) + b"\n"
        async with self._news:
            self._news.notify_all()

    def compact(self) -> None:
        """Forget every event so far."""
        self._oldest = self.version
        self._events.clear()

    async def cut(self) -> None:
        """End every connection."""
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _tell(self, kind: str, content: dict[str, Any]) -> None:
        self._events.append((self.version, orjson.dumps({"type": kind, "object": content}) + b"\n"))
        async with self._news:
            self._news.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            url = urlsplit(head.split(" ")[1])
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            if self.refuse:
                await _answer(writer, self.refuse, {"kind": "Status", "code": self.refuse, "message": "not now"})
            elif self.token and f"Authorization: Bearer {self.token}\r\n" not in head:
                await _answer(writer, 401, {"kind": "Status", "code": 401, "message": "Unauthorized"})
            elif url.path != PATH or query["labelSelector"] != "kubernetes.io/service-name=vllm":
                await _answer(writer, 404, {"kind": "Status", "code": 404, "message": "no such thing"})
            elif "watch" in query:
                await self._watch(writer, query)
            else:
                await self._list(writer, query)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _list(self, writer: asyncio.StreamWriter, query: dict[str, str]) -> None:
        self.lists += "continue" not in query
        start = int(query.get("continue", "0"))
        items = list(self._slices.values())
        metadata = {"resourceVersion": str(self.version)}
        if start + self.page_size < len(items):
            metadata["continue"] = str(start + self.page_size)
        page = {"kind": "EndpointSliceList", "metadata": metadata, "items": items[start : start + self.page_size]}
        await _answer(writer, 200, page)

    async def _watch(self, writer: asyncio.StreamWriter, query: dict[str, str]) -> None:
        self.watches += 1
        known = int(query["resourceVersion"])
        if known < self._oldest:
            self.gone += 1
            await _answer(writer, 410, {"kind": "Status", "code": 410, "message": "too old resource version"})
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            async with self._news:
                if self.end_watches:  # as a server does whose time for a watch is over, before it told the last event
                    self.end_watches = False
                    writer.write(b"0\r\n\r\n")
                    return
                for version, event in self._events:
                    if version > known:
                        known = version
                        # In two chunks: events are lines, not chunks.
                        for piece in (event[:30], event[30:]):
                            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                if self._error:
                    writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(self._error), self._error))
                    self._error = b""
                    return
                await self._news.wait()


async def _answer(writer: asyncio.StreamWriter, status: int, content: dict[str, Any]) -> None:
    body = orjson.dumps(content)
    writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
    await writer.drain()
