"""Keeps the registration of one engine alive, for as long as somebody listens at its URL."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from forebay.core.errors import RunError
from forebay.discovery.connection import Valkey
from forebay.discovery.entries import Entry, found_at
from forebay.discovery.found import DiscoveryError
from forebay.discovery.valkey import lease_key

_RENEWALS = 3
"""A lease is renewed this many times while it lasts: two may be lost."""
_CONNECT_S = 2.0
# Only ours: an engine of the same name may have been registered elsewhere meanwhile.
_DELETE_IF_OURS = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
Say = Callable[[str], None]


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What is registered, and for how long at a time."""

    model: str
    name: str
    url: str
    lease_s: float
    max_outstanding: int | None = None


async def register(valkey: Valkey, what: Registration, say: Say) -> None:
    """Register until cancelled, then withdraw. RunError where the registration itself is wrong or taken."""
    entry = Entry(url=what.url, max_outstanding=what.max_outstanding)
    try:
        found = found_at(msgspec.structs.replace(entry, name=what.name))
    except DiscoveryError as error:
        raise RunError(error.what, where="--url") from error
    key, value = lease_key(what.model, what.name), msgspec.json.encode(entry).decode()
    said = ""
    try:
        while True:
            state = await _renew(valkey, key, value, what, (found.host, found.port))
            if state != said:
                say(state)
                said = state
            await asyncio.sleep(what.lease_s / _RENEWALS)
    finally:
        with contextlib.suppress(DiscoveryError):  # the lease ends by itself
            await valkey.command("EVAL", _DELETE_IF_OURS, 1, key, value)
        valkey.close()


async def _renew(valkey: Valkey, key: str, value: str, what: Registration, address: tuple[str, int]) -> str:
    """Renew the lease; returns in words what came of it."""
    if not await _listens(*address):
        return f"nobody listens at {what.url}: not registered"
    try:
        taken = await valkey.command("GET", key)
        if taken is not None and taken != value.encode():
            return f"another engine is registered as {what.name}: not registered"
        await valkey.command("SET", key, value, "PX", int(what.lease_s * 1000))
    except DiscoveryError as error:
        return f"not registered: {error.what}"
    return f"registered as {what.name} for {what.model}"


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_CONNECT_S):
            _reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True
