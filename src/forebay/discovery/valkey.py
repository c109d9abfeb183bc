"""Engines that register themselves in a Valkey: keys with a lease, one for each engine."""

from __future__ import annotations

import asyncio

import msgspec

from forebay.discovery.connection import Valkey
from forebay.discovery.entries import Entry, found_at
from forebay.discovery.found import MOST_ENGINES, DiscoveryError, Found, Tell

_SCAN = 1000


def lease_key(model: str, name: str) -> str:
    """The key of an engine's registration. Neither part may hold a colon, so no two engines share one."""
    return f"forebay:engines:{model}:{name}"


class ValkeySource:
    """Reads the registrations of one model every `every_s`. Keys are looked for with SCAN, which blocks nobody."""

    def __init__(self, valkey: Valkey, model: str, every_s: float) -> None:
        self._valkey = valkey
        self._model = model
        self._every_s = every_s

    async def watch(self, tell: Tell) -> None:
        try:
            while True:
                tell(await self._read())
                await asyncio.sleep(self._every_s)
        finally:
            self._valkey.close()

    async def _read(self) -> tuple[Found, ...]:
        keys = sorted(await self._keys())
        if not keys:
            return ()
        values = await self._valkey.command("MGET", *keys)
        if not isinstance(values, list) or len(values) != len(keys):
            raise DiscoveryError("the Valkey's reply is not understood")
        found = (_engine(key.rpartition(":")[2], value) for key, value in zip(keys, values, strict=True))
        return tuple(each for each in found if each is not None)

    async def _keys(self) -> set[str]:
        cursor, keys = "0", set[str]()
        while True:
            reply = await self._valkey.command("SCAN", cursor, "MATCH", lease_key(self._model, "*"), "COUNT", _SCAN)
            match reply:
                case [bytes() as following, list() as some]:
                    keys.update(key.decode("utf-8", "replace") for key in some if isinstance(key, bytes))
                    cursor = following.decode("ascii", "replace")
                case _:
                    raise DiscoveryError("the Valkey's reply is not understood")
            if len(keys) > MOST_ENGINES:
                raise DiscoveryError(f"more than {MOST_ENGINES} engines are registered")
            if cursor == "0":
                return keys


def _engine(name: str, value: object) -> Found | None:
    """The engine of one registration; None where its lease has just ended."""
    if value is None:
        return None
    try:
        entry = msgspec.json.decode(value if isinstance(value, bytes) else b"", type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DiscoveryError(f"the registration of {name[:80]} is not understood") from error
    return found_at(msgspec.structs.replace(entry, name=name))
