"""Workers find each other's answers in a real Valkey; one that is poisoned, silent or dead changes no answer."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.gateway.test_reuse import ASKED, answered, reusing

from forebay.gateway.limits.policy import ValkeyRef
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import GatewayWorker, wait_for


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """One of the test's own: nobody else's connections and answers are in it."""
    with ValkeyServer(tmp_path / "valkey") as running:
        yield running


def pair(folder: Path, engine: FakeEngine, port: int, password: str = "") -> tuple[GatewayWorker, GatewayWorker]:
    """Two workers of two gateways with the same keys, pepper and configuration."""
    ref = ValkeyRef(host="127.0.0.1", port=port, password=password or None)
    first, second = (reusing(GatewayWorker(folder / name, [engine.port]), shared=ref) for name in "ab")
    second.key = first.key
    second.snapshot = msgspec.structs.replace(second.snapshot, keys=first.snapshot.keys)
    return first, second


def test_one_finds_what_the_other_answered_in_either_form(
    engine: FakeEngine, valkey: ValkeyServer, tmp_path: Path
) -> None:
    first, second = pair(tmp_path, engine, valkey.port, valkey.password)
    with first, second:

        def found(asked: dict[str, Any]) -> bool:
            whole = stored(valkey, first, asked)
            before = engine.requests
            if answered(second, asked | {"stream": True})[0] == "miss":
                return False
            assert answered(second, asked) == ("hit", whole)
            assert engine.requests == before
            return True

        wait_for("a question is found by the other", each_seed(found))


def test_a_poisoned_answer_is_dropped_and_counted(engine: FakeEngine, valkey: ValkeyServer, tmp_path: Path) -> None:
    first, second = pair(tmp_path, engine, valkey.port, valkey.password)
    with first, second:

        def garbled(asked: dict[str, Any]) -> bool:
            whole = stored(valkey, first, asked)
            (name,) = kept(valkey)
            content = valkey.ask("GET", name)
            assert isinstance(content, bytes)
            valkey.ask("SET", name, content.replace(b"hello", b"liars"))
            assert answered(second, asked) == ("miss", whole)
            return second.counted("forebay_cache_garbled_total") == 1

        wait_for("a garbled answer is looked at", each_seed(garbled))


def stored(valkey: ValkeyServer, worker: GatewayWorker, asked: dict[str, Any]) -> bytes:
    """Ask what nobody has asked; returns the answer once it lies in Valkey, alone."""

    def lies_there() -> bool:
        nonlocal whole
        whole = answered(worker, asked, **{"x-forebay-cache": "refresh"})[1]
        return len(kept(valkey)) == 1

    whole = b""
    valkey.ask("FLUSHALL")
    wait_for("it is kept", lies_there)
    return whole


def each_seed(finds: Callable[[dict[str, Any]], bool]) -> Callable[[], bool]:
    """The same with another question each time: an answer that comes a moment late is not waited for, by design."""
    seeds = itertools.count()
    return lambda: finds(ASKED | {"seed": next(seeds)})


def test_a_silent_valkey_costs_a_moment_and_a_dead_one_nothing(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as own:
        first, second = pair(tmp_path, engine, own.port, own.password)
        with first, second:
            wait_for("both reach Valkey", lambda: connections(own) >= 2)
            own.ask("CLIENT", "PAUSE", "5000", "ALL")
            assert answered(first)[0] == "miss"
            own.kill()
            assert answered(second, ASKED | {"seed": 1})[0] == "miss"
            assert answered(second, ASKED | {"seed": 1})[0] == "hit"


def test_a_port_where_nobody_answers_is_no_matter(engine: FakeEngine, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        first, _second = pair(tmp_path, engine, mute.getsockname()[1])
        with first:
            assert [answered(first)[0] for _ in range(2)] == ["miss", "hit"]


def kept(valkey: ValkeyServer) -> list[bytes]:
    found = valkey.ask("KEYS", "{forebay}:answer:*")
    return [name for name in found if isinstance(name, bytes)] if isinstance(found, list) else []


def connections(valkey: ValkeyServer) -> int:
    """Connections but the one that asks."""
    found = valkey.ask("CLIENT", "LIST")
    return found.count(b"\n") - 1 if isinstance(found, bytes) else 0
