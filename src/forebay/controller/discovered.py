"""The engines that sources find, as units: followed, remembered across restarts, told in the status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from forebay.config.crosscheck.discovery import dns_server
from forebay.config.crosscheck.names import engine_names
from forebay.config.schema import Config, DiscoveredEngine
from forebay.config.secrets import resolve
from forebay.controller.journal import Journal
from forebay.controller.status import DiscoveryStatus
from forebay.core.errors import ConfigError
from forebay.core.files import write_atomically
from forebay.discovery.connection import Address, Valkey
from forebay.discovery.file import FileSource
from forebay.discovery.follower import Follower
from forebay.discovery.found import Found, Source
from forebay.discovery.kubernetes import Access, KubernetesSource
from forebay.discovery.naming import engine_name
from forebay.discovery.valkey import ValkeySource
from forebay.engines.fleet import found_spec
from forebay.engines.spec import EngineSpec


class _Remembered(msgspec.Struct, frozen=True):
    """What a source had found. `asked` names its section: another source's engines are not taken for this one's."""

    asked: str
    engines: tuple[Found, ...]


class _Pool(msgspec.Struct):
    """One entry `kind: discovered` and who follows its source."""

    name: str
    model: str
    engine: DiscoveredEngine
    asked: str
    follower: Follower
    task: asyncio.Task[None] | None = None
    built: tuple[tuple[Found, ...], tuple[EngineSpec, ...]] = ((), ())


class Discovery:
    """Every source of the configuration. A source that did not change is followed on through a reload."""

    def __init__(self, memory: Path, base: Path, journal: Journal) -> None:
        self._memory = memory
        self._base = base
        self._journal = journal
        self._pools: dict[str, _Pool] = {}
        self._remembered = _read_memory(memory)

    def retarget(self, config: Config) -> None:
        """Follow the sources of `config`; ConfigError where a secret of one is missing."""
        wanted = {pool.name: pool for pool in self._planned(config)}
        for name, pool in list(self._pools.items()):
            planned = wanted.get(name)
            if planned is not None and _same(planned, pool):
                pool.engine, pool.built = planned.engine, ((), ())
                wanted[name] = pool
            elif pool.task is not None:
                pool.task.cancel()
        self._pools = wanted

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to follow what is not followed yet."""
        for pool in self._pools.values():
            if pool.task is None:
                pool.task = group.create_task(pool.follower.run())

    def stop(self) -> None:
        for pool in self._pools.values():
            if pool.task is not None:
                pool.task.cancel()

    def specs(self) -> tuple[EngineSpec, ...]:
        """The engines of this moment; what changed is remembered."""
        found = {name: pool.follower.members() for name, pool in self._pools.items()}
        self._remember({name: _Remembered(self._pools[name].asked, each) for name, each in found.items() if each})
        return tuple(spec for name, several in found.items() for spec in self._built(self._pools[name], several))

    def status(self) -> tuple[DiscoveryStatus, ...]:
        return tuple(_status(pool) for pool in self._pools.values())

    def _built(self, pool: _Pool, members: tuple[Found, ...]) -> tuple[EngineSpec, ...]:
        if pool.built[0] != members:
            try:
                pool.built = members, tuple(_spec(pool, each, self._base) for each in members)
            except ConfigError as error:  # the key's file has gone since: those who have it keep it
                self._journal.say("error", f"{pool.name}: {error}", source=pool.name)
        return pool.built[1]

    def _planned(self, config: Config) -> Iterator[_Pool]:
        for model, entry in config.models.items():
            for engine in entry.engines:
                if isinstance(engine, DiscoveredEngine):
                    (name,) = engine_names(model, engine)
                    yield self._pool(name, model, engine)

    def _pool(self, name: str, model: str, engine: DiscoveredEngine) -> _Pool:
        asked = msgspec.json.encode([model, engine.via, getattr(engine, engine.via).model_dump()]).decode()
        before = self._remembered.get(name)
        known = before.engines if before is not None and before.asked == asked else ()

        def say(level: str, message: str) -> None:
            self._journal.say(level, f"{name}: {message}", source=name)

        source = source_of(model, engine, self._base)
        found_spec(model, engine, self._base, name, "http://127.0.0.1:1")  # refuses a key that is not there
        return _Pool(name, model, engine, asked, Follower(source, engine.settle, known, time.monotonic, say))

    def _remember(self, found: dict[str, _Remembered]) -> None:
        """A source that fails while the controller starts must not cost the fleet."""
        if found == self._remembered:
            return
        try:
            write_atomically(self._memory, msgspec.json.encode(found))
            self._remembered = found
        except OSError as error:
            self._journal.say("error", f"the discovered engines cannot be written down: {error}")


def source_of(model: str, engine: DiscoveredEngine, base: Path) -> Source:
    """The source that an entry names; ConfigError where its secret is missing."""
    return _SOURCES[engine.via](model, getattr(engine, engine.via), base)


def _file(_model: str, file: Any, base: Path) -> Source:
    return FileSource(base / Path(file.path).expanduser(), file.every)


def _dns(_model: str, dns: Any, _base: Path) -> Source:
    from forebay.discovery.dns import DnsSource  # noqa: PLC0415  120 ms that only those who use it pay

    server = dns_server(dns.resolver) if dns.resolver else None
    return DnsSource(dns.name, dns.record, dns.port, server, dns.refresh)


def _kubernetes(_model: str, cluster: Any, base: Path) -> Source:
    token = base / cluster.token if cluster.token else None
    authority = base / cluster.authority if cluster.authority else None
    return KubernetesSource(Access(cluster.server, token, authority), cluster.namespace, cluster.service, cluster.port)


def _valkey(model: str, valkey: Any, base: Path) -> Source:
    password = resolve(valkey.password, base) if valkey.password else ""
    return ValkeySource(Valkey(Address.of(valkey.url, password)), model, valkey.every)


_SOURCES: dict[str, Callable[[str, Any, Path], Source]] = {
    "file": _file,
    "dns": _dns,
    "kubernetes": _kubernetes,
    "valkey": _valkey,
}


def _same(planned: _Pool, running: _Pool) -> bool:
    return planned.asked == running.asked and planned.engine.settle == running.engine.settle


def _spec(pool: _Pool, found: Found, base: Path) -> EngineSpec:
    host = f"[{found.host}]" if ":" in found.host else found.host
    name = engine_name(pool.name, found.name)
    spec = found_spec(pool.model, pool.engine, base, name, f"http://{host}:{found.port}")
    return msgspec.structs.replace(spec, max_outstanding=found.max_outstanding or spec.max_outstanding)


def _status(pool: _Pool) -> DiscoveryStatus:
    follower = pool.follower
    age_s = None if follower.answered_s is None else time.monotonic() - follower.answered_s
    return DiscoveryStatus(
        name=pool.name,
        model=pool.model,
        via=pool.engine.via,
        engines=len(follower.members()),
        trouble=follower.trouble,
        failures=follower.failures,
        answered_at=None if age_s is None else round(time.time() - age_s, 1),
    )


def _read_memory(path: Path) -> dict[str, _Remembered]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Remembered])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):  # the first start, or damaged: the sources tell
        return {}
