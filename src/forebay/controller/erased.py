"""Answers that are kept go where a person is erased: all of them, since nobody can tell which are about whom."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path

import msgspec

from forebay.config.schema import Config
from forebay.controller.in_force import await_in_force
from forebay.controller.limits import valkey_ref
from forebay.core.errors import StateError
from forebay.core.files import write_atomically
from forebay.gateway.idempotency.local import erase_answers
from forebay.gateway.idempotency.script import ERASE
from forebay.gateway.idempotency.shared import PREFIX as ONCE
from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.reuse.shared import PREFIX as ANSWERS
from forebay.gateway.snapshot import ModelRef, Snapshot
from forebay.store.state_dir import StateDir
from forebay.store.valkey import Reply, ValkeyConnection, ValkeyLost, ValkeyRefused, ask, connect

_BUSY_S = 5.0
_IN_FORCE_S = 10.0
_AT_ONCE = b"500"


def since_erasure(snapshot: Snapshot, state: StateDir) -> Snapshot:
    """The snapshot under which nothing is given again that was answered before the last erasure."""
    stamp = _stamp(state)
    if not stamp:
        return snapshot
    return msgspec.structs.replace(snapshot, models=tuple(_since(model, stamp) for model in snapshot.models))


def drop_answers(config: Config, state: StateDir, base: Path) -> None:
    """Drop every answer that is kept: of this machine's workers, of idempotency keys, in Valkey.

    Those of calls that run meanwhile are not kept when they end. Raises StateError where some are left: what was done
    is done, and the whole may be asked for again.
    """
    stamp = f"{time.time_ns():x}"
    write_atomically(state.erased, stamp.encode())
    # First of all: a worker that has not heard of it goes on keeping answers, also where all were dropped.
    late = await_in_force(state, lambda snapshot: _is_since(snapshot, stamp), _IN_FORCE_S)
    try:
        if state.claims.exists():
            erase_answers(state.claims, _BUSY_S)
        ref = valkey_ref(config, state, base)
        if ref is not None:
            asyncio.run(_drop_shared(ref))
    except (sqlite3.Error, ValkeyLost, ValkeyRefused) as error:
        raise _left(str(error) or type(error).__name__) from error
    if late:
        raise _left(f"{', '.join(late)} did not take the new snapshot in time")


def _stamp(state: StateDir) -> str:
    try:
        return state.erased.read_text("ascii")
    except FileNotFoundError:
        return ""


def _since(model: ModelRef, stamp: str) -> ModelRef:
    if model.cache is None:
        return model
    cache = msgspec.structs.replace(model.cache, version=f"{model.cache.version}.{stamp}")
    return msgspec.structs.replace(model, cache=cache)


def _is_since(snapshot: Snapshot, stamp: str) -> bool:
    return all(model.cache is None or model.cache.version.endswith(stamp) for model in snapshot.models)


async def _drop_shared(ref: ValkeyRef) -> None:
    connection = await connect(
        ref.host, ref.port, password=ref.password, tls=ref.tls, timeout_s=_BUSY_S, on_lost=lambda _lost: None
    )
    try:
        for name in await _named(connection, ANSWERS, b"string"):
            await ask(connection, b"UNLINK", name)
        for name in await _named(connection, ONCE, b"hash"):
            await ask(connection, b"EVAL", ERASE.encode(), b"1", name)
        with contextlib.suppress(ValkeyRefused):  # another's Valkey may not allow it, or keep no log of writes
            await ask(connection, b"BGREWRITEAOF")
    finally:
        connection.abort("closed")


async def _named(connection: ValkeyConnection, prefix: bytes, kind: bytes) -> list[bytes]:
    found: list[bytes] = []
    cursor: Reply = b"0"
    while True:
        pattern = prefix.replace(b"[", b"\\[") + b"*"
        answer = await ask(connection, b"SCAN", cursor, b"MATCH", pattern, b"COUNT", _AT_ONCE, b"TYPE", kind)  # type: ignore[arg-type]
        assert isinstance(answer, list)  # noqa: S101  what SCAN answers
        cursor, names = answer
        found += [name for name in names if isinstance(name, bytes)]  # type: ignore[union-attr]
        if cursor == b"0":
            return found


def _left(why: str) -> StateError:
    return StateError(
        f"some answers that are kept may be left: {why}",
        fix="Erase again once that is mended; what is done is not undone by it",
        code="answers_left",
    )
