"""A worker's connection to a process of its own service: found again when lost, frames in and out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import msgspec

from forebay.core.unix_sockets import connected
from forebay.wire.frames import BadFrame, Frames


class UnixLink(asyncio.Protocol):
    """One to a worker and neighbour. A neighbour that sends what is no frame, or no answer, is left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._frames = Frames()

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def heard(self, frame: bytes) -> None:
        """A whole frame came. Raises msgspec.DecodeError where it is no answer."""
        raise NotImplementedError

    def connect(self) -> None:
        """Begin to connect, where there is no connection and none begun."""
        if self._transport is None and self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._frames = Frames()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self.heard(frame)
        except (BadFrame, msgspec.DecodeError):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    async def _connect(self) -> None:
        try:
            socket = connected(self._path)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=socket)
        except OSError:
            self._transport = None
        finally:
            self._connecting = None
