"""A Valkey as registrations need it: where it is, and one command at a time within a deadline."""

from __future__ import annotations

import asyncio
import re

import msgspec

from forebay.discovery.found import DiscoveryError
from forebay.store.valkey import Reply, ValkeyConnection, ValkeyLost, ValkeyRefused, ask, connect

_ANSWER_S = 5.0
_URL = re.compile(r"(valkeys?|rediss?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(?:/(\d{1,3}))?")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A Valkey server. The password is no part of the URL, which is shown."""

    host: str
    port: int = 6379
    database: int = 0
    password: str | None = None
    tls: bool = False

    @classmethod
    def of(cls, url: str, password: str | None = None) -> Address:
        """From `valkey://host:port/database`, `valkeys://` with TLS; DiscoveryError where it is none."""
        match = _URL.fullmatch(url)
        port = int(match[3] or 6379) if match else 0
        if match is None or not 0 < port < 65536:
            raise DiscoveryError("the address of the Valkey is not of the form valkey://host:port/database")
        tls = match[1] in ("valkeys", "rediss")
        return cls(
            host=match[2].strip("[]"), port=port, database=int(match[4] or 0), password=password or None, tls=tls
        )


class Valkey:
    """One connection; opened by the first command, opened again after a failure."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: ValkeyConnection | None = None

    async def command(self, *words: str | int) -> Reply:
        """Send one command; DiscoveryError where no reply comes, or a refusal."""
        where = f"the Valkey at {self._address.host}:{self._address.port}"
        try:
            async with asyncio.timeout(_ANSWER_S):
                if self._connection is None:
                    await self._open()
                assert self._connection is not None  # noqa: S101  opened above, or raised
                return await ask(self._connection, *(str(word).encode() for word in words))
        except ValkeyRefused as error:
            # Only the code: the text may repeat what was sent.
            raise DiscoveryError(f"{where} refuses: {str(error).partition(' ')[0]}") from error
        except (TimeoutError, ValkeyLost) as error:
            self.close()
            raise DiscoveryError(f"{where} does not answer: {getattr(error, 'reason', 'timeout')}") from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort("closed")

    async def _open(self) -> None:
        address = self._address
        self._connection = await connect(
            address.host,
            address.port,
            password=address.password,
            tls=address.tls,
            timeout_s=_ANSWER_S,
            on_lost=self._forget,
        )
        if address.database:
            await ask(self._connection, b"SELECT", str(address.database).encode())

    def _forget(self, connection: ValkeyConnection) -> None:
        if self._connection is connection:
            self._connection = None
