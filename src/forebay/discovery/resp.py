"""The few commands that registrations need of a Valkey, over one connection, each within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import unquote, urlsplit

import msgspec

from forebay.discovery.found import DiscoveryError

_ANSWER_S = 5.0
_BULK_LIMIT_BYTES = 1024 * 1024
_ARRAY_LIMIT = 100_000
_DEPTH_LIMIT = 4
Reply = bytes | int | None | list["Reply"]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A Valkey server. The password is no part of what is shown."""

    host: str
    port: int = 6379
    database: int = 0
    user: str = ""
    password: str = ""

    @classmethod
    def of(cls, url: str, password: str = "") -> Address:
        """From `valkey://[user@]host:port/database`; DiscoveryError where it is none."""
        parts = urlsplit(url)
        number = parts.path.strip("/") or "0"
        try:
            port = parts.port or 6379
        except ValueError:
            port = 0
        if parts.scheme not in ("valkey", "redis") or not parts.hostname or not port or not number.isdecimal():
            raise DiscoveryError("the address of the Valkey is not of the form valkey://host:port/database")
        return cls(
            host=parts.hostname, port=port, database=int(number), user=unquote(parts.username or ""), password=password
        )


class Valkey:
    """One connection; opened by the first command, opened again after a failure."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def command(self, *words: str | int) -> Reply:
        """Send one command; DiscoveryError where no reply comes, or an error does."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                if self._streams is None:
                    await self._open()
                return await self._exchange(*words)
        except DiscoveryError:
            await self.close()
            raise
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            await self.close()
            place = f"{self._address.host}:{self._address.port}"
            raise DiscoveryError(f"the Valkey at {place} does not answer: {error or type(error).__name__}") from error

    async def close(self) -> None:
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _open(self) -> None:
        self._streams = await asyncio.open_connection(self._address.host, self._address.port)
        if self._address.password:
            user = (self._address.user,) if self._address.user else ()
            await self._exchange("AUTH", *user, self._address.password)
        if self._address.database:
            await self._exchange("SELECT", self._address.database)

    async def _exchange(self, *words: str | int) -> Reply:
        assert self._streams is not None  # noqa: S101  opened by the caller
        reader, writer = self._streams
        parts = [str(word).encode() for word in words]
        writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))
        return await _reply(reader, 0)


async def _reply(reader: asyncio.StreamReader, depth: int) -> Reply:
    line = (await reader.readuntil(b"\r\n"))[:-2]
    sign, rest = line[:1], line[1:]
    if sign == b"+":
        return rest
    if sign == b"-":
        # Only the code: the text may repeat what was sent.
        raise DiscoveryError(f"the Valkey refuses: {rest.split(b' ')[0].decode('ascii', 'replace')}")
    if sign == b":":
        return int(rest)
    if sign == b"$":
        return await _bulk(reader, int(rest))
    if sign == b"*" and depth < _DEPTH_LIMIT and int(rest) <= _ARRAY_LIMIT:
        return [await _reply(reader, depth + 1) for _ in range(int(rest))]
    raise ValueError("the reply is no RESP")


async def _bulk(reader: asyncio.StreamReader, length: int) -> bytes | None:
    if length < 0:
        return None
    if length > _BULK_LIMIT_BYTES:
        raise ValueError("a value is too long")
    return (await reader.readexactly(length + 2))[:-2]
